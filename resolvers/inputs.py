"""From the words of the API to those of the engine, and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from strawberry import UNSET

from engine.endpoints import EndpointInput
from engine.errors import InvalidInput
from engine.jobs import JobInput
from engine.schedules import ScheduleInput
from engine.store.delivery_log import DeliveryFilter
from engine.store.listing import JobFilter, JobQuery, OrderField, Page
from engine.store.reads import parse_id
from models.enums import JobPriority, JobStatus
from schema import inputs
from schema.enums import OrderDirection
from schema.schedules import CreateScheduleInput, UpdateScheduleInput
from schema.webhooks import CreateWebhookEndpointInput, UpdateWebhookEndpointInput, WebhookDeliveryFilter

T = TypeVar("T")

MAX_PAGE = 100
DEFAULT_PAGE = 50
MAX_TEXT = 255


def new_job(given: inputs.CreateJobInput) -> JobInput:
    return JobInput(
        task_name=given.task_name,
        payload=given.payload,
        priority=given.priority,
        tags=given.tags,
        run=given.run,
        run_at=given.run_at,
        max_attempts=given.max_attempts,
        timeout_seconds=given.timeout_seconds,
        idempotency_key=given.idempotency_key,
        webhook_url=given.webhook_url,
        concurrency_key=given.concurrency_key,
    )


def new_schedule(given: CreateScheduleInput) -> ScheduleInput:
    return ScheduleInput(
        name=given.name,
        task_name=given.task_name,
        payload=given.payload,
        priority=given.priority,
        cron=given.cron,
        timezone=given.timezone,
        overlap=given.overlap,
        misfire=given.misfire,
    )


def schedule_changes(given: UpdateScheduleInput) -> dict[str, Any]:
    """What an update gives, by name. Only the payload can be null.

    Raises:
        InvalidInput: another field is.
    """
    names = ("payload", "priority", "cron", "timezone", "overlap", "misfire")
    return _given(given, {name: name for name in names}, "payload")


def _given(given: object, names: dict[str, str], nullable: str) -> dict[str, Any]:
    """What an update gives: the attributes ``names``, which the API calls so; None only for ``nullable``."""
    changes = {name: value for name in names if (value := getattr(given, name)) is not UNSET}
    for name, value in changes.items():
        if value is None and name != nullable:
            raise InvalidInput(f"{names[name]}: it cannot be null; leave it out to keep what it is.", field=names[name])
    return changes


def new_endpoint(given: CreateWebhookEndpointInput) -> EndpointInput:
    return EndpointInput(url=given.url, events=given.events, task_names=given.task_names)


def endpoint_changes(given: UpdateWebhookEndpointInput) -> dict[str, Any]:
    """What an update gives, by name. Only ``taskNames`` can be null: every task.

    Raises:
        InvalidInput: another field is.
    """
    return _given(
        given, {"url": "url", "events": "events", "task_names": "taskNames", "enabled": "enabled"}, "task_names"
    )


def delivery_filter(given: WebhookDeliveryFilter | None) -> DeliveryFilter:
    if given is None:
        return DeliveryFilter()
    return DeliveryFilter(
        endpoint_id=None if given.endpoint_id is None else parse_id(given.endpoint_id, "endpointId"),
        job_id=None if given.job_id is None else parse_id(given.job_id, "jobId"),
        status=some(given.status),
        event=some(given.event),
        created_after=given.created_after,
        created_before=given.created_before,
    )


def forward_size(first: int | None) -> int:
    """The size of a page that only goes forward."""
    return page(first, None, None, None).size


def some(values: Sequence[T] | None) -> tuple[T, ...] | None:
    """An empty list filters nothing, as none does: forms send it when nothing is ticked."""
    return tuple(dict.fromkeys(values)) if values else None


def text(value: str | None, name: str) -> str | None:
    """A filter's text.

    Raises:
        InvalidInput: it is longer than anything it could match, or is not valid Unicode.
    """
    return None if value is None else valid_text(value, name)


def valid_text(value: str, name: str) -> str:
    """A text that something is looked up by.

    Raises:
        InvalidInput: as ``text``.
    """
    if len(value) > MAX_TEXT:
        raise InvalidInput(f"{name}: {len(value)} characters; nothing has more than {MAX_TEXT}.", field=name)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(
            f"{name}: it has half of a surrogate pair, which is not valid Unicode.", field=name
        ) from None
    return value


def job_filter(given: inputs.JobFilter) -> JobFilter:
    """A bulk mutation's filter; ``ids: []`` means none of them, not all."""
    return JobFilter(
        ids=None if given.ids is None else tuple(parse_id(each, "ids") for each in given.ids),
        status=some(given.status),
        priority=some(given.priority),
        task_name=text(given.task_name, "taskName"),
        tag=text(given.tag, "tag"),
        created_after=given.created_after,
        created_before=given.created_before,
    )


def job_query(
    *,
    status: list[JobStatus] | None,
    priority: list[JobPriority] | None,
    task_name: str | None,
    tag: str | None,
    search: str | None,
    created_after: datetime | None,
    created_before: datetime | None,
    order_by: inputs.JobOrder | None,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
) -> JobQuery:
    """The list that the arguments of ``jobs`` ask for.

    Raises:
        InvalidInput: the paging arguments contradict each other or are out of range.
    """
    where = JobFilter(
        status=some(status),
        priority=some(priority),
        task_name=text(task_name, "taskName"),
        tag=text(tag, "tag"),
        search=text(search, "search") or None,
        created_after=created_after,
        created_before=created_before,
    )
    return JobQuery(
        where,
        OrderField.CREATED_AT if order_by is None else OrderField(order_by.field.value),
        order_by is None or order_by.direction is OrderDirection.DESC,
        page(first, after, last, before),
    )


def page(first: int | None, after: str | None, last: int | None, before: str | None) -> Page:
    """Which part of a list the four paging arguments mean."""
    if first is not None and last is not None:
        raise InvalidInput("first and last: give one of them.", field="last")
    if after is not None and (last is not None or before is not None):
        raise InvalidInput("after goes with first; before goes with last.", field="after")
    if before is not None and first is not None:
        raise InvalidInput("before goes with last; after goes with first.", field="before")
    for name, size in (("first", first), ("last", last)):
        if size is not None and not 1 <= size <= MAX_PAGE:
            raise InvalidInput(f"{name}: {size} is not from 1 to {MAX_PAGE}.", field=name)
    is_backward = last is not None or before is not None
    size = last if is_backward else first
    return Page(DEFAULT_PAGE if size is None else size, before if is_backward else after, is_backward)
