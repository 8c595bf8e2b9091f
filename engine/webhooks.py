"""Webhooks: who is told of what, the exact bytes they get, and how they are signed.

Signatures follow Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks, spec v1): HMAC-SHA256 over
``{id}.{timestamp}.{body}`` with the key behind ``whsec_``, as ``v1,BASE64``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import orjson
import structlog

from engine.errors import ConfigurationError
from engine.http_client import HttpError, check_url
from engine.records import ClaimedJob, DueDelivery, EndedJob, EndpointRecord, ErrorRecord, NewDelivery
from engine.secrets import KEY_SETTING, SecretBox, SecretUnreadable, decode_secret
from engine.store.endpoints import EndpointStore, Listening, ended_jobs, listening
from engine.store.unit import Ending, Unit
from models.enums import JobPriority, JobStatus, WebhookEvent
from models.webhook import SETTINGS_ENDPOINT_ID

log = structlog.get_logger("signalbox.webhooks")

PRIORITY_WORDS = {JobPriority.HIGH: "High", JobPriority.MEDIUM: "Medium", JobPriority.LOW: "Low"}
EVENTS = {
    JobStatus.COMPLETED: WebhookEvent.JOB_COMPLETED,
    JobStatus.FAILED: WebhookEvent.JOB_FAILED,
    JobStatus.CANCELLED: WebhookEvent.JOB_CANCELLED,
}
ENDED_AT = {
    WebhookEvent.JOB_COMPLETED: "completedAt",
    WebhookEvent.JOB_FAILED: "failedAt",
    WebhookEvent.JOB_CANCELLED: "cancelledAt",
}
MAX_KNOWN_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Target:
    """Where a try goes, and what signs it.

    ``refusal`` says why no try is to be made now; with ``is_final`` none ever will be.
    """

    url: str
    keys: tuple[bytes, ...] = field(default=(), repr=False)
    refusal: str | None = None
    is_final: bool = False


class Receivers:
    """Who is told: WEBHOOK_URL and the endpoints, of the events that they want; a job's own ``webhookUrl``, unsigned,
    of the completion of that job alone.

    Args:
        url, secret: what the settings say.
        box: decrypts the endpoints' secrets.

    Raises:
        ConfigurationError: the URL or the secret cannot be used.
    """

    def __init__(self, url: str | None = None, secret: str | None = None, box: SecretBox | None = None) -> None:
        self.settings_url = url
        self._settings_keys = (decode_secret(secret),) if secret else ()
        self._box = box or SecretBox(None)
        self._keys: dict[str, bytes] = {}
        self._own: list[Listening] = []
        if url is not None:
            try:
                check_url(url)
            except HttpError as error:
                raise ConfigurationError(f"WEBHOOK_URL: {error}") from None
            self._own = [Listening(SETTINGS_ENDPOINT_ID, url, frozenset({WebhookEvent.JOB_COMPLETED}), None)]

    async def outbox(self, unit: Unit, endings: Sequence[Ending]) -> Sequence[NewDelivery]:
        """The deliveries that follow from the ends of jobs; for ``Store(outbox=...)``.

        The endpoints are read once in each transaction that ends jobs, after it has taken their ``finished_at``: so
        one that was created is told of every job that ends after that, whichever process ends it.
        """
        receivers = self._own + await listening(unit)
        wanting = {event: [each for each in receivers if event in each.events] for event in WebhookEvent}
        unclaimed = [each.job_id for each in endings if each.job is None and wanting[EVENTS[each.to]]]
        jobs = await ended_jobs(unit.transaction, unclaimed)
        deliveries: list[NewDelivery] = []
        for ending in endings:
            job = ending.job or jobs.get(ending.job_id)
            if job is None:  # nobody wants to know of it, or it was deleted at once
                continue
            event = EVENTS[ending.to]
            targets: list[tuple[int | None, str]] = [
                (each.id, each.url)
                for each in wanting[event]
                if each.task_names is None or job.task_name in each.task_names
            ]
            if event is WebhookEvent.JOB_COMPLETED and ending.job is not None and ending.job.webhook_url is not None:
                targets.append((None, ending.job.webhook_url))
            if targets:
                body = webhook_body(job, event, unit.now, ending.error)
                deliveries += [
                    NewDelivery(new_message_id(unit.now), job.id, event, endpoint_id, url, body)
                    for endpoint_id, url in targets
                ]
        return deliveries

    async def targets(self, endpoints: EndpointStore, due: Sequence[DueDelivery], now: datetime) -> dict[int, Target]:
        """Where each delivery goes at this moment, by its id. Read it just before the tries: an endpoint's URL and
        secrets change.

        Raises:
            Unavailable: the database cannot be reached.
        """
        known = await endpoints.by_id({each.endpoint_id for each in due if each.endpoint_id is not None})
        by_endpoint = {endpoint_id: self.target_of(record, now) for endpoint_id, record in known.items()}
        found = {}
        for each in due:
            if each.endpoint_id is None:
                found[each.id] = Target(each.url)
            elif each.endpoint_id == SETTINGS_ENDPOINT_ID:
                found[each.id] = Target(each.url, self._settings_keys)
            else:
                gone = Target(each.url, refusal="the endpoint was deleted", is_final=True)
                found[each.id] = by_endpoint.get(each.endpoint_id, gone)
        return found

    def target_of(self, endpoint: EndpointRecord, now: datetime) -> Target:
        """Where an endpoint's webhooks go, with the keys that sign them."""
        if endpoint.id == SETTINGS_ENDPOINT_ID:
            return Target(endpoint.url, self._settings_keys)
        if not endpoint.enabled:
            return Target(endpoint.url, refusal="the endpoint is disabled", is_final=True)
        try:
            return Target(endpoint.url, self._keys_of(endpoint, now))
        except SecretUnreadable:
            refusal = f"the endpoint's secret cannot be decrypted: {KEY_SETTING} lacks the key that encrypted it"
            log.error("webhook.secret_unreadable", endpoint=endpoint.id, remedy=f"add its key to {KEY_SETTING}")
            return Target(endpoint.url, refusal=refusal)

    async def all_keys(self, endpoints: EndpointStore) -> list[bytes]:
        """What may sign a webhook of this server now: for a receiver that is told of all of them.

        Raises:
            Unavailable: the database cannot be reached.
        """
        found = list(self._settings_keys)
        now = await endpoints.now()
        for endpoint in await endpoints.all():
            with suppress(SecretUnreadable):
                found += self._keys_of(endpoint, now)
        return found

    def _keys_of(self, endpoint: EndpointRecord, now: datetime) -> tuple[bytes, ...]:
        kept = [endpoint.secret]
        until = endpoint.previous_secret_until
        if endpoint.previous_secret is not None and until is not None and now < until:
            kept.append(endpoint.previous_secret)
        return tuple(self._key(each) for each in kept)

    def _key(self, kept: str) -> bytes:
        """The signing key in an encrypted secret; what was decrypted is remembered by what it was decrypted from."""
        key = self._keys.get(kept)
        if key is None:
            if len(self._keys) >= MAX_KNOWN_KEYS:
                self._keys.clear()
            key = self._keys[kept] = decode_secret(self._box.decrypt(kept))
        return key


