"""Requests that are nearly right: operations made from the schema, then broken as documents, JSON trees and bytes.

All of it follows from the random generator that is given, so a seed is all there is to keep.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLOutputType,
    build_schema,
    get_named_type,
    is_composite_type,
)

SCHEMA = build_schema((Path(__file__).parents[2] / "schema" / "schema.graphql").read_text())
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\$?\w+|\.\.\.|\s+|.', re.DOTALL)
HUGE = 10**400
EVIL: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, HUGE),
    *(0.0, -0.0, 1.5, 1e308, -1e-308, float("nan"), float("inf")),
    *(
        "",
        " ",
        "x" * 300,
        "x" * 70_000,
        "\x00",
        "\x1f",
        "\u2028",
        "\U0001f600" * 64,
        "\ud800",
        "\udfff x",
        "e\u0301",
        "\ufeff",
    ),
    *(
        "null",
        "1",
        "-1",
        "01",
        "abc",
        "9" * 19,
        "9" * 40,
        "1e3",
        "٣",
        "%s",
        "' OR 1=1 --",
        "{}",
        "../../etc/passwd",
        "_",
        "%",
    ),
    *("2026-02-05T15:00:00Z", "2026-02-05T15:00:00", "9999-12-31T23:59:59.999999+14:00", "0001-01-01T00:00:00-14:00"),
    *(
        "2026-02-30T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "* * * * *",
        "@hourly",
        "0 0 30 2 *",
        "61 * * * *",
        "Europe/Berlin",
    ),
    *([], {}, [[]], [None], {"": None}, {"a": {"b": [1, "x", None]}}, {"__proto__": 1}, ["x"] * 2000),
)
"""Values that programs stumble over, whatever was asked for."""
CODE = (
    *(
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        ":",
        "!",
        "$",
        "=",
        "@",
        "|",
        "&",
        "...",
        ",",
        "#",
        '"',
        '"""',
        "\\",
        "\x00",
        "\ufeff",
    ),
    *(
        "query",
        "mutation",
        "subscription",
        "fragment",
        "on",
        "null",
        "true",
        "__typename",
        "__schema",
        "__type",
        "type",
    ),
    *("@skip(if: true)", "@include(if: $x)", "@skip", "@deprecated", "@oneOf", "@defer", "@stream(initialCount: 0)"),
    *(
        "-0",
        "00",
        "1.",
        "1e9999",
        "9" * 400,
        '"\\ud800"',
        '"\\u{110000}"',
        '"\\u{1F600}"',
        '"\\x"',
        '"""a\\"""b"""',
        "\u00e4",
    ),
)
NAMES = tuple(
    sorted(
        {
            name
            for kind in SCHEMA.type_map.values()
            for name in (kind.name, *getattr(kind, "fields", {}), *getattr(kind, "values", {}))
        }
    )
)


