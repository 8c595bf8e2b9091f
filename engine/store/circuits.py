"""Circuit breakers of webhook receivers, shared by all processes: a row for each receiver that has been failing.

Ten failures in a row open it: what falls due then is not sent. Now and then one delivery is sent as a probe, at growing
intervals. A success closes it; the row stays, with the time of that as its ``open_until``, until what waited has been
brought forward.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from engine.store.database import Database, from_text
from engine.store.unit import Unit, id_list

FAILURES_TO_OPEN = 10
FIRST_PROBE_SECONDS = 5.0
LONGEST_PROBE_SECONDS = 900.0


def lane_of(endpoint_id: int | None, url: str) -> int:
    """What a receiver's deliveries are counted under: its endpoint's id, or a negative number for a host and port."""
    if endpoint_id is not None:
        return endpoint_id
    authority = urlsplit(url).netloc.lower()
    return -1 - int.from_bytes(hashlib.sha256(authority.encode()).digest()[:7])


def probe_seconds(probes: int) -> float:
    """How long a circuit stays open after this many probes: 5 s, 10 s, 20 s, ... 15 min."""
    return float(min(FIRST_PROBE_SECONDS * 2 ** min(probes, 20), LONGEST_PROBE_SECONDS))


@dataclass(frozen=True, slots=True)
class Circuit:
    """How a receiver that has failed has been doing; ``open_until`` None: it was never open."""

    failures_in_a_row: int
    failing_since: datetime
    open_until: datetime | None

    @property
    def is_failing(self) -> bool:
        """Whether it lets nothing but probes through."""
        return self.failures_in_a_row >= FAILURES_TO_OPEN

    def is_open(self, now: datetime) -> bool:
        return self.open_until is not None and self.open_until > now

    def failing_seconds(self, now: datetime) -> float:
        return (now - self.failing_since).total_seconds() if self.failures_in_a_row else 0.0


class CircuitWrites:
    """Reads and writes circuits within the delivery loop's transactions."""

    def __init__(self, database: Database) -> None:
        self._by_id = f"webhook_circuit{database.by_index('PRIMARY')}"

    async def of(self, unit: Unit, hosts: Collection[int]) -> dict[int, Circuit]:
        """The circuits of all endpoints, and of those among ``hosts``."""
        of_hosts = f" OR endpoint_id IN ({id_list(hosts)})" if hosts else ""
        rows = await unit.transaction.fetch(
            f"SELECT endpoint_id, failures_in_a_row, failing_since, open_until FROM {self._by_id} "
            f"WHERE endpoint_id >= 0{of_hosts}"
        )
        return {
            lane: Circuit(count, from_text(str(since)), None if until is None else from_text(str(until)))
            for lane, count, since, until in rows
        }

    async def begin_probe(self, unit: Unit, lane: int, lease_seconds: float) -> bool:
        """Whether this process is the one to probe. Its lease keeps others from it, even if it dies."""
        changed = await unit.transaction.execute(
            f"UPDATE {self._by_id} SET probes=probes+1, open_until='{unit.later(lease_seconds)}', "
            f"updated_at='{unit.now_text}' WHERE endpoint_id={lane} AND open_until <= '{unit.now_text}' "
            f"AND failures_in_a_row >= {FAILURES_TO_OPEN}"
        )
        return changed > 0

    async def note(self, unit: Unit, succeeded: Collection[int], failures: Mapping[int, int]) -> dict[int, str]:
        """Count what tries came to. A success closes, whatever failed beside it.

        Returns:
            Of those that succeeded, the ones whose circuit was open: when it closed.
        """
        transaction = unit.transaction
        lanes = {*succeeded, *failures}
        if not lanes:
            return {}
        rows = await transaction.fetch(
            f"SELECT endpoint_id, failures_in_a_row, open_until, probes FROM {self._by_id} "
            f"WHERE endpoint_id IN ({id_list(lanes)}) ORDER BY endpoint_id{transaction.for_update}"
        )
        known = {row[0]: row[1:] for row in rows}
        recovering: dict[int, str] = {}
        never_open: list[int] = []
        for lane in sorted(known.keys() & set(succeeded)):
            count, until, _probes = known[lane]
            if until is None:
                never_open.append(lane)
                continue
            recovering[lane] = unit.now_text if count >= FAILURES_TO_OPEN else str(until)
            if count:
                await transaction.execute(
                    "UPDATE webhook_circuit SET failures_in_a_row=0, probes=0, open_until=%s, "
                    f"updated_at='{unit.now_text}' WHERE endpoint_id={lane}",
                    (recovering[lane],),
                )
        await self.forget(unit, never_open)
        for lane in sorted(failures.keys() - set(succeeded)):
            before, until, probes = known.get(lane, (0, None, 0))
            count = before + failures[lane]
            if count >= FAILURES_TO_OPEN:
                until = unit.later(probe_seconds(probes))
            if lane in known:
                began = "" if before else f"failing_since='{unit.now_text}', "
                await transaction.execute(
                    f"UPDATE webhook_circuit SET {began}failures_in_a_row={count}, open_until=%s, "
                    f"updated_at='{unit.now_text}' WHERE endpoint_id={lane}",
                    (None if until is None else str(until),),
                )
            else:
                await transaction.insert(
                    "webhook_circuit",
                    ("endpoint_id", "failures_in_a_row", "failing_since", "open_until", "probes", "updated_at"),
                    [(lane, count, unit.now_text, until, 0, unit.now_text)],
                )
        return recovering

    async def forget(self, unit: Unit, lanes: Collection[int]) -> None:
        """Nothing is left to be remembered of these receivers: they are well."""
        if lanes:
            await unit.transaction.execute(f"DELETE FROM webhook_circuit WHERE endpoint_id IN ({id_list(lanes)})")
