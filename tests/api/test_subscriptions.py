"""``jobStatusChanged``: in order, filtered, resumed without a gap, across processes; and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from client import WATCH, Api, unique
from launching import Launch
from processes import SAMPLE_TASKS

CREATE_ALL = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { jobs { id } } }"
RUN_ALL = "mutation($filter: JobFilter!) { runJobs(filter: $filter) { count } }"
WHOLE_LIFE = ["PENDING", "QUEUED", "RUNNING", "COMPLETED"]


def lives(changes: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The statuses of each job, in the order of arrival."""
    found: dict[str, list[str]] = {}
    for change in changes:
        found.setdefault(change["job"]["id"], []).append(change["to"])
    return found


async def test_resuming_after_a_broken_connection(api: Api) -> None:
    """The socket is cut three times while 200 jobs run; nothing is missed, repeated or out of order."""
    tag = unique("resume")
    cursor = await api.last_cursor()
    inputs = [{"taskName": "simulate", "payload": {"seconds": 0.01, "steps": 1}, "tags": [tag]}] * 200
    jobs = (await api.data(CREATE_ALL, inputs=inputs))["createJobs"]["jobs"]
    changes: list[dict[str, Any]] = []
    for cut in (230, 400, 600, None):
        async with api.watch(after=cursor, tag=tag) as stream:
            if cut == 230:
                assert await api.data(RUN_ALL, filter={"tag": tag}) == {"runJobs": {"count": 200}}
            while len(changes) < (cut or 800):
                changes.append(await stream.next())
            if cut is not None:
                stream.socket.websocket._response.connection.transport.abort()
        cursor = changes[-1]["cursor"]
    assert lives(changes) == {job["id"]: WHOLE_LIFE for job in jobs}
    cursors = [int(change["cursor"]) for change in changes]
    assert cursors == sorted(set(cursors))
    async with api.watch(after=cursor, tag=tag) as stream:
        last = await api.create("simulate", tags=[tag])
        assert (await stream.next())["job"]["id"] == last["id"]


async def test_replay_shows_each_job_as_it_was(sqlite_api: Api) -> None:
    api, tag = sqlite_api, unique("history")
    cursor = await api.last_cursor()
    job = await api.create("fail", tags=[tag], run=True, maxAttempts=1)
    await api.job_in(job["id"], "FAILED")
    await api.change("retryJob", job["id"])
    await api.job_in(job["id"], "FAILED")
    fields = "id status attempt result startedAt finishedAt updatedAt error { code }"
    async with api.watch(fields, after=cursor, tag=tag) as stream:
        changes = [await stream.next() for _ in range(6)]
    seen = [(change["to"], change["job"]["status"], change["job"]["attempt"]) for change in changes]
    assert seen == [
        ("QUEUED", "QUEUED", 0),
        ("RUNNING", "RUNNING", 1),
        ("FAILED", "FAILED", 1),
        ("QUEUED", "QUEUED", 0),
        ("RUNNING", "RUNNING", 1),
        ("FAILED", "FAILED", 1),
    ]
    assert all(change["job"]["updatedAt"] == change["at"] for change in changes)
    assert [change["job"]["finishedAt"] is not None for change in changes] == [False, False, True] * 2
    assert [change["job"]["startedAt"] is not None for change in changes] == [False, True, True] * 2
    assert [change["job"]["error"] is not None for change in changes] == [False, False, True, True, True, True]


async def test_filters(sqlite_api: Api) -> None:
    """Each stream sees what its filter names and nothing else, replayed or live."""
    api, tag, name = sqlite_api, unique("filter"), unique("named")
    cursor = await api.last_cursor()
    early = await api.create(name, priority="HIGH", tags=[tag, "x"])
    filters: list[tuple[dict[str, Any], list[str]]] = [
        ({"id": early["id"]}, WHOLE_LIFE),
        ({"tag": tag}, [*WHOLE_LIFE, *WHOLE_LIFE]),
        ({"taskName": name}, WHOLE_LIFE),
        ({"tag": tag, "priority": ["LOW"]}, WHOLE_LIFE),
        ({"tag": tag, "priority": ["HIGH", "LOW"], "status": ["QUEUED", "COMPLETED"]}, ["QUEUED", "COMPLETED"] * 2),
        ({"tag": tag, "taskName": name, "id": early["id"], "status": []}, WHOLE_LIFE),
    ]
    async with api.socket() as socket:
        streams = [await socket.subscribe(WATCH % "id", after=cursor, **given) for given, _ in filters]
        await api.change("runJob", early["id"])
        await api.job_in(early["id"], "COMPLETED")
        late = await api.create("simulate", priority="LOW", tags=[tag])
        await api.create(unique("unseen"), run=True)
        await api.change("runJob", late["id"])
        found: dict[str, list[str]] = {stream.id: [] for stream in streams}
        for _ in range(sum(len(expected) for _, expected in filters)):
            message = await socket.receive()
            assert message["type"] == "next"
            found[message["id"]].append(message["payload"]["data"]["jobStatusChanged"]["to"])
    assert list(found.values()) == [expected for _, expected in filters]


