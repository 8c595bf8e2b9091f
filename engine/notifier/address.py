"""Reading REDIS_URL, without redis-py: it takes a tenth of a second to import, and not everyone uses it."""

from __future__ import annotations

from urllib.parse import urlsplit

EXAMPLE = "redis://user:password@host:6379/0"


def check_redis_url(url: str) -> str:
    """Where ``url`` leads, as people may see it: without the password.

    Raises:
        ValueError: it cannot be used; the message shows nothing that may be a password.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(f"this is no URL; use {EXAMPLE}") from None
    if parts.scheme == "unix":
        if not parts.path:
            raise ValueError("needs a path, as in unix:///run/redis.sock")
        return f"unix {parts.path}"
    if parts.scheme not in ("redis", "rediss"):
        raise ValueError(f"use {EXAMPLE}, rediss:// (TLS) or unix:///path")
    try:
        port = parts.port or 6379
    except ValueError:
        raise ValueError(
            "the port is not a number from 1 to 65535; in a password, write / as %2F and @ as %40"
        ) from None
    if not parts.hostname:
        raise ValueError(f"needs a host, as in {EXAMPLE}")
    database = parts.path.strip("/")
    if database and not (database.isascii() and database.isdigit()):
        raise ValueError(f"after the port there is the number of a database, as in {EXAMPLE}")
    return f"{parts.scheme} {parts.hostname}:{port}/{database or 0}"
