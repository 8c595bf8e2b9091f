"""How the servers carry out our statements, on thousands of jobs: from an index in order, without sorts and full scans.

A list is a union of branches, each of which must read its index in order and stop after a page; the server then sorts
the few rows of all branches, which is the one sort that is allowed. Its input, ``<derived...>`` or ``<union...>`` in a
plan, is no table.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiomysql
import pytest
from databases import ALL_DATABASES, OpenStore
from makers import ERROR, claim, new_job, one_delivery

from engine.records import DueDelivery, Finish, NewEndpoint, NewSchedule, TryResult
from engine.states import Trigger
from engine.store.circuits import FAILURES_TO_OPEN, lane_of
from engine.store.claims import Heartbeat, Progress
from engine.store.database import Transaction, to_text
from engine.store.delivery_log import DeliveryFilter, DeliveryQuery
from engine.store.endpoints import EndpointChange, Rotation
from engine.store.joblogs import LogAppend, LogLine, LogQuery
from engine.store.listing import (
    JobFilter,
    JobQuery,
    ListStatement,
    OrderField,
    Page,
    decode_cursor,
    encode_cursor,
    sort_key,
)
from engine.store.routing import Takes
from engine.store.rows import JOB_COLUMNS, at_rest
from engine.store.schedule_writes import ScheduleChange
from engine.store.store import Store, database_for
from engine.webhooks import Receivers
from models.connection import DatabaseURL
from models.enums import DeliveryStatus, JobPriority, JobStatus, MisfirePolicy, OverlapPolicy, WebhookEvent

JOBS = 6000
NAMES = [f"task {index}" for index in range(40)]
TAGS = [f"tag {index}" for index in range(10)]
WEIGHTS = {
    JobStatus.PENDING: 5,
    JobStatus.SCHEDULED: 5,
    JobStatus.QUEUED: 10,
    JobStatus.RUNNING: 1,
    JobStatus.COMPLETED: 70,
    JobStatus.FAILED: 7,
    JobStatus.CANCELLED: 2,
}
TABLES = (
    "jobs, job_event, job_tag, job_log, webhook_delivery, webhook_try, webhook_endpoint, schedule, schedule_firing, "
    "task"
)
SCHEDULES, FIRINGS = 400, 10


async def fill(url: str) -> None:
    """Jobs of all kinds, with their events, tags and deliveries, and the server's statistics of them."""
    pick = random.Random(7)
    store = Store(database_for(DatabaseURL.parse(url)), outbox=one_delivery)
    await store.open()
    try:
        now = await store.database.now()
        ids: list[int] = []
        for _ in range(JOBS // 1000):
            created = await store.create_jobs(
                [
                    new_job(
                        pick.choice(NAMES),
                        priority=pick.choice(list(JobPriority)),
                        tags=pick.sample(TAGS, pick.randrange(3)),
                        payload_text='{"some":"payload"}',
                        run=True,
                    )
                    for _ in range(1000)
                ]
            )
            ids += [each.job.id for each in created]
        for _ in range(2):
            finishes = [store.finish(Finish.completed(job, "1")) for job in await claim(store, 1000)]
            await asyncio.gather(*finishes)
        statuses = pick.choices(list(WEIGHTS), list(WEIGHTS.values()), k=len(ids))
        async with store.database.transaction() as transaction:
            for status in JobStatus:
                resting = JobStatus.QUEUED if status is JobStatus.RUNNING else status
                for day in range(20):
                    own = [job_id for job_id, each in zip(ids, statuses, strict=True) if each is status]
                    chosen = [job_id for job_id in own if job_id % 20 == day]
                    some = ",".join(map(str, chosen)) or "NULL"
                    moment = to_text(now - timedelta(days=day, microseconds=pick.randrange(10**9)))
                    run_at = "NULL" if day % 5 == 0 else f"'{moment}'"
                    await transaction.execute(
                        f"UPDATE jobs SET {at_rest(resting, moment)}, status='{status.value}', run_at={run_at} "
                        f"WHERE id IN ({some})"
                    )
                    await transaction.execute(
                        f"UPDATE job_tag SET updated_at='{moment}', run_at={run_at} WHERE job_id IN ({some})"
                    )
            await transaction.insert(
                "job_log",
                ("job_id", "attempt", "at", "level", "message"),
                [(job_id, 1, transaction.now_text, "info", "a line") for job_id in ids[::2] for _ in range(2)],
            )
            await add_schedules(transaction, now)
            await pause_tasks(transaction)
            moment = to_text(now - timedelta(minutes=1))
            await transaction.execute(
                "UPDATE webhook_delivery SET status='DELIVERED', next_try_at=NULL WHERE id % 20 NOT IN (1, 2)"
            )
            await transaction.execute("UPDATE webhook_delivery SET status='FAILED', next_try_at=NULL WHERE id % 20 = 3")
            await transaction.execute(
                f"UPDATE webhook_delivery SET next_try_at='{moment}' WHERE status='PENDING' AND id % 40 = 1"
            )
        if store.database.dialect == "mysql":
            # Not ANALYZE alone: what rows were before, and is not purged yet, would be counted as well.
            await store.database.fetch(f"OPTIMIZE TABLE {TABLES}")
    finally:
        await store.close()


async def add_schedules(transaction: Transaction, now: datetime) -> None:
    """Every tenth is due, every seventh is paused."""
    columns = ("name", "task_name", "priority", "cron", "timezone", "overlap", "misfire", "paused", "next_run_at")
    policies = (2, "* * * * *", "UTC", "SKIP", "RUN_ONCE")
    times = [to_text(now + timedelta(seconds=-5 if n % 10 == 0 else 3600 + n)) for n in range(SCHEDULES)]
    made = [
        (f"schedule {n}", NAMES[n % 40], *policies, int(n % 7 == 0), time, n + 1, to_text(now), to_text(now))
        for n, time in enumerate(times)
    ]
    ids = await transaction.insert("schedule", (*columns, "last_job_id", "created_at", "updated_at"), made)
    fired = [(id_, to_text(now - timedelta(minutes=n)), n) for id_ in ids for n in range(1, FIRINGS)]
    await transaction.insert("schedule_firing", ("schedule_id", "fire_at", "job_id"), fired)


async def pause_tasks(transaction: Transaction) -> None:
    """A tenth of the tasks are paused, and half of their jobs are parked, as are some of a task that was resumed."""
    columns = ("name", "max_attempts", "timeout_seconds", "paused", "seen_at")
    rows = [(name, 3, 60.0, int(index % 10 == 9), transaction.now_text) for index, name in enumerate(NAMES)]
    await transaction.insert("task", columns, rows)
    names = ",".join(f"'{NAMES[index]}'" for index in (9, 19, 29, 39, 3))
    await transaction.execute(
        f"UPDATE jobs SET status='PARKED', parked_task=task_name WHERE status='QUEUED' AND id % 2 = 1 "
        f"AND task_name IN ({names})"
    )


@dataclass(frozen=True)
class Step:
    """One table access of a plan."""

    table: str
    kind: str
    key: str | None
    extra: str


class Planner:
    """Records the statements of calls, and asks the server how it carries them out."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.recorded: list[tuple[str, Sequence[Any]]] = []
        self._fetch = store.database.fetch
        self._transaction = store.database.transaction
        self._fetch_packed = store.database.fetch_packed
        store.database.fetch = self._recording_fetch
        if self.is_server:  # SQLite reads them by its fetch
            store.database.fetch_packed = self._recording_fetch_packed
        store.database.transaction = self._recording_transaction

    async def _recording_fetch(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        self.recorded.append((sql, parameters))
        return await self._fetch(sql, parameters)

    async def _recording_fetch_packed(
        self,
        columns: Sequence[str],
        source: str,
        parameters: Sequence[Any] = (),
        *,
        table: str = "jobs",
        expressions: Sequence[str] = (),
    ) -> Any:
        packed = self.store.database.packed(columns, *expressions, table=table)
        self.recorded.append((f"SELECT {packed} {source}", parameters))
        return await self._fetch_packed(columns, source, parameters, table=table, expressions=expressions)

    @asynccontextmanager
    async def _recording_transaction(self) -> AsyncIterator[Transaction]:
        async with self._transaction() as transaction:
            for name in ("fetch", "execute"):
                setattr(transaction, name, self._recording(getattr(transaction, name)))
            yield transaction

    def _recording(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def record(sql: str, parameters: Sequence[Any] = ()) -> Any:
            self.recorded.append((sql, parameters))
            return await call(sql, parameters)

        return record

    @property
    def is_server(self) -> bool:
        return self.store.database.dialect == "mysql"

    def names(self, search: str) -> list[str]:
        return [name for name in NAMES if search in name]

    async def plans_of(self, *calls: Awaitable[Any]) -> list[tuple[str, list[Step]]]:
        """The plan of each statement that ``calls`` run."""
        self.recorded.clear()
        await asyncio.gather(*calls)
        statements = [each for each in self.recorded if each[0].startswith(("SELECT ", "UPDATE ", "DELETE ", "WITH "))]
        return [(sql, await self.explain(sql, parameters)) for sql, parameters in statements]

    async def explain(self, sql: str, parameters: Sequence[Any] = ()) -> list[Step]:
        """The accesses to tables; what a union has gathered is none."""
        if not self.is_server:
            return _sqlite_steps(await self._fetch(f"EXPLAIN QUERY PLAN {sql}", parameters))
        [(version,)] = await self._fetch("SELECT VERSION()")
        is_mariadb = "MariaDB" in version
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", aiomysql.Warning)  # MySQL notes the statement as it understood it
            rows = await self._fetch(f"EXPLAIN {'' if is_mariadb else 'FORMAT=TRADITIONAL '}{sql}", parameters)
        if is_mariadb:
            steps = [Step(row[2] or "", row[3] or "", row[5], row[9] or "") for row in rows]
        else:
            steps = [Step(row[2] or "", row[4] or "", row[6], row[11] or "") for row in rows]
        return [step for step in steps if not step.table.startswith("<")]


def _sqlite_steps(rows: Sequence[Sequence[Any]]) -> list[Step]:
    """Sorts of the two sides of a merge, LEFT and RIGHT, are those of the union."""
    details = {row[0]: row[3] for row in rows}
    steps = []
    for _id, parent, _unused, detail in rows:
        kind, table, *_ = [*detail.split(), ""]
        if kind in ("SCAN", "SEARCH") and table in TABLES.split(", "):
            steps.append(Step(table, kind, detail, ""))
        elif "TEMP B-TREE" in detail and details.get(parent) not in ("LEFT", "RIGHT"):
            steps.append(Step("", kind, None, detail))
    return steps


NEW_SCHEDULE = NewSchedule(
    name="new",
    task_name="task 1",
    payload_text=None,
    priority=JobPriority.LOW,
    cron="@daily",
    timezone="UTC",
    overlap=OverlapPolicy.SKIP,
    misfire=MisfirePolicy.RUN_ONCE,
)
SMALL = ("webhook_endpoint", "task")
"""Tables that are read whole: of endpoints there are at most 100, and of tasks as many as somebody wrote."""
SORTS = ("filesort", "temporary", "TEMP B-TREE")


def assert_reads_by_index(sql: str, steps: Sequence[Step], *, may_walk: str | None = None) -> None:
    """No step sorts, and none reads a whole table or index, but for the index ``may_walk``, in order and to a LIMIT."""
    for step in steps:
        assert not any(sort in step.extra for sort in SORTS), (sql, step)
        is_whole = step.kind in ("ALL", "index", "SCAN") and step.table not in SMALL
        assert not is_whole or (may_walk is not None and may_walk in str(step.key)), (sql, step)


@pytest.fixture(scope="module", params=[pytest.param(name, marks=getattr(pytest.mark, name)) for name in ALL_DATABASES])
def filled_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database of its own with ``JOBS`` jobs."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("plans") / "signalbox.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        url = f"sqlite://{path}"
    else:
        url = request.getfixturevalue("servers").get(request.param).create()
    asyncio.run(fill(url))
    return url


@pytest.fixture
def database_url(filled_url: str) -> str:
    return filled_url


@pytest.fixture
async def planner(open_store: OpenStore) -> Planner:
    return Planner(await open_store(outbox=one_delivery))


FILTERS = {
    "none": JobFilter(),
    "rare status": JobFilter(status=(JobStatus.QUEUED,)),
    "frequent status": JobFilter(status=(JobStatus.COMPLETED,)),
    "statuses": JobFilter(status=(JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.COMPLETED)),
    "priority": JobFilter(priority=(JobPriority.HIGH,)),
    "status and priority": JobFilter(status=(JobStatus.COMPLETED,), priority=(JobPriority.LOW,)),
    "task": JobFilter(task_name="task 3"),
    "task and frequent status": JobFilter(task_name="task 3", status=(JobStatus.COMPLETED,)),
    "task and rare status": JobFilter(task_name="task 3", status=(JobStatus.QUEUED,)),
    "tag": JobFilter(tag="tag 3"),
    "tag and status": JobFilter(tag="tag 3", status=(JobStatus.COMPLETED,)),
    "search": JobFilter(search="task 1"),
    "created": JobFilter(status=(JobStatus.COMPLETED,), created_after=datetime(2001, 1, 1, tzinfo=UTC)),
}


@pytest.mark.parametrize("is_descending", [True, False])
@pytest.mark.parametrize("order", OrderField)
async def test_every_branch_of_every_list(planner: Planner, order: OrderField, is_descending: bool) -> None:
    reads = planner.store.reads
    for name, where in FILTERS.items():
        query = JobQuery(where, order, is_descending, Page(50))
        jobs = (await reads.list_jobs(query)).jobs
        assert jobs, name
        edge = jobs[len(jobs) // 2]
        cursor = encode_cursor(query, sort_key(query, edge), edge.id)
        for page in (Page(50), Page(50, cursor), Page(50, is_backward=True), Page(50, cursor, is_backward=True)):
            names = None if where.search is None else planner.names(where.search)
            position = None if page.cursor is None else decode_cursor(query, cursor, "after")
            database = planner.store.database
            statement = ListStatement(database, replace(query, page=page), position, names, None)
            is_by_age = order is OrderField.CREATED_AT and name == "none"
            walked = ("PRIMARY" if planner.is_server else "SCAN jobs") if is_by_age else None
            for branch in statement.branches():
                steps = await planner.explain(branch.sql, branch.parameters)
                about = f"{name} {page}: {branch.sql}"
                if "jobs.status='RUNNING'" in branch.sql:  # all that runs is read, and sorted: it is never much
                    assert any("jobs_claim" in str(step.key) for step in steps), (about, steps)
                    steps = [replace(step, extra="") for step in steps if step.table]
                assert_reads_by_index(about, steps, may_walk=walked)
            rows = statement.rows()
            assert rows is not None
            for sql in (statement.build().sql, f"SELECT {database.packed(JOB_COLUMNS)} {rows.source}"):
                for step in await planner.explain(sql, rows.parameters):
                    is_gathered = step.table in ("", "page", "<derived2>")
                    assert is_gathered or step.kind not in ("ALL", "index", "SCAN") or walked, (sql, step)


async def test_what_workers_ask(planner: Planner) -> None:
    store = planner.store
    for job in await claim(store, 6):
        await store.finish(Finish.retried(job, ERROR, 0.0))
    first, second = await claim(store, 12), await claim(store, 4)
    beat = Heartbeat(1, 4, tuple((job.id, job.claim_token) for job in second), 30.0)
    [due] = await store.claim_deliveries(1, 30.0)
    pending = [job.id for job in (await store.reads.list_jobs(JobQuery(FILTERS["none"]))).jobs]
    for calls in (
        [claim(store, 10)],
        [claim(store, 10, takes=Takes(frozenset({"task 3"}), undeclared=False))],
        [claim(store, 10, takes=Takes(frozenset({"task 1", "task 2"})))],
        [store.reads.is_any_claimable(Takes(frozenset({"task 3"}), undeclared=False))],
        [store.reads.is_any_claimable(Takes(frozenset()))],
        [store.reads.marks(pending)],
        [store.finish(Finish.completed(job, f'"{job.id}"')) for job in first[:6]],
        [store.finish(Finish.completed(job, "1")) for job in first[6:9]],
        [store.finish(Finish.retried(first[9], ERROR, 0.0)), store.finish(Finish.failed(first[10], ERROR))],
        [store.finish(Finish.released(first[11]))],
        [store.heartbeat(beat)],
        [store.report_progress(Progress(second[0].id, second[0].claim_token, 0.5))],
        [store.promote_due()],
        [store.rescue()],
        [store.prune(0.0, 3)],
        [store.prune_firings(0.0, 3)],
        [store.unpark()],
        [store.reads.queue(100)],
        [store.reads.oldest_queued_seconds(await store.database.now())],
        [store.reads.count_up_to(JobStatus.QUEUED, 10_000)],
        [store.reads.overdue()],
        [store.reads.is_any_delivery_pending()],
        [store.reads.to_cancel([first[0].id, second[0].id])],
        [store.seconds_to_next_due()],
        [store.schedules.seconds_to_next()],
        [store.schedules.fire_due(lambda _name: (3, 60.0))],
        [store.claim_deliveries(10, 30.0)],
        [store.record_try(TryResult(due, DeliveryStatus.DELIVERED, 1, 200, None, None))],
        [store.reads.deliveries_of(pending[:10])],
    ):
        plans = await planner.plans_of(*calls)
        assert plans
        for sql, steps in plans:
            assert_reads_by_index(sql, steps)


async def test_what_clients_ask(planner: Planner) -> None:
    store = planner.store
    ids = [job.id for job in (await store.reads.list_jobs(JobQuery(JobFilter(status=(JobStatus.PENDING,))))).jobs]
    frequent = JobFilter(status=(JobStatus.COMPLETED,))
    for calls in (
        [store.change_job(ids[0], Trigger.RUN), store.change_job(ids[1], Trigger.CANCEL)],
        [store.change_jobs(JobFilter(ids=tuple(ids[2:5])), Trigger.RUN)],
        [store.change_jobs(JobFilter(task_name="task 3", priority=(JobPriority.LOW,)), Trigger.RUN)],
        [store.change_jobs(JobFilter(tag="tag 3", priority=(JobPriority.LOW,)), Trigger.RUN)],
        [store.delete_job(ids[6])],
        [store.change_jobs(JobFilter(ids=tuple(ids[7:9])), Trigger.CANCEL)],
        [store.delete_jobs(JobFilter(ids=tuple(ids[7:9])))],
        [store.reads.jobs_by_id(ids)],
        [store.schedules.change(ScheduleChange(1, {"paused": False})), store.schedules.by_id([1, 2, 3])],
        [store.schedules.last_firings([(1, 30), (2, 30)]), store.schedules.last_firings([(4, 5)])],
        [store.schedules.trigger(2, lambda _name: (3, 60.0)), store.schedules.delete(3)],
        [store.schedules.create(replace(NEW_SCHEDULE, name=f"new {n}")) for n in range(3)],
        [store.reads.matching_ids(FILTERS["statuses"], 100, 500)],
        [store.reads.count_jobs(frequent)],
        [store.create_jobs([new_job("task 1", idempotency_key=f"key {n}", digest="d") for n in range(3)])],
    ):
        plans = await planner.plans_of(*calls)
        assert plans
        for sql, steps in plans:
            assert_reads_by_index(sql, steps)


async def test_the_event_log(planner: Planner) -> None:
    reads = planner.store.reads
    _, last = await reads.log_bounds()
    calls = [reads.events_after(last - 50, 100), reads.holes(last - 50, last), reads.events_of([5, 6, 7])]
    plans = await planner.plans_of(*calls, reads.is_hole_open(last + 1, last + 2), reads.log_bounds())
    assert len(plans) >= 4
    for sql, steps in plans:
        assert_reads_by_index(sql, steps)


async def test_counting_reads_a_range_of_the_log(planner: Planner) -> None:
    """Minutes are gathered in memory; the log is read by its primary key alone."""
    _, last = await planner.store.reads.log_bounds()
    plans = await planner.plans_of(planner.store.throughput.tally(last - 50, last))
    steps = [step for _sql, steps in plans for step in steps if step.table == "job_event"]
    assert [step.kind for step in steps] == ["range" if planner.is_server else "SEARCH"]
    for sql, found in await planner.plans_of(planner.store.throughput.stretch(100)):
        assert_reads_by_index(sql, [step for step in found if step.table == "job_event"])


DELIVERY_FILTERS = {
    "none": DeliveryFilter(),
    "endpoint": DeliveryFilter(endpoint_id=0),
    "job": DeliveryFilter(job_id=7),
    "rare status": DeliveryFilter(status=(DeliveryStatus.FAILED,)),
    "rare statuses": DeliveryFilter(status=(DeliveryStatus.FAILED, DeliveryStatus.PENDING)),
    "frequent status": DeliveryFilter(status=(DeliveryStatus.DELIVERED,), event=(WebhookEvent.JOB_COMPLETED,)),
    "endpoint and frequent status": DeliveryFilter(endpoint_id=0, status=(DeliveryStatus.DELIVERED,)),
    "endpoint and rare status": DeliveryFilter(endpoint_id=0, status=(DeliveryStatus.PENDING,)),
    "usable": DeliveryFilter(endpoints=(0, 1), status=(DeliveryStatus.FAILED,)),
}


async def test_the_log_of_deliveries(planner: Planner) -> None:
    """Lists and what is sent again read an index in order; only a list of all by age walks the primary key."""
    log = planner.store.delivery_log
    for name, where in DELIVERY_FILTERS.items():
        first = await log.page(DeliveryQuery(where, 1))
        pages = [log.page(DeliveryQuery(where, 50, cursor)) for cursor in (None, first.end_cursor)]
        plans = await planner.plans_of(*pages, log.matching_ids(where, 5, 100))
        assert len(plans) >= 3
        is_by_age = name in ("none", "frequent status")
        walked = ("PRIMARY" if planner.is_server else "SCAN webhook_delivery") if is_by_age else None
        for sql, steps in plans:
            assert_reads_by_index(f"{name}: {sql}", steps, may_walk=walked)
    counted = [where for name, where in DELIVERY_FILTERS.items() if name not in ("none", "frequent status")]
    for sql, steps in await planner.plans_of(*(log.count(where) for where in counted)):
        assert_reads_by_index(sql, steps)
    one = (await log.page(DeliveryQuery())).deliveries[0].id
    for sql, steps in await planner.plans_of(log.redeliver(one, {0: "http://receiver/"}), log.bodies([one])):
        assert_reads_by_index(sql, steps)


async def test_endpoints(open_store: OpenStore) -> None:
    """An end of a job reads the few that there are; whatever is asked of one reads that one."""
    store = await open_store(outbox=Receivers().outbox)
    events = list(WebhookEvent)
    made = [
        await store.endpoints.create(NewEndpoint(url="http://e/", events=events, task_names=None, secret=f"{n}"))
        for n in range(2)
    ]
    planner = Planner(store)
    ids = [job.id for job in (await store.reads.list_jobs(JobQuery(JobFilter(status=(JobStatus.PENDING,))))).jobs]
    for calls in (
        [store.change_job(ids[0], Trigger.CANCEL)],
        [store.change_jobs(JobFilter(ids=tuple(ids[1:4])), Trigger.CANCEL)],
        [store.endpoints.change(EndpointChange(made[0].id, {"enabled": True, "url": "http://f/"}))],
        [store.endpoints.rotate(Rotation(made[0].id, "other", 60.0)), store.endpoints.by_id([made[1].id])],
        [store.endpoints.disable(made[0].id, "gone")],
        [store.endpoints.delete(made[0].id)],
        [store.endpoints.delete(made[1].id)],
    ):
        for sql, steps in await planner.plans_of(*calls):
            is_list = sql.endswith("FROM webhook_endpoint WHERE enabled=1")
            assert_reads_by_index(sql, [step for step in steps if not (is_list and step.table == "webhook_endpoint")])


async def test_the_logs_of_jobs(planner: Planner) -> None:
    store = planner.store
    append = LogAppend(5, [LogLine(await store.database.now(), 1, "info", "x", 1)], None)
    plans = await planner.plans_of(
        store.append_log(append, 3.0),
        store.reads.log_pages([LogQuery(5, 0, 10)]),
        store.reads.log_pages([LogQuery(6, 1, 1)] * 2),
    )
    assert len(plans) >= 3
    for sql, steps in plans:
        assert_reads_by_index(sql, steps)


async def test_statistics_read_no_more_than_an_index(planner: Planner) -> None:
    """Counting all jobs by status walks the smallest index once; nothing else in it does."""
    for sql, steps in await planner.plans_of(planner.store.reads.stats()):
        assert_reads_by_index(sql, steps, may_walk="jobs_" if "GROUP BY" in sql else None)


@pytest.mark.parametrize("filled_url", ["mariadb", "mysql"], indirect=True)
async def test_task_names_are_one_look_up_each(planner: Planner) -> None:
    database = planner.store.database
    async with database.transaction() as transaction:
        await transaction.fetch("FLUSH STATUS")
        names = await transaction.fetch(database.distinct("jobs", "task_name", "jobs_task"))
        status = await transaction.fetch("SHOW SESSION STATUS LIKE 'Handler_read%'")
    assert len(names) == len(NAMES)
    assert sum(int(count) for _name, count in status) < 3 * len(NAMES)


@pytest.mark.parametrize("url", [None, "http://host.test/hook"])
async def test_the_end_of_an_outage(planner: Planner, url: str | None) -> None:
    """What waits for an endpoint is read by its index, a few rows of it; of what waits for hosts, a window."""
    store = planner.store
    now = await store.database.now()
    before, later = to_text(now - timedelta(minutes=1)), to_text(now + timedelta(hours=1))
    lane = lane_of(None if url else 0, url or "")
    own = f"endpoint_id=NULL, url='{url}'" if url else "endpoint_id=0"
    columns = ("endpoint_id", "failures_in_a_row", "failing_since", "open_until", "probes", "updated_at")
    async with store.database.transaction() as transaction:
        await transaction.execute(
            f"UPDATE webhook_delivery SET {own}, try_count=1, claim_token=NULL, updated_at='{before}', "
            f"next_try_at='{later}' WHERE status='PENDING'"
        )
        await transaction.insert("webhook_circuit", columns, [(lane, FAILURES_TO_OPEN, before, before, 0, before)])
        if url:  # the probe; an endpoint's is brought forward
            first = "SELECT MIN(id) AS first FROM webhook_delivery WHERE status='PENDING'"
            await transaction.execute(
                f"UPDATE webhook_delivery SET next_try_at='{before}' WHERE id=(SELECT first FROM ({first}) f)"
            )
    claimed: list[DueDelivery] = []

    async def claim_probe() -> None:
        claimed.extend(await store.claim_deliveries(10, 30.0))

    plans = await planner.plans_of(claim_probe())
    [probe] = claimed
    plans += await planner.plans_of(store.record_try(TryResult(probe, DeliveryStatus.DELIVERED, 1, 200, None, None)))
    brought = [sql for sql, _steps in plans if sql.startswith("UPDATE") and "try_count=try_count-1" in sql]
    assert len(brought) == (1 if url else 2)
    for sql, steps in plans:
        assert_reads_by_index(sql, steps)
    assert len(await store.claim_deliveries(10, 30.0)) == 2
