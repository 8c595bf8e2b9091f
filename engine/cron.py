"""A cron rule in a time zone: when it fires.

Days on which clocks change are treated as Debian's cron does (cron(8)). A rule of fixed hours and minutes fires once
for each time it names: at the end of the gap when that time does not exist, and the first time when it comes twice. A
rule whose minutes or hours begin with ``*``, or name every hour, goes by what clocks show: at real intervals.

cronsim reads the fields and walks plain wall-clock times; which instants those are is decided here, for its own way
across a change misses times in zones that do not change by whole hours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from engine.errors import InvalidInput

MAX_CRON_LENGTH = 255
MAX_ZONE_LENGTH = 64
SHORTHANDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
FIELDS = "minute hour day-of-month month day-of-week"
NOT_ZONES = frozenset({"localtime", "posixrules"})
"""Names under which each machine has another zone."""
LONGEST_REPEAT = timedelta(hours=3)
"""No zone sets its clocks back by more."""
SOME_MOMENT = datetime(2026, 1, 1)  # noqa: DTZ001 - wall-clock time


class CronRule:
    """When a schedule fires. Made by ``cron_rule``, which keeps those in use."""

    __slots__ = ("_fields", "_is_fixed", "_zone")

    def __init__(self, fields: str, zone: ZoneInfo, *, is_fixed: bool) -> None:
        self._fields = fields
        self._zone = zone
        self._is_fixed = is_fixed

    def after(self, moment: datetime) -> datetime | None:
        """The first firing after ``moment``, in UTC; None when there is none in the next fifty years."""
        start = moment.astimezone(self._zone).replace(tzinfo=None)
        start -= self._repeated(moment)
        best: datetime | None = None
        for wall in CronSim(self._fields, start):
            instants = self._instants(wall)
            for instant in instants:
                if instant > moment and (best is None or instant < best):
                    best = instant
            if instants and instants[0] > moment:
                return best
        return best

    def latest(self, first: datetime, until: datetime, at_most: int) -> list[datetime]:
        """The last ``at_most`` firings from ``first`` to ``until``, both included, oldest first.

        It looks back over ever longer spans, so that a year of minutes costs no more than ``at_most`` of them.
        """
        span = timedelta(minutes=at_most)
        while first <= until:
            start = max(first, until - span)
            found = deque(self._between(start, until), at_most)
            if len(found) == at_most or start == first:
                return list(found)
            span *= 2
        return []

    def _between(self, start: datetime, until: datetime) -> Iterator[datetime]:
        moment = self.after(start - timedelta(microseconds=1))
        while moment is not None and moment <= until:
            yield moment
            moment = self.after(moment)

    def _repeated(self, moment: datetime) -> timedelta:
        """How much of the time before ``moment`` clocks show again after it, at most."""
        change = self._change(moment, LONGEST_REPEAT)
        return max(change, timedelta()) if self._change(moment, change) else timedelta()

    def _change(self, moment: datetime, around: timedelta) -> timedelta:
        """By how much clocks are set back within ``around`` of ``moment``."""
        before, after = (each.astimezone(self._zone).utcoffset() for each in (moment - around, moment + around))
        return (before or timedelta()) - (after or timedelta())

    def _instants(self, wall: datetime) -> list[datetime]:
        """When the rule fires for the time ``wall``, which clocks may show once, twice, or never."""
        found: list[datetime] = []
        for fold in (0, 1):
            instant = wall.replace(tzinfo=self._zone, fold=fold).astimezone(UTC)
            if instant not in found and instant.astimezone(self._zone).replace(tzinfo=None) == wall:
                found.append(instant)
        if not self._is_fixed:
            return found
        return found[:1] or self._instants(wall + timedelta(minutes=1))


@lru_cache(maxsize=1024)
def cron_rule(cron: str, timezone: str) -> CronRule:
    """The rule that ``cron`` (five fields, or @hourly and the like) means in the IANA zone ``timezone``.

    Raises:
        InvalidInput: one of them cannot be read, or the rule never fires.
    """
    zone = _zone(timezone)
    text = SHORTHANDS.get(cron.strip().lower(), cron)
    if len(cron) > MAX_CRON_LENGTH or not cron.isascii() or not cron.isprintable():
        raise InvalidInput(f"cron: it must be at most {MAX_CRON_LENGTH} printable ASCII characters.", field="cron")
    if text.strip().startswith("@"):
        raise _refused(cron, f"the shorthands are {', '.join(SHORTHANDS)}")
    fields = text.split()
    if len(fields) != 5:
        raise _refused(cron, f"it has {len(fields)} fields; give five ({FIELDS}), or @hourly and the like")
    try:
        walk = CronSim(text, SOME_MOMENT)
        next(walk)
    except CronSimError as error:
        raise _refused(cron, f"{str(error)[:1].lower()}{str(error)[1:]}; the fields are {FIELDS}") from None
    except StopIteration:
        raise _refused(cron, "it never fires; name a day that its months have") from None
    is_fixed = not (fields[0].startswith("*") or fields[1].startswith("*") or len(walk.hours) == 24)
    return CronRule(text, zone, is_fixed=is_fixed)


def _zone(name: str) -> ZoneInfo:
    if len(name) <= MAX_ZONE_LENGTH and name not in NOT_ZONES:
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # an unknown name, one that is no path, a folder
            pass
    shown = name[:MAX_ZONE_LENGTH].encode(errors="replace").decode()
    raise InvalidInput(
        f"timezone: {shown!r} is not a time zone; give an IANA name such as Europe/Berlin, or UTC.", field="timezone"
    )


def _refused(cron: str, why: str) -> InvalidInput:
    return InvalidInput(f"cron: {cron!r}: {why}.", field="cron")
