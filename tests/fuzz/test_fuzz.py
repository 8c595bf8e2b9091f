"""Whatever is sent, the server answers in its own words: no defect shows, nothing is left behind, and it goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eventually import eventually
from fuzzing import NEW_PARTS, Usage, fuzz
from processes import ServerProcess, free_port, like_make_run

GROWTH_MEGABYTES = 25


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    port = free_port()
    process = ServerProcess(
        tmp_path / "server", ["serve", "--port", str(port), "--grace", "2"], like_make_run(port)
    ).start()
    yield process
    process.check_its_end()


async def run(server: ServerProcess, **given: Any) -> None:
    print(f"fuzzing: {given}")
    before = Usage.of(server.pid)
    outcome = await fuzz(server, **given)
    print(dict(outcome.answers.most_common()))
    print("MB after each tenth:", [round(each.megabytes) for each in outcome.usage])
    assert not outcome.faults, f"{len(outcome.faults)} faults:\n" + "\n".join(outcome.faults[:10])
    defects = [each for each in server.records() if each.get("level") in ("error", "critical") or "exception" in each]
    assert defects == []
    await eventually(
        lambda: Usage.of(server.pid).descriptors <= before.descriptors + 8,
        timeout_seconds=30,
        message=f"{before} before, {Usage.of(server.pid)} after",
    )
    assert outcome.usage[-1].megabytes - outcome.usage[NEW_PARTS - 1].megabytes < GROWTH_MEGABYTES, outcome.usage


async def test_a_few_thousand_broken_requests(server: ServerProcess) -> None:
    await run(server, requests=1200, frames=500, seed=1)


@pytest.mark.fuzz
async def test_very_many_broken_requests(server: ServerProcess) -> None:
    count = int(os.environ.get("SIGNALBOX_TEST_FUZZ_COUNT", "100000"))
    seed = int(os.environ.get("SIGNALBOX_TEST_FUZZ_SEED", "1"))
    await run(server, requests=count * 7 // 10, frames=count * 3 // 10, seed=seed)
