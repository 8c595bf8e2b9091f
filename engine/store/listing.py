"""Lists of jobs: any filter, any order, from any place in it, without sorting or scanning the table.

Every index has one form: what is filtered by, then ``priority``, then what is sorted by. So a list is a union of
*branches*, one for each (status, priority), (task, priority) or (tag, priority), each of which reads its index in order
and stops after a page; the server merges a page from each. Only a list of everything by age needs no branches: that is
the primary key. Filters that the branches do not cover are checked on their rows.

What runs has no place of its own in the indexes by time, so that a claim need not move it (docs/adr/0007): there it
stands among what is QUEUED. It has branches of its own, which are sorted: no more runs than there are slots and what
is claimed ahead of them.

A cursor holds its row's sort key and id, so a page stays where it was while rows change; it is bound to the order and
filters it was made with.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import product
from typing import Any, TypeVar

import orjson

from engine.errors import InvalidInput
from engine.store.database import Database, from_text, to_text
from engine.store.rows import PRIORITIES, stored_as, stored_list
from models.enums import JobPriority, JobStatus

T = TypeVar("T")

MAX_NAMES = 20


class OrderField(StrEnum):
    CREATED_AT = "CREATED_AT"
    UPDATED_AT = "UPDATED_AT"
    RUN_AT = "RUN_AT"
    PRIORITY = "PRIORITY"


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Jobs that match all that is given. ``names`` is what a search was resolved to, with ``search_id``."""

    ids: tuple[int, ...] | None = None
    status: tuple[JobStatus, ...] | None = None
    priority: tuple[JobPriority, ...] | None = None
    task_name: str | None = None
    tag: str | None = None
    search: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    @property
    def is_empty(self) -> bool:
        return self == JobFilter()


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of the list: ``size`` rows after, or with ``is_backward`` before, the cursor."""

    size: int
    cursor: str | None = None
    is_backward: bool = False


@dataclass(frozen=True, slots=True)
class JobQuery:
    where: JobFilter = field(default_factory=JobFilter)
    order: OrderField = OrderField.CREATED_AT
    is_descending: bool = True
    page: Page = field(default_factory=lambda: Page(50))


@dataclass(slots=True)
class Statement:
    """``source`` is what follows the select list of ``sql``, where that is one SELECT."""

    sql: str
    parameters: list[Any]
    source: str = ""


@dataclass(frozen=True, slots=True)
class Prefix:
    """What a branch begins with: a condition, the index that reads what meets it in the list's order, and the column
    of the time that it is sorted by, if it is."""

    condition: str
    parameters: list[Any]
    index: str
    moment: str = ""
    alias: str = "jobs"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a cursor stands: the sort key of its row, and its id."""

    key: Any
    id: int


def fingerprint(query: JobQuery) -> str:
    """What a cursor is bound to: the order and the filters."""
    text = repr((query.order.value, query.is_descending, query.where))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def encode_cursor(query: JobQuery, key: Any, job_id: int, mark: str | None = None) -> str:
    """The cursor of a row of ``query``; ``mark`` is its fingerprint, for those who make many."""
    content = [mark or fingerprint(query), key, job_id]
    return base64.urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")


