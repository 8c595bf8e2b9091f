"""How Tortoise is connected: from a DATABASE_URL to its configuration, on SQLite, MariaDB and MySQL.

Nothing else reads the URL. Errors name what is wrong with it and never print its password.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

Dialect = Literal["sqlite", "mysql"]

STATEMENT_SLOTS = 10
"""Connections that statements may use at once, by process, on MySQL."""


@dataclass(frozen=True, slots=True)
class DatabaseURL:
    """Where the jobs are kept; ``parse`` is the way to make one."""

    dialect: Dialect
    database: str
    host: str = ""
    port: int = 3306
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> DatabaseURL:
        """Read ``sqlite://PATH`` or ``mysql://user:password@host:3306/name``.

        Raises:
            ValueError: the URL is of another kind, or a part is missing.
        """
        scheme, separator, rest = url.partition("://")
        if separator and scheme == "sqlite":
            path = rest.partition("?")[0]
            if not path or path == ":memory:":
                raise ValueError("DATABASE_URL: SQLite needs a file, as in sqlite://signalbox.db")
            return cls("sqlite", path)
        if separator and scheme in ("mysql", "mariadb"):
            parts = urlsplit(url)
            name = parts.path.strip("/")
            try:
                port = parts.port or 3306
            except ValueError:
                raise ValueError("DATABASE_URL: the port is not a number from 1 to 65535") from None
            if not parts.hostname or not name:
                raise ValueError("DATABASE_URL: needs a host and a name, as in mysql://user:password@host:3306/name")
            return cls(
                "mysql", name, parts.hostname, port, unquote(parts.username or ""), unquote(parts.password or "")
            )
        given = f"{scheme!r} is not known" if separator else "there is no ://"  # what there is may be a password
        raise ValueError(f"DATABASE_URL: {given}; use sqlite://FILE or mysql://user:password@host:3306/name")

    @property
    def display(self) -> str:
        """The URL as people may see it: without the password."""
        if self.dialect == "sqlite":
            return f"sqlite {self.database}"
        return f"mysql {self.user}@{self.host}:{self.port}/{self.database}"


def tortoise_config(url: DatabaseURL, *, synchronous: str = "NORMAL") -> dict[str, Any]:
    """Tortoise's configuration: ``default`` writes, ``reader`` reads beside it (the same pool on MySQL)."""
    if url.dialect == "sqlite":
        credentials: dict[str, Any] = {
            "file_path": url.database,
            "journal_mode": "WAL",
            "journal_size_limit": 67_108_864,
            "synchronous": synchronous,
            "busy_timeout": 10_000,
            "cache_size": -65_536,
            # A checkpoint rewrites every page that changed, and the indexes change all over: 32 MB between them, not 4.
            "wal_autocheckpoint": 8_000,
            "foreign_keys": "OFF",
        }
        connection = {"engine": "models.backends.sqlite", "credentials": credentials}
        connections = {"default": connection, "reader": connection}
    else:
        connections = {
            "default": {
                "engine": "models.backends.mysql",
                "credentials": {
                    "host": url.host,
                    "port": url.port,
                    "user": url.user,
                    "password": url.password,
                    "database": url.database,
                    "minsize": 1,
                    "maxsize": STATEMENT_SLOTS + 1,
                    "connect_timeout": 5,
                },
            }
        }
    return {
        "connections": connections,
        "apps": {
            "signalbox": {"models": ["models"], "default_connection": "default", "migrations": "models.migrations"}
        },
        "use_tz": True,
        "timezone": "UTC",
    }
