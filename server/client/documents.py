"""What the client asks, in GraphQL, and the words of the contract that it uses."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Priority(StrEnum):
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})

ROW = """id taskName status priority tags attempt maxAttempts progress payloadText
  createdAt updatedAt runAt startedAt finishedAt error { code message }"""
JOB = ROW + " timeoutSeconds resultText idempotencyKey schedule { id name } copyOf { id }"

CREATE = f"""mutation Create($input: CreateJobInput!) {{
  createJob(input: $input) {{ created job {{ {JOB} events {{ cursor from to attempt at }} }} }}
}}"""

LIST = """query List($status: [JobStatus!], $priority: [JobPriority!], $taskName: String, $tag: String, $search: String,
  $createdAfter: DateTime, $createdBefore: DateTime, $first: Int, $after: String) {
  jobs(status: $status, priority: $priority, taskName: $taskName, tag: $tag, search: $search,
    createdAfter: $createdAfter, createdBefore: $createdBefore, first: $first, after: $after) {
    nodes { %s } pageInfo { hasNextPage endCursor }
  }
}"""

SHOW = f"""query Show($id: ID!) {{
  job(id: $id) {{
    {JOB} waitingFor
    attempts {{ number outcome worker startedAt finishedAt error {{ code message }} }}
    deliveries {{ id event url status nextTryAt tries {{ at durationMs responseStatus error }} }}
  }}
}}"""

LOGS = """query Logs($id: ID!, $after: String) {
  job(id: $id) { logs(first: 100, after: $after) {
    nodes { at attempt level message } pageInfo { hasNextPage endCursor } } }
}"""

WATCHED = f"query Watched($id: ID!) {{ job(id: $id) {{ {JOB} events {{ cursor from to attempt at }} }} }}"

LOG_END = """query LogEnd { jobs(first: 5, orderBy: {field: UPDATED_AT, direction: DESC}) {
  nodes { events { cursor } } } }"""
"""A cursor at the end of the log, or a little before it: that of what was changed last."""

WATCH = f"""subscription Watch($id: ID, $status: [JobStatus!], $priority: [JobPriority!], $taskName: String,
  $tag: String, $after: String) {{
  jobStatusChanged(id: $id, status: $status, priority: $priority, taskName: $taskName, tag: $tag, after: $after) {{
    cursor from to at job {{ {JOB} }}
  }}
}}"""


TASK = "name description maxAttempts timeoutSeconds maxConcurrency maxConcurrencyPerKey rateLimit paused"
TASKS = f"query Tasks {{ tasks {{ {TASK} }} }}"


def change_task(mutation: str) -> str:
    """``pauseTask`` or ``resumeTask``."""
    return f"mutation ChangeTask($name: String!) {{ {mutation}(name: $name) {{ task {{ {TASK} }} }} }}"


def change(mutation: str) -> str:
    """``runJob``, ``cancelJob`` or ``retryJob``."""
    return f"mutation Change($id: ID!) {{ {mutation}(id: $id) {{ job {{ {JOB} }} }} }}"


def change_all(mutation: str) -> str:
    """``runJobs``, ``cancelJobs`` or ``retryJobs``."""
    return f"""mutation ChangeAll($filter: JobFilter!, $dryRun: Boolean!) {{
  {mutation}(filter: $filter, dryRun: $dryRun) {{ count }}
}}"""
