"""What viewers, operators and admins see of what users stored and tasks said: in queries and subscriptions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from client import WATCH
from eventually import eventually
from graphql import GraphQLObjectType, build_schema, get_named_type
from keyed import KEYS, ROLES, SETTING, by_post, keyed_socket
from launching import launching
from processes import ServerProcess

from resolvers.root import sdl
from resolvers.visibility import HIDDEN_TRACEBACK, SHOWN

SECRET, BIG = "hunter2", 18446744073709551615
TASKS = """
import traceback
from signalbox import task

@task("leak", max_attempts=1)
async def leak(ctx, password: str, n: int, fail: bool):
    await ctx.log('sent {"token": "%s", "n": 1}' % password)
    await ctx.log(f"password={password}")
    try:
        raise KeyError("inside")
    except KeyError:
        await ctx.log("it went wrong\\n" + traceback.format_exc().rstrip())
    if fail:
        raise RuntimeError(f"secret: {password}")
    return {"nested": [{"Api-Key": password}], "n": n, "body": '{"token": "%s"}' % password}
"""
ERROR = "error { code message traceback }"
FIELDS = f"""id payload payloadText payloadPreview result resultText {ERROR} attempts {{ {ERROR} }}
  copyOf {{ payloadText }} logs {{ nodes {{ message }} }}"""
CREATE = f"mutation($input: CreateJobInput!) {{ createJob(input: $input) {{ job {{ {FIELDS} }} }} }}"


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder: Path = tmp_path_factory.mktemp("leaky")
    (folder / "leaky.py").write_text(TASKS)
    with launching(folder) as launch:
        settings = {"SIGNALBOX_API_KEYS": SETTING}
        yield launch("serve", "--port", "0", "--tasks", str(folder / "leaky.py"), **settings)


async def data(session: aiohttp.ClientSession, server: ServerProcess, role: str, query: str, **variables: Any) -> Any:
    outcome = await by_post(session, f"{server.url}/graphql", KEYS[role], query, variables)
    assert outcome.code is None, outcome.answer
    assert outcome.answer is not None
    return outcome.answer["data"]


async def ended(session: aiohttp.ClientSession, server: ServerProcess, *, fail: bool) -> str:
    """A job that has run; its id."""
    payload = {"password": SECRET, "n": BIG, "fail": fail}
    given = {"taskName": "leak", "payload": payload, "run": True}
    job = (await data(session, server, "operator", CREATE, input=given))["createJob"]["job"]

    async def is_terminal() -> bool:
        found = await data(session, server, "viewer", "query($id: ID!) { job(id: $id) { finishedAt } }", id=job["id"])
        return found["job"]["finishedAt"] is not None

    await eventually(is_terminal, timeout_seconds=10)
    return str(job["id"])


@pytest.mark.parametrize("role", ROLES)
async def test_a_job(role: str, leaky: ServerProcess, session: aiohttp.ClientSession) -> None:
    job_id = await ended(session, leaky, fail=False)
    job = (await data(session, leaky, role, f"query($id: ID!) {{ job(id: $id) {{ {FIELDS} }} }}", id=job_id))["job"]
    is_hidden = role == "viewer"
    shown = "[redacted]" if is_hidden else SECRET
    assert job["payload"] == {"password": shown, "n": BIG, "fail": False}
    assert job["payloadText"] == job["payloadPreview"] == f'{{"password":"{shown}","n":{BIG},"fail":false}}'
    body = f'{{"token": "{shown}"}}'
    assert job["result"] == {"nested": [{"Api-Key": shown}], "n": BIG, "body": body}
    assert f'"n":{BIG}' in job["resultText"]
    messages = [line["message"] for line in job["logs"]["nodes"]]
    assert messages[:2] == [f'sent {{"token": "{shown}", "n": 1}}', f"password={shown}"]
    assert messages[2].endswith("KeyError: 'inside'")
    assert ("File" in messages[2]) is (role == "admin")
    assert (HIDDEN_TRACEBACK in messages[2]) is (role != "admin")
    assert (SECRET in str(job)) is not is_hidden


@pytest.mark.parametrize("role", ROLES)
async def test_a_failed_job(role: str, leaky: ServerProcess, session: aiohttp.ClientSession) -> None:
    """A viewer's request for the traceback is no mistake: it is null."""
    job_id = await ended(session, leaky, fail=True)
    job = (await data(session, leaky, role, f"query($id: ID!) {{ job(id: $id) {{ {FIELDS} }} }}", id=job_id))["job"]
    shown = "[redacted]" if role == "viewer" else SECRET
    for error in (job["error"], job["attempts"][0]["error"]):
        assert (error["code"], error["message"]) == ("TASK_ERROR", f"RuntimeError: secret: {shown}")
        assert ("in leak" in (error["traceback"] or "")) is (role == "admin")
        assert (error["traceback"] is None) is (role != "admin")


@pytest.mark.parametrize("role", ROLES)
async def test_lists_and_schedules(role: str, leaky: ServerProcess, session: aiohttp.ClientSession) -> None:
    await ended(session, leaky, fail=False)
    name = f"of {role}"
    create = "mutation($input: CreateScheduleInput!) { createSchedule(input: $input) { schedule { id } } }"
    payload = {"password": SECRET, "n": 1, "fail": False}
    given = {"name": name, "taskName": "leak", "cron": "@yearly", "payload": payload}
    await data(session, leaky, "operator", create, input=given)
    fields = FIELDS.replace("logs {", "logs(first: 5) {")
    jobs = f"jobs(first: 3) {{ nodes {{ {fields} }} edges {{ node {{ {fields} }} }} }}"
    query = f"{{ {jobs} schedules {{ name payload payloadText }} }}"
    found = await data(session, leaky, role, query)
    [schedule] = [each for each in found["schedules"] if each["name"] == name]
    assert schedule["payload"] == {**payload, "password": "[redacted]" if role == "viewer" else SECRET}
    assert (SECRET in schedule["payloadText"]) is (role != "viewer")
    assert (SECRET in str(found["jobs"])) is (role != "viewer")


