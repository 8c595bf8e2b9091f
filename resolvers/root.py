"""The schema, assembled."""

from __future__ import annotations

import strawberry
from strawberry.tools import merge_types

from resolvers.mutations import Mutation
from resolvers.queries import Query
from resolvers.schedules import ScheduleMutations, ScheduleQueries
from resolvers.subscriptions import Subscription
from resolvers.tasks import TaskMutations
from resolvers.throughput import ThroughputQueries
from resolvers.visibility import conceal
from resolvers.webhooks import WebhookMutations, WebhookQueries
from schema.scalars import config


def build_schema() -> strawberry.Schema:
    """The whole public surface."""
    schema = strawberry.Schema(
        query=merge_types("Query", (Query, ScheduleQueries, ThroughputQueries, WebhookQueries)),
        mutation=merge_types("Mutation", (Mutation, ScheduleMutations, WebhookMutations, TaskMutations)),
        subscription=Subscription,
        config=config(),
    )
    conceal(schema)
    return schema


def sdl() -> str:
    """The schema in GraphQL's schema definition language, as ``schema/schema.graphql`` keeps it."""
    return build_schema().as_str() + "\n"
