"""What each role sees of the fields that hold what users stored or tasks said: the one table.

It depends on the role and on the setting alone, never on who asks: subscribers of one role share an execution. The
fields stay plain attributes in ``schema/``; here their resolvers are replaced by ones that look at the role first.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import orjson
import strawberry
from graphql import GraphQLObjectType, GraphQLResolveInfo

from models.enums import Role
from resolvers.redaction import Redactor
from schema.context import Loaders
from schema.jobs import PREVIEW_CHARACTERS

STORED_SINCE = Role.OPERATOR
"""The role from which on stored JSON is shown as it is."""
HIDDEN_TRACEBACK = "[traceback: only to admins]"
_TRACEBACK = re.compile(
    r"(?:Traceback|Stack) \(most recent call last\):(?:\n(?:[ \t][^\n]*)?(?=\n|\Z))*", re.IGNORECASE
)


class Sight(Protocol):
    """What of an operation's context decides on visibility."""

    @property
    def role(self) -> Role: ...

    @property
    def redactor(self) -> Redactor: ...

    @property
    def loaders(self) -> Loaders: ...


Shown = Callable[[Any, Sight], Any]


def without_tracebacks(text: str) -> str:
    """``text`` with each traceback in it cut down to its last line, which names the error."""
    return _TRACEBACK.sub(HIDDEN_TRACEBACK, text) if "most recent call last" in text else text


def _stored(attribute: str) -> Shown:
    """JSON as it is stored: viewers see it redacted."""

    def shown(record: Any, sight: Sight) -> str | None:
        text: str | None = getattr(record, attribute)
        return text if text is None or sight.role >= STORED_SINCE else sight.redactor.json(text)

    return shown


def _preview(attribute: str) -> Shown:
    """How ``_stored`` begins: what is secret is hidden before the cut, which might part a key from its value."""
    stored = _stored(attribute)

    def shown(record: Any, sight: Sight) -> str | None:
        text = stored(record, sight)
        return None if text is None else text[:PREVIEW_CHARACTERS]

    return shown


def _unparsed(attribute: str) -> Shown:
    stored = _stored(attribute)

    def shown(record: Any, sight: Sight) -> orjson.Fragment | None:
        text = stored(record, sight)
        return None if text is None else orjson.Fragment(text)

    return shown


def _said(attribute: str) -> Shown:
    """Text by tasks or about their failures: tracebacks are for admins, secrets not for viewers."""

    def shown(record: Any, sight: Sight) -> str | None:
        text: str | None = getattr(record, attribute)
        if text is None or sight.role is Role.ADMIN:
            return text
        text = without_tracebacks(text)
        return text if sight.role >= Role.OPERATOR else sight.redactor.text(text)

    return shown


async def _sent(delivery: Any, sight: Sight) -> str:
    """A delivery's body: JSON that repeats a job's payload, and what its error said."""
    text = await sight.loaders.delivery_body(delivery)
    if sight.role is Role.ADMIN:
        return text
    if "most recent call last" in text:
        content = orjson.loads(text)
        if isinstance(error := content.get("error"), dict):
            error["message"] = without_tracebacks(error["message"])
            text = orjson.dumps(content).decode()
    return text if sight.role >= Role.OPERATOR else sight.redactor.json(text)


def _to_admins(attribute: str) -> Shown:
    return lambda record, sight: getattr(record, attribute) if sight.role is Role.ADMIN else None


SHOWN: Mapping[str, Shown] = {
    "Job.payload": _unparsed("payload_text"),
    "Job.payloadText": _stored("payload_text"),
    "Job.payloadPreview": _preview("payload_text"),
    "Job.result": _unparsed("result_text"),
    "Job.resultText": _stored("result_text"),
    "JobError.message": _said("message"),
    "JobError.traceback": _to_admins("traceback"),
    "JobLogLine.message": _said("message"),
    "Schedule.payload": _unparsed("payload_text"),
    "Schedule.payloadText": _stored("payload_text"),
    "WebhookDelivery.body": _sent,
    "TestWebhookEndpointPayload.body": _to_admins("body"),
    "WebhookDelivery.url": _said("url"),
    "DeliveryTry.error": _said("error"),
    "DeliveryTry.responseBody": _said("response_body"),
}
"""By ``Type.field``, as clients see the names."""


def conceal(schema: strawberry.Schema) -> None:
    """Have the fields of ``SHOWN`` resolved by what is said there."""
    for name, shown in SHOWN.items():
        type_name, field_name = name.split(".")
        owner = cast(GraphQLObjectType, schema._schema.type_map[type_name])
        owner.fields[field_name].resolve = _resolver(shown)


def _resolver(shown: Shown) -> Callable[[Any, GraphQLResolveInfo[Any]], Any]:
    def resolve(record: Any, info: GraphQLResolveInfo[Any]) -> Any:
        return shown(record, info.context)

    if not inspect.iscoroutinefunction(shown):
        resolve.shown = shown  # type: ignore[attr-defined]  # for plans, which call it at once
    return resolve