@pytest.mark.parametrize("is_replayed", [False, True], ids=["live", "replayed"])
async def test_subscribers_of_each_role(
    is_replayed: bool, leaky: ServerProcess, session: aiohttp.ClientSession
) -> None:
    """All three subscribe with the same document and variables, and each sees the changes in its way."""
    url, fields = f"{leaky.url}/graphql", f"payload payloadText resultText {ERROR} attempts {{ {ERROR} }}"
    job_id = await ended(session, leaky, fail=True)
    variables: dict[str, Any] = {"status": ["FAILED"]}
    if is_replayed:
        query = "query($id: ID!) { job(id: $id) { events { cursor } } }"
        events = (await data(session, leaky, "viewer", query, id=job_id))["job"]["events"]
        variables |= {"after": events[0]["cursor"], "id": job_id}
    async with (
        keyed_socket(session, url, KEYS["viewer"]) as viewer,
        keyed_socket(session, url, KEYS["operator"]) as operator,
        keyed_socket(session, url, KEYS["admin"]) as admin,
    ):
        streams = [await each.subscribe(WATCH % fields, **variables) for each in (viewer, operator, admin)]
        pending = [asyncio.ensure_future(stream.next()) for stream in streams]
        while not is_replayed and not all(each.done() for each in pending):
            await ended(session, leaky, fail=True)  # until all of them listen
            await asyncio.wait(pending, timeout=0.05)
        seen = [change["job"] for change in await asyncio.gather(*pending)]
    assert [job["payload"]["password"] for job in seen] == ["[redacted]", SECRET, SECRET]
    assert [SECRET in str(job) for job in seen] == [False, True, True]
    assert [job["error"]["traceback"] is None for job in seen] == [True, True, False]
    assert [job["attempts"][0]["error"]["traceback"] is None for job in seen] == [True, True, False]


async def test_a_search_finds_no_secret(leaky: ServerProcess, session: aiohttp.ClientSession) -> None:
    await ended(session, leaky, fail=False)
    for filters in (f'search: "{SECRET}"', 'search: "password"', f'tag: "{SECRET}"', f'taskName: "{SECRET}"'):
        found = await data(session, leaky, "viewer", f"{{ jobs({filters}) {{ totalCount nodes {{ id }} }} }}")
        assert found["jobs"] == {"totalCount": 0, "nodes": []}


async def test_the_body_of_a_delivery(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    said = repr('Traceback (most recent call last):\n  File "a.py", line 1, in leak\nKeyError: 1')
    (tmp_path / "leaky.py").write_text(TASKS.replace('f"secret: {password}"', said))
    with launching(tmp_path) as launch:
        tasks = str(tmp_path / "leaky.py")
        allowed = {"SIGNALBOX_WEBHOOK_ALLOW": "127.0.0.0/8"}
        server = launch("serve", "--port", "0", "--tasks", tasks, SIGNALBOX_API_KEYS=SETTING, **allowed)
        create = "mutation($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { secret } }"
        given = {"url": "http://127.0.0.1:9/", "events": ["JOB_COMPLETED", "JOB_FAILED"]}
        await data(session, server, "admin", create, input=given)
        for fail in (False, True):
            job_id = await ended(session, server, fail=fail)
            query = f'{{ job(id: "{job_id}") {{ deliveries {{ body }} }} }}'
            for role in ROLES:
                [delivery] = (await data(session, server, role, query))["job"]["deliveries"]
                assert f'"n":{BIG}' in delivery["body"]
                assert (SECRET in delivery["body"]) is (role != "viewer")
                assert ("in leak" in delivery["body"]) is (fail and role == "admin")


async def test_webhook_bodies_are_for_operators(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    with launching(tmp_path) as launch:
        settings = {"SIGNALBOX_API_KEYS": SETTING, "SIGNALBOX_WEBHOOK_TEST": "true"}
        server = launch("serve", "--port", "0", "--no-worker", **settings)
        async with session.post(f"{server.url}/webhook-test", json={"payload": SECRET}) as response:
            assert response.status == 200
        for key, status in ((None, 401), ("viewer", 403), ("operator", 200), ("admin", 200)):
            headers = {"Authorization": f"Bearer {KEYS[key]}"} if key else {}
            async with session.get(f"{server.url}/webhook-test", headers=headers) as response:
                assert (response.status, SECRET in await response.text()) == (status, status == 200)


STORED_OR_SAID = {"JSON"}
OPEN_TO_ALL = {"Task.payloadSchema"}


def test_every_field_of_json_is_in_the_table() -> None:
    """A new field that hands on what users stored needs a line in ``resolvers/visibility.py``."""
    schema = build_schema(sdl())
    fields = [
        f"{owner.name}.{name}"
        for owner in schema.type_map.values()
        if isinstance(owner, GraphQLObjectType)
        for name, field in owner.fields.items()
        if get_named_type(field.type).name in STORED_OR_SAID or name.endswith(("Text", "message", "traceback", "body"))
    ]
    assert set(fields) - OPEN_TO_ALL <= set(SHOWN)
    assert len(fields) >= 9
