"""Every pair of status and trigger: either in the table below, or refused."""

from itertools import product

import pytest

from engine.errors import InvalidState
from engine.states import Trigger, is_legal, mermaid, sources, target
from models.enums import TERMINAL, JobStatus

LEGAL = {
    ("PENDING", "run"): "QUEUED",
    ("SCHEDULED", "run"): "QUEUED",
    ("SCHEDULED", "become due"): "QUEUED",
    ("QUEUED", "claim"): "RUNNING",
    ("RUNNING", "complete"): "COMPLETED",
    ("RUNNING", "retry later"): "SCHEDULED",
    ("RUNNING", "fail"): "FAILED",
    ("RUNNING", "release"): "QUEUED",
    ("RUNNING", "rescue"): "QUEUED",
    ("PENDING", "cancel"): "CANCELLED",
    ("SCHEDULED", "cancel"): "CANCELLED",
    ("QUEUED", "cancel"): "CANCELLED",
    ("RUNNING", "cancel"): "CANCELLED",
    ("COMPLETED", "retry"): "QUEUED",
    ("FAILED", "retry"): "QUEUED",
    ("CANCELLED", "retry"): "QUEUED",
}


@pytest.mark.parametrize(("source", "trigger"), list(product(JobStatus, Trigger)))
def test_every_pair(source: JobStatus, trigger: Trigger) -> None:
    expected = LEGAL.get((source.value, trigger.value))
    assert is_legal(source, trigger) is (expected is not None)
    if expected is not None:
        assert target(source, trigger, 7) == expected
        return
    with pytest.raises(InvalidState, match=f"Job 7 is {source}") as refusal:
        target(source, trigger, 7)
    assert refusal.value.extensions == {"code": "INVALID_STATE", "status": source.value}


def test_only_a_retry_leaves_a_terminal_status() -> None:
    assert {trigger for trigger in Trigger if set(sources(trigger)) & TERMINAL} == {Trigger.RETRY}


def test_the_diagram_shows_every_transition() -> None:
    assert sum(" --> " in line and "[*]" not in line for line in mermaid().splitlines()) == len(LEGAL)
