"""The outbox of webhooks: a row for each event and receiver, and one for each try."""

from __future__ import annotations

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.enums import DeliveryStatus, WebhookEvent
from models.job import MAX_URL_LENGTH

SETTINGS_ENDPOINT_ID = 0
"""``endpoint_id`` of deliveries to WEBHOOK_URL; a job's own ``webhookUrl`` has none."""


class WebhookEndpoint(Model):
    """A URL that receives webhooks. Lists are JSON, secrets are encrypted."""

    id = fields.BigIntField(primary_key=True)
    url = fields.CharField(max_length=MAX_URL_LENGTH)
    events = fields.TextField()
    task_names = fields.TextField(null=True)
    enabled = fields.BooleanField()
    disabled_reason = fields.CharField(max_length=255, null=True)
    secret = fields.TextField()
    previous_secret = fields.TextField(null=True)
    previous_secret_until = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()

    class Meta:
        app = "signalbox"
        table = "webhook_endpoint"


class WebhookCircuit(Model):
    """How a receiver that fails has been doing, by its endpoint (0 is WEBHOOK_URL)."""

    endpoint_id = fields.BigIntField(primary_key=True, generated=False)
    failures_in_a_row = fields.IntField()
    failing_since = fields.DatetimeField()
    open_until = fields.DatetimeField(null=True)
    probes = fields.IntField()
    updated_at = fields.DatetimeField()

    class Meta:
        app = "signalbox"
        table = "webhook_circuit"


class WebhookDelivery(Model):
    """One event to be POSTed to one receiver. The body holds the very bytes of every try; ``not_before`` is
    what the receiver asked for with ``Retry-After``."""

    id = fields.BigIntField(primary_key=True)
    message_id = fields.CharField(max_length=40, unique=True)
    job_id = fields.BigIntField()
    event = fields.CharEnumField(WebhookEvent, max_length=32)
    endpoint_id = fields.BigIntField(null=True)
    url = fields.CharField(max_length=MAX_URL_LENGTH)
    body = fields.BinaryField()
    status = fields.CharEnumField(DeliveryStatus, max_length=9)
    try_count = fields.IntField()
    next_try_at = fields.DatetimeField(null=True)
    claim_token = fields.BigIntField(null=True)
    not_before = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()

    class Meta:
        app = "signalbox"
        table = "webhook_delivery"
        indexes = (
            Index(fields=["status", "next_try_at", "id"], name="webhook_delivery_due"),
            Index(fields=["job_id", "id"], name="webhook_delivery_job"),
            Index(fields=["endpoint_id", "status", "next_try_at", "id"], name="webhook_delivery_endpoint_due"),
            Index(fields=["endpoint_id", "id"], name="webhook_delivery_endpoint"),
            Index(fields=["status", "id"], name="webhook_delivery_status"),
        )


class WebhookTry(Model):
    """One attempt to deliver."""

    id = fields.BigIntField(primary_key=True)
    delivery_id = fields.BigIntField()
    at = fields.DatetimeField()
    duration_ms = fields.IntField()
    response_status = fields.IntField(null=True)
    error = fields.CharField(max_length=1024, null=True)
    response_body = fields.TextField(null=True)

    class Meta:
        app = "signalbox"
        table = "webhook_try"
        indexes = (Index(fields=["delivery_id", "id"], name="webhook_try_delivery"),)
