"""What operators may ask of tasks."""

from __future__ import annotations

from engine.records import TaskRecord
from engine.store.store import Store


class Tasks:
    """Pause and resume tasks, on all servers of the database at once."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def pause(self, name: str) -> TaskRecord:
        """Claim no job of this task until it is resumed. What runs goes on.

        Raises:
            NotFound, Unavailable
        """
        return await self._store.pause_task(name, paused=True)

    async def resume(self, name: str) -> TaskRecord:
        """Claim its jobs again, those that wait first.

        Raises:
            NotFound, Unavailable
        """
        return await self._store.pause_task(name, paused=False)
