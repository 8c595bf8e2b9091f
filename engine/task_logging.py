"""Python's ``logging`` inside tasks: what is logged in the context of an attempt lands in its job's log.

The executor says which attempt that is. Contexts are copied into asyncio's tasks and threads (``asyncio.to_thread``),
not into a ``threading.Thread`` of a task's own. Refused: lines below INFO, of which libraries write many
(``ctx.log(..., level="debug")`` is there for those), and the server's own.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar

from engine.registry import TaskContext

OWN = "signalbox"

running: ContextVar[TaskContext | None] = ContextVar("running", default=None)
"""The attempt that this code is part of."""


class TaskLogHandler(logging.Handler):
    """A handler for the root logger; outside attempts it does nothing."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        context = running.get()
        if context is None or record.name == OWN or record.name.startswith(f"{OWN}."):
            return
        try:
            context.log(self.format(record), level=_word(record.levelno))
        except Exception:  # noqa: BLE001 - a line that cannot be formatted is logging's to report, as everywhere
            self.handleError(record)


HANDLER = TaskLogHandler()
"""The one of this process: two would write every line twice."""


def _word(level: int) -> str:
    if level >= logging.CRITICAL:
        return "critical"
    if level >= logging.ERROR:
        return "error"
    return "warning" if level >= logging.WARNING else "info"
