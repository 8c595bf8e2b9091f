"""Every error that the engine raises on purpose, and the code clients see for it.

SignalboxError
├── InvalidInput        BAD_USER_INPUT   what was given cannot be used; ``field`` names it
├── NotFound            NOT_FOUND        no such object
├── Conflict            CONFLICT         an idempotency key or a unique name is taken
├── InvalidState        INVALID_STATE    the job's status does not allow this; ``status`` names it
├── Unavailable         UNAVAILABLE      the database cannot be reached now; nothing was changed
├── CursorExpired       CURSOR_EXPIRED   the event log no longer reaches back so far
└── SlowConsumer        SLOW_CONSUMER    a subscriber did not keep up; ``cursor`` is the last event it was given
ConfigurationError                       a setting, a module or a database that the process cannot start with

Anything else that escapes is a defect: the edge masks it and logs it with a request id.
"""

from __future__ import annotations

from typing import ClassVar


class SignalboxError(Exception):
    """Something went wrong that the caller can act on."""

    code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])

    @property
    def extensions(self) -> dict[str, object]:
        """What a GraphQL error carries beside its message."""
        return {"code": self.code}


class InvalidInput(SignalboxError):
    """The input cannot be used."""

    code = "BAD_USER_INPUT"

    def __init__(self, message: str | None = None, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field

    @property
    def extensions(self) -> dict[str, object]:
        return {"code": self.code, "field": self.field} if self.field else {"code": self.code}


class NotFound(SignalboxError):
    """There is no such object."""

    code = "NOT_FOUND"


class Conflict(SignalboxError):
    """Another object already has this key."""

    code = "CONFLICT"


class InvalidState(SignalboxError):
    """The job's status does not allow this."""

    code = "INVALID_STATE"

    def __init__(self, message: str | None = None, *, status: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def extensions(self) -> dict[str, object]:
        return {"code": self.code, "status": self.status}


class Unavailable(SignalboxError):
    """The database cannot be reached at the moment; nothing was changed. Try again shortly."""

    code = "UNAVAILABLE"


class CursorExpired(SignalboxError):
    """The event log no longer reaches back to this cursor; read the jobs afresh and subscribe without it."""

    code = "CURSOR_EXPIRED"


class SlowConsumer(SignalboxError):
    """This subscriber did not keep up; subscribe again with the cursor as `after`."""

    code = "SLOW_CONSUMER"

    def __init__(self, message: str | None = None, *, cursor: str | None = None) -> None:
        super().__init__(message)
        self.cursor = cursor

    @property
    def extensions(self) -> dict[str, object]:
        return {"code": self.code, "cursor": self.cursor}


class ConfigurationError(Exception):
    """A setting, a module or a database that the process cannot start with."""
