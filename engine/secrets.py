"""Secrets of webhook endpoints: how they are made, read, and kept.

They are kept encrypted with Fernet (cryptography), under the keys of SIGNALBOX_SECRET_KEY: the first encrypts, all
decrypt, so that a key can be replaced without a gap. Without the setting, SQLite has a key file beside its database,
made when the first endpoint is; a server of MySQL refuses endpoints, for its other servers could not read that file.
Nothing here puts a secret or a key into a message or a log.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from engine.errors import ConfigurationError, InvalidInput

SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix of every secret
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
NEW_SECRET_BYTES = 32
KEY_SETTING = "SIGNALBOX_SECRET_KEY"
MAKE_A_KEY = (
    'python -c "import base64,secrets; print(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())" makes one'
)


class SecretUnreadable(Exception):
    """None of this server's keys decrypts it."""


def new_secret() -> str:
    """A secret for an endpoint, as its owner gets it."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(NEW_SECRET_BYTES)).decode()


def decode_secret(secret: str) -> bytes:
    """The key behind ``whsec_...``.

    Raises:
        ConfigurationError: it is not base64 of 24 to 64 bytes behind that prefix. The message never shows it.
    """
    try:
        if not secret.startswith(SECRET_PREFIX):
            raise ValueError
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
        if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
            raise ValueError
    except (ValueError, binascii.Error):
        raise ConfigurationError(
            "WEBHOOK_SECRET: it must be whsec_ and the base64 of 24 to 64 random bytes; "
            "python -c \"import base64,secrets; print('whsec_'+base64.b64encode(secrets.token_bytes(32)).decode())\" "
            "makes one"
        ) from None
    return key


class SecretBox:
    """Encrypts and decrypts secrets.

    Args:
        keys: what SIGNALBOX_SECRET_KEY says: keys with commas between them.
        key_file: where a key is kept when there is no setting; None when there is no such place.

    Raises:
        ConfigurationError: a key is malformed. The message tells which by its place.
    """

    def __init__(self, keys: str | None, key_file: Path | None = None) -> None:
        self._key_file = key_file
        self._fernets = [] if keys is None else _fernets(keys, KEY_SETTING)

    def __repr__(self) -> str:
        return f"SecretBox({len(self._fernets)} keys)"

    def encrypt(self, secret: str) -> str:
        """``secret`` as it is kept.

        Raises:
            InvalidInput: there is no key to encrypt it with.
        """
        return MultiFernet(self._usable(_make_key_file)).encrypt(secret.encode()).decode()

    def decrypt(self, kept: str) -> str:
        """The secret that was encrypted.

        Raises:
            SecretUnreadable: its key is not among this server's.
        """
        try:
            return MultiFernet(self._usable(_read_key_file)).decrypt(kept.encode()).decode()
        except (InvalidToken, InvalidInput):
            raise SecretUnreadable from None

    def is_under_first_key(self, kept: str) -> bool:
        """Whether the key that encrypts now also encrypted ``kept``."""
        try:
            self._usable(_read_key_file)[0].decrypt(kept.encode())
        except (InvalidToken, InvalidInput):
            return False
        return True

    def _usable(self, key_of: Callable[[Path], str | None]) -> list[Fernet]:
        if not self._fernets and self._key_file is not None:
            try:
                text = key_of(self._key_file)
            except OSError as error:
                raise InvalidInput(
                    f"Secrets of endpoints are encrypted, and the key file {self._key_file.name} beside the database "
                    f"cannot be used ({error.strerror}); make it readable, or set {KEY_SETTING}: {MAKE_A_KEY}."
                ) from None
            if text is not None:
                try:
                    self._fernets = _fernets(text, f"the key file {self._key_file.name}")
                except ConfigurationError as error:
                    raise InvalidInput(str(error)) from None
        if not self._fernets:
            raise InvalidInput(
                f"Secrets of endpoints are encrypted, and this server has no key for that: set {KEY_SETTING} to the "
                f"same value on every server and worker; {MAKE_A_KEY}."
            )
        return self._fernets


def _fernets(text: str, source: str) -> list[Fernet]:
    found = []
    for place, key in enumerate(text.split(","), start=1):
        try:
            found.append(Fernet(key.strip()))
        except (ValueError, binascii.Error):
            raise ConfigurationError(
                f"{source}: key {place} is not the url-safe base64 of 32 random bytes; {MAKE_A_KEY}"
            ) from None
    return found


def _read_key_file(path: Path) -> str | None:
    """What the key file holds; None when there is none."""
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        return ""  # no key: refused as such


def _make_key_file(path: Path) -> str | None:
    """The key in the file, which is made, readable by its owner alone, if there is none. Of two makers one wins."""
    if (known := _read_key_file(path)) is not None:
        return known
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mode 600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(Fernet.generate_key().decode() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(name)
    finally:
        Path(name).unlink()
    return _read_key_file(path)
