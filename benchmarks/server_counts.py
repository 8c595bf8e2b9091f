"""What a MySQL or MariaDB server counts of its own work."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import connect

DEADLOCKS = "SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME='lock_deadlocks'"


@dataclass(frozen=True)
class ServerCounts:
    """Since the server's start: statements, deadlocks, and seconds of CPU (0 where it runs on another machine)."""

    statements: int
    deadlocks: int
    cpu_seconds: float


async def server_counts(url: str) -> ServerCounts:
    """What the server has counted so far. Asking takes a connection and three statements."""
    connection = await connect(url)
    try:
        async with connection.cursor() as cursor:
            await cursor.execute("SELECT @@pid_file, @@datadir")
            file, folder = await cursor.fetchone()
            await cursor.execute("SHOW GLOBAL STATUS WHERE Variable_name IN ('Questions', 'Innodb_deadlocks')")
            found = {name: int(value) for name, value in await cursor.fetchall()}
            if "Innodb_deadlocks" not in found:  # MySQL
                await cursor.execute(DEADLOCKS)
                [found["Innodb_deadlocks"]] = await cursor.fetchone()
    finally:
        connection.close()
    return ServerCounts(found["Questions"], found["Innodb_deadlocks"], _cpu_seconds(Path(folder) / file))


def _cpu_seconds(pid_file: Path) -> float:
    try:
        fields = Path(f"/proc/{int(pid_file.read_text())}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, ValueError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
