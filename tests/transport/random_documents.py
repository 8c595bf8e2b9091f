"""Documents at random, valid and less so, over the fields that plans answer and some that they do not."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

JOB_LEAVES = (
    *("id", "taskName", "payload", "payloadText", "payloadPreview", "priority", "status", "tags", "attempt"),
    *("maxAttempts", "timeoutSeconds", "progress", "result", "resultText", "idempotencyKey", "createdAt", "updatedAt"),
    *("runAt", "startedAt", "finishedAt", "__typename"),
)
UNPLANNED = ("attempts { number outcome }", "events { from to }", "copyOf { id }", "waitingFor")
STATUSES = ("PENDING", "SCHEDULED", "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED")
PRIORITIES = ("HIGH", "MEDIUM", "LOW")
TIMES = ("2020-01-01T00:00:00Z", "2999-01-01T00:00:00+02:00", "2026-01-01", "yesterday", 5)
VALUES: dict[str, tuple[Any, ...]] = {
    "ID!": ("1", "2", "3", "7", "20", "21", "900", 4, "x", "-1", "9" * 30, None, 1.5, ["1"]),
    "Int": (1, 2, 3, 20, 100, 0, -1, 101, None, 2.0, "3", 2**40, -(2**31) - 1, True),
    "Boolean!": (True, False, True, False, None, "yes"),
    "[JobStatus!]": (["QUEUED"], ["PENDING", "FAILED"], [], None, "COMPLETED", ["NO"], [None], 3),
    "[JobPriority!]": (["HIGH"], ["LOW", "HIGH"], None, "MEDIUM", ["high"]),
    "String": ("report", "mail", "", "a", None, 3, "x" * 300, "\u00fc"),
    "DateTime": TIMES,
    "JobOrder": (
        {"field": "UPDATED_AT"},
        {"field": "PRIORITY", "direction": "ASC"},
        {"field": "RUN_AT", "direction": "DESC"},
        {"field": "CREATED_AT", "direction": "ASC"},
        {"direction": "ASC"},
        {"field": "PRIORITY", "more": 1},
        None,
    ),
    "String!": ("report", "mail", "", None, 3),
    "JSON": ({"a": [1, 2.5, None, "x"]}, [], "text", 0, None, {"password": "p", "deep": {"token": 1}}),
}
ARGUMENTS = {
    "status": "[JobStatus!]",
    "priority": "[JobPriority!]",
    "taskName": "String",
    "tag": "String",
    "search": "String",
    "createdAfter": "DateTime",
    "createdBefore": "DateTime",
    "orderBy": "JobOrder",
    "first": "Int",
    "last": "Int",
    "after": "String",
}


@dataclass
class Sent:
    """One request."""

    query: str
    variables: dict[str, Any] | None


@dataclass
class Generator:
    """Makes documents; those of one seed are always the same."""

    seed: int
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def document(self) -> list[Sent]:
        """A document with a query or a mutation, and requests with variables of their own."""
        self._begin()
        chance = self._random.random
        self._is_mutation = chance() < 0.25
        if self._is_mutation:
            kind, roots = "mutation", [self._mutation()]
        else:
            kind = "query"
            roots = [self._root() for _ in range(self._random.choice((1, 1, 1, 2, 3)))]
            if chance() < 0.2:
                roots.append(
                    self._random.choice(("version", "__typename", "v: version", "eventCursor", "cursor: eventCursor"))
                )
            self._random.shuffle(roots)
        return self._sent(kind, roots)

    def subscription(self, after: str) -> list[Sent]:
        """A document with a subscription to all changes after a cursor, and such requests."""
        self._begin()
        parts = self._random.sample(("cursor", "from", "to", "at", "__typename"), self._random.randint(0, 3))
        parts = [f"{self._alias()}{part}{self._directive()}" for part in parts]
        parts += [f"{self._alias()}job{self._directive()} {self._job(2)}" for _ in range(self._random.randint(1, 2))]
        self._random.shuffle(parts)
        root = f'{self._alias()}jobStatusChanged(after: "{after}") {{ {" ".join(parts)} }}'
        return self._sent("subscription", [root])

    def _begin(self) -> None:
        self._variables: dict[str, str] = {}
        self._fragments: dict[str, str] = {}
        self._count = 0
        self._is_mutation = False

    def _sent(self, kind: str, roots: list[str]) -> list[Sent]:
        declared = ", ".join(f"${name}: {kind}{self._default(kind)}" for name, kind in self._variables.items())
        can_be_short = kind == "query" and self._random.random() < 0.5
        head = f"{kind} Name({declared})" if declared else "" if can_be_short else kind
        text = f"{head} {{ {' '.join(roots)} }} " + " ".join(self._fragments.values())
        return [Sent(text, self._given()) for _ in range(self._random.randint(1, 3))]

    def _given(self) -> dict[str, Any] | None:
        given = {}
        for name, kind in self._variables.items():
            if self._random.random() < 0.85 or kind.endswith("!"):
                values = VALUES[kind]
                likely = values[: max(2, len(values) // 2)]
                given[name] = self._random.choice(likely if self._random.random() < 0.6 else values)
        return given or self._random.choice(({}, None))

    def _default(self, kind: str) -> str:
        if self._random.random() < 0.8:
            return ""
        return {"Int": " = 2", "String": ' = "report"', "Boolean!": " = true", "[JobStatus!]": " = [QUEUED]"}.get(
            kind, ""
        )

    def _variable(self, kind: str) -> str:
        name = f"v{len(self._variables)}"
        self._variables[name] = kind
        return f"${name}"

    def _root(self) -> str:
        chosen = self._random.random()
        if chosen < 0.35:
            return f"{self._alias()}job(id: {self._id()}){self._directive()} {self._job(3)}"
        if chosen < 0.9:
            return f"{self._alias()}jobs{self._arguments()}{self._directive()} {self._connection()}"
        return f"{self._alias()}jobStats {{ total byStatus {{ status count }} completedLastMinute __typename }}"

    def _mutation(self) -> str:
        if self._random.random() < 0.3:
            return f"{self._alias()}runJob(id: {self._id()}) {{ job {self._job(2)} }}"
        payload = self._literal_or('{a: 1, password: "x"}', "[1, 2]", "null", "1.5", kind="JSON")
        name = self._literal_or('"report"', '"mail"', '""', kind="String!")
        more = self._random.choice(
            ("", "priority: HIGH", 'tags: ["a", "b"]', "tags: []", "maxAttempts: 0", "run: true", "runAt: null")
        )
        written = f"{{taskName: {name}, payload: {payload} {more}}}"
        return f"{self._alias()}createJob(input: {written}) {{ created job {self._job(2)} }}"

    def _id(self) -> str:
        return self._literal_or('"1"', "2", '"17"', '"4000"', '"x"', kind="ID!")

    def _literal_or(self, *literals: str, kind: str) -> str:
        """One of them, or as often a variable."""
        return self._random.choice(literals) if self._random.random() < 0.5 else self._variable(kind)

    def _arguments(self) -> str:
        names = self._random.sample(list(ARGUMENTS), self._random.choice((0, 1, 1, 2, 2, 3)))
        given = []
        for name in names:
            kind = ARGUMENTS[name]
            literal = {
                "status": "[QUEUED, FAILED]",
                "priority": "HIGH",
                "orderBy": "{field: UPDATED_AT, direction: ASC}",
                "first": "3",
                "last": "2",
                "taskName": '"report"',
                "createdAfter": '"2020-01-01T00:00:00Z"',
            }.get(name)
            written = self._variable(kind) if literal is None else self._literal_or(literal, kind=kind)
            given.append(f"{name}: {written}")
        return f"({', '.join(given)})" if given else ""

    def _connection(self) -> str:
        parts = []
        for _ in range(self._random.randint(1, 3)):
            chosen = self._random.randrange(5)
            if chosen == 0:
                parts.append(f"{self._alias()}nodes{self._directive()} {self._job(2)}")
            elif chosen == 1:
                parts.append(f"{self._alias()}edges {{ cursor {self._alias()}node {self._job(2)} }}")
            elif chosen == 2:
                parts.append(f"{self._alias()}pageInfo {{ hasNextPage startCursor endCursor hasPreviousPage }}")
            elif chosen == 3:
                parts.append("__typename")
            else:
                parts.append("pageInfo { hasNextPage ...P }")
                self._fragments["P"] = "fragment P on PageInfo { hasNextPage end: endCursor __typename }"
        if self._random.random() < 0.06:
            parts.append("totalCount")
        return f"{{ {' '.join(parts)} }}"

    def _job(self, depth: int) -> str:
        leaves = self._random.sample(JOB_LEAVES, self._random.randint(1, 7))
        parts = [f"{self._alias() if self._random.random() < 0.3 else ''}{leaf}{self._directive()}" for leaf in leaves]
        if self._random.random() < 0.12:
            parts.append("error { code message traceback }")
        if self._random.random() < 0.06:
            # a mutation that is done twice makes a longer history the second time, and another queue
            parts.append("copyOf { id }" if self._is_mutation else self._random.choice(UNPLANNED))
        if depth and self._random.random() < 0.3:
            parts.append(f"... on Job{self._directive()} {self._job(depth - 1)}")
        if depth and self._random.random() < 0.3:
            name = f"F{len(self._fragments)}"
            self._fragments[name] = ""
            self._fragments[name] = f"fragment {name} on Job {self._job(depth - 1)}"
            parts += [f"...{name}{self._directive()}"] * self._random.randint(1, 2)
        self._random.shuffle(parts)
        return f"{{ {' '.join(parts)} }}"

    def _alias(self) -> str:
        self._count += 1
        return f"a{self._count}: " if self._random.random() < 0.4 else ""

    def _directive(self) -> str:
        if self._random.random() < 0.85:
            return ""
        name = self._random.choice(("skip", "include"))
        value = self._literal_or("true", "false", kind="Boolean!")
        return f" @{name}(if: {value})"
