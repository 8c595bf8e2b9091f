"""Nothing is lost, finished twice or missed on several hosts, whatever becomes of Redis and the network."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hosts import FAULTS, SUBSCRIBERS, WORKERS, run
from requirements import Missing, give_up

JOBS = int(os.environ.get("SIGNALBOX_TEST_HOSTS_JOBS", "20000"))
SEED = int(os.environ.get("SIGNALBOX_TEST_HOSTS_SEED", "1"))
SECONDS = 60.0


@pytest.fixture
def run_under(pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., None]:
    """Runs a fault and prints what was found."""

    def run_one(fault: str, **given: Any) -> None:
        try:
            outcome = asyncio.run(run(fault, tmp_path, seed=SEED, **given))
        except Missing as missing:
            give_up(pytestconfig, "hosts", str(missing))
        report = outcome.report
        counts = {name: count for name, count in report.counts.items() if count}
        with capsys.disabled():
            print(
                f"\n{fault}: {report.jobs} jobs, {report.executions} executions, {report.rescued} rescued, "
                f"{report.duplicates} duplicates, violations {counts or 0}; {outcome.events} events, "
                f"{outcome.received} received by {2 * SUBSCRIBERS} subscribers over {outcome.connections} connections, "
                f"faults {dict(outcome.faults) or 0}; {outcome.unconfirmed} requests without an answer; "
                f"jobs by worker {sorted(outcome.by_worker.values())}; {outcome.seconds:.0f} s"
            )
        assert not counts, report.text
        assert not outcome.faults, outcome.faults
        assert outcome.received == 2 * SUBSCRIBERS * outcome.events
        assert len(outcome.by_worker) == len(WORKERS)

    return run_one


@pytest.mark.hosts
@pytest.mark.parametrize("fault", FAULTS)
def test_hosts_under_faults(run_under: Callable[..., None], fault: str) -> None:
    run_under(fault, jobs=JOBS, seconds=SECONDS, fault_seconds=60.0)
