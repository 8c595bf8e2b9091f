"""What the engine counts, for Prometheus (``GET /metrics``)."""

from __future__ import annotations

from prometheus_client import Counter

LOOP_FAILURES = Counter("signalbox_loop_failures", "Turns of a loop that raised.", ["loop"])
JOBS_RESCUED = Counter("signalbox_jobs_rescued", "Claims that outlived their lease, by what became of the job.", ["to"])
TASKS_ABANDONED = Counter(
    "signalbox_tasks_abandoned", "Attempts that were told to stop, did not, and were cut off.", ["why"]
)
LOG_LINES_DROPPED = Counter(
    "signalbox_job_log_lines_dropped", "Lines of jobs' logs that were lost, by what was in the way.", ["reason"]
)
