"""What a person at a terminal reads when the server is ready: where to look, and what to paste first."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from typing import Literal

EXAMPLE = (
    '{"query":"mutation { createJob(input: {taskName: \\"Send Test Email\\", payload: {email: \\"example@test.com\\"}, '
    'priority: HIGH, run: true}) { job { id status } } }"}'
)


@dataclass(frozen=True, slots=True)
class Banner:
    """
    Attributes:
        url: where the server is, without a slash at its end.
        slots: of the embedded worker; 0 when there is none.
        keys: how many API keys there are; 0 when the API is open.
        is_loopback: whether only this machine can reach it.
    """

    version: str
    seconds: float
    url: str
    database: str
    slots: int
    tasks: int
    keys: int
    is_loopback: bool

    def __str__(self) -> str:
        worker = f"{_count(self.slots, 'slot')}, {_count(self.tasks, 'task')}" if self.slots else "none here"
        reach = "loopback only" if self.is_loopback else "anyone who reaches it may run jobs"
        header = " -H 'authorization: Bearer KEY'" if self.keys else ""
        endpoint = f"{self.url}/graphql"
        return "\n".join(
            [
                f"Signalbox {self.version} ready in {self.seconds:.1f} s",
                f"  Dashboard  {self.url}/",
                f"  GraphiQL   {endpoint}",
                f"  Database   {self.database}",
                f"  Worker     {worker}",
                f"  Auth       {_count(self.keys, 'key') if self.keys else f'off ({reach})'}",
                f"Try:  curl -s {endpoint} -H 'content-type: application/json'{header} -d {shlex.quote(EXAMPLE)}",
            ]
        )


def is_wanted(log_format: Literal["auto", "console", "json"]) -> bool:
    """Whether a person reads along: machines get the one line of the log."""
    return log_format != "json" and sys.stderr.isatty()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
