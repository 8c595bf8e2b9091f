"""The field of Query about throughput."""

from __future__ import annotations

from typing import cast

import strawberry

from resolvers.context import Info
from schema.enums import ThroughputPeriod
from schema.throughput import Throughput


@strawberry.type
class ThroughputQueries:
    @strawberry.field(description="How many jobs were created and ended in the last hour, day or week.")
    async def throughput(self, info: Info, period: ThroughputPeriod = ThroughputPeriod.HOUR) -> Throughput:
        return cast(Throughput, await info.context.engine.throughput.read(period))
