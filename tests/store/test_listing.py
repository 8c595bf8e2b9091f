"""Lists of jobs: every order, direction and filter, walked in pages both ways, against a plain sort of all jobs."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import orjson
import pytest
from databases import OpenStore
from makers import create, fetch_job, job_in, new_job

from engine.errors import InvalidInput
from engine.records import JobRecord
from engine.states import Trigger
from engine.store.database import to_text
from engine.store.listing import JobFilter, JobQuery, OrderField, Page, encode_cursor, fingerprint, sort_key
from engine.store.rows import stored_as
from engine.store.store import Store
from models.enums import JobPriority, JobStatus

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ["report", "Report", "report ", "straße", "50%_off", "email 12", *[f"nightly {n}" for n in range(25)]]
TAGS = ["a", "A", "a ", "50%"]
ORDERS = list(product(OrderField, (True, False)))
every_order = pytest.mark.parametrize(("order", "is_descending"), ORDERS)
Matches = Callable[[JobRecord], bool]


async def various_jobs(store: Store, count: int = 90) -> list[JobRecord]:
    """Jobs of all kinds, with ties and NULLs in what lists sort by; of the QUEUED ones, some are parked."""
    pick = random.Random(7)
    created = await store.create_jobs(
        [
            new_job(
                pick.choice(NAMES[:6] if index % 2 else NAMES),
                priority=pick.choice(list(JobPriority)),
                tags=pick.sample(TAGS, pick.randrange(3)),
            )
            for index in range(count)
        ]
    )
    async with store.database.transaction() as transaction:
        for index, each in enumerate(created):
            status = pick.choice(list(JobStatus))
            stored = pick.choice(stored_as([status]))
            run_at = pick.choice([None, to_text(START + timedelta(minutes=pick.randrange(10)))])
            updated_at = to_text(START + timedelta(seconds=pick.randrange(20), microseconds=pick.randrange(3)))
            created_at = to_text(START + timedelta(seconds=index))
            listed: tuple[str, str] = (status.value, updated_at)
            if status is JobStatus.RUNNING:  # listed as it was before its claim
                listed = (JobStatus.QUEUED.value, to_text(START - timedelta(hours=index)))
            await transaction.execute(
                "UPDATE jobs SET status=%s, run_at=%s, updated_at=%s, created_at=%s, listed_status=%s, listed_at=%s "
                f"WHERE id={each.job.id}",
                (stored, run_at, updated_at, created_at, *listed),
            )
            await transaction.execute(
                f"UPDATE job_tag SET run_at=%s, updated_at=%s WHERE job_id={each.job.id}", (run_at, updated_at)
            )
    return list((await store.reads.jobs_by_id([each.job.id for each in created])).values())


def filters(jobs: list[JobRecord]) -> dict[str, tuple[JobFilter, Matches]]:
    """Filters, and in plain Python what each of them means."""
    some = {JobStatus.COMPLETED, JobStatus.QUEUED, JobStatus.FAILED}
    rare = {JobStatus.QUEUED, JobStatus.RUNNING}
    ends = {JobPriority.HIGH, JobPriority.LOW}
    middle = jobs[len(jobs) // 2]
    after, before = START + timedelta(seconds=20), START + timedelta(seconds=70)
    number = str(middle.id)
    return {
        "all": (JobFilter(), lambda _job: True),
        "status": (JobFilter(status=(JobStatus.QUEUED,)), lambda job: job.status is JobStatus.QUEUED),
        "statuses": (JobFilter(status=tuple(some)), lambda job: job.status in some),
        "priority": (JobFilter(priority=(JobPriority.HIGH,)), lambda job: job.priority is JobPriority.HIGH),
        "priorities": (JobFilter(priority=tuple(ends)), lambda job: job.priority in ends),
        "task name": (JobFilter(task_name="report"), lambda job: job.task_name == "report"),
        "task name with a space": (JobFilter(task_name="report "), lambda job: job.task_name == "report "),
        "no such task name": (JobFilter(task_name="REPORT"), lambda _job: False),
        "tag": (JobFilter(tag="a"), lambda job: "a" in job.tags),
        "no such tag": (JobFilter(tag="%"), lambda _job: False),
        "search": (JobFilter(search="REP"), lambda job: "report" in job.task_name.casefold()),
        "search without case": (JobFilter(search="STRASSE"), lambda job: job.task_name == "straße"),
        "search for many names": (JobFilter(search="nightly"), lambda job: "nightly" in job.task_name),
        "search for a wildcard": (JobFilter(search="%_"), lambda job: "%_" in job.task_name),
        "search for nothing": (JobFilter(search="nowhere"), lambda _job: False),
        "search for a number": (
            JobFilter(search=number),
            lambda job: job.id == middle.id or number in job.task_name,
        ),
        "search for a long number": (JobFilter(search="9" * 40), lambda _job: False),
        "created": (
            JobFilter(created_after=after, created_before=before),
            lambda job: after < job.created_at < before,
        ),
        "created and status": (
            JobFilter(created_after=after, status=tuple(some)),
            lambda job: after < job.created_at and job.status in some,
        ),
        "created and tag": (
            JobFilter(created_before=before, tag="a"),
            lambda job: job.created_at < before and "a" in job.tags,
        ),
        "task name and rare statuses": (
            JobFilter(task_name="report", status=tuple(rare)),
            lambda job: job.task_name == "report" and job.status in rare,
        ),
        "task name, statuses, priorities": (
            JobFilter(task_name="report", status=tuple(some), priority=tuple(ends)),
            lambda job: job.task_name == "report" and job.status in some and job.priority in ends,
        ),
        "tag and status": (
            JobFilter(tag="a", status=tuple(some)),
            lambda job: "a" in job.tags and job.status in some,
        ),
        "tag and search": (
            JobFilter(tag="a", search="rep"),
            lambda job: "a" in job.tags and "report" in job.task_name.casefold(),
        ),
        "search and task name": (
            JobFilter(search="REP", task_name="report"),
            lambda job: job.task_name == "report",
        ),
        "search and rare statuses": (
            JobFilter(search="REP", status=tuple(rare)),
            lambda job: "report" in job.task_name.casefold() and job.status in rare,
        ),
        "search and priority": (
            JobFilter(search="nightly", priority=(JobPriority.LOW,)),
            lambda job: "nightly" in job.task_name and job.priority is JobPriority.LOW,
        ),
        "everything": (
            JobFilter(
                tag="a",
                search="rep",
                task_name="report",
                status=tuple(some),
                priority=tuple(ends),
                created_after=after,
                created_before=before,
            ),
            lambda job: (
                "a" in job.tags
                and job.task_name == "report"
                and job.status in some
                and job.priority in ends
                and after < job.created_at < before
            ),
        ),
    }


def in_order(jobs: list[JobRecord], order: OrderField, is_descending: bool) -> list[JobRecord]:
    keys: dict[OrderField, Callable[[JobRecord], tuple[object, ...]]] = {
        OrderField.CREATED_AT: lambda job: (job.id,),
        OrderField.UPDATED_AT: lambda job: (job.updated_at, job.id),
        OrderField.RUN_AT: lambda job: (job.run_at is not None, job.run_at or START, job.id),
        OrderField.PRIORITY: lambda job: (-job.priority, job.id),
    }
    return sorted(jobs, key=keys[order], reverse=is_descending)


def cursor_of(query: JobQuery, job: JobRecord) -> str:
    return encode_cursor(query, sort_key(query, job), job.id)


async def walk(store: Store, query: JobQuery, total: int) -> list[JobRecord]:
    """All pages, in the page's direction; the rows in the order of the list."""
    found: list[JobRecord] = []
    backward = query.page.is_backward
    while True:
        page = await store.reads.list_jobs(query)
        assert len(page.jobs) <= query.page.size
        found = page.jobs + found if backward else found + page.jobs
        is_first_page = query.page.cursor is None
        ahead, behind = (page.has_previous, page.has_next) if backward else (page.has_next, page.has_previous)
        assert (ahead, behind) == (len(found) < total, not is_first_page)
        if not ahead:
            return found
        assert len(page.jobs) == query.page.size
        edge = page.jobs[0 if backward else -1]
        query = replace(query, page=replace(query.page, cursor=cursor_of(query, edge)))


