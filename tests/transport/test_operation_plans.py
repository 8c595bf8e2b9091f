"""Plans answer as graphql-core's executor does: the same data, and the same errors."""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from contextlib import aclosing
from typing import Any

import orjson
import pytest
from graphql import execute_subscription_event
from random_documents import Generator, Sent

import server.transport.execution
from engine.jobs import JobInput
from engine.records import ErrorRecord, Finish
from engine.states import Trigger
from engine.store.claims import ClaimRequest
from models.enums import JobPriority, Role
from resolvers.context import OperationContext
from resolvers.root import build_schema
from resolvers.stored_jobs import STORED_JOB
from server.cursor_first import cursor_first
from server.settings import Settings
from server.transport.execution import Executor
from server.transport.plans.plan import Outcome, Plan
from server.transport.requests import GraphQLRequest
from server.wiring import Application, build

DOCUMENTS = int(os.environ.get("PLAN_DOCUMENTS", "0"))
"""For a longer run."""
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ROLES = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)


async def fill(application: Application) -> None:
    """Jobs of every status, with all that a job can have."""
    jobs, store = application.engine.jobs, application.store
    payloads: tuple[Any, ...] = ({"a": 1, "password": "x"}, None, [1, {"token": "t"}], "text \u00fc \u001f", 2**63, 0.1)
    given = [
        JobInput(
            task_name=("report", "mail", "a.b")[number % 3],
            payload=payloads[number % len(payloads)],
            priority=list(JobPriority)[number % 3],
            tags=["a", 'quote"\\ '][: number % 3],
            run=number % 2 == 0,
            idempotency_key=f"key {number}" if number % 4 == 0 else None,
            timeout_seconds=0.1 + 0.2 if number % 5 == 0 else None,
        )
        for number in range(24)
    ]
    made = await jobs.create(given)
    error = ErrorRecord("TASK_ERROR", "password=geheim\nTraceback (most recent call last):\n  x\nE: y", "a traceback")
    claimed = await store.claim(ClaimRequest(1, "host", 9, 30.0))
    for place, claim in enumerate(claimed):
        if place % 3 == 0:
            await store.finish(Finish.completed(claim, '{"secret":1,"n":12345678901234567890}'))
        elif place % 3 == 1:
            await store.finish(Finish.failed(claim, error))
        elif place == 2:
            await store.finish(Finish.retried(claim, error, 60.0))
    await store.change_job(made[1].job.id, Trigger.CANCEL)
    await jobs.copy(made[3].job.id, run=False)


@pytest.fixture
async def application(database_url: str) -> Any:
    settings = Settings(database_url=database_url, unknown_task="simulate")  # type: ignore[call-arg]
    built = build(settings, task_sources=[], with_worker=False)
    await built.store.open()
    await fill(built)
    yield built
    await built.store.close()


class Both:
    """The two executors, over the same store."""

    def __init__(self, application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
        self._application = application
        schema = build_schema()
        self.planned = Executor(
            schema, new_request_id=lambda: "id", preparation=cursor_first, stored={"Job": STORED_JOB}
        )
        self.plain = Executor(schema, new_request_id=lambda: "id", preparation=cursor_first, stored=None)
        self.by_plan = 0
        run = Plan.run

        async def counted(plan: Plan, *arguments: Any) -> Outcome:
            outcome = await run(plan, *arguments)
            self.by_plan += 1
            return outcome

        monkeypatch.setattr(Plan, "run", counted)

    async def answer(self, executor: Executor, sent: Sent, role: Role) -> Any:
        context = OperationContext.of(self._application.engine, role, "", self._application.redactor)
        response = await executor.execute(GraphQLRequest(sent.query, sent.variables), context, allow_mutation=True)
        return orjson.loads(response.body)

    async def told(self, executor: Executor, sent: Sent, role: Role, count: int) -> list[bytes]:
        """The first ``count`` responses to a subscription, or the one that refuses it."""
        context = OperationContext.of(self._application.engine, role, "", self._application.redactor)
        told = []
        async with aclosing(executor.subscribe(GraphQLRequest(sent.query, sent.variables), context)) as responses:
            async for response in responses:
                told.append(response.body)
                if len(told) == count or not response.has_data:
                    break
        return told

    async def answers(self, sent: Sent, role: Role) -> tuple[Any, Any]:
        """That of the plan and that of the executor. What two mutations cannot have in common is made the same."""
        database = self._application.store.database
        before = await database.fetch("SELECT id, status FROM jobs WHERE status='PENDING'")
        expected = await self.answer(self.plain, sent, role)
        if sent.query.startswith("mutation") and before:
            async with database.transaction() as transaction:
                ids = ",".join(str(row[0]) for row in before)
                await transaction.execute(f"UPDATE jobs SET status='PENDING' WHERE id IN ({ids})")
        found = await self.answer(self.planned, sent, role)
        if sent.query.startswith("mutation"):
            return alike(found), alike(expected)
        return found, expected


def alike(answer: Any) -> Any:
    """``answer`` without its numbers and moments."""
    return orjson.loads(re.sub(r'"\d+"', '"1"', MOMENT.sub("now", orjson.dumps(answer).decode())))


async def test_plans_tell_of_events_as_the_executor_does(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = int(os.environ.get("SEED", "0")) or random.randrange(1, 10**9)
    print(f"SEED={seed}")
    generator = Generator(seed)
    both = Both(application, monkeypatch)
    per_event: Counter[str] = Counter()
    monkeypatch.setattr(
        server.transport.execution,
        "execute_subscription_event",
        lambda one: per_event.update([""]) or execute_subscription_event(one),
    )
    first, _ = await application.store.reads.log_bounds()
    changes = len(await application.store.reads.events_after(0, 1000))
    kinds: Counter[str] = Counter()
    for _ in range(DOCUMENTS or 60):
        for sent in generator.subscription(after=str(first - 1)):
            role = ROLES[kinds["all"] % len(ROLES)]
            kinds["all"] += 1
            expected = await both.told(both.plain, sent, role, changes)
            executed = per_event.total()
            found = await both.told(both.planned, sent, role, changes)
            kinds["by plan"] += per_event.total() == executed and len(found) == changes
            assert found == expected, f"SEED={seed} {role} {sent}"
            kinds["fine"] += len(expected) == changes
    assert kinds["by plan"] > kinds["all"] * 0.4, kinds
    assert kinds["fine"] > kinds["all"] * 0.4, kinds


async def test_plans_answer_as_the_executor_does(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = int(os.environ.get("SEED", "0")) or random.randrange(1, 10**9)
    print(f"SEED={seed}")
    generator = Generator(seed)
    both = Both(application, monkeypatch)
    kinds: Counter[str] = Counter()
    is_quick = application.settings.database.dialect == "sqlite"
    for _ in range(DOCUMENTS or (700 if is_quick else 150)):
        for sent in generator.document():
            role = ROLES[kinds["all"] % len(ROLES)]
            kinds["all"] += 1
            found, expected = await both.answers(sent, role)
            assert found == expected, f"SEED={seed} {role} {sent}"
            assert orjson.dumps(found) == orjson.dumps(expected), f"the order: SEED={seed} {role} {sent}"
            kinds["with errors" if "errors" in expected else "fine"] += 1
    # a run in which nothing was planned, or all was refused, would show nothing
    assert both.by_plan > kinds["all"] * 0.4, kinds
    assert kinds["fine"] > kinds["all"] * 0.4, kinds
    assert kinds["with errors"] > kinds["all"] * 0.05, kinds
