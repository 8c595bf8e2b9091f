"""What the engine counts, for Prometheus (``GET /metrics``).

What is counted once a batch uses prometheus-client directly. What is counted for every job is a plain number here
(``Tally``), and becomes a sample when it is asked for: a metric of the library costs a microsecond or more, and a lock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

LOOP_FAILURES = Counter("signalbox_loop_failures", "Turns of a loop that raised.", ["loop"])
JOBS_RESCUED = Counter("signalbox_jobs_rescued", "Claims that outlived their lease, by what became of the job.", ["to"])
TASKS_ABANDONED = Counter(
    "signalbox_tasks_abandoned", "Attempts that were told to stop, did not, and were cut off.", ["why"]
)
LOG_LINES_DROPPED = Counter(
    "signalbox_job_log_lines_dropped", "Lines of jobs' logs that were lost, by what was in the way.", ["reason"]
)
HINTS_SENT = Counter(
    "signalbox_hints_sent", "Hints to other processes that Redis has taken: work, events, cancel, settings.", ["kind"]
)
HINTS_RECEIVED = Counter("signalbox_hints_received", "Hints of other processes that Redis has brought.", ["kind"])
HINTS_DROPPED = Counter("signalbox_hints_dropped", "Hints that could not be sent; others poll instead.", ["kind"])
JOB_CHANGES = Counter(
    "signalbox_job_changes", "Changes of jobs' statuses that this process committed.", ["from_status", "to_status"]
)
BATCH_OPERATIONS = Histogram(
    "signalbox_store_batch_operations",
    "Operations that were committed together.",
    ["lane"],
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000),
)
COMMIT_SECONDS = Histogram(
    "signalbox_store_transaction_seconds",
    "From BEGIN to the answer to COMMIT.",
    ["lane"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
STORE_RETRIES = Counter("signalbox_store_retries", "Transactions that were done again, by what was wrong.", ["reason"])
CLAIM_SECONDS = Histogram(
    "signalbox_claim_seconds",
    "From asking for jobs to having them.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
JOBS_CLAIMED = Counter("signalbox_jobs_claimed", "Jobs that this process's worker claimed.")
DELIVERY_TRIES = Counter(
    "signalbox_webhook_tries", "Tries to deliver a webhook, by what the delivery was after it.", ["status"]
)
DELIVERY_SECONDS = Histogram(
    "signalbox_webhook_try_seconds",
    "How long receivers of webhooks took to answer, or not to.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15),
)

RUN_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0)
MAX_TASKS = 200
"""Tasks that are counted by name; the rest goes together, for each name costs some twenty time series."""
OTHER = "(other)"


class Attempted:
    """The attempts of one task."""

    __slots__ = ("counts", "outcomes", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(RUN_BUCKETS) + 1)
        self.outcomes: dict[str, int] = {}
        self.seconds = 0.0


class Tally:
    """Attempts by task: how they ended, and how long they took."""

    def __init__(self) -> None:
        self._tasks: dict[str, Attempted] = {}

    def note(self, task: str, outcome: str, seconds: float) -> None:
        """Count one attempt. It costs well under a microsecond."""
        attempted = self._tasks.get(task)
        if attempted is None:
            attempted = self._tasks.setdefault(task if len(self._tasks) < MAX_TASKS else OTHER, Attempted())
        attempted.counts[bisect_left(RUN_BUCKETS, seconds)] += 1
        attempted.seconds += seconds
        attempted.outcomes[outcome] = attempted.outcomes.get(outcome, 0) + 1

    def collect(self) -> Iterator[Metric]:
        """The samples, as Prometheus takes them."""
        attempts = CounterMetricFamily(
            "signalbox_attempts", "Attempts that ended here, by the job's status after them.", labels=["task", "to"]
        )
        seconds = HistogramMetricFamily("signalbox_run_seconds", "How long attempts took.", labels=["task"])
        for task, attempted in self._tasks.items():
            for outcome, count in attempted.outcomes.items():
                attempts.add_metric([task, outcome], count)
            total = 0
            buckets: list[tuple[str, float]] = []
            for bound, count in zip((*map(str, RUN_BUCKETS), "+Inf"), attempted.counts, strict=True):
                total += count
                buckets.append((bound, total))
            seconds.add_metric([task], buckets, attempted.seconds)
        yield attempts
        yield seconds