@every_order
async def test_every_filter_in_pages_both_ways(store: Store, order: OrderField, is_descending: bool) -> None:
    jobs = await various_jobs(store)
    for name, (where, matches) in filters(jobs).items():
        expected = [job.id for job in in_order([job for job in jobs if matches(job)], order, is_descending)]
        assert expected or "no" in name or "for nothing" in name or "long number" in name, name
        for page in (Page(19), Page(19, is_backward=True)):
            found = await walk(store, JobQuery(where, order, is_descending, page), len(expected))
            assert [job.id for job in found] == expected, (name, page)


@pytest.mark.parametrize("is_backward", [False, True])
@every_order
async def test_pages_of_one_row(store: Store, order: OrderField, is_descending: bool, is_backward: bool) -> None:
    """Every row is a page's edge once, in each tie and on both sides of NULL."""
    jobs = await various_jobs(store, 30)
    query = JobQuery(JobFilter(), order, is_descending, Page(1, is_backward=is_backward))
    found = await walk(store, query, 30)
    assert [job.id for job in found] == [job.id for job in in_order(jobs, order, is_descending)]


async def test_what_the_filters_count(store: Store) -> None:
    jobs = await various_jobs(store)
    for name, (where, matches) in filters(jobs).items():
        count = sum(map(matches, jobs))
        assert await store.reads.count_jobs(where) == count, name
        for at_most in {0, 1, max(0, count - 1), count, count + 1}:
            assert await store.reads.count_jobs(where, at_most) == min(count, at_most), (name, at_most)


