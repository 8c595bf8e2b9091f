"""The one table of legal status changes, each with its reason.

Nothing else in the engine decides whether a status may follow another: the store asks ``target`` for what a
trigger leads to, and the diagram in the documentation is drawn from ``TRANSITIONS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.errors import InvalidState
from models.enums import JobStatus

P, S, Q, R = JobStatus.PENDING, JobStatus.SCHEDULED, JobStatus.QUEUED, JobStatus.RUNNING
C, F, X = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED


class Trigger(StrEnum):
    """What makes a job change its status."""

    RUN = "run"
    BECOME_DUE = "become due"
    CLAIM = "claim"
    COMPLETE = "complete"
    RETRY_LATER = "retry later"
    FAIL = "fail"
    RELEASE = "release"
    RESCUE = "rescue"
    CANCEL = "cancel"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Transition:
    source: JobStatus
    trigger: Trigger
    target: JobStatus
    reason: str


TRANSITIONS: tuple[Transition, ...] = (
    Transition(P, Trigger.RUN, Q, "someone asked for it with runJob"),
    Transition(S, Trigger.RUN, Q, "someone asked for it before its time"),
    Transition(S, Trigger.BECOME_DUE, Q, "its runAt has come"),
    Transition(Q, Trigger.CLAIM, R, "a worker took it into a slot"),
    Transition(R, Trigger.COMPLETE, C, "the task returned"),
    Transition(R, Trigger.RETRY_LATER, S, "the attempt failed and another is allowed, after its backoff"),
    Transition(R, Trigger.FAIL, F, "the attempt failed for good, or was the last one"),
    Transition(R, Trigger.RELEASE, Q, "its worker stopped before the task was done"),
    Transition(R, Trigger.RESCUE, Q, "its worker is lost, and another attempt is allowed"),
    Transition(P, Trigger.CANCEL, X, "cancelled before it was run"),
    Transition(S, Trigger.CANCEL, X, "cancelled before it was due"),
    Transition(Q, Trigger.CANCEL, X, "cancelled before a worker took it"),
    Transition(R, Trigger.CANCEL, X, "cancelled, and its task has stopped"),
    Transition(C, Trigger.RETRY, Q, "someone asked for it again"),
    Transition(F, Trigger.RETRY, Q, "someone asked for it again"),
    Transition(X, Trigger.RETRY, Q, "someone asked for it again"),
)

_TARGETS = {(transition.source, transition.trigger): transition.target for transition in TRANSITIONS}


def is_legal(source: JobStatus, trigger: Trigger) -> bool:
    """Whether a job in ``source`` answers to ``trigger``."""
    return (source, trigger) in _TARGETS


def sources(trigger: Trigger) -> tuple[JobStatus, ...]:
    """The statuses that ``trigger`` can change."""
    return tuple(transition.source for transition in TRANSITIONS if transition.trigger is trigger)


def target(source: JobStatus, trigger: Trigger, job_id: int) -> JobStatus:
    """The status that ``trigger`` gives job ``job_id``, now in ``source``.

    Raises:
        InvalidState: a job in ``source`` does not answer to ``trigger``.
    """
    found = _TARGETS.get((source, trigger))
    if found is None:
        allowed = ", ".join(sources(trigger))
        raise InvalidState(f"Job {job_id} is {source}: to {trigger}, it must be {allowed}.", status=source)
    return found


def mermaid() -> str:
    """The state diagram for the documentation, in Mermaid's notation."""
    arrows = [f"    {each.source} --> {each.target}: {each.trigger}" for each in TRANSITIONS]
    return "\n".join(["stateDiagram-v2", "    [*] --> PENDING", "    [*] --> SCHEDULED", "    [*] --> QUEUED", *arrows])
