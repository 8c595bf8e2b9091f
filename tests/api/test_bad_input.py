"""Whatever a client gets wrong has its error code and status, leaves one line in the log, and changes nothing."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from client import GRAPHQL_RESPONSE, JSON, Api
from launching import launching
from processes import ServerProcess

TABLES = ("jobs", "job_event", "job_tag", "webhook_delivery", "webhook_try")
CREATE = "mutation($input: CreateJobInput!) { createJob(input: $input) { job { id } } }"
PAGE = (
    "query($first: Int, $last: Int, $after: String) { jobs(first: $first, last: $last, after: $after) { totalCount } }"
)
OTHER_LIST = "{ jobs(status: [PENDING], first: 1) { pageInfo { endCursor } } }"


@dataclass
class Case:
    """A request and what it must get. A field that fails still answers 200: the operation was executed."""

    body: bytes
    code: str = "BAD_USER_INPUT"
    statuses: tuple[int, int] = (200, 400)
    field: str | None = None


def operation(query: str, **variables: Any) -> bytes:
    return orjson.dumps({"query": query, "variables": variables})


def refused_by_field(query: str, name: str | None, code: str = "BAD_USER_INPUT", **variables: Any) -> Case:
    return Case(operation(query, **variables), code, (200, 200), name)


def created(name: str, **given: Any) -> Case:
    return refused_by_field(CREATE, name, input={"taskName": "simulate", **given})


def raw_input(text: str) -> bytes:
    """CreateJobInput as JSON text that no encoder would write."""
    return b'{"query":"%b","variables":{"input":{"taskName":"simulate","payload":%b}}}' % (
        CREATE.encode(),
        text.encode(),
    )


def mutation(text: str) -> bytes:
    return operation(f"mutation {{ {text} }}")


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


JOB_MUTATIONS = ("runJob", "cancelJob", "retryJob", "copyJob")
CASES = {
    "unknown priority": Case(mutation('createJob(input: {taskName: "x", priority: URGENT}) { job { id } }')),
    "unknown priority in a variable": Case(
        operation(CREATE, input={"taskName": "x", "priority": "URGENT"}), field="priority"
    ),
    "priority in lower case": Case(operation(CREATE, input={"taskName": "x", "priority": "high"}), field="priority"),
    "no task name": Case(operation(CREATE, input={}), field="taskName"),
    "unknown input field": Case(operation(CREATE, input={"taskName": "x", "tag": "y"}), field="tag"),
    "empty task name": created("taskName", taskName=""),
    "blank task name": created("taskName", taskName="  "),
    "task name of 256 characters": created("taskName", taskName="é" * 256),
    "task name with a line break": created("taskName", taskName="a\nb"),
    "payload of 65 levels": created("payload", payload=nested(65)),
    "payload of 500 levels": Case(raw_input("[" * 500 + "]" * 500), statuses=(200, 200), field="payload"),
    "payload of 65 levels in the document": Case(
        mutation(f'createJob(input: {{taskName: "simulate", payload: {"[" * 65}{"]" * 65}}}) {{ job {{ id }} }}'),
        statuses=(200, 200),
        field="payload",
    ),
    "2^70": Case(raw_input('{"n": 1180591620717411303424}'), statuses=(200, 200), field="payload.n"),
    "2^70 in the document": Case(
        mutation('createJob(input: {taskName: "x", payload: {n: 1180591620717411303424}}) { job { id } }'),
        statuses=(200, 200),
        field="payload.n",
    ),
    "-2^63 - 1": Case(raw_input("[-9223372036854775809]"), statuses=(200, 200), field="payload.0"),
    "1e999 in the document": Case(
        mutation('createJob(input: {taskName: "x", payload: 1e999}) { job { id } }'),
        statuses=(200, 200),
        field="payload",
    ),
    "NaN": Case(raw_input("NaN"), statuses=(400, 400)),
    "Infinity": Case(raw_input("[-Infinity]"), statuses=(400, 400)),
    "1e999": Case(raw_input("1e999"), statuses=(400, 400)),
    "lone surrogate in a payload": Case(raw_input(r'"\ud800"'), statuses=(400, 400)),
    "lone surrogate in a key": Case(raw_input(r'{"\udfff": 1}'), statuses=(400, 400)),
    "lone surrogate in the document": Case(
        rb'{"query":"mutation { createJob(input: {taskName: \"\\ud800\"}) { job { id } } }"}'
    ),
    "21 tags": created("tags", tags=[str(number) for number in range(21)]),
    "empty tag": created("tags", tags=[""]),
    "0 attempts": created("maxAttempts", maxAttempts=0),
    "101 attempts": created("maxAttempts", maxAttempts=101),
    "no time": created("timeoutSeconds", timeoutSeconds=0),
    "too much time": created("timeoutSeconds", timeoutSeconds=604_801),
    "an attempt too large for an Int": Case(operation(CREATE, input={"taskName": "x", "maxAttempts": 2**31})),
    "empty idempotency key": created("idempotencyKey", idempotencyKey=""),
    "long idempotency key": created("idempotencyKey", idempotencyKey="k" * 256),
    "webhook to a file": created("webhookUrl", webhookUrl="file:///etc/passwd"),
    "webhook with a password": created("webhookUrl", webhookUrl="http://user:secret@example.com/"),
    "time without an offset": Case(operation(CREATE, input={"taskName": "x", "runAt": "2026-02-05T15:00:00"})),
    "time that is none": Case(operation(CREATE, input={"taskName": "x", "runAt": "tomorrow"})),
    "time as a number": Case(operation(CREATE, input={"taskName": "x", "runAt": 1})),
    "time out of range": Case(operation(CREATE, input={"taskName": "x", "runAt": "0001-01-01T00:00:00+14:00"})),
    **{
        f"{name} of an unknown id": Case(mutation(f"{name}(id: 999) {{ job {{ id }} }}"), "NOT_FOUND", (200, 200))
        for name in JOB_MUTATIONS
    },
    **{
        f"{name} of the id {wrong!r}": Case(
            mutation(f'{name}(id: "{wrong}") {{ job {{ id }} }}'), statuses=(200, 200), field="id"
        )
        for name in JOB_MUTATIONS
        for wrong in ("abc", "-1", "", "1.0", "١")
    },
    "deletion of an unknown id": Case(mutation("deleteJob(id: 999) { id }"), "NOT_FOUND", (200, 200)),
    "run of 10^30": Case(mutation(f"runJob(id: {10**30}) {{ job {{ id }} }}"), "NOT_FOUND", (200, 200)),
    "query of the id abc": refused_by_field("query($id: ID!) { job(id: $id) { id } }", "id", id="abc"),
    "ids of a filter": Case(mutation('runJobs(filter: {ids: ["1", "x"]}) { count }'), statuses=(200, 200), field="ids"),
    "first: 0": refused_by_field(PAGE, "first", first=0),
    "first: 101": refused_by_field(PAGE, "first", first=101),
    "first with last": refused_by_field(PAGE, "last", first=1, last=1),
    "no cursor": refused_by_field(PAGE, "after", after="abc"),
    "body of 1": Case(b"1", statuses=(400, 400)),
    'body of "x"': Case(b'"x"', statuses=(400, 400)),
    "empty body": Case(b"", statuses=(400, 400)),
    "a batch": Case(b'[{"query": "{ version }"}]', statuses=(400, 400)),
    "invalid UTF-8": Case(b'{"query": "{ version }", "x": "\xff"}', statuses=(400, 400)),
    "20,000 levels": Case(b"[" * 20_000 + b"]" * 20_000, statuses=(400, 400)),
    "2 MB": Case(raw_input('"' + "x" * 2_000_000 + '"'), "PAYLOAD_TOO_LARGE", (413, 413)),
    "no operation": Case(operation("")),
    "syntax error": Case(operation("{ jobs(")),
    "unknown field": Case(operation("mutation { dropAllJobs { count } }")),
    "subscription by POST": Case(operation("subscription { jobStatusChanged { to } }"), statuses=(400, 400)),
}


@pytest.fixture(scope="session")
def quiet_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that has nothing to do but to refuse, with one job in its database."""
    with launching(tmp_path_factory.mktemp("quiet")) as launch:
        yield launch("serve", "--port", "0", SIGNALBOX_UNKNOWN_TASK="simulate")