async def test_lists_of_nothing(store: Store) -> None:
    for order, is_descending in ORDERS:
        page = await store.reads.list_jobs(JobQuery(JobFilter(), order, is_descending))
        assert (page.jobs, page.has_next, page.has_previous) == ([], False, False)


@pytest.mark.parametrize("is_backward", [False, True])
@pytest.mark.parametrize(
    "where", [JobFilter(), JobFilter(task_name="report"), JobFilter(tag="a")], ids=["all", "task", "tag"]
)
@every_order
async def test_pages_stay_right_while_rows_change(
    store: Store, order: OrderField, is_descending: bool, is_backward: bool, where: JobFilter
) -> None:
    """Between pages: a row already seen, the cursor's own row and one still to come change; one goes and one comes."""
    await store.create_jobs([new_job("report", tags=["a"], priority=JobPriority(index % 3 + 1)) for index in range(24)])
    query = JobQuery(where, order, is_descending, Page(4, is_backward=is_backward))
    jobs = (await store.reads.list_jobs(replace(query, page=Page(100)))).jobs
    if is_backward:
        jobs.reverse()
    disturbed: set[int] = set()
    seen: list[int] = []
    while True:
        page = await store.reads.list_jobs(query)
        rows = page.jobs[::-1] if is_backward else page.jobs
        seen += [job.id for job in rows]
        if not (page.has_previous if is_backward else page.has_next):
            break
        query = replace(query, page=replace(query.page, cursor=cursor_of(query, rows[-1])))
        to_come = [job.id for job in jobs if job.id not in seen and job.id not in disturbed]
        changing = [rows[0].id, rows[-1].id, *to_come[1:2]]
        for job_id in changing:
            if (await fetch_job(store, job_id)).status is JobStatus.PENDING:
                await store.change_job(job_id, Trigger.RUN)
        gone = to_come[2:3]
        for job_id in gone:
            await store.delete_job(job_id)
        disturbed.update(changing, gone)
        disturbed.add((await create(store, "report", tags=["a"])).id)
        assert len(seen) < 200
    undisturbed = [job.id for job in jobs if job.id not in disturbed]
    assert [job_id for job_id in seen if job_id in undisturbed] == undisturbed


async def test_a_page_after_a_row_that_was_deleted(store: Store) -> None:
    jobs = [each.job for each in await store.create_jobs([new_job() for _ in range(6)])]
    query = JobQuery(JobFilter(), OrderField.UPDATED_AT, True, Page(2))
    [_, edge] = (await store.reads.list_jobs(query)).jobs
    await store.delete_job(edge.id)
    page = await store.reads.list_jobs(replace(query, page=Page(2, cursor_of(query, edge))))
    assert [job.id for job in page.jobs] == [jobs[3].id, jobs[2].id]


