"""The privileges that docs/operations.md asks for are enough."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from launching import Launch
from processes import run_command

from models.connection import DatabaseURL

OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
[(WORKING, MIGRATING)] = re.findall(
    r"servers and workers needs `([A-Z, ]+)` on its database; that of `signalbox migrate` also\s+`([A-Z, ]+)`",
    OPERATIONS,
)


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=getattr(pytest.mark, each)) for each in ("mariadb", "mysql")]
)
async def test_they_are_enough(name: str, servers: Any, launch: Launch, tmp_path: Path, api_of: Any) -> None:
    server = servers.get(name)
    database = DatabaseURL.parse(server.create(is_migrated=False)).database
    user, password = database[-16:], "a-password"
    server.execute(
        f"CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'",
        f"GRANT {WORKING}, {MIGRATING} ON {database}.* TO '{user}'@'%'",
    )
    try:
        settings = {"DATABASE_URL": f"mysql://{user}:{password}@{server.url.host}:{server.url.port}/{database}"}
        migrated = run_command(tmp_path, "migrate", settings=settings)
        assert migrated.returncode == 0, migrated.stderr
        server.execute(f"REVOKE {MIGRATING} ON {database}.* FROM '{user}'@'%'")
        process = launch("serve", "--port", "0", **settings)
        api = api_of(process)
        job = await api.create("simulate", payload={"seconds": 0}, run=True)
        async with api.watch() as stream:  # reads the log
            await stream.is_live(api)
        await api.job_in(job["id"], "COMPLETED")
        assert (await api.get("/readyz"))[0] == 200
        await asyncio.to_thread(process.stop)  # before its user is gone
    finally:
        server.execute(f"DROP USER '{user}'@'%'")