def decode_cursor(query: JobQuery, cursor: str, argument: str) -> Position:
    """Where ``cursor`` stands in ``query``.

    Raises:
        InvalidInput: it is no cursor, or one of another list.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        mark, key, job_id = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, UnicodeError, ValueError, TypeError):
        raise InvalidInput(f"{argument}: {cursor[:80]!r} is not a cursor of jobs.", field=argument) from None
    if mark != fingerprint(query) or type(job_id) is not int or not _is_key(query.order, key):
        raise InvalidInput(
            f"{argument}: this cursor belongs to a list with another order or other filters; "
            "use cursors only with the arguments they came from.",
            field=argument,
        )
    return Position(key, job_id)


def _is_key(order: OrderField, key: Any) -> bool:
    """Whether ``sort_key`` can have given ``key``."""
    if order is OrderField.PRIORITY:
        return type(key) is int and key in tuple(JobPriority)
    if key is None:
        return order is not OrderField.UPDATED_AT
    if type(key) is not str or order is OrderField.CREATED_AT:
        return False
    try:
        return to_text(from_text(key)) == key
    except ValueError:
        return False


def sort_key(query: JobQuery, job: Any) -> Any:
    """The value that ``job`` is sorted by, as cursors hold it."""
    if query.order is OrderField.CREATED_AT:
        return None
    if query.order is OrderField.PRIORITY:
        return int(job.priority)
    moment = job.updated_at if query.order is OrderField.UPDATED_AT else job.run_at
    return None if moment is None else to_text(moment)


SORT_COLUMNS = {
    OrderField.PRIORITY: "priority",
    OrderField.UPDATED_AT: "updated_at",
    OrderField.RUN_AT: "run_at",
}


def stored_sort_key(query: JobQuery, value: Any) -> Any:
    """``sort_key``, from the sort column as it is stored."""
    if query.order is OrderField.CREATED_AT:
        return None
    return int(PRIORITIES[value]) if query.order is OrderField.PRIORITY else value or None


class ListStatement:
    """Builds the statement that finds the ids of one page, in order, with one more to tell whether there is a next.

    Args:
        names: the task names that ``search`` was resolved to; None where there is no search.
        search_id: the id that ``search`` may be.
    """

    def __init__(
        self,
        database: Database,
        query: JobQuery,
        position: Position | None,
        names: Sequence[str] | None,
        search_id: int | None,
    ) -> None:
        self._database = database
        self._query = query
        self._where = query.where
        self._position = position
        self._names = names
        self._search_id = search_id
        # The direction in which rows are read: that of the list, turned round for a page before a cursor.
        self._descending = query.is_descending != query.page.is_backward
        self._limit = query.page.size + 1

    def build(self) -> Statement:
        """One SELECT of (id, key); its rows come in reading direction."""
        branches = self.branches()
        direction = "DESC" if self._descending else "ASC"
        if not branches:
            return Statement("SELECT id, id FROM jobs WHERE 1=0", [])
        if len(branches) == 1:
            return branches[0]
        sql = " UNION ALL ".join(f"SELECT * FROM ({branch.sql}) b{index}" for index, branch in enumerate(branches))
        parameters = [value for branch in branches for value in branch.parameters]
        key = self._union_order(direction)
        return Statement(f"SELECT id, sort_key FROM ({sql}) u ORDER BY {key} LIMIT {self._limit}", parameters)

    def rows(self) -> Statement | None:
        """What follows ``SELECT columns of jobs`` to read the page's rows at once; None where there can be none."""
        branches = self.branches()
        if not branches:
            return None
        if len(branches) == 1 and self._where.tag is None:
            return branches[0]
        ids = self.build()
        order = self._union_order("DESC" if self._descending else "ASC", "page.")
        join = f"FROM ({ids.sql}) page {self._database.ordered_join} jobs ON jobs.id=page.id ORDER BY {order}"
        return Statement("", ids.parameters, join)

    def _union_order(self, direction: str, alias: str = "") -> str:
        by_id = f"{alias}id {direction}"
        if self._query.order is OrderField.CREATED_AT:
            return by_id
        if self._query.order is OrderField.PRIORITY:
            # the rank grows as the priority falls
            return f"{alias}sort_key {'ASC' if self._descending else 'DESC'}, {by_id}"
        return f"{alias}sort_key {direction}, {by_id}"  # NULL is first when ascending, on all servers

    def branches(self) -> list[Statement]:
        """The parts of the union, each in order and no longer than a page."""
        where = self._where
        is_by_age = self._query.order is OrderField.CREATED_AT
        if is_by_age and where.ids is not None:
            return [self._by_age()]
        priorities = tuple(JobPriority) if where.priority is None else where.priority
        names = self._driving_names()
        if where.tag is not None:
            prefixes = [self._of_tag(where.tag)]
        elif names is not None:
            prefixes = self._of_tasks(names)
        elif is_by_age and where.status is None and where.priority is None:
            return [self._by_age()]
        else:
            prefixes = self._of_statuses(tuple(JobStatus) if where.status is None else where.status)
        return [branch for prefix, p in product(prefixes, priorities) for branch in self._keyed(prefix, p)]

    def _of_tag(self, tag: str) -> Prefix:
        suffix, moment = self._choose(("id", ""), ("updated", "t.updated_at"), ("run_at", "t.run_at"))
        return Prefix("t.tag=%s", [tag], f"job_tag_{suffix}", moment, "t")

    def _of_tasks(self, names: Sequence[str]) -> list[Prefix]:
        if self._query.order is not OrderField.UPDATED_AT:
            index, moment = self._choose(("jobs_task", ""), ("", ""), ("jobs_task_run_at", "jobs.run_at"))
            return [Prefix("jobs.task_name=%s", [name], index, moment) for name in names]
        resting = "jobs.task_name=%s AND jobs.status<>'RUNNING'"
        found = [Prefix(resting, [name], "jobs_task_updated", "jobs.listed_at") for name in names]
        if self._where.status is None or JobStatus.RUNNING in self._where.status:
            running = f"jobs.status='RUNNING' AND jobs.task_name IN ({','.join(['%s'] * len(names))})"
            found.append(Prefix(running, list(names), "jobs_claim", "jobs.updated_at"))
        return found

    def _of_statuses(self, statuses: Sequence[JobStatus]) -> list[Prefix]:
        if self._query.order in (OrderField.CREATED_AT, OrderField.PRIORITY):
            return [Prefix("jobs.status=%s", [stored], "jobs_claim") for stored in stored_as(statuses)]
        index, moment, running = self._choose(
            ("", "", ""),
            ("jobs_listed_updated", "jobs.listed_at", "jobs.updated_at"),
            ("jobs_listed_run_at", "jobs.run_at", "jobs.run_at"),
        )
        found = []
        for status in statuses:
            if status is JobStatus.RUNNING:
                found.append(Prefix("jobs.status='RUNNING'", [], "jobs_claim", running))
            else:
                rest = " AND jobs.status<>'RUNNING'" if status is JobStatus.QUEUED else ""
                found.append(Prefix(f"jobs.listed_status=%s{rest}", [status.value], index, moment))
        return found

    def _choose(self, by_id: T, by_update: T, by_run_at: T) -> T:
        """One of three, by what the list is sorted by."""
        return {OrderField.UPDATED_AT: by_update, OrderField.RUN_AT: by_run_at}.get(self._query.order, by_id)

    def _driving_names(self) -> Sequence[str] | None:
        """Drive by the task's name, unless the statuses asked for are the rare ones."""
        where = self._where
        is_rare = where.status is not None and JobStatus.COMPLETED not in where.status
        if is_rare or where.ids is not None or self._search_id is not None:
            return None
        if where.task_name is not None:
            return [where.task_name]
        if self._names is not None and 0 < len(self._names) <= MAX_NAMES:
            return self._names
        return None

    def _by_age(self) -> Statement:
        """All jobs by id: the primary key."""
        found, parameters = self._others("jobs")
        if self._position is not None:
            found.append(f"jobs.id {'<' if self._descending else '>'} {self._position.id}")
        source = f"jobs{self._database.by_index('PRIMARY')}"
        return self._select(source, "jobs.id", "jobs.id", found, parameters, "jobs.id", None)

    def _keyed(self, prefix: Prefix, priority: JobPriority) -> list[Statement]:
        """The branches of one prefix and priority: one, or two where the sort key can be NULL."""
        alias = prefix.alias
        id_column = "t.job_id" if alias == "t" else "jobs.id"
        others, parameters = self._others(alias, is_priority_fixed=True)
        head = [prefix.condition, f"{alias}.priority={int(priority)}", *others]
        values = [*prefix.parameters, *parameters]
        order = self._query.order
        source = f"jobs{self._database.by_index(prefix.index)}"
        if alias == "t":
            source = f"job_tag t{self._database.by_index(prefix.index)}"
            if others:
                source += f" {self._database.ordered_join} jobs ON jobs.id=t.job_id"
        if order in (OrderField.CREATED_AT, OrderField.PRIORITY):
            limits = self._limits_by_id(priority, id_column)
            if limits is None:
                return []
            key = f"{int(priority)}" if order is OrderField.PRIORITY else id_column
            return [self._select(source, id_column, key, head + limits, values, id_column, None)]
        column = prefix.moment
        return [
            self._select(source, id_column, column, [*head, *condition], [*values, *more], column, is_null)
            for condition, more, is_null in self._after(column, id_column)
        ]

    def _limits_by_id(self, priority: JobPriority, id_column: str) -> list[str] | None:
        """Where a branch sorted by id goes on; None when all of it lies before the cursor."""
        if self._position is None:
            return []
        comparison = f"{id_column} {'<' if self._descending else '>'} {self._position.id}"
        if self._query.order is OrderField.CREATED_AT:
            return [comparison]
        rank, at = int(priority), int(self._position.key)
        if rank == at:
            return [comparison]
        comes_later = rank > at if self._descending else rank < at
        return [] if comes_later else None

    def _after(self, column: str, id_column: str) -> list[tuple[list[str], list[Any], bool | None]]:
        """Where a branch sorted by ``column`` goes on: (conditions, parameters, whether the key is NULL there)."""
        is_nullable = self._query.order is OrderField.RUN_AT
        position = self._position
        sign = "<" if self._descending else ">"
        if position is None:
            if not is_nullable:
                return [([], [], None)]
            return [([f"{column} IS NULL"], [], True), ([f"{column} IS NOT NULL"], [], False)]
        if position.key is None and is_nullable:
            nulls: tuple[list[str], list[Any], bool | None] = (
                [f"{column} IS NULL", f"{id_column} {sign} {position.id}"],
                [],
                True,
            )
            return [nulls] if self._descending else [nulls, ([f"{column} IS NOT NULL"], [], False)]
        beyond: tuple[list[str], list[Any], bool | None] = (
            [f"{column} {sign}= %s", f"({column} {sign} %s OR {id_column} {sign} {position.id})"],
            [position.key, position.key],
            False,
        )
        if is_nullable and self._descending:
            return [beyond, ([f"{column} IS NULL"], [], True)]
        return [beyond]

    def _select(
        self,
        source: str,
        id_column: str,
        key: str,
        found: list[str],
        parameters: list[Any],
        order_by: str,
        is_null: bool | None,
    ) -> Statement:
        direction = "DESC" if self._descending else "ASC"
        where = f" WHERE {' AND '.join(found)}" if found else ""
        order = f"{id_column} {direction}"
        if order_by != id_column and not is_null:
            order = f"{order_by} {direction}, {order}"
        rest = f"FROM {source}{where} ORDER BY {order} LIMIT {self._limit}"
        return Statement(f"SELECT {id_column} AS id, {key} AS sort_key {rest}", parameters, rest)

    def _others(self, alias: str, *, is_priority_fixed: bool = False) -> tuple[list[str], list[Any]]:
        """The filters that the branch itself does not express, as conditions on jobs."""
        return conditions(
            self._where,
            self._names,
            self._search_id,
            is_priority_fixed=is_priority_fixed,
            is_status_fixed=is_priority_fixed and alias == "jobs" and self._driving_names() is None,
            is_name_fixed=alias == "jobs" and self._driving_names() is not None,
            is_tag_fixed=alias == "t",
        )


