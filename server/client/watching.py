"""``watch``, and the waiting of ``create``: which changes are told, and when there is no more to tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.client import documents
from server.client.api import Api, ClientError
from server.client.stream import Change, Stream, Subscription

MAX_JOBS = 100
"""A socket takes at most so many subscriptions."""

Tell = Callable[[Change], None]


@dataclass(slots=True)
class Watcher:
    """Tells the changes of some jobs until all have ended, or of all that match for ever."""

    api: Api
    tell: Tell
    say: Callable[[str], None]
    outcomes: dict[str, str | None] = field(default_factory=dict)

    async def jobs(self, ids: Sequence[str]) -> bool:
        """Watch these jobs to their end; whether all are COMPLETED."""
        start = await self._end_of_log()
        subscriptions = [Subscription({"id": job_id}, start) for job_id in ids]
        for subscription in subscriptions:
            for change in await self._as_it_is(subscription):
                self._note(change)
        return await self._until_ended(subscriptions)

    async def created(self, job: Mapping[str, Any]) -> bool:
        """Watch a job from its creation on."""
        self._note(_last_change(job))
        return await self._until_ended([Subscription({"id": job["id"]}, job["events"][-1]["cursor"])])

    async def all(self, where: Mapping[str, Any], after: str | None) -> None:
        """Watch what matches ``where``, from now or from the cursor ``after`` on. Does not end."""
        subscription = Subscription(dict(where), after or await self._end_of_log())
        stream = Stream(self.api, [subscription], self._from_now, self.say)
        async for change in stream.changes():
            self.tell(change)

    async def _until_ended(self, subscriptions: Sequence[Subscription]) -> bool:
        if not self._have_all_ended:
            stream = Stream(self.api, subscriptions, self._as_it_is, self.say)
            changes = stream.changes()
            try:
                async for change in changes:
                    self._note(change)
                    if self._have_all_ended:
                        break
            finally:
                await changes.aclose()
        return all(outcome == documents.Status.COMPLETED for outcome in self.outcomes.values())

    @property
    def _have_all_ended(self) -> bool:
        return None not in self.outcomes.values()

    def _note(self, change: Change) -> None:
        self.outcomes[change["job"]["id"]] = change["to"] if change["to"] in documents.TERMINAL else None
        self.tell(change)

    async def _as_it_is(self, subscription: Subscription) -> Sequence[Change]:
        """The job's last change; the subscription goes on after it."""
        job_id = subscription.variables["id"]
        job = (await self.api.run(documents.WATCHED, id=job_id))["job"]
        if job is None:
            raise ClientError(f"There is no job {job_id}.")
        change = _last_change(job)
        start = subscription.cursor
        # Where the log ended before the job was read is further on than the last change of a job that waits for long.
        is_later = start is None or int(change["cursor"]) > int(start)
        subscription.cursor = change["cursor"] if is_later else start
        return [change]

    async def _from_now(self, subscription: Subscription) -> Sequence[Change]:
        subscription.cursor = await self._end_of_log()
        return []

    async def _end_of_log(self) -> str | None:
        """Somewhere close to the end of the log, and not beyond it; None when it cannot be told."""
        nodes = (await self.api.run(documents.LOG_END))["jobs"]["nodes"]
        cursors = [int(event["cursor"]) for job in nodes for event in job["events"]]
        return str(max(cursors)) if cursors else None


def _last_change(job: Mapping[str, Any]) -> Change:
    event = job["events"][-1]
    return {
        "cursor": event["cursor"],
        "from": event["from"],
        "to": event["to"],
        "at": event["at"],
        "job": {name: value for name, value in job.items() if name != "events"},
    }
