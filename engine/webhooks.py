"""Webhooks: who is told of what, the exact bytes they get, and how they are signed.

Signatures follow Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks, spec v1): HMAC-SHA256 over
``{id}.{timestamp}.{body}`` with the key behind ``whsec_``, as ``v1,BASE64``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from engine.errors import ConfigurationError
from engine.http_client import HttpError, check_url
from engine.records import ClaimedJob, DueDelivery, Finish, NewDelivery
from engine.store.unit import Unit
from models.enums import JobPriority, JobStatus, WebhookEvent
from models.webhook import SETTINGS_ENDPOINT_ID

SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix of every secret
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64

PRIORITY_WORDS = {JobPriority.HIGH: "High", JobPriority.MEDIUM: "Medium", JobPriority.LOW: "Low"}


@dataclass(frozen=True, slots=True)
class Receiver:
    """One URL that is told of some events; ``keys`` sign, None means unsigned."""

    url: str
    events: frozenset[WebhookEvent]
    endpoint_id: int | None
    keys: tuple[bytes, ...] = field(default=(), repr=False)


class Receivers:
    """Who is told. WEBHOOK_URL is one; a job's own ``webhookUrl`` is told of that job alone, unsigned.

    Raises:
        ConfigurationError: the URL or the secret cannot be used.
    """

    def __init__(self, url: str | None = None, secret: str | None = None) -> None:
        self._settings: Receiver | None = None
        keys = (decode_secret(secret),) if secret else ()
        if url is not None:
            try:
                check_url(url)
            except HttpError as error:
                raise ConfigurationError(f"WEBHOOK_URL: {error}") from None
            self._settings = Receiver(url, frozenset({WebhookEvent.JOB_COMPLETED}), SETTINGS_ENDPOINT_ID, keys)

    def outbox(self, finish: Finish, unit: Unit) -> Sequence[NewDelivery]:
        """The deliveries that follow from the end of an attempt; for ``Store(outbox=...)``."""
        if finish.to is not JobStatus.COMPLETED:
            return ()
        targets: list[tuple[int | None, str]] = []
        if self._settings is not None:
            targets.append((self._settings.endpoint_id, self._settings.url))
        if finish.job.webhook_url is not None:
            targets.append((None, finish.job.webhook_url))
        if not targets:
            return ()
        body = completed_body(finish.job, unit.now)
        event = WebhookEvent.JOB_COMPLETED
        return [
            NewDelivery(new_message_id(unit.now), finish.job.id, event, endpoint_id, url, body)
            for endpoint_id, url in targets
        ]

    def keys_for(self, delivery: DueDelivery) -> tuple[bytes, ...]:
        """What signs a delivery."""
        if self._settings is not None and delivery.endpoint_id == self._settings.endpoint_id:
            return self._settings.keys
        return ()


def completed_body(job: ClaimedJob, completed_at: datetime) -> bytes:
    """The body of ``job.completed``: these five keys and no other. The payload is spliced in as it is stored."""
    return orjson.dumps(
        {
            "jobId": job.id,
            "taskName": job.task_name,
            "priority": PRIORITY_WORDS[job.priority],
            "payload": None if job.payload_text is None else orjson.Fragment(job.payload_text),
            "completedAt": completed_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
    )


def new_message_id(now: datetime) -> str:
    """A ``webhook-id``: it sorts by time, so that the unique index grows at its end, and cannot be guessed."""
    return f"msg_{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}"


def decode_secret(secret: str) -> bytes:
    """The key behind ``whsec_...``.

    Raises:
        ConfigurationError: it is not base64 of 24 to 64 bytes behind that prefix. The message never shows it.
    """
    try:
        if not secret.startswith(SECRET_PREFIX):
            raise ValueError
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
        if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
            raise ValueError
    except (ValueError, binascii.Error):
        raise ConfigurationError(
            "WEBHOOK_SECRET: it must be whsec_ and the base64 of 24 to 64 random bytes; "
            "python -c \"import base64,secrets; print('whsec_'+base64.b64encode(secrets.token_bytes(32)).decode())\" "
            "makes one"
        ) from None
    return key


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