def conditions(
    where: JobFilter,
    names: Sequence[str] | None,
    search_id: int | None,
    *,
    is_priority_fixed: bool = False,
    is_status_fixed: bool = False,
    is_name_fixed: bool = False,
    is_tag_fixed: bool = False,
) -> tuple[list[str], list[Any]]:
    """``where`` as conditions on ``jobs``, without what is fixed elsewhere."""
    found: list[str] = []
    parameters: list[Any] = []
    if where.ids is not None:
        found.append(f"jobs.id IN ({','.join(map(str, where.ids)) or 'NULL'})")
    if where.status is not None and not is_status_fixed:
        found.append(f"jobs.status IN ({stored_list(where.status)})")
    if where.priority is not None and not is_priority_fixed:
        found.append(f"jobs.priority IN ({','.join(str(int(each)) for each in where.priority) or 'NULL'})")
    if where.task_name is not None and not is_name_fixed:
        found.append("jobs.task_name=%s")
        parameters.append(where.task_name)
    if where.tag is not None and not is_tag_fixed:
        found.append("jobs.id IN (SELECT job_id FROM job_tag WHERE tag=%s)")
        parameters.append(where.tag)
    if names is not None and not (is_name_fixed and where.task_name is None):
        choices = []
        if names:
            choices.append(f"jobs.task_name IN ({','.join(['%s'] * len(names))})")
            parameters.extend(names)
        if search_id is not None:
            choices.append(f"jobs.id={search_id}")
        found.append(f"({' OR '.join(choices) or '1=0'})")
    if where.created_after is not None:
        found.append("jobs.created_at > %s")
        parameters.append(to_text(where.created_after))
    if where.created_before is not None:
        found.append("jobs.created_at < %s")
        parameters.append(to_text(where.created_before))
    return found, parameters
