"""Every root operation, by every kind of caller, over every transport: who may, may; for whoever may not, nothing
has changed.

The operations are read off the schema, so that a new one is part of the matrix without anyone's doing.
"""

from __future__ import annotations

import contextlib
import io
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp
import pytest
from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)
from keyed import CALLERS, KEYS, SETTING, Send, by_event_stream, by_get, by_post, by_websocket
from launching import launching
from processes import ServerProcess
from test_commands import CONTRACT

from models.enums import Role
from resolvers.roles import NEEDED, ROOTS, needed_role
from resolvers.root import sdl

SCHEMA: GraphQLSchema = build_schema(sdl())
ROOT_TYPES: Mapping[str, GraphQLObjectType | None] = {
    "query": SCHEMA.query_type,
    "mutation": SCHEMA.mutation_type,
    "subscription": SCHEMA.subscription_type,
}
OPERATIONS = [
    (kind, owner.name, name, field)
    for kind, owner in ROOT_TYPES.items()
    if owner is not None
    for name, field in owner.fields.items()
]
SAMPLES: dict[str, Any] = {
    "ID!": "1",
    "String!": "no-such-task",
    "CreateJobInput!": {"taskName": "simulate"},
    "[CreateJobInput!]!": [{"taskName": "simulate"}],
    "JobFilter!": {"ids": ["1"]},
    "CreateScheduleInput!": {"name": "nightly", "taskName": "simulate", "cron": "0 3 * * *"},
    "UpdateScheduleInput!": {"id": "1", "cron": "0 4 * * *"},
    "CreateWebhookEndpointInput!": {"url": "http://127.0.0.1:9/hook"},
    "UpdateWebhookEndpointInput!": {"id": "1", "enabled": False},
    "WebhookDeliveryFilter!": {"jobId": "1"},
    "nextRuns.cron": "@daily",
}
"""By type, or by field and argument."""
TRANSPORTS: dict[str, tuple[Send, tuple[str, ...]]] = {
    "POST": (by_post, ("query", "mutation")),
    "GET": (by_get, ("query",)),
    "websocket": (by_websocket, ("query", "mutation", "subscription")),
    "events": (by_event_stream, ("query", "mutation", "subscription")),
}


def document(kind: str, name: str, field: GraphQLField) -> tuple[str, dict[str, Any]]:
    """The shortest operation that asks for this field, with a sample for each argument that is required."""
    needed: dict[str, GraphQLArgument] = {key: arg for key, arg in field.args.items() if is_required_argument(arg)}
    declared = ", ".join(f"${key}: {arg.type}" for key, arg in needed.items())
    given = ", ".join(f"{key}: ${key}" for key in needed)
    selection = "" if is_leaf_type(get_named_type(field.type)) else " { __typename }"
    query = f"{kind}{f' ({declared})' if declared else ''} {{ {name}{f'({given})' if given else ''}{selection} }}"
    return query, {key: SAMPLES.get(f"{name}.{key}", SAMPLES.get(str(arg.type))) for key, arg in needed.items()}


