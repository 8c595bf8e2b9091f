"""``SMTP_URL``, read: ``smtp://user:password@host:587/?starttls=true`` or ``smtps://user:password@host``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from engine.errors import ConfigurationError

SMTP_PORT, SUBMISSION_PORT, TLS_PORT = 25, 587, 465
_STARTTLS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail goes. ``start_tls`` None means: if the server offers it."""

    host: str
    port: int
    use_tls: bool
    start_tls: bool | None
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read ``SMTP_URL``.

        Raises:
            ConfigurationError: it cannot be used. The message never shows it, for it has a password in it.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
            options = parse_qs(parts.query, keep_blank_values=True)
            given = options.pop("starttls", [None])[-1]
            start_tls = None if given is None else _STARTTLS[given.lower()]
        except (ValueError, KeyError):
            raise _unusable("its port must be a number and starttls true or false") from None
        if parts.scheme not in ("smtp", "smtps") or not host:
            raise _unusable("it must start with smtp:// or smtps:// and name a host")
        if options or parts.path not in ("", "/") or parts.fragment:
            raise _unusable("behind the host there may be ?starttls=true or false alone; percent-encode the password")
        use_tls = parts.scheme == "smtps"
        if use_tls and start_tls:
            raise _unusable("smtps:// is encrypted from the start; leave starttls away or use smtp://")
        usual_port = TLS_PORT if use_tls else SUBMISSION_PORT if start_tls else SMTP_PORT
        user = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        return cls(host, port or usual_port, use_tls, False if use_tls else start_tls, user, password)

    @property
    def default_sender(self) -> str | None:
        """The user, if it is an address."""
        return self.user if self.user is not None and "@" in self.user else None


def _unusable(reason: str) -> ConfigurationError:
    return ConfigurationError(f"SMTP_URL: {reason}, as in smtp://user:password@host:587/?starttls=true")