@pytest.fixture
def quiet(quiet_server: ServerProcess, api_of: Any) -> Api:
    api: Api = api_of(quiet_server)
    return api


def written(server: ServerProcess) -> list[int]:
    """How many rows each table has, and the last event's number."""
    with contextlib.closing(sqlite3.connect(server.folder / "signalbox.db")) as database:
        counts = [database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in TABLES]
        return [*counts, database.execute("SELECT MAX(seq) FROM job_event").fetchone()[0]]


async def lines_of(server: ServerProcess, api: Api, since: int) -> list[dict[str, Any]]:
    """What the server has logged since: a last refusal of another kind marks the end."""
    parameters = {"query": "mutation { runJob(id: 1) { job { id } } }"}
    async with api.session.get(api.url, params=parameters) as response:
        assert response.status == 405
    server.wait_for("graphql.client_error", since=since, where=lambda line: line["code"] == "METHOD_NOT_ALLOWED")
    return server.records(since)[:-1]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_refusals(quiet: Api, quiet_server: ServerProcess, case: Case) -> None:
    before = written(quiet_server)
    for accept, status in zip((JSON, GRAPHQL_RESPONSE), case.statuses, strict=True):
        since = len(quiet_server.lines)
        found, answer = await quiet.send(case.body, accept=accept)
        assert found == status, answer
        assert not any((answer.get("data") or {}).values())
        assert ("data" in answer) is (case.statuses == (200, 200))
        [error] = answer["errors"]
        assert error["extensions"]["code"] == case.code
        if case.field is not None:
            assert error["extensions"]["field"] == case.field
        [line] = await lines_of(quiet_server, quiet, since)
        assert (line["event"], line["level"], line["code"]) == ("graphql.client_error", "info", case.code)
    assert written(quiet_server) == before