def expected(caller: str, owner: str, name: str) -> str | None:
    """The code of the refusal, None where there must be none."""
    if caller not in KEYS:
        return "UNAUTHENTICATED"
    return None if Role[caller.upper()] >= needed_role(owner, name) else "FORBIDDEN"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with keys and no worker: nothing but what tests ask for changes its database."""
    with launching(tmp_path_factory.mktemp("guarded")) as launch:
        settings = {"SIGNALBOX_API_KEYS": SETTING, "SIGNALBOX_UNKNOWN_TASK": "simulate"}
        yield launch("serve", "--port", "0", "--no-worker", **settings)


@pytest.fixture
async def with_objects(guarded: ServerProcess, session: aiohttp.ClientSession) -> ServerProcess:
    """Job 1 and schedule 1 are there, for refused operations to leave alone."""
    url = f"{guarded.url}/graphql"
    create_job = 'mutation { createJob(input: {taskName: "simulate", idempotencyKey: "1"}) { job { id } } }'
    await by_post(session, url, KEYS["operator"], create_job, {})
    create = 'mutation { createSchedule(input: {name: "one", taskName: "simulate", cron: "@yearly"}) { __typename } }'
    await by_post(session, url, KEYS["operator"], create, {})
    return guarded


def everything(server: ServerProcess) -> list[str]:
    """The whole database, but for what a loop counts by itself."""
    with contextlib.closing(sqlite3.connect(server.folder / "signalbox.db")) as database:
        return [statement for statement in database.iterdump() if '"throughput_' not in statement]


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_matrix(
    transport: str, caller: str, with_objects: ServerProcess, session: aiohttp.ClientSession
) -> None:
    """All operations of one caller over one transport, refused ones first, so that there is something to change."""
    send, kinds = TRANSPORTS[transport]
    url = f"{with_objects.url}/graphql"
    rows = [
        (expected(caller, owner, name), *document(kind, name, field))
        for kind, owner, name, field in OPERATIONS
        if kind in kinds
    ]
    before = everything(with_objects)
    found = []
    for code, query, variables in rows:
        if code is not None:
            outcome = await send(session, url, CALLERS[caller], query, variables)
            found.append((query, outcome.code))
            if transport in ("POST", "GET"):
                assert outcome.status == {"UNAUTHENTICATED": 401, "FORBIDDEN": 403}[code]
                assert outcome.answer is not None
                assert "data" not in outcome.answer
                assert outcome.headers is not None
                assert (outcome.headers.get("www-authenticate") == "Bearer") is (code == "UNAUTHENTICATED")
            elif code == "UNAUTHENTICATED":
                assert outcome.status == (4403 if transport == "websocket" else 401)
            elif transport == "events":
                assert "data" not in (outcome.answer or {})
    assert found == [(query, code) for code, query, _ in rows if code is not None]
    assert everything(with_objects) == before
    for code, query, variables in rows:
        if code is None:
            outcome = await send(session, url, CALLERS[caller], query, variables)
            # what it asks for may not be there any more: that is an answer, and not for want of a role
            assert outcome.code in (None, "NOT_FOUND", "CONFLICT", "INVALID_STATE"), (query, outcome)
    changes = [query for code, query, _ in rows if code is None and query.startswith("mutation")]
    assert (everything(with_objects) != before) is bool(changes)


@pytest.mark.parametrize("caller", CALLERS)
async def test_a_mutation_by_get_is_never_run(
    caller: str, with_objects: ServerProcess, session: aiohttp.ClientSession
) -> None:
    before = everything(with_objects)
    query = 'mutation { createJob(input: {taskName: "x"}) { job { id } } }'
    outcome = await by_get(session, f"{with_objects.url}/graphql", CALLERS[caller], query, {})
    code, status = ("METHOD_NOT_ALLOWED", 405) if caller in KEYS else ("UNAUTHENTICATED", 401)
    assert (outcome.code, outcome.status) == (code, status)
    assert everything(with_objects) == before


DELETE = "deleteJob(id: 1) { id }"
NESTED = "fragment a on Mutation { ...b } fragment b on Mutation { ... on Mutation { %s } }"
SEVERAL = f"query harmless {{ version }} mutation harmful {{ {DELETE} }}"
HIDDEN_MUTATIONS = [
    (f"mutation {{ ...a }} {NESTED % DELETE}", None, "FORBIDDEN"),
    (f"mutation {{ ... @include(if: true) {{ x: {DELETE} }} }}", None, "FORBIDDEN"),
    (SEVERAL, "harmful", "FORBIDDEN"),
    (SEVERAL, None, "BAD_USER_INPUT"),
    (SEVERAL, "harmless", None),
]


@pytest.mark.parametrize(("query", "name", "code"), HIDDEN_MUTATIONS)
async def test_fragments_and_aliases_hide_nothing(
    query: str, name: str | None, code: str | None, with_objects: ServerProcess, session: aiohttp.ClientSession
) -> None:
    before = everything(with_objects)
    headers = {"authorization": f"Bearer {KEYS['viewer']}"}
    body = {"query": query, "operationName": name}
    async with session.post(f"{with_objects.url}/graphql", json=body, headers=headers) as response:
        answer = await response.json()
    errors = answer.get("errors", [])
    assert [error["extensions"]["code"] for error in errors] == ([code] if code else [])
    if code == "FORBIDDEN":
        assert errors[0]["extensions"]["neededRole"] == "operator"
        assert errors[0]["message"] == "deleteJob needs the role operator; this key has the role viewer."
    assert everything(with_objects) == before


async def test_statuses_for_clients_of_the_older_media_type(
    guarded: ServerProcess, session: aiohttp.ClientSession
) -> None:
    """Without a key it is 401 for everyone; a refused document is a GraphQL answer, and so 200."""
    url = f"{guarded.url}/graphql"
    mutation = "mutation { runJob(id: 1) { job { id } } }"
    for key, status, code in ((None, 401, "UNAUTHENTICATED"), (KEYS["viewer"], 200, "FORBIDDEN")):
        outcome = await by_post(session, url, key, mutation, {}, accept="application/json")
        assert (outcome.status, outcome.code) == (status, code)


async def test_the_upgrade_requests_header_opens_a_websocket(
    guarded: ServerProcess, session: aiohttp.ClientSession
) -> None:
    headers = {"Authorization": f"Bearer {KEYS['viewer']}"}
    protocols = ("graphql-transport-ws",)
    async with session.ws_connect(f"{guarded.url}/graphql", headers=headers, protocols=protocols) as websocket:
        await websocket.send_json({"type": "connection_init"})
        assert await websocket.receive_json() == {"type": "connection_ack"}


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("/graphql", "text/html", 200),
        ("/healthz", "*/*", 200),
        ("/readyz", "*/*", 200),
        ("/metrics", "*/*", 200),
        ("/graphql?query={version}", "*/*", 401),
    ],
)
async def test_what_is_open_without_a_key(
    path: str, accept: str, status: int, guarded: ServerProcess, session: aiohttp.ClientSession
) -> None:
    async with session.get(guarded.url + path, headers={"accept": accept}) as response:
        assert response.status == status


@pytest.mark.parametrize("size", [1_000, 1_000_000, 5_000_000])
async def test_a_body_without_a_key_is_not_read_and_the_connection_goes_on(
    size: int, guarded: ServerProcess, session: aiohttp.ClientSession
) -> None:
    url = f"{guarded.url}/graphql"
    for _ in range(3):
        async with session.post(
            url, data=io.BytesIO(b"x" * size), headers={"content-type": "application/json"}
        ) as response:
            assert response.status == 401
        assert (await by_post(session, url, KEYS["viewer"], "{ version }", {})).code is None


async def test_no_key_reaches_the_log(guarded: ServerProcess, session: aiohttp.ClientSession) -> None:
    for key in CALLERS.values():
        await by_post(session, f"{guarded.url}/graphql", key, "{ version }", {})
    assert not any(key in guarded.log for key in CALLERS.values() if key is not None)


def test_every_root_field_has_a_role() -> None:
    """A new operation needs a line in ``resolvers/roles.py``."""
    assert [f"{owner}.{name}" for _, owner, name, _ in OPERATIONS if f"{owner}.{name}" not in NEEDED] == []
    lax = [name for _, owner, name, _ in OPERATIONS if owner == "Mutation" and needed_role(owner, name) < Role.OPERATOR]
    assert lax == []


def test_the_table_names_only_what_there_is_or_will_be() -> None:
    """Its other fields are those of the contract that are not built yet."""
    contract = build_schema(CONTRACT.read_text())
    for entry in NEEDED:
        owner, name = entry.split(".")
        assert name.startswith("__") or any(
            isinstance(found := schema.type_map.get(owner), GraphQLObjectType) and name in found.fields
            for schema in (SCHEMA, contract)
        ), entry


def test_a_root_field_that_was_forgotten_needs_an_admin() -> None:
    assert {needed_role(root, "forgotten") for root in ROOTS} == {Role.ADMIN}
    assert needed_role("Job", "id") is Role.VIEWER
