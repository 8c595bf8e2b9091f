"""Which role each field needs: the one table. The transports ask it before anything is executed (server/access.py).

A root field that is not here needs an admin, and a test fails for it. Fields below the root need what their root field
needs, unless they are here too. What a role sees of a field that it may ask for is in ``resolvers/visibility.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

from models.enums import Role

_QUERY = (
    "job jobs jobStats throughput tasks workers schedule schedules nextRuns webhookDelivery webhookDeliveries version "
    "eventCursor __schema __type __typename"
)
_MUTATION = (
    "createJob createJobs runJob cancelJob retryJob copyJob deleteJob runJobs cancelJobs retryJobs deleteJobs "
    "createSchedule updateSchedule pauseSchedule resumeSchedule triggerSchedule deleteSchedule "
    "redeliverWebhook redeliverWebhooks pauseTask resumeTask __typename"
)
_ENDPOINTS = (
    "Query.webhookEndpoints WebhookDelivery.endpoint Mutation.createWebhookEndpoint Mutation.updateWebhookEndpoint "
    "Mutation.rotateWebhookSecret Mutation.testWebhookEndpoint Mutation.deleteWebhookEndpoint"
)

NEEDED: Mapping[str, Role] = {
    **{f"Query.{name}": Role.VIEWER for name in _QUERY.split()},
    **{f"Subscription.{name}": Role.VIEWER for name in ("jobStatusChanged", "__typename")},
    **{f"Mutation.{name}": Role.OPERATOR for name in _MUTATION.split()},
    **dict.fromkeys(_ENDPOINTS.split(), Role.ADMIN),
}
"""By ``Type.field``, as clients see the names."""

ROOTS = frozenset({"Query", "Mutation", "Subscription"})


def needed_role(type_name: str, field_name: str) -> Role:
    """The role that a caller needs to ask for this field."""
    return NEEDED.get(f"{type_name}.{field_name}", Role.ADMIN if type_name in ROOTS else Role.VIEWER)