def webhook_body(job: ClaimedJob | EndedJob, event: WebhookEvent, at: datetime, error: ErrorRecord | None) -> bytes:
    """The body of a webhook: the keys of the contract and no other. The payload is spliced in as it is stored."""
    content = {
        "jobId": job.id,
        "taskName": job.task_name,
        "priority": PRIORITY_WORDS[job.priority],
        "payload": None if job.payload_text is None else orjson.Fragment(job.payload_text),
        ENDED_AT[event]: at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    if event is WebhookEvent.JOB_FAILED and error is not None:
        content["error"] = {"code": error.code, "message": error.message}
    return orjson.dumps(content)


def new_message_id(now: datetime) -> str:
    """A ``webhook-id``: it sorts by time, so that the unique index grows at its end, and cannot be guessed."""
    return f"msg_{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}"


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature, as ``webhook-signature`` lists it. ``timestamp``: seconds since 1970."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def headers(delivery: DueDelivery, keys: Sequence[bytes], timestamp: int, version: str) -> dict[str, str]:
    """The headers of one try. The id is the same on every try, the timestamp is this try's."""
    found = {
        "content-type": "application/json",
        "user-agent": f"Signalbox/{version}",
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-event": delivery.event.value,
    }
    if keys:
        found["webhook-signature"] = " ".join(sign(key, delivery.message_id, timestamp, delivery.body) for key in keys)
    return found
