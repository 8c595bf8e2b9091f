"""Every subscriber sees every event exactly once and in order, whatever becomes of its connections."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from resume import Plan, resume


@pytest.fixture
def run(request: pytest.FixtureRequest, tmp_path: Path, table: Callable[..., None]) -> Callable[..., Any]:
    url = request.getfixturevalue("servers").get("mariadb").create()

    async def run_one(**given: Any) -> None:
        plan = Plan(**given)
        found = await resume(plan, url, tmp_path)
        table(
            "resumed subscriptions",
            subscribers=f"{plan.subscribers}+{plan.subscribers // 5}",
            jobs=f"{plan.jobs}",
            events=f"{found.events}",
            connections=f"{found.connections}",
            received=f"{found.received}",
            faults=f"{dict(found.faults) or 0}",
            seconds=f"{found.seconds:.0f}",
            ends=", ".join(f"{count} {end}" for end, count in found.ends.most_common()),
        )
        assert not found.faults, found
        assert found.events >= 3 * plan.jobs
        assert found.connections > 2 * plan.subscribers

    return run_one


@pytest.mark.clients
@pytest.mark.mariadb
async def test_for_some_seconds(run: Callable[..., Any]) -> None:
    await run(seconds=8, jobs=1000, subscribers=10, seed=1)


@pytest.mark.resume
@pytest.mark.mariadb
async def test_for_long(run: Callable[..., Any]) -> None:
    await run(
        seconds=float(os.environ.get("SIGNALBOX_TEST_RESUME_SECONDS", "60")),
        jobs=int(os.environ.get("SIGNALBOX_TEST_RESUME_JOBS", "20000")),
        subscribers=int(os.environ.get("SIGNALBOX_TEST_RESUME_SUBSCRIBERS", "50")),
        seed=int(os.environ.get("SIGNALBOX_TEST_RESUME_SEED", "1")),
    )
