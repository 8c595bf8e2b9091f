"""What a field may ask for beyond its own object: the one typed context of an operation.

The resolvers bring the implementation; a context lives for one operation, so what it loads in one batch is never stale
in the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from strawberry.types import Info as StrawberryInfo

if TYPE_CHECKING:
    from schema.jobs import Job, JobAttempt, JobEvent
    from schema.logs import JobLogConnection
    from schema.schedules import Schedule, ScheduleFiring
    from schema.webhooks import WebhookCircuit, WebhookDelivery, WebhookDeliveryConnection, WebhookEndpoint


class Loaders(Protocol):
    """Loads what belongs to jobs and schedules, for all of an operation at once."""

    async def job(self, job_id: int) -> Job | None: ...

    async def attempts(self, job_id: int) -> Sequence[JobAttempt]: ...

    async def events(self, job_id: int) -> Sequence[JobEvent]: ...

    async def waiting_for(self, job: Job) -> str | None: ...

    async def logs(self, job_id: int, first: int | None, after: str | None) -> JobLogConnection: ...

    async def deliveries(self, job: Job) -> Sequence[WebhookDelivery]: ...

    async def job_of(self, delivery: WebhookDelivery) -> Job: ...

    async def with_jobs(self, deliveries: Sequence[WebhookDelivery]) -> Sequence[WebhookDelivery]:
        """Those whose jobs are still there; their jobs are loaded."""
        ...

    async def endpoint_of(self, delivery: WebhookDelivery) -> WebhookEndpoint: ...

    async def deliveries_to(
        self, endpoint: WebhookEndpoint, first: int | None, after: str | None
    ) -> WebhookDeliveryConnection: ...

    async def delivery_body(self, delivery: WebhookDelivery) -> str: ...

    async def circuit(self, endpoint: WebhookEndpoint) -> WebhookCircuit | None: ...

    async def schedule(self, schedule_id: int) -> Schedule | None: ...

    async def last_firings(self, schedule: Schedule, first: int) -> Sequence[ScheduleFiring]: ...

    def next_runs(self, schedule: Schedule, first: int) -> Sequence[datetime]:
        """The next firings of a schedule."""
        ...


class Context(Protocol):
    """The context that every field can reach."""

    @property
    def loaders(self) -> Loaders: ...


Info = StrawberryInfo[Context, Any]
