"""A claim that goes along with new jobs, into their transaction.

A worker with nothing to do would learn of a job by its commit, and claim it in a second transaction. Its process knows
before: so the worker's claim is put right behind what is being created or run, in the same batch, and one COMMIT makes
the job, tells that it is QUEUED, and that it is RUNNING here.

Failure handling: the claim fails and is tried again with its batch, like any operation. The worker's own loop claims
nothing while an offer is out, and is woken when it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from engine.records import ClaimedJob

Taken = Callable[[Sequence[ClaimedJob], Exception | None], None]


class Offer:
    """Where the answer to such a claim goes: ``taken`` is told at once what was claimed, or why nothing was."""

    __slots__ = ("_settled", "_taken")

    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self._settled = asyncio.Event()

    def done(self) -> bool:
        return self._settled.is_set()

    def cancelled(self) -> bool:
        return False

    def set_result(self, jobs: Sequence[ClaimedJob], /) -> None:
        self._settled.set()
        self._taken(jobs, None)

    def set_exception(self, error: Exception, /) -> None:
        self._settled.set()
        self._taken((), error)

    async def wait(self) -> None:
        """Until it is answered."""
        await self._settled.wait()
