"""The fields of Mutation about tasks."""

from __future__ import annotations

from typing import cast

import strawberry

from resolvers.context import Info
from resolvers.inputs import valid_text
from schema.workers import Task, TaskPayload


@strawberry.type
class TaskMutations:
    @strawberry.mutation(description="No job of this task is claimed until resumeTask. Those that run go on.")
    async def pause_task(self, info: Info, name: str) -> TaskPayload:
        return TaskPayload(task=cast(Task, await info.context.engine.tasks.pause(valid_text(name, "name"))))

    @strawberry.mutation(description="Its jobs are claimed again, by priority and age.")
    async def resume_task(self, info: Info, name: str) -> TaskPayload:
        return TaskPayload(task=cast(Task, await info.context.engine.tasks.resume(valid_text(name, "name"))))