@pytest.mark.parametrize("is_backward", [False, True])
async def test_a_cursor_of_another_list_is_refused(store: Store, is_backward: bool) -> None:
    job = await create(store)
    query = JobQuery(JobFilter(tag="a"), OrderField.CREATED_AT, True, Page(5, is_backward=is_backward))
    cursor = cursor_of(query, job)
    others = [
        replace(query, is_descending=False),
        replace(query, order=OrderField.UPDATED_AT),
        replace(query, where=JobFilter()),
        replace(query, where=JobFilter(tag="b")),
        replace(query, where=JobFilter(tag="a", status=(JobStatus.QUEUED,))),
    ]
    for other in others:
        with pytest.raises(InvalidInput, match="belongs to a list with another order") as refusal:
            await store.reads.list_jobs(replace(other, page=replace(query.page, cursor=cursor)))
        assert refusal.value.field == ("before" if is_backward else "after")
    page = await store.reads.list_jobs(replace(query, page=Page(9, cursor)))
    assert page.jobs == []


def garbage(query: JobQuery) -> list[str]:
    mark = fingerprint(query)
    a_time = "2026-01-01 00:00:00.000000"
    keys = {
        OrderField.CREATED_AT: [1, a_time],
        OrderField.UPDATED_AT: [None, 1],
        OrderField.RUN_AT: [1],
        OrderField.PRIORITY: [None, a_time, 1.0, True],
    }[query.order]
    values = [*([mark, key, 1] for key in keys),
        None, 1, "abc", [], {}, {"a": 1, "b": 2, "c": 3}, [1, 2, 3], [mark], [mark, None], [mark, None, None],
        [mark, None, "1"], [mark, None, 1.5], [mark, None, True], [mark, [], 1], [mark, {}, 1], [mark, True, 1],
        [mark, "now", 1], [mark, "' OR 1=1 -- ", 1], [mark, "2026-13-45 99:00:00.000000", 1], [mark, "", 1],
        [mark, "2026-01-01", 1], [mark, 0, 1], [mark, 4, 1], [mark, -1, 1], [mark, 2**63, 1], [mark, "1", 1],
        [mark, None, 1, 1],
    ]  # fmt: skip
    texts = ["", " ", "abc", "!!!!", "====", "é", "\ud800", "\x00", "A" * 5000, "123"]
    encoded = [base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=") for value in values]
    return [*texts, *encoded, base64.b64encode(b"\xff\xfe").decode()]


@every_order
async def test_garbage_is_no_cursor(store: Store, order: OrderField, is_descending: bool) -> None:
    await create(store)
    query = JobQuery(JobFilter(), order, is_descending)
    for cursor in garbage(query):
        with pytest.raises(InvalidInput) as refusal:
            await store.reads.list_jobs(replace(query, page=Page(5, cursor)))
        assert refusal.value.field == "after", cursor


async def test_more_task_names_than_a_server_recurses(store: Store) -> None:
    await store.create_jobs([new_job(f"task {index:04}") for index in range(900)])
    await store.create_jobs([new_job(f"task {index:04}") for index in range(900, 1300)])
    query = JobQuery(JobFilter(search="task 12"), OrderField.CREATED_AT, False, Page(100))
    page = await store.reads.list_jobs(query)
    assert [job.task_name for job in page.jobs] == [f"task {index:04}" for index in range(1200, 1300)]
    assert await store.reads.count_jobs(JobFilter(search="TASK")) == 1300


async def test_lists_of_some_ids(store: Store) -> None:
    jobs = [each.job for each in await store.create_jobs([new_job(priority=JobPriority(n % 3 + 1)) for n in range(9)])]
    wanted = jobs[2:8]
    where = JobFilter(ids=(*[job.id for job in wanted], 10**18))
    for order, is_descending in ORDERS:
        found = await walk(store, JobQuery(where, order, is_descending, Page(2)), len(wanted))
        assert found == in_order(wanted, order, is_descending), order


async def test_a_list_shows_what_changes_do(open_store: OpenStore) -> None:
    """Through the real changes, not through rows written by hand: the copies in the tags stay right."""
    store = await open_store()
    for status in JobStatus:
        if status is not JobStatus.QUEUED:
            await job_in(store, status, tags=["a"])
    await job_in(store, JobStatus.QUEUED, tags=["a"])
    by_age = (await store.reads.list_jobs(JobQuery(JobFilter(), page=Page(50)))).jobs
    for order, is_descending in ORDERS:
        page = await store.reads.list_jobs(JobQuery(JobFilter(tag="a"), order, is_descending, Page(50)))
        assert page.jobs == in_order(by_age, order, is_descending)