async def test_a_cursor_of_another_query(quiet: Api, quiet_server: ServerProcess) -> None:
    await quiet.create("simulate")
    cursor = (await quiet.data(OTHER_LIST))["jobs"]["pageInfo"]["endCursor"]
    before, since = written(quiet_server), len(quiet_server.lines)
    refusal = await quiet.error(PAGE, first=1, after=cursor)
    assert (refusal["code"], refusal["field"]) == ("BAD_USER_INPUT", "after")
    assert len(await lines_of(quiet_server, quiet, since)) == 1
    assert written(quiet_server) == before


async def test_what_is_absent_is_null(quiet: Api, quiet_server: ServerProcess) -> None:
    """Asking for a job that is not there is no mistake."""
    since = len(quiet_server.lines)
    for job_id in ("999", "0", str(10**30)):
        assert await quiet.data("query($id: ID!) { job(id: $id) { id } }", id=job_id) == {"job": None}
    assert await lines_of(quiet_server, quiet, since) == []


async def test_what_is_just_right(quiet: Api) -> None:
    """The neighbours of what is refused."""
    job = await quiet.create("n" * 255, "payload payloadText", payload={"deep": nested(63), "n": 2**64 - 1})
    assert job["payloadText"] == '{"deep":' + "[" * 63 + "]" * 63 + ',"n":18446744073709551615}'
    given = {"tags": ["t" * 100] * 21, "maxAttempts": 100, "timeoutSeconds": 604_800, "idempotencyKey": "k" * 255}
    job = await quiet.create("simulate", "tags maxAttempts timeoutSeconds idempotencyKey", **given)
    assert job == {**given, "tags": ["t" * 100]}
    text = '{"a":"\\ud83d\\ude00","b":-9223372036854775808,"c":1e-7}'
    _status, answer = await quiet.send(raw_input(text))
    job = await quiet.job(answer["data"]["createJob"]["job"]["id"], "payload")
    assert job["payload"] == {"a": "😀", "b": -(2**63), "c": 1e-7}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("1", 4400),
        ('"x"', 4400),
        ("[]", 4400),
        ("{", 4400),
        ('{"type":"subscribe","id":"1","payload":{"query":1}}', 4400),
        ('{"type":"connection_init"}', 4429),
        ("[" * 20_000, 4400),
        ('{"type":"' + "x" * 1_100_000 + '"}', 1009),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_websocket_messages_that_cost_the_socket(quiet: Api, message: str, code: int) -> None:
    async with quiet.socket() as socket:
        await socket.websocket.send_str(message)
        frame = await socket.websocket.receive(10)
        assert frame.data == code
    assert (await quiet.data("{ version }"))["version"]


async def test_refused_operations_leave_the_socket_open(quiet: Api, quiet_server: ServerProcess) -> None:
    before = written(quiet_server)
    async with quiet.socket() as socket:
        for query in ("{", "{ nothing }", 'subscription { jobStatusChanged(id: "abc") { to } }'):
            stream = await socket.subscribe(query)
            assert (await stream.refusal())["code"] == "BAD_USER_INPUT"
        await socket.subscribe(CREATE, input={"taskName": ""})
        message = await socket.receive()
        assert message["payload"]["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "taskName"}
        assert (await socket.receive())["type"] == "complete"
        await socket.subscribe("{ version }")
        assert (await socket.receive())["type"] == "next"
    assert written(quiet_server) == before


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
async def test_pages_of_other_origins_get_no_socket(quiet: Api, origin: str) -> None:
    headers = {"origin": origin}
    async with quiet.session.get(quiet.url, headers={**headers, "upgrade": "websocket"}) as response:
        assert response.status != 101
    with pytest.raises(Exception, match="403"):
        await quiet.session.ws_connect(quiet.url, protocols=("graphql-transport-ws",), headers=headers)


async def test_methods_and_media_types(quiet: Api) -> None:
    for method in ("PUT", "DELETE", "PATCH"):
        async with quiet.session.request(method, quiet.url, json={"query": "{ version }"}) as response:
            assert response.status == 405
    async with quiet.session.post(quiet.url, data={"query": "{ version }"}) as response:
        assert response.status == 415
    async with quiet.session.get(quiet.url, params={"query": "{ version }"}) as response:
        assert (response.status, list(await response.json())) == (200, ["data"])
