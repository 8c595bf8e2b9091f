"""What clients may ask of webhook endpoints: the input is checked here, then the store is asked.

WEBHOOK_URL is an endpoint too: it is listed, and only the settings change it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from engine.errors import InvalidInput
from engine.http_client import HttpError, check_url
from engine.records import CircuitRecord, DeliveryRecord, EndpointRecord, NewEndpoint
from engine.registry import check_task_name
from engine.secrets import SecretBox, SecretUnreadable, new_secret
from engine.store.endpoints import EndpointChange, Reencryption, Rotation, not_found
from engine.store.store import Store
from models.enums import WebhookEvent
from models.job import MAX_URL_LENGTH
from models.webhook import SETTINGS_ENDPOINT_ID

log = structlog.get_logger("signalbox.webhooks")

MAX_TASK_NAMES = 100
STAND_IN_PREFIX = "job-"
OVERLAP_SECONDS = 86_400.0
"""How long the secret before the last rotation signs beside the new one."""


@dataclass(slots=True, kw_only=True)
class EndpointInput:
    """What a client gives to create an endpoint; nothing of it is checked yet."""

    url: str
    events: list[WebhookEvent]
    task_names: list[str] | None = None


@dataclass(slots=True)
class WithSecret:
    """An endpoint with the secret that its owner is shown once."""

    endpoint: EndpointRecord
    secret: str = field(repr=False)


class Endpoints:
    """Create, update, rotate and delete endpoints.

    Args:
        settings_url: WEBHOOK_URL.
        box: encrypts their secrets.
    """

    def __init__(self, store: Store, box: SecretBox, settings_url: str | None = None) -> None:
        self._store = store
        self._box = box
        self._settings_url = settings_url
        self._started_at = store.clock.now()

    @property
    def of_settings(self) -> EndpointRecord | None:
        """WEBHOOK_URL, as an endpoint that is as old as this process."""
        if self._settings_url is None:
            return None
        events = [WebhookEvent.JOB_COMPLETED]
        return EndpointRecord(SETTINGS_ENDPOINT_ID, self._settings_url, events, None, True, None, self._started_at)

    async def all(self) -> list[EndpointRecord]:
        """WEBHOOK_URL first, then the others, oldest first."""
        own = self.of_settings
        return ([] if own is None else [own]) + await self._store.endpoints.all()

    async def by_id(self, ids: Collection[int]) -> dict[int, EndpointRecord]:
        """Those that exist among ``ids``, WEBHOOK_URL's included."""
        found = await self._store.endpoints.by_id(ids)
        own = self.of_settings
        if own is not None and own.id in ids:
            found[own.id] = own
        return found

    async def circuits(self, ids: Collection[int]) -> dict[int, CircuitRecord]:
        """Of those among ``ids`` that have been failing."""
        return await self._store.endpoints.circuits(ids)

    async def create(self, given: EndpointInput) -> WithSecret:
        """Create an endpoint. It is told of every job that ends from then on.

        Raises:
            InvalidInput: a field cannot be used, or there is no key to encrypt its secret with.
            Conflict: there are too many.
            Unavailable
        """
        secret = new_secret()
        new = NewEndpoint(
            url=_checked_url(given.url),
            events=_checked_events(given.events),
            task_names=_checked_task_names(given.task_names),
            secret=self._box.encrypt(secret),
        )
        return WithSecret(await self._store.endpoints.create(new), secret)

    async def update(self, endpoint_id: int, given: dict[str, Any]) -> EndpointRecord:
        """Change what is ``given``: some of url, events, task_names (None: every task) and enabled.

        What waits for an endpoint that is disabled becomes FAILED.

        Raises:
            NotFound, InvalidInput, Unavailable
        """
        self._refuse_settings(endpoint_id)
        values = dict(given)
        if "url" in values:
            values["url"] = _checked_url(values["url"])
        if "events" in values:
            values["events"] = _checked_events(values["events"])
        if "task_names" in values:
            values["task_names"] = _checked_task_names(values["task_names"])
        if "enabled" in values:
            values["disabled_reason"] = None  # that is for what the server does
        return await self._store.endpoints.change(EndpointChange(endpoint_id, values))

    async def rotate(self, endpoint_id: int) -> WithSecret:
        """Give it another secret; the one before signs beside it for 24 hours.

        Raises:
            NotFound, InvalidInput, Unavailable
        """
        self._refuse_settings(endpoint_id)
        if endpoint_id not in await self._store.endpoints.by_id([endpoint_id]):
            raise not_found(endpoint_id)  # before a key file is made for nothing
        secret = new_secret()
        rotation = Rotation(endpoint_id, self._box.encrypt(secret), OVERLAP_SECONDS)
        return WithSecret(await self._store.endpoints.rotate(rotation), secret)

    async def delete(self, endpoint_id: int) -> int:
        """Remove it. Its deliveries stay on record; what was waiting becomes FAILED.

        Raises:
            NotFound, InvalidInput, Unavailable
        """
        self._refuse_settings(endpoint_id)
        return await self._store.endpoints.delete(endpoint_id)

    async def reencrypt(self) -> int:
        """Keep every secret under the first key of SIGNALBOX_SECRET_KEY: how many were not.

        Raises:
            Unavailable
        """
        count = 0
        for known in await self._store.endpoints.all():
            kept = [each for each in (known.secret, known.previous_secret) if each is not None]
            if all(self._box.is_under_first_key(each) for each in kept):
                continue
            try:
                fresh = [self._box.encrypt(self._box.decrypt(each)) for each in kept]
            except (SecretUnreadable, InvalidInput):
                log.error("webhook.secret_unreadable", endpoint=known.id, remedy="add its key to SIGNALBOX_SECRET_KEY")
                continue
            previous = fresh[1] if len(fresh) > 1 else None
            count += await self._store.endpoints.reencrypt(Reencryption(known, fresh[0], previous))
        if count:
            log.info("webhook.secrets_reencrypted", endpoints=count)
        return count

    def _refuse_settings(self, endpoint_id: int) -> None:
        if endpoint_id == SETTINGS_ENDPOINT_ID and self._settings_url is not None:
            raise InvalidInput(
                "id: endpoint 0 is WEBHOOK_URL of the server's settings: change it there, and WEBHOOK_SECRET for its "
                "secret; then restart.",
                field="id",
            )