class Inputs:
    """Makes them, one after another."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._operations = [
            (kind, name, field)
            for kind, root in (
                ("query", SCHEMA.query_type),
                ("mutation", SCHEMA.mutation_type),
                ("subscription", SCHEMA.subscription_type),
            )
            if root is not None
            for name, field in root.fields.items()
        ]

    # Operations

    def request(self) -> dict[str, Any]:
        """A GraphQL request in JSON, right or nearly so."""
        kind, name, field = self._chance.choice(self._operations)
        declared = [f"${key}: {argument.type}" for key, argument in field.args.items() if self._is_given(argument.type)]
        given = [each[1:].partition(":")[0] for each in declared]
        arguments = f"({', '.join(f'{each}: ${each}' for each in given)})" if given else ""
        head = f"{kind} Op" + (f"({', '.join(declared)})" if declared else "")
        text = f"{head} {{ {name}{arguments}{self._selection(field, 0)} }}"
        request: dict[str, Any] = {
            "query": self._broken_document(text) if self._chance.random() < 0.5 else text,
            "variables": {each: self._value(field.args[each].type) for each in given},
        }
        if self._chance.random() < 0.1:
            request["operationName"] = self._chance.choice(["Op", "", "Other", *EVIL])
        if self._chance.random() < 0.05:
            request["extensions"] = self._chance.choice(EVIL)
        return request

    def _is_given(self, kind: GraphQLInputType) -> bool:
        return isinstance(kind, GraphQLNonNull) or self._chance.random() < 0.4

    def _selection(self, field: GraphQLField, depth: int) -> str:
        kind: GraphQLOutputType = get_named_type(field.type)
        if not is_composite_type(kind):
            return ""
        names = self._chance.sample(sorted(kind.fields), min(len(kind.fields), self._chance.randint(1, 4)))
        parts = []
        for name in names:
            child = kind.fields[name]
            if is_composite_type(get_named_type(child.type)) and depth >= 3:
                name, child = "__typename", None
            required = child is not None and any(isinstance(each.type, GraphQLNonNull) for each in child.args.values())
            parts.append(name + ("" if child is None or required else self._selection(child, depth + 1)))
        return f" {{ {' '.join(parts)} }}"

    def _value(self, kind: GraphQLInputType) -> Any:
        """A value of the type; now and then of any other."""
        if self._chance.random() < 0.06:
            return self._chance.choice(EVIL)
        if isinstance(kind, GraphQLNonNull):
            return self._value(kind.of_type)
        if isinstance(kind, GraphQLList):
            return [self._value(kind.of_type) for _ in range(self._chance.randint(0, 3))]
        if isinstance(kind, GraphQLEnumType):
            return self._chance.choice(list(kind.values))
        if isinstance(kind, GraphQLInputObjectType):
            return {name: self._value(each.type) for name, each in kind.fields.items() if self._is_given(each.type)}
        match kind.name:
            case "Int":
                return self._chance.choice([0, 1, 5, 100, 101, -1])
            case "Float":
                return self._chance.choice([0.5, 1, 60])
            case "Boolean":
                return self._chance.random() < 0.5
            case "ID":
                return str(self._chance.randint(1, 200))
            case "DateTime":
                return f"20{self._chance.randint(10, 99)}-01-01T00:00:00Z"
            case _:
                return self._chance.choice(["simulate", "1", "a tag", "@hourly", "UTC", f"key {self._chance.random()}"])

    def _broken_document(self, text: str) -> str:
        tokens = TOKEN.findall(text)
        for _ in range(self._chance.choice([1, 1, 1, 2, 3, 8])):
            at = self._chance.randrange(len(tokens) or 1)
            match self._chance.randrange(8):
                case 0:
                    tokens[at : at + 1] = []
                case 1:
                    tokens[at:at] = tokens[at : at + 1] * self._chance.choice([1, 2, 40])
                case 2:
                    tokens[at:at] = [" ", self._chance.choice(CODE), " "]
                case 3:
                    tokens[at : at + 1] = [self._chance.choice(NAMES)]
                case 4:
                    other = self._chance.randrange(len(tokens) or 1)
                    tokens[at : at + 1], tokens[other : other + 1] = tokens[other : other + 1], tokens[at : at + 1]
                case 5:
                    deep = self._chance.choice([10, 100, 3000])
                    opening, closing = self._chance.choice(
                        [("{ a ", "}"), ("[", "]"), ("(a: {", "})"), ("{ ...f ", "}")]
                    )
                    tokens[at:at] = [opening * deep, closing * self._chance.choice([0, deep])]
                case 6:
                    literal = json.dumps(self._chance.choice(EVIL))
                    tokens[at : at + 1] = [literal[:1000]]
                case 7:
                    tokens.append(" fragment f on Job { id ...g } fragment g on Job { ...f }")
        return "".join(tokens)

    # What is sent

    def tree(self, value: Any) -> Any:
        """``value`` with one of its parts replaced, dropped, or wrapped."""
        if isinstance(value, dict) and value and self._chance.random() < 0.7:
            key = self._chance.choice(list(value))
            match self._chance.randrange(6):
                case 0:
                    return {each: part for each, part in value.items() if each != key}
                case 1:
                    return {**value, self._chance.choice(["", "x", "type", "__proto__"]): self._chance.choice(EVIL)}
                case _:
                    return {**value, key: self.tree(value[key])}
        match self._chance.randrange(4):
            case 0:
                return [value, value]
            case 1:
                return {"a": value}
            case _:
                return self._chance.choice(EVIL)

    def encoded(self, value: Any) -> bytes:
        """JSON, mostly; deep or damaged now and then."""
        text = json.dumps(value, ensure_ascii=self._chance.random() < 0.5)
        data = text.encode("utf-8", "surrogatepass")
        if self._chance.random() < 0.03:
            deep = self._chance.choice([65, 1000, 100_000])
            data = b'{"query":"{version}","variables":{"a":' + b"[" * deep + b"]" * deep + b"}}"
        if self._chance.random() < 0.15:
            data = self._damaged(data)
        return data

    def _damaged(self, data: bytes) -> bytes:
        damaged = bytearray(data)
        for _ in range(self._chance.choice([1, 1, 4, 20])):
            at = self._chance.randrange(len(damaged) + 1)
            match self._chance.randrange(4):
                case 0:
                    damaged[at : at + 1] = self._chance.randbytes(1)
                case 1:
                    damaged[at:at] = self._chance.choice(
                        [b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\\ud800", b"\x00", b'"', b"1e999"]
                    )
                case 2:
                    del damaged[at : at + self._chance.choice([1, 5, 500])]
                case 3:
                    damaged[at:at] = damaged[: self._chance.randrange(100)]
        return bytes(damaged)

    def http(self) -> tuple[str, bytes]:
        """A method and a whole HTTP/1.1 request."""
        request: Any = self.request()
        if self._chance.random() < 0.2:
            request = self.tree(request)
        method = (
            "POST"
            if self._chance.random() < 0.8
            else self._chance.choice(["GET", "GET", "GET", "HEAD", "PUT", "OPTIONS", "DELETE", "X"])
        )
        path, body = "/graphql", b""
        if method == "POST":
            body = self.encoded(request)
        elif isinstance(request, dict):
            path += "?" + "&".join(f"{quote(str(key))}={self._parameter(part)}" for key, part in request.items())
        if self._chance.random() < 0.02:
            path = self._chance.choice(
                [
                    "/graphql/",
                    "/",
                    "/readyz",
                    "/metrics",
                    "/%00",
                    "/static/graphiql/../x",
                    "/webhook-test",
                    "/graphql?query=%ff",
                ]
            )
        headers = ["Host: 127.0.0.1", f"Content-Type: {self._content_type()}"]
        headers += [f"Accept: {self._accept()}"] if self._chance.random() < 0.6 else []
        headers += [self._chance.choice(HEADERS)] if self._chance.random() < 0.1 else []
        if body and self._chance.random() < 0.1:
            cut = self._chance.randrange(len(body))
            pieces = [piece for piece in (body[:cut], body[cut:]) if piece]
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
            headers.append("Transfer-Encoding: chunked")
        else:
            headers.append(f"Content-Length: {len(body)}")
        return method, "\r\n".join((f"{method} {path[:60_000]} HTTP/1.1", *headers, "", "")).encode(
            "latin-1", "replace"
        ) + body

    def _parameter(self, part: Any) -> str:
        text = part if isinstance(part, str) else json.dumps(part)
        if self._chance.random() < 0.05:
            return self._chance.choice(["%", "%zz", "%ff%fe", "%ed%a0%80", "+", "%00", ""])
        return quote(text[:20_000].encode("utf-8", "surrogatepass"))

    def _content_type(self) -> str:
        return "application/json" if self._chance.random() < 0.9 else self._chance.choice(CONTENT_TYPES)

    def _accept(self) -> str:
        return "application/graphql-response+json" if self._chance.random() < 0.7 else self._chance.choice(ACCEPT)

    def frame(self) -> str | bytes:
        """A frame of graphql-transport-ws; bytes for what is no UTF-8."""
        message: Any = {"id": str(self._chance.randint(1, 5000)), "type": "subscribe", "payload": self.request()}
        match self._chance.randrange(20):
            case 0 | 1:
                message = {"id": message["id"], "type": "complete"}
            case 2:
                message = {"type": self._chance.choice(["ping", "pong"]), "payload": {"a": self._chance.choice(EVIL)}}
            case 3:
                message = self.tree(message)
            case 4:
                message["payload"] = self.tree(message["payload"])
            case 5:
                return self.encoded(message)
        return json.dumps(message)


HEADERS = (
    *(
        "Authorization: Bearer x",
        "Authorization: Basic \xff",
        "Authorization:",
        "Origin: http://evil.example",
        "Origin: null",
    ),
    *(
        "Content-Encoding: gzip",
        "Expect: 100-continue",
        "X-Request-ID: " + "x" * 5000,
        "traceparent: 00-x-y-z",
        "Cookie: a=b; c",
    ),
    *(
        "X-Forwarded-For: 1.2.3.4, x",
        "X-Forwarded-Proto: https",
        "Upgrade: h2c",
        "Connection: close",
        "Range: bytes=0-1",
    ),
)
CONTENT_TYPES = (
    *(
        "text/plain",
        "application/json; charset=utf-16",
        "application/json; charset",
        "APPLICATION/JSON",
        "",
        ";",
        "*/*",
    ),
    *(
        "application/graphql",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "\xff/\xfe",
        "application/json;" * 50,
    ),
)
ACCEPT = (
    *(
        "*/*",
        "application/json",
        "application/graphql-response+json",
        "text/html",
        "text/event-stream",
        "application/*;q=0",
        "",
    ),
    *(
        ";q=",
        "a/b;q=x, application/json;q=0.5",
        "application/json;q=1.0001",
        ",,,",
        "*",
        "application/json;" * 200,
        "\xff",
    ),
)
