"""DateTime and JSON, as the contract words them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import strawberry
from graphql import GraphQLError, ValueNode
from graphql.utilities import value_from_ast_untyped
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig

_last: tuple[datetime | None, str] = (None, "")
"""The time that was written last, and its text."""


def serialize_datetime(value: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    global _last
    moment, text = _last
    if moment is not value:  # what was changed together has one time: an object that many share
        text = value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        _last = value, text
    return text


def serialize_stored_datetime(text: str) -> str:
    """The same of an instant as tables store it: ``2026-02-05 15:00:00.000000``, in UTC."""
    return f"{text[:10]}T{text[11:23]}Z"


def parse_datetime(value: Any) -> datetime:
    """An instant that a client gave.

    Raises:
        GraphQLError: it is no RFC 3339 time, or has no offset.
    """
    if not isinstance(value, str):
        raise _refused(value, "an RFC 3339 time is a string")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise _refused(value, "it is not an RFC 3339 time such as 2026-02-05T15:00:00Z") from None
    if moment.tzinfo is None:
        raise _refused(value, "it has no offset; add Z or one such as +02:00")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise _refused(value, "it is out of range") from None


def parse_json_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
    """A JSON value that is written in the document itself, variables inside it included."""
    return value_from_ast_untyped(node, variables)


def _refused(value: object, why: str) -> GraphQLError:
    return GraphQLError(f"DateTime: {str(value)[:60]!r}: {why}.", extensions={"code": "BAD_USER_INPUT"})


DATETIME = strawberry.scalar(
    name="DateTime",
    description="An instant in UTC, RFC 3339 with milliseconds or finer: 2026-02-05T15:00:00.000Z. "
    "Input needs an offset.",
    specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
    serialize=serialize_datetime,
    parse_value=parse_datetime,
)
ANY_JSON = strawberry.scalar(
    name="JSON",
    description="Any JSON value: at most 64 levels deep, finite numbers, integers within 64 bits or refused.",
    serialize=lambda value: value,
    parse_value=lambda value: value,
    parse_literal=parse_json_literal,
)


def config() -> StrawberryConfig:
    """The schema's configuration: our scalars in place of Strawberry's."""
    return StrawberryConfig(scalar_map={datetime: DATETIME, JSON: ANY_JSON})
