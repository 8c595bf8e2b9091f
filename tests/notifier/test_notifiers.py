"""What holds whichever notifier there is: work, events, wishes to cancel and settings reach the other processes.

With ``memory`` and ``redis`` nobody looks by himself in these tests, so what arrives was hinted at.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from deployment import MakeProcess, Process, Workbench
from eventually import eventually

import engine.jobs
from engine.jobs import JobInput
from engine.notifier.contract import News, Topic
from engine.records import NewJob, TaskRecord
from engine.states import Trigger
from models.enums import JobStatus

pytestmark = pytest.mark.parametrize(
    "database_url",
    [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("sqlite", "mariadb")],
    indirect=True,
)


async def create(process: Process, task: str = "quick", count: int = 1) -> list[int]:
    new = [NewJob(task_name=task, max_attempts=3, timeout_seconds=30.0, run=True) for _ in range(count)]
    return [each.job.id for each in await process.store.create_jobs(new)]


async def all_in(process: Process, ids: list[int], status: JobStatus) -> bool:
    return {job.status for job in (await process.store.reads.jobs_by_id(ids)).values()} == {status}


async def test_a_job_is_run_by_another_process(make_process: MakeProcess, workbench: Workbench) -> None:
    server = await make_process()
    await make_process(slots=1)
    made: list[int] = []
    while len(made) < 20:
        made += await create(server)
        count = len(made)
        await eventually(lambda: len(workbench.ran) == count)  # noqa: B023 - it is asked here
    assert workbench.ran == made


async def test_many_jobs_are_shared(make_process: MakeProcess, workbench: Workbench) -> None:
    """More than all workers have room for at once, and more than there are hints."""
    server = await make_process()
    workers = [(await make_process(slots=2)).worker for _ in range(3)]
    ids = await create(server, "waits", 6)
    await eventually(lambda: sorted(workbench.began) == ids)
    assert [worker and worker.running_count for worker in workers] == [2, 2, 2]
    ids += await create(server, "quick", 300)
    workbench.gate.set()
    await eventually(lambda: all_in(server, ids, JobStatus.COMPLETED), timeout_seconds=20)
    assert sorted(workbench.ran) == ids[6:]


async def test_commits_in_quick_succession(make_process: MakeProcess, workbench: Workbench) -> None:
    """A server's own worker has room for the first; the others hear of the rest."""
    server = await make_process(slots=1)
    others = [(await make_process(slots=1)).worker for _ in range(3)]
    ids = [job_id for made in await asyncio.gather(*(create(server, "waits") for _ in range(4))) for job_id in made]
    await eventually(lambda: sorted(workbench.began) == sorted(ids))
    assert [worker and worker.running_count for worker in (server.worker, *others)] == [1, 1, 1, 1]


async def test_events_of_others_arrive_once_and_in_order(make_process: MakeProcess) -> None:
    servers = [await make_process(), await make_process()]
    await make_process(slots=5)
    start = max([int(await server.watch()) for server in servers])
    ids = []
    for number in range(30):
        ids += await create(servers[number % 2], count=number % 4 + 1)
    await eventually(lambda: all_in(servers[0], ids, JobStatus.COMPLETED), timeout_seconds=20)
    log = [event.seq for event in await servers[0].store.reads.events_after(start, 1000)]
    assert len(log) == 3 * len(ids)
    for server in servers:
        await eventually(lambda server=server: len(server.got) >= len(log))
        assert server.got == log


async def test_a_cancel_reaches_who_runs_the_job(make_process: MakeProcess, workbench: Workbench) -> None:
    server = await make_process()
    await make_process(slots=2)
    asked, other = await create(server, "waits", 2)
    await eventually(lambda: sorted(workbench.began) == [asked, other])
    await server.store.change_job(asked, Trigger.CANCEL)
    await eventually(lambda: all_in(server, [asked], JobStatus.CANCELLED))
    assert workbench.interrupted == [asked]
    assert await all_in(server, [other], JobStatus.RUNNING)


async def test_a_hint_decides_nothing(make_process: MakeProcess, workbench: Workbench) -> None:
    """Nobody asked for the cancel of which somebody tells: the database says so, and the job goes on."""
    server = await make_process()
    await make_process(slots=2)
    asked, other = await create(server, "waits", 2)
    await eventually(lambda: sorted(workbench.began) == [asked, other])
    server.notifier.tell(News(queued=3, seq=10**9, to_cancel=[other, 10**9]))
    await server.store.change_job(asked, Trigger.CANCEL)
    await eventually(lambda: all_in(server, [asked], JobStatus.CANCELLED))
    workbench.gate.set()
    await eventually(lambda: all_in(server, [other], JobStatus.COMPLETED))


async def test_jobs_of_a_resumed_task(make_process: MakeProcess, workbench: Workbench) -> None:
    server = await make_process()
    await make_process(slots=2)
    await eventually(lambda: server.store.reads.tasks())
    await server.store.pause_task("quick", paused=True)
    ids = await create(server, "quick", 3)
    kept = await create(server, "waits")
    await eventually(lambda: workbench.began == kept)
    await server.store.pause_task("quick", paused=False)
    await eventually(lambda: sorted(workbench.ran) == ids)


async def test_what_is_declared_anew(make_process: MakeProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server asks no more than it must what another process's tasks are, and still hears of it when that changes."""
    server, worker = await make_process(), await make_process(slots=1)
    if not worker.notifier.is_live:
        monkeypatch.setattr(engine.jobs, "REMEMBERED_SECONDS", 0.2)
    await eventually(lambda: server.store.reads.tasks())

    async def attempts() -> int:
        return (await server.jobs.check(JobInput(task_name="quick"))).max_attempts

    await eventually(lambda: _is(attempts, 3))
    await worker.store.declare_tasks([TaskRecord("quick", None, None, 7, 30.0)])
    await eventually(lambda: _is(attempts, 7))


async def _is(ask: Any, value: Any) -> bool:
    return bool(await ask() == value)


async def test_telling_never_fails(make_process: MakeProcess, workbench: Workbench) -> None:
    """Neither before it runs nor after: a request does not notice."""
    server = await make_process()
    await server.stop()
    server.notifier.tell(News(queued=1, seq=1, to_cancel=[1], topics=[Topic.TASKS]))
    server.notifier.await_work()
    assert await create(server)
