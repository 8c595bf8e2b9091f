"""Trying an endpoint out: a webhook that tells of no job, signed as all are, and what its receiver answers.

Nothing is kept of it: it is no delivery, is not tried again, and says nothing of the endpoint's health.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.deliveries import judge, post
from engine.endpoints import Endpoints
from engine.http_client import HttpClient, HttpResponse
from engine.records import DueDelivery, EndedJob, TryRecord
from engine.store.endpoints import not_found
from engine.store.store import Store
from engine.webhooks import Receivers, new_message_id, webhook_body
from models.enums import JobPriority

TEST_TASK = "signalbox.test"
TEST_PAYLOAD = '{"test":true}'
NO_JOB = 0
"""The ``jobId`` of a trial: no job has it."""


@dataclass(slots=True)
class Trial:
    """What was sent, and what came of it."""

    body: str
    outcome: TryRecord


class WebhookTrials:
    """Sends trials.

    Args:
        version: for the user-agent header.
    """

    def __init__(
        self, store: Store, endpoints: Endpoints, receivers: Receivers, client: HttpClient, version: str
    ) -> None:
        self._store = store
        self._endpoints = endpoints
        self._receivers = receivers
        self._client = client
        self._version = version

    async def send(self, endpoint_id: int) -> Trial:
        """POST to the endpoint once, now, whether it is enabled or not.

        Raises:
            NotFound, Unavailable
        """
        endpoint = (await self._endpoints.by_id([endpoint_id])).get(endpoint_id)
        if endpoint is None:
            raise not_found(endpoint_id)
        clock = self._store.clock
        now, event = clock.now(), endpoint.events[0]
        task_name = endpoint.task_names[0] if endpoint.task_names else TEST_TASK
        body = webhook_body(EndedJob(NO_JOB, task_name, TEST_PAYLOAD, JobPriority.MEDIUM), event, now, None)
        sent = DueDelivery(0, new_message_id(now), event, endpoint_id, endpoint.url, body, 0, now, 0)
        target = self._receivers.target_of(replace(endpoint, enabled=True), now)
        response: HttpResponse | None = None
        error = target.refusal
        started = clock.monotonic()
        if error is None:
            response, error = await post(self._client, sent, target, self._version, now)
        duration_ms = round((clock.monotonic() - started) * 1000)
        result = judge(sent, response, error, duration_ms, (), now)
        outcome = TryRecord(now, duration_ms, result.response_status, result.error, result.response_body)
        return Trial(body.decode(), outcome)
