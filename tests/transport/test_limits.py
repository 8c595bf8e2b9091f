"""What is too much is refused quickly, with what was measured, and before anything is executed."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
from graphql import get_introspection_query

from resolvers.root import build_schema
from server.transport.documents import Asked
from server.transport.execution import Executor
from server.transport.limits import Limits
from server.transport.requests import GraphQLRequest

SCHEMA = build_schema()


def new_executor(**settings: Any) -> Executor:
    return Executor(SCHEMA, new_request_id=lambda: "1", **settings)


@pytest.fixture
def executor() -> Executor:
    return new_executor()


async def refusal(executor: Executor, query: str, **variables: Any) -> dict[str, Any]:
    """The error that a query gets; it never reaches a resolver, for there is no engine."""
    response = await executor.execute(GraphQLRequest(query, variables), None, allow_mutation=True)
    assert not response.has_data
    [error] = response.errors
    extensions: dict[str, Any] = error["extensions"]
    return extensions


def deep(levels: int) -> str:
    return "{ job(id: 1) " + "{ copyOf " * (levels - 2) + "{ id } " + "}" * (levels - 2) + " }"


def spread(levels: int, times: int, *, nested: bool) -> str:
    """Fragments within fragments: a text of some hundred bytes that means 2^levels fields."""
    fragments = []
    for level in range(levels):
        inner = f"...F{level + 1} " * times
        aliased = " ".join(f"a{n}: copyOf {{ ...F{level + 1} }}" for n in range(times))
        fragments.append(f"fragment F{level} on Job {{ {aliased if nested else inner} }}")
    return f"{{ job(id: 1) {{ ...F0 }} }} {' '.join(fragments)} fragment F{levels} on Job {{ id }}"


@pytest.mark.parametrize(
    ("query", "limit", "measured"),
    [
        (deep(13), "depth", 13),
        ("{" + " ".join(f"a{n}: tasks {{ name }}" for n in range(31)) + "}", "aliases", 31),
        ("{ job(id: 1) { ...A } } fragment A on Job { ...B ...C } fragment B on Job { ...C } fragment C on Job { "
         + " ".join(f"a{n}: id" for n in range(16)) + "}", "aliases", 32),
        ("{" + " ".join(f"...F{n}" for n in range(21)) + "}"
         + " ".join(f"fragment F{n} on Query {{ tasks {{ name }} }}" for n in range(21)), "root fields", 21),
        ("{ tasks { name " + "@include(if: true) " * 51 + "} }", "directives", 51),
        ("{ jobs { nodes { " + "id " * 31 + "} } }", "repeats", 31),
        ("{ jobs { nodes { " + "... on Job { id }" * 31 + "} } }", "repeats", 31),
        ("{ jobs { nodes { ...A ...B } } } fragment A on Job { " + "id " * 16 + "} fragment B on Job { "
         + "id " * 16 + "}", "repeats", 32),
        ("{ jobs { nodes { " + " ".join(f"f{n}" for n in range(1000)) + "} } }", "fields", 1002),
        (spread(24, 2, nested=False), "fields", 2**24 + 1),
        ("{ tasks { name } }" + " ".join(f"fragment F{n} on Job {{ id }}" for n in range(61)), "fragments", 61),
        ("{ tasks { name } }" + " #,\n" * 2 + ("{ a }" * 2000), "tokens", 5001),
        ("{ jobs(first: 100) { nodes { events { to at } logs(first: 50) { nodes { message } } } } }", "cost", 12_301),
    ],
)  # fmt: skip
async def test_each_limit(executor: Executor, query: str, limit: str, measured: int | None) -> None:
    found = await refusal(executor, query)
    assert (found["code"], found["limit"]) == ("TOO_COMPLEX", limit)
    assert found["max"] == getattr(Limits(), limit.replace(" ", "_"))
    assert found["measured"] > found["max"]
    assert measured is None or found["measured"] == measured


@pytest.mark.parametrize("times", [1, 2, 5])
@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("levels", [24, 59])
async def test_fragments_within_fragments_are_refused_at_once(
    executor: Executor, levels: int, times: int, nested: bool
) -> None:
    if times == 1 and not nested:
        return  # one field, by a long way
    query = spread(levels, times, nested=nested)
    started = time.process_time()
    found = await refusal(executor, query)
    assert found["code"] == "TOO_COMPLEX"
    assert time.process_time() - started < 0.2  # 20 ms and less on a quiet machine; naively, longer than anyone waits


async def test_a_long_way_to_one_field_is_no_crime(executor: Executor) -> None:
    response = await executor.execute(GraphQLRequest(spread(24, 1, nested=False)), None, allow_mutation=False)
    assert response.code == "INTERNAL", "it was executed, and there is no engine"


@pytest.mark.parametrize(
    "query",
    [
        "{ job(id: 1) { ...A } } fragment A on Job { ...B } fragment B on Job { ...A }",
        "{ job(id: 1) { ...A } } fragment A on Job { copyOf { ...A } }",
        "{ job(id: 1) { ...Missing } }",
        "{ nothing { at all { is } known } }",
        "fragment A on Job { id }",
        "type A { b: Int }",
        "{ a" * 5000,
        "{ a(b: " + "[" * 5000,
        "query($a: " + "[" * 5000,
        "",
        "{",
    ],
)
async def test_what_is_wrong_is_still_said(executor: Executor, query: str) -> None:
    response = await executor.execute(GraphQLRequest(query), None, allow_mutation=False)
    assert response.code == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "query",
    [
        get_introspection_query(),
        get_introspection_query(
            descriptions=True, specified_by_url=True, directive_is_repeatable=True, schema_description=True,
            input_value_deprecation=True,
        ),
        "{ __type(name: \"Job\") { fields { type " + "{ ofType " * 9 + "{ name }" + "}" * 9 + " } } }",
    ],
)  # fmt: skip
async def test_tools_may_ask_for_the_schema(executor: Executor, query: str) -> None:
    response = await executor.execute(GraphQLRequest(query), None, allow_mutation=False)
    assert response.has_data
    assert not response.errors


async def test_the_schema_and_its_names_can_be_kept_from_clients() -> None:
    executor = new_executor(with_introspection=False)
    for query in ("{ __schema { types { name } } }", '{ __type(name: "Job") { name } }'):
        response = await executor.execute(GraphQLRequest(query), None, allow_mutation=False)
        assert not response.has_data
    for query, variables in (
        ("{ job(id: 1) { taskNam } }", {}),
        ("{ jobs(stat: QUEUED) { totalCount } }", {}),
        ("{ jobs(status: QUEUE) { totalCount } }", {}),
        ("query($s: [JobStatu!]) { jobs(status: $s) { totalCount } }", {}),
        ("query($s: [JobStatus!]) { jobs(status: $s) { totalCount } }", {"s": ["QUEUE"]}),
        ("mutation { createJob(input: {taskNam: 1}) { created } }", {}),
        ("mutation($i: CreateJobInput!) { createJob(input: $i) { created } }", {"i": {"taskName": "a", "priorit": 1}}),
    ):
        response = await executor.execute(GraphQLRequest(query, dict(variables)), None, allow_mutation=True)
        assert response.code == "BAD_USER_INPUT"
        assert b"Did you mean" not in response.body, query
        open_response = await new_executor().execute(GraphQLRequest(query, dict(variables)), None, allow_mutation=True)
        assert b"Did you mean" in open_response.body, query


@pytest.mark.parametrize(
    ("query", "variables", "cost"),
    [
        ("{ tasks { name } }", {}, 1 + 10 * 1),
        ("{ job(id: 1) { id taskName } }", {}, 1 + 2),
        ("{ jobs { nodes { id } } }", {}, 1 + 50 * (1 + 1)),
        ("{ jobs(first: 7) { nodes { id } totalCount } }", {}, 1 + 7 * (1 + 1 + 1)),
        ("{ jobs(last: 7) { nodes { id } } }", {}, 1 + 7 * 2),
        ("query($n: Int) { jobs(first: $n) { nodes { id } } }", {"n": 3}, 1 + 3 * 2),
        ("query($n: Int = 4) { jobs(first: $n) { nodes { id } } }", {}, 1 + 4 * 2),
        ("query($n: Int) { jobs(first: $n) { nodes { id } } }", {"n": "x"}, 1 + 50 * 2),
        ("query($n: Int) { jobs(first: $n) { nodes { id } } }", {"n": -1}, 1),
        ("{ job(id: 1) { logs { nodes { message } } } }", {}, 1 + 1 + 100 * 2),
        ("{ job(id: 1) { events { to at } } }", {}, 1 + 1 + 10 * 2),
        ("{ jobs(first: 2) { ...P } } fragment P on JobConnection { nodes { ...J } } fragment J on Job { id ...K } "
         "fragment K on Job { status }", {}, 1 + 2 * (1 + 2)),
        ("{ jobs(first: 2) { ... { nodes { ... on Job { id __typename } } } } }", {}, 1 + 2 * (1 + 2)),
        ("subscription { jobStatusChanged { cursor job { id } } }", {}, 1 + 1 + 1 + 1),
    ],
)  # fmt: skip
def test_cost(executor: Executor, query: str, variables: dict[str, Any], cost: int) -> None:
    document = executor._documents.parse(query)
    assert not executor._documents.validate(document)
    asked = Asked(document, document.operation(None), GraphQLRequest(query, variables), None)
    assert executor.costs.cost_of(asked) == cost
    assert executor.costs.cost_of(asked) == cost, "from the formula that was kept"


async def test_a_page_that_a_variable_makes_large_is_refused(executor: Executor) -> None:
    query = "query($n: Int) { jobs(first: $n) { nodes { logs(first: $n) { nodes { message } } } } }"
    found = await refusal(executor, query, n=100)
    assert found["measured"] == 1 + 100 * (1 + 1 + 100 * 2)
    response = await executor.execute(GraphQLRequest(query, {"n": 5}), None, allow_mutation=False)
    assert response.code == "INTERNAL", "it was executed, and there is no engine"


async def test_documents_are_parsed_and_validated_once(executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    parse = executor._documents._parse
    monkeypatch.setattr(executor._documents, "_parse", lambda text: texts.append(text) or parse(text))
    for number in range(5):
        request = GraphQLRequest("query($name: String!) { __type(name: $name) { name } }", {"name": f"T{number}"})
        response = await executor.execute(request, None, allow_mutation=False)
        assert orjson.loads(response.body) == {"data": {"__type": None}}
    assert len(texts) == 1