async def test_one_socket_carries_queries_and_mutations_too(sqlite_api: Api) -> None:
    async with sqlite_api.socket() as socket:
        await socket.subscribe('mutation { createJob(input: {taskName: "simulate"}) { job { status } } }')
        message = await socket.receive()
        assert message["payload"] == {"data": {"createJob": {"job": {"status": "PENDING"}}}}
        assert (await socket.receive())["type"] == "complete"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"after": "garbage"}, "after"),
        ({"after": ""}, "after"),
        ({"after": "-1"}, "after"),
        ({"after": "9" * 19}, "after"),
        ({"after": "9" * 40}, "after"),
        ({"after": "9223372036854775807"}, "after"),
        ({"id": "abc"}, "id"),
        ({"tag": "\u00fc" * 256}, "tag"),
        ({"taskName": "x" * 256}, "taskName"),
    ],
    ids=str,
)
async def test_refused_arguments_end_the_operation_alone(
    sqlite_api: Api, arguments: dict[str, Any], field: str
) -> None:
    async with sqlite_api.socket() as socket:
        refused = await socket.subscribe(WATCH % "id", **arguments)
        assert await refused.refusal() == {"code": "BAD_USER_INPUT", "field": field}
        await socket.subscribe("{ version }")
        assert (await socket.receive())["type"] == "next"


async def test_an_id_that_is_not_there_yet_may_be_watched(sqlite_api: Api) -> None:
    async with sqlite_api.socket() as socket:
        await socket.subscribe(WATCH % "id", id=str(10**30))
        second = await socket.subscribe("{ version }")
        assert (await socket.receive())["id"] == second.id


async def test_a_worker_in_another_process(own_url: str, launch: Launch, api_of: Any, tmp_path: Path) -> None:
    """The server runs nothing itself; its subscriber sees all that the worker does, in order."""
    serve = launch("serve", "--port", "0", "--no-worker", is_ready=False, DATABASE_URL=own_url)
    worker = launch("worker", "--tasks", str(SAMPLE_TASKS), "--slots", "4", is_ready=False, DATABASE_URL=own_url)
    serve.await_ready()
    worker.await_ready()
    api: Api = api_of(serve)
    tag = unique("two processes")
    notes = tmp_path / "notes"
    assert serve.ready["slots"] == 0
    workers = await api.workers(1)
    assert [(each["pid"], each["slots"]) for each in workers] == [(worker.pid, 4)]
    async with api.watch(after="0", tag=tag) as stream:
        inputs = [{"taskName": "note", "payload": {"file": str(notes)}, "tags": [tag], "run": True}] * 100
        jobs = (await api.data(CREATE_ALL, inputs=inputs))["createJobs"]["jobs"]
        changes = [await stream.next() for _ in range(300)]
    assert lives(changes) == {job["id"]: ["QUEUED", "RUNNING", "COMPLETED"] for job in jobs}
    cursors = [int(change["cursor"]) for change in changes]
    assert cursors == sorted(set(cursors))
    assert sorted(notes.read_text().split(), key=int) == [job["id"] for job in jobs]
    worker.check_its_end()
    assert await api.workers(0) == []


async def test_the_log_of_an_empty_database(launch: Launch, api_of: Any) -> None:
    """A subscription from the very beginning, before there is any event."""
    api: Api = api_of(launch())
    async with api.socket() as socket:
        stream = await socket.subscribe(WATCH % "id", after="0")
        early = await socket.subscribe(WATCH % "id", after="1")
        assert await early.refusal() == {"code": "BAD_USER_INPUT", "field": "after"}
        job = await api.create("simulate")
        assert (await stream.next())["job"]["id"] == job["id"] == "1"
