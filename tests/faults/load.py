"""What clients do during a run: they create jobs at a steady pace, run, cancel and retry some, and note what was
confirmed.

A request that got no answer, or UNAVAILABLE, confirmed nothing: it is asked again only where that does no harm.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from checker import Acknowledged

CREATE = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id status } } }"
CHANGE = "mutation($id: ID!) { %s(id: $id) { job { status } } }"
BATCH = 25
CLIENTS = 4
LONG_RATE = 0.015
"""Of jobs that are still running elsewhere when a worker that lost them comes back."""
PAUSE_SECONDS = 0.2
REQUEST_SECONDS = 15.0
PATIENCE_SECONDS = 60.0


class Unconfirmed(Exception):
    """No answer, or UNAVAILABLE: it may have been done or not."""


class Refused(Exception):
    """The server said no, with this code."""


@dataclass(slots=True)
class Client:
    """GraphQL over HTTP."""

    session: aiohttp.ClientSession
    url: str

    async def ask(self, query: str, **variables: Any) -> Any:
        """The data.

        Raises:
            Unconfirmed, Refused
        """
        try:
            async with (
                asyncio.timeout(REQUEST_SECONDS),
                self.session.post(self.url, json={"query": query, "variables": variables}) as response,
            ):
                answer = await response.json()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unconfirmed(str(error)) from error
        if errors := answer.get("errors"):
            code = errors[0]["extensions"]["code"]
            raise (Unconfirmed if code == "UNAVAILABLE" else Refused)(code)
        return answer["data"]


@dataclass(slots=True)
class Plan:
    """One job, and what is to be asked of it afterwards."""

    input: dict[str, Any]
    run_at: datetime | None = None
    later: str | None = None
    after_seconds: float = 0.0


@dataclass(slots=True)
class Load:
    """Creates ``jobs`` jobs over ``seconds`` seconds.

    Args:
        padding: how many characters each job carries for nothing.
        now: the clock of the machine, for ``runAt``.
    """

    client: Client
    chance: random.Random
    jobs: int
    seconds: float
    webhook_url: str
    padding: int = 0
    now: Callable[[], datetime] = lambda: datetime.now(UTC)  # noqa: TID251 - the database's machine is this one
    acknowledged: dict[int, Acknowledged] = field(default_factory=dict)
    unconfirmed: int = 0
    _keys: int = 0

    async def run(self) -> None:
        """Until everything was asked for and answered."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        batches = [min(BATCH, self.jobs - first) for first in range(0, self.jobs, BATCH)]
        interval = self.seconds / max(1, len(batches))
        waiting = asyncio.Semaphore(CLIENTS)
        async with asyncio.TaskGroup() as clients:
            for number, size in enumerate(batches):
                await asyncio.sleep(max(0.0, began + number * interval - loop.time()))
                await waiting.acquire()
                batch = clients.create_task(self._create([self._plan() for _ in range(size)], clients))
                batch.add_done_callback(lambda _batch: waiting.release())

    def _plan(self) -> Plan:
        chance = self.chance
        takes = chance.uniform(1, 50) if chance.random() > LONG_RATE else chance.uniform(2000, 3500)
        payload = {"milliseconds": round(takes, 1), "padding": "x" * self.padding}
        plan = Plan({"taskName": "work", "payload": payload, "run": True})
        kind = chance.random()
        if kind < 0.08:
            plan.input["taskName"] = "work in a thread"
            if chance.random() < 0.9:
                plan.input["concurrencyKey"] = f"tenant {chance.randrange(5)}"
        elif kind < 0.15:
            plan.input["taskName"] = "break"
            if chance.random() < 0.3:
                plan.later, plan.after_seconds = "retryJob", chance.uniform(0.5, 3.0)
        elif kind < 0.20:
            plan.run_at = self.now() + timedelta(seconds=chance.uniform(0.1, 2.0))
            plan.input |= {"run": False, "runAt": plan.run_at.isoformat()}
        elif kind < 0.25:
            plan.input["run"] = False
            plan.later = "runJob" if chance.random() < 0.8 else None
        elif kind < 0.35:
            plan.later, plan.after_seconds = "cancelJob", chance.choice([0.0, chance.uniform(0, 1.0)])
        elif kind < 0.38:
            plan.input["maxAttempts"] = 1
        if chance.random() < 0.1:
            self._keys += 1
            plan.input["idempotencyKey"] = f"key {self._keys}"
        if chance.random() < 0.1:
            plan.input["webhookUrl"] = self.webhook_url
        plan.input["priority"] = chance.choice(["HIGH", "MEDIUM", "LOW"])
        return plan

    async def _create(self, plans: list[Plan], clients: asyncio.TaskGroup) -> None:
        keyed = [plan for plan in plans if "idempotencyKey" in plan.input]
        twice = [[plan] for plan in keyed for _ in range(2)]  # both must be told of one job
        rest = [plan for plan in plans if plan not in keyed]
        await asyncio.gather(*(self._create_together(each, clients) for each in [*twice, rest]))

    async def _create_together(self, plans: list[Plan], clients: asyncio.TaskGroup) -> None:
        inputs = [plan.input for plan in plans]
        answer = await self._insist(lambda: self.client.ask(CREATE, inputs=inputs))
        for plan, job in zip(plans, answer["createJobs"]["jobs"], strict=True):
            job_id, key = int(job["id"]), plan.input.get("idempotencyKey")
            if job_id in self.acknowledged:
                assert key is not None, f"job {job_id} was given to two who asked for one each"
                assert self.acknowledged[job_id].key == key
                continue
            was_run = bool(plan.input["run"]) or plan.run_at is not None
            self.acknowledged[job_id] = Acknowledged(
                job_id,
                was_run,
                key,
                plan.run_at,
                endpoints=(plan.input["webhookUrl"],) if "webhookUrl" in plan.input else (),
            )
            if plan.later is not None:
                clients.create_task(self._change(plan.later, self.acknowledged[job_id], plan.after_seconds))

    async def _change(self, mutation: str, job: Acknowledged, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)

        async def ask() -> Any:
            job.retries += mutation == "retryJob"
            return await self.client.ask(CHANGE % mutation, id=str(job.job_id))

        try:
            answer = await self._insist(ask)
        except Refused as refusal:
            if str(refusal) != "INVALID_STATE":
                raise
            job.was_run = job.was_run or mutation == "runJob"  # an earlier try had been heard
            return
        job.was_run = job.was_run or mutation == "runJob"
        job.was_cancelled = mutation == "cancelJob" and answer[mutation]["job"]["status"] == "CANCELLED"

    async def _insist(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    return await ask()
                except Unconfirmed:
                    self.unconfirmed += 1
                    await asyncio.sleep(PAUSE_SECONDS)
