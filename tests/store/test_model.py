"""A small model of what jobs do, played against the store step by step, on every kind of database.

Hypothesis finds the steps and shortens those that lead to a difference.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from databases import ALL_DATABASES
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from makers import ERROR, new_job

from engine.errors import InvalidState, NotFound
from engine.records import ClaimedJob, Finish, TaskRecord
from engine.states import Trigger
from engine.store.claims import ClaimRequest
from engine.store.listing import JobFilter
from engine.store.store import Store, database_for
from models.connection import DatabaseURL
from models.enums import JobPriority, JobStatus

MAX_ATTEMPTS = 2
FEW = 3
"""So many jobs at most: the interesting thing is what happens to one of them."""
S = JobStatus


@dataclass
class Model:
    """What a job should be."""

    priority: JobPriority
    status: JobStatus
    attempt: int = 0
    claim: int | None = None
    is_to_be_cancelled: bool = False
    history: list[JobStatus] = field(default_factory=list)

    def become(self, status: JobStatus, attempt: int | None = None) -> None:
        self.status = status
        self.history.append(status)
        if attempt is not None:
            self.attempt = attempt
        if status is not S.RUNNING:
            self.claim = None
            self.is_to_be_cancelled = False


class Jobs(RuleBasedStateMachine):
    """``open_store`` gives a store on an empty database."""

    open_store: Callable[[], Store]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store = type(self).open_store()
        self.wait(self.store.open())
        self.jobs: dict[int, Model] = {}
        self.claims: list[ClaimedJob] = []
        self.lost: set[int | None] = set()
        self.is_paused = False
        self.wait(self.store.declare_tasks([TaskRecord("report", None, None, MAX_ATTEMPTS, 60.0)]))

    def wait(self, work: Any) -> Any:
        return self.runner.run(_awaited(work))

    def teardown(self) -> None:
        self.wait(self.store.close())
        self.runner.close()

    @precondition(lambda self: len(self.jobs) < FEW)
    @rule(run=st.booleans(), priority=st.sampled_from(JobPriority), count=st.integers(1, 2))
    def create(self, run: bool, priority: JobPriority, count: int) -> None:
        given = [new_job(run=run, priority=priority, max_attempts=MAX_ATTEMPTS) for _ in range(count)]
        for created in self.wait(self.store.create_jobs(given)):
            model = Model(priority, S.PENDING)
            model.become(S.QUEUED if run else S.PENDING)
            self.jobs[created.job.id] = model

    @rule(data=st.data(), trigger=st.sampled_from([Trigger.RUN, Trigger.CANCEL, Trigger.RETRY]))
    def change(self, data: st.DataObject, trigger: Trigger) -> None:
        job_id = data.draw(st.sampled_from([*self.jobs, 10**9]))
        model = self.jobs.get(job_id)
        expected = None if model is None else _after(model.status, trigger)
        try:
            record = self.wait(self.store.change_job(job_id, trigger))
        except NotFound:
            assert model is None
        except InvalidState:
            assert model is not None
            assert expected is None
        else:
            assert model is not None
            assert expected is not None
            self._apply(model, expected, trigger)
            assert record.status is model.status

    def _apply(self, model: Model, expected: JobStatus, trigger: Trigger) -> None:
        if trigger is Trigger.CANCEL and model.status is S.RUNNING:
            model.is_to_be_cancelled = True
        else:
            model.become(expected, 0 if trigger is Trigger.RETRY else None)

    @rule(trigger=st.sampled_from([Trigger.RUN, Trigger.RUN, Trigger.RETRY, Trigger.CANCEL]))
    def change_all(self, trigger: Trigger) -> None:
        answering = [model for model in self.jobs.values() if _after(model.status, trigger) is not None]
        found = self.wait(self.store.change_jobs(JobFilter(), trigger))
        assert found >= sum(not model.is_to_be_cancelled for model in answering)
        for model in answering:
            self._apply(model, _after(model.status, trigger) or S.PENDING, trigger)

    @rule()
    def pause_or_resume(self) -> None:
        """Nothing becomes of any job, but that it is not claimed meanwhile."""
        self.is_paused = not self.is_paused
        self.wait(self.store.pause_task("report", paused=self.is_paused))
        while self.wait(self.store.unpark()):
            assert not self.is_paused

    @precondition(lambda self: len(self.jobs) >= FEW)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from([*self.jobs, 10**9]))
        model = self.jobs.get(job_id)
        try:
            self.wait(self.store.delete_job(job_id))
        except NotFound:
            assert model is None
        except InvalidState:
            assert model is not None
            assert model.status is S.RUNNING
        else:
            del self.jobs[job_id]

    @precondition(lambda self: any(model.status is S.QUEUED for model in self.jobs.values()))
    @rule(limit=st.integers(1, 3), is_lost=st.booleans())
    def claim_some(self, limit: int, is_lost: bool) -> None:
        self.claim(limit=limit, is_lost=is_lost)

    def claim(self, *, limit: int, is_lost: bool) -> None:
        due = [job_id for job_id, model in self.jobs.items() if model.status is S.QUEUED]
        if self.is_paused:
            due = []
        due.sort(key=lambda job_id: (self.jobs[job_id].priority, job_id))
        claimed = self.wait(self.store.claim(ClaimRequest(1, "w", limit, -1.0 if is_lost else 3600.0)))
        assert [job.id for job in claimed] == due[:limit]
        for job in claimed:
            model = self.jobs[job.id]
            model.become(S.RUNNING, model.attempt + 1)
            model.claim = job.claim_token
            assert job.attempt == model.attempt
        if is_lost:
            self.lost |= {job.claim_token for job in claimed}
        self.claims += claimed

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), end=st.sampled_from(["completed", "failed", "released", "cancelled"]))
    def finish(self, data: st.DataObject, end: str) -> None:
        """With any claim there ever was, those of jobs that run again first: all but the present ones are refused."""
        of_running = [job for job in self.claims if job.id in self.jobs and self.jobs[job.id].status is S.RUNNING]
        job = data.draw(st.sampled_from(of_running or self.claims))
        finish = {
            "completed": Finish.completed(job, "1"),
            "failed": Finish.failed(job, ERROR),
            "released": Finish.released(job),
            "cancelled": Finish.cancelled(job),
        }[end]
        model = self.jobs.get(job.id)
        is_owner = model is not None and model.status is S.RUNNING and model.claim == job.claim_token
        assert self.wait(self.store.finish(finish)) is is_owner
        if is_owner and model is not None:
            if model.is_to_be_cancelled and finish.to is not S.COMPLETED:
                model.become(S.CANCELLED)
            else:
                model.become(finish.to, model.attempt - (finish.to is S.QUEUED))

    @precondition(lambda self: any(model.claim in self.lost for model in self.jobs.values()))
    @rule()
    def rescue(self) -> None:
        gone = {job_id: model for job_id, model in self.jobs.items() if model.claim in self.lost}
        rescued = self.wait(self.store.rescue())
        assert {each.job_id for each in rescued} == set(gone)
        for model in gone.values():
            if model.is_to_be_cancelled:
                model.become(S.CANCELLED)
            else:
                model.become(S.QUEUED if model.attempt < MAX_ATTEMPTS else S.FAILED)

    @precondition(lambda self: not self.is_paused and any(model.status is S.RUNNING for model in self.jobs.values()))
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        """Its worker puts a job back, and another one claims it: the first claim is a stale one now."""
        job_id = data.draw(st.sampled_from([key for key, each in self.jobs.items() if each.status is S.RUNNING]))
        model = self.jobs[job_id]
        [job] = [each for each in self.claims if each.claim_token == model.claim and each.id == job_id]
        assert self.wait(self.store.finish(Finish.released(job)))
        if model.is_to_be_cancelled:
            model.become(S.CANCELLED)
            return
        model.become(S.QUEUED, model.attempt - 1)
        self.claim(limit=FEW, is_lost=False)

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        records = self.wait(self.store.reads.jobs_by_id(list(self.jobs)))
        assert {job_id: (each.status, each.attempt) for job_id, each in records.items()} == {
            job_id: (model.status, model.attempt) for job_id, model in self.jobs.items()
        }
        events = self.wait(self.store.reads.events_of(list(self.jobs)))
        assert {job_id: [event.to for event in events[job_id]] for job_id in self.jobs} == {
            job_id: model.history for job_id, model in self.jobs.items()
        }
        running = [job_id for job_id, model in self.jobs.items() if model.status is S.RUNNING]
        assert self.wait(self.store.reads.to_cancel(running)) == {
            job_id for job_id in running if self.jobs[job_id].is_to_be_cancelled
        }


async def _awaited(work: Any) -> Any:
    return await work


def _after(status: JobStatus, trigger: Trigger) -> JobStatus | None:
    """What clients may do, written down a second time."""
    if trigger is Trigger.RUN:
        return S.QUEUED if status in (S.PENDING, S.SCHEDULED) else None
    if trigger is Trigger.CANCEL:
        return S.CANCELLED if status in (S.PENDING, S.SCHEDULED, S.QUEUED, S.RUNNING) else None
    return S.QUEUED if status in (S.COMPLETED, S.FAILED, S.CANCELLED) else None


@pytest.mark.parametrize("database", [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ALL_DATABASES])
def test_the_store_does_what_the_model_says(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    def open_store() -> Store:
        if database == "sqlite":
            for each in tmp_path.iterdir():
                each.unlink()
            shutil.copyfile(request.getfixturevalue("sqlite_template"), tmp_path / "model.db")
            url = f"sqlite://{tmp_path}/model.db"
        else:
            url = request.getfixturevalue("servers").get(database).empty()
        return Store(database_for(DatabaseURL.parse(url)))

    class OnThisDatabase(Jobs):
        pass

    OnThisDatabase.open_store = staticmethod(open_store)
    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
