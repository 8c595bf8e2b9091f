"""``eventCursor``: what a list shows and what a subscription tells after it leave nothing out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from client import Api, unique
from eventually import eventually
from keyed import KEYS, SETTING, by_event_stream, by_get, by_post, by_websocket
from launching import Launch

LIST = "jobs(tag: $tag, first: 100) { nodes { id updatedAt events { cursor at } } }"
ORDERS = {"after the jobs": "%s eventCursor", "before the jobs": "eventCursor %s"}
WATCH = "subscription($tag: String, $after: String) { jobStatusChanged(tag: $tag, after: $after) { cursor } }"
JOBS, WRITERS, READERS, ROUNDS = 18, 6, 8, 12


@pytest.fixture
async def patient_session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


async def test_an_empty_log(launch: Launch, api_of: Any) -> None:
    api: Api = api_of(launch())
    data = await api.data(f"query($tag: String) {{ cursor: eventCursor {LIST} }}", tag="none")
    assert data == {"cursor": "0", "jobs": {"nodes": []}}
    async with api.watch("id", after=data["cursor"]) as stream:
        job = await api.create("simulate", "id")
        assert (await stream.next())["job"]["id"] == job["id"]


async def test_it_is_where_the_last_change_is(api: Api) -> None:
    tag = unique("cursor")
    job = await api.create("simulate", "id", tags=[tag])
    [event] = (await api.job(job["id"], "events { cursor }"))["events"]

    async def is_there() -> str | None:
        """A number before it that was never used holds the cursor back for a moment."""
        cursor = (await api.data("query { ...c } fragment c on Query { eventCursor }"))["eventCursor"]
        return str(cursor) if int(cursor) >= int(event["cursor"]) else None

    cursor = await eventually(is_there)
    async with api.watch("id", after=cursor, tag=tag) as stream:
        await api.change("cancelJob", job["id"])
        assert (await stream.next())["to"] == "CANCELLED"


@pytest.fixture
def mariadb_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue("servers").get("mariadb").create()
    return url


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.mariadb
async def test_nothing_is_missed(
    order: str, launch: Launch, patient_session: aiohttp.ClientSession, mariadb_url: str
) -> None:
    """On two servers, while both write: who has read the jobs and subscribes a while later, anywhere, has seen each
    change either in a job or in the stream. The jobs are fields beside the cursor, each with a read of its own."""
    options = ("serve", "--port", "0", "--no-worker")
    settings = {"DATABASE_URL": mariadb_url, "SIGNALBOX_UNKNOWN_TASK": "simulate"}
    first = launch(*options, "--migrate", **settings)
    apis = [Api(patient_session, process.url) for process in (first, launch(*options, **settings))]
    tag = unique("race")
    ids = [(await apis[0].create("simulate", "id", tags=[tag]))["id"] for _ in range(JOBS)]
    is_over = asyncio.Event()
    chance = random.Random(4)

    async def write(number: int) -> None:
        """Change jobs of one's own, so that no change is refused."""
        own = ids[number::WRITERS]
        while not is_over.is_set():
            api = chance.choice(apis)
            job_id = chance.choice(own)
            status = (await api.job(job_id, "status"))["status"]
            await api.change("retryJob" if status == "CANCELLED" else "cancelJob", job_id, "id")

    jobs = " ".join(f'job{job_id}: job(id: "{job_id}") {{ id updatedAt }}' for job_id in ids)
    seen: list[tuple[dict[str, str], int, list[int]]] = []

    async def read() -> None:
        for _ in range(ROUNDS):
            data = await chance.choice(apis).data(f"{{ {ORDERS[order] % jobs} }}")
            cursor = data.pop("eventCursor")
            streamed: list[int] = []
            seen.append(({job["id"]: job["updatedAt"] for job in data.values()}, int(cursor), streamed))
            await asyncio.sleep(chance.uniform(0, 0.1))
            async with chance.choice(apis).socket() as socket:
                stream = await socket.subscribe(WATCH, tag=tag, after=cursor)
                streamed += [int((await stream.next())["cursor"]) for _ in range(10)]

    writing = [asyncio.create_task(write(number)) for number in range(WRITERS)]
    await asyncio.gather(*(read() for _ in range(READERS)))
    is_over.set()
    await asyncio.gather(*writing)

    nodes = (await apis[0].data(f"query($tag: String) {{ {LIST} }}", tag=tag))["jobs"]["nodes"]
    changes = {job["id"]: [(int(each["cursor"]), each["at"]) for each in job["events"]] for job in nodes}
    log = sorted(seq for each in changes.values() for seq, _at in each)
    assert len(seen) == READERS * ROUNDS
    for shown, cursor, streamed in seen:
        for job_id, updated_at in shown.items():
            [upto] = [seq for seq, at in changes[job_id] if at == updated_at]
            assert not [seq for seq, _at in changes[job_id] if upto < seq <= cursor], "neither shown nor to be told"
        assert streamed == [seq for seq in log if seq > cursor][: len(streamed)]
    assert len({cursor for _, cursor, _ in seen}) > ROUNDS, "they were at many places of the log"


@pytest.mark.parametrize("send", [by_post, by_get, by_websocket, by_event_stream])
async def test_a_viewer_may_ask(send: Any, launch: Launch, session: aiohttp.ClientSession) -> None:
    url = launch("serve", "--port", "0", "--no-worker", SIGNALBOX_API_KEYS=SETTING).url + "/graphql"
    outcome = await send(session, url, KEYS["viewer"], "{ eventCursor }", {})
    assert (outcome.code, outcome.answer["data"]) == (None, {"eventCursor": "0"})
    assert (await send(session, url, None, "{ eventCursor }", {})).code == "UNAUTHENTICATED"