def stand_in(delivery: DeliveryRecord) -> EndpointRecord:
    """The endpoint of a delivery that has none among those listed: a job's own webhookUrl, or one that is gone."""
    reason = None if delivery.endpoint_id is None else "It was deleted."
    if delivery.endpoint_id == SETTINGS_ENDPOINT_ID:
        reason = "WEBHOOK_URL is not set any more."
    return EndpointRecord(
        # the API's ids are text; this one names no endpoint that could be asked for
        f"{STAND_IN_PREFIX}{delivery.job_id}" if delivery.endpoint_id is None else delivery.endpoint_id,  # type: ignore[arg-type]
        delivery.url,
        [delivery.event],
        None,
        reason is None,
        reason,
        delivery.created_at,
    )


def job_of_stand_in(endpoint: EndpointRecord) -> int:
    """The job whose own ``webhookUrl`` this endpoint stands in for."""
    return int(str(endpoint.id).removeprefix(STAND_IN_PREFIX))


def _checked_url(url: str) -> str:
    if len(url) > MAX_URL_LENGTH:
        raise InvalidInput(f"url: it has {len(url)} characters; at most {MAX_URL_LENGTH} fit.", field="url")
    try:
        check_url(url)
    except HttpError as error:
        raise InvalidInput(f"url: {error}", field="url") from None
    return url


def _checked_events(events: Sequence[WebhookEvent]) -> list[WebhookEvent]:
    if not events:
        raise InvalidInput("events: give at least one; to stop all, set enabled to false.", field="events")
    return [each for each in WebhookEvent if each in events]


def _checked_task_names(names: Sequence[str] | None) -> list[str] | None:
    if names is None:
        return None
    unique = list(dict.fromkeys(names))
    if not 1 <= len(unique) <= MAX_TASK_NAMES:
        raise InvalidInput(
            f"taskNames: {len(unique)} names; give 1 to {MAX_TASK_NAMES}, or null for every task.", field="taskNames"
        )
    for name in unique:
        try:
            check_task_name(name)
        except InvalidInput as error:
            raise InvalidInput(f"taskNames: {error}", field="taskNames") from None
    return unique
