"""How often and how many at once: the limits that a task declares, as the store enforces them over all machines."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.errors import ConfigurationError

MAX_CONCURRENCY = 1_000_000
MAX_RATE = 1_000_000
UNITS = {
    **dict.fromkeys(("s", "sec", "second"), 1.0),
    **dict.fromkeys(("m", "min", "minute"), 60.0),
    **dict.fromkeys(("h", "hour"), 3600.0),
    **dict.fromkeys(("d", "day"), 86_400.0),
}
"""Seconds of a rate's period, by its name."""
_RATE = re.compile(r"\s*(\d{1,9})\s*/\s*([a-z]+)\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class StartRate:
    """At most ``count`` starts in ``seconds``, spread evenly.

    It is a token bucket: a token comes every ``seconds / count``, and the tokens of one second, or one token, can be
    saved. So a task that was idle starts a second's worth at once, and no ``seconds`` see more than ``count + burst``.
    """

    count: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> StartRate:
        """The rate that ``text`` means: a number, a slash and a unit, as in ``60/min``.

        Raises:
            ConfigurationError: it has another form, or the number is not from 1 to 1,000,000.
        """
        found = _RATE.fullmatch(text)
        count = int(found[1]) if found else 0
        if not found or found[2] not in UNITS or not 1 <= count <= MAX_RATE:
            raise ConfigurationError(
                f"the rate limit {text!r} is not a number from 1 to {MAX_RATE:,} and a unit, as in 10/s, 60/min, "
                "1000/hour or 5000/day"
            )
        return cls(count, UNITS[found[2]])

    @property
    def interval(self) -> float:
        """Seconds between two tokens."""
        return self.seconds / self.count

    @property
    def burst(self) -> int:
        """How many tokens can be saved."""
        return max(1, int(self.count / self.seconds))


def check_limits(
    task_name: str, *, max_concurrency: int | None, max_concurrency_per_key: int | None, rate_limit: str | None
) -> None:
    """Refuse limits that cannot be kept.

    Raises:
        ConfigurationError: one of them is out of range, or is no rate.
    """
    for name, value in (("max_concurrency", max_concurrency), ("max_concurrency_per_key", max_concurrency_per_key)):
        if value is not None and not 1 <= value <= MAX_CONCURRENCY:
            raise ConfigurationError(
                f"task {task_name!r}: {name} is {value}; it must be 1 to {MAX_CONCURRENCY:,}, or left out for no limit"
            )
    if rate_limit is not None:
        try:
            StartRate.parse(rate_limit)
        except ConfigurationError as error:
            raise ConfigurationError(f"task {task_name!r}: {error}") from None
