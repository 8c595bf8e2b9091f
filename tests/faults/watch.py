"""Looks at the database while a run goes on, with a connection of its own: is anything RUNNING that nobody holds?"""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import datetime, timedelta
from typing import Any

import pymysql
from checker import OVERDUE_SECONDS, overdue
from history import fetch, moment_of

from models.connection import DatabaseURL

LOOK_SECONDS = 0.25
EXCUSE_SECONDS = 15.0
"""After an outage rescuers let 10 s pass and come round every 2 s, when the workers have found their way back."""
LONGEST_IN_HAND_SECONDS = 30.0

NOW = {"mysql": "SELECT UTC_TIMESTAMP(6)", "sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')"}
"""SQLite has no clock of its own: it is the machine's, as for every process."""
ERRORS = (pymysql.err.MySQLError, sqlite3.Error, OSError)


def connect(url: str) -> Any:
    """A connection on which each statement is its own transaction."""
    parsed = DatabaseURL.parse(url)
    if parsed.dialect == "sqlite":
        return sqlite3.connect(parsed.database, timeout=5, isolation_level=None, check_same_thread=False)
    return pymysql.connect(
        host=parsed.host,
        port=parsed.port,
        user=parsed.user,
        password=parsed.password,
        database=parsed.database,
        autocommit=True,
        connect_timeout=5,
        init_command="SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    )


class Watch:
    """Collects what breaks I5, until it is closed; nothing is held against a time in which nobody could act."""

    def __init__(self, url: str) -> None:
        self.violations: dict[int, str] = {}
        self.statements_are_slow = False
        self._at_large: dict[int, datetime] = {}
        self.looks = 0
        self._url = url
        self._now = NOW[DatabaseURL.parse(url).dialect]
        self._connection: Any = None
        self._is_excused_now = False
        self._excused_until: datetime | None = None

    def excuse(self) -> None:
        """Nobody could reach the database, or its rows, until now."""
        self._is_excused_now = True

    def _overdue(self, now: datetime) -> dict[int, str]:
        """Where each statement may take seconds, a job is seen to whose row a transaction has locked: it is about to be
        renewed, ended or rescued. But not for ever; and when the transaction is gone, somebody must come as soon as
        after the lease."""
        if not self.statements_are_slow:
            self._at_large.clear()
            return overdue(self._connection, now, self._excused_until)
        found = overdue(self._connection, now, self._excused_until, 0.0)
        ids = ",".join(map(str, found)) or "NULL"
        sql = f"SELECT id FROM jobs FORCE INDEX (PRIMARY) WHERE id IN ({ids}) LOCK IN SHARE MODE SKIP LOCKED"
        self._at_large = {job_id: self._at_large.get(job_id, now) for (job_id,) in fetch(self._connection, sql)}
        too_late = now - timedelta(seconds=OVERDUE_SECONDS)
        nobodys = {job_id: found[job_id] for job_id, since in self._at_large.items() if since < too_late}
        return nobodys | overdue(self._connection, now, self._excused_until, LONGEST_IN_HAND_SECONDS)

    def look(self) -> int | None:
        """Look once; how many jobs are not at rest, None when the database is away."""
        try:
            if self._connection is None:
                self._connection = connect(self._url)
            [(value,)] = fetch(self._connection, self._now)
            now = moment_of(value)
            assert now is not None
            if self._is_excused_now:
                self._is_excused_now, self._excused_until = False, now + timedelta(seconds=EXCUSE_SECONDS)
            for job_id, each in self._overdue(now).items():
                self.violations.setdefault(job_id, each)
            sql = "SELECT COUNT(*) FROM jobs WHERE status IN ('SCHEDULED', 'QUEUED', 'PARKED', 'RUNNING')"
            [(count,)] = fetch(self._connection, sql)
        except ERRORS:
            self.close()
            self.excuse()
            return None
        self.looks += 1
        return int(count)

    async def until_at_rest(self, has_ended: asyncio.Event, timeout_seconds: float) -> bool:
        """Look again and again until ``has_ended`` is set and every job that was run is terminal.

        Returns:
            Whether that came within ``timeout_seconds`` after ``has_ended``.
        """
        loop = asyncio.get_running_loop()
        deadline: float | None = None
        while True:
            was_over = has_ended.is_set()
            count = await asyncio.to_thread(self.look)
            if was_over and count == 0:
                return True
            if was_over:
                deadline = deadline or loop.time() + timeout_seconds
                if loop.time() > deadline:
                    return False
            await asyncio.sleep(LOOK_SECONDS)

    def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()
