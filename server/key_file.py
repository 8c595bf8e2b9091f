"""The file of API keys, read again when it changes, so that a key can be revoked without a restart.

Failure handling: a file that cannot be read or used changes nothing: the keys before stay valid, one log line says so,
and so does ``/readyz`` until it is well again. A change counts once it was found twice in a row, for editors write
files in pieces.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog

from engine.clock import Clock
from engine.errors import ConfigurationError
from engine.service import Service
from engine.threads import DaemonThreads
from server.keys import ApiKey, Keys, check_distinct, parse_lines

log = structlog.get_logger("signalbox.keys")

LONGEST_BYTES = 1_000_000


class KeyFile(Service):
    """Keeps ``keys`` in step with the file at ``path``.

    Args:
        others: the keys of the setting, which are valid whatever the file says.
    """

    name = "keys"
    interval_seconds = 0.5
    is_vital = False  # the old keys still open

    def __init__(self, path: Path, others: Sequence[ApiKey], keys: Keys, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self._path = path
        self._others = others
        self._keys = keys
        self._threads = DaemonThreads("keys")  # the default pool may be full of what tasks do
        self._listeners: list[Callable[[], Awaitable[None]]] = []
        self._seen = self._applied = b""
        self._reported: str | None = None

    def listen(self, listener: Callable[[], Awaitable[None]]) -> None:
        """Call ``listener`` whenever the keys have changed."""
        self._listeners.append(listener)

    def load(self) -> None:
        """Read the file for the first time.

        Raises:
            ConfigurationError: it cannot be used.
        """
        content = self._read()
        self._keys.replace(self._parse(content))
        self._seen = self._applied = _digest(content)

    async def run_once(self) -> float | None:
        content = await asyncio.get_running_loop().run_in_executor(self._threads, self._read)
        digest = _digest(content)
        is_settled, self._seen = digest == self._seen, digest
        if digest == self._applied:
            self._reported = None
            return None
        if not is_settled:
            return None
        self._keys.replace(self._parse(content))
        self._applied = digest
        self._reported = None
        log.info("keys.changed", keys=len(self._keys))
        await asyncio.gather(*(listener() for listener in self._listeners))
        return None

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                content = file.read(LONGEST_BYTES + 1)
        except OSError as error:
            raise ConfigurationError(f"SIGNALBOX_API_KEYS_FILE: {self._path}: {error.strerror}") from None
        if len(content) > LONGEST_BYTES:
            raise ConfigurationError(f"SIGNALBOX_API_KEYS_FILE: {self._path} has more than {LONGEST_BYTES} bytes")
        return content

    def _parse(self, content: bytes) -> tuple[ApiKey, ...]:
        try:
            found = (*self._others, *parse_lines(content.decode("utf-8-sig")))
            check_distinct(found)
        except UnicodeDecodeError:
            raise ConfigurationError(f"SIGNALBOX_API_KEYS_FILE: {self._path} is not UTF-8") from None
        except ValueError as error:
            raise ConfigurationError(f"SIGNALBOX_API_KEYS_FILE: {self._path}: {error}") from None
        return found

    def _report(self, error: Exception, failures_in_a_row: int) -> None:
        if not isinstance(error, ConfigurationError):
            super()._report(error, failures_in_a_row)
        elif str(error) != self._reported:
            self._reported = str(error)
            log.error("keys.unusable", error=str(error), keys=len(self._keys))


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
