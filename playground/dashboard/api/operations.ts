// Every operation the dashboard sends.

const ROW = `
  id taskName status priority tags attempt maxAttempts progress payloadPreview
  createdAt updatedAt runAt startedAt finishedAt error { code message }`;

const DELIVERY = `
  id event status url nextTryAt createdAt job { id taskName } tries { at durationMs responseStatus error }`;

export const EVENT_CURSOR = 'query DashboardCursor { eventCursor }';

export const CHANGES = `subscription DashboardChanges($after: String) {
  jobStatusChanged(after: $after) { cursor from to at job { ${ROW} } }
}`;

export const JOBS = `query DashboardJobs(
  $status: [JobStatus!] $priority: [JobPriority!] $taskName: String $tag: String $search: String
  $createdAfter: DateTime $createdBefore: DateTime $after: String $first: Int
) {
  jobs(
    status: $status priority: $priority taskName: $taskName tag: $tag search: $search
    createdAfter: $createdAfter createdBefore: $createdBefore after: $after first: $first
  ) { nodes { ${ROW} } pageInfo { hasNextPage endCursor } }
}`;

const COUNT_ARGUMENTS =
  'priority: $priority taskName: $taskName tag: $tag search: $search createdAfter: $createdAfter ' +
  'createdBefore: $createdBefore first: 1';
const count = (alias: string, status: string) =>
  `${alias}: jobs(${status}${COUNT_ARGUMENTS}) { totalCount(atMost: 10000) }`;

export const COUNTS = `query DashboardCounts(
  $priority: [JobPriority!] $taskName: String $tag: String $search: String
  $createdAfter: DateTime $createdBefore: DateTime
) {
  ${count('ALL', '')}
  ${count('PENDING', 'status: [PENDING] ')}
  ${count('SCHEDULED', 'status: [SCHEDULED] ')}
  ${count('QUEUED', 'status: [QUEUED] ')}
  ${count('RUNNING', 'status: [RUNNING] ')}
  ${count('COMPLETED', 'status: [COMPLETED] ')}
  ${count('FAILED', 'status: [FAILED] ')}
  ${count('CANCELLED', 'status: [CANCELLED] ')}
}`;

export const JOB = `query DashboardJob($id: ID!) {
  job(id: $id) {
    ${ROW}
    payloadText resultText timeoutSeconds idempotencyKey waitingFor
    error { code message traceback }
    schedule { id name } copyOf { id }
    attempts { number outcome worker startedAt finishedAt error { code message traceback } }
    events { cursor from to attempt at }
    deliveries { ${DELIVERY} }
  }
}`;

export const LOGS = `query DashboardLogs($id: ID!, $after: String) {
  job(id: $id) {
    progress
    logs(first: 100, after: $after) { nodes { at attempt level message } pageInfo { hasNextPage endCursor } }
  }
}`;

export const OVERVIEW = `query DashboardOverview {
  version
  jobStats { total byStatus { status count } completedLastMinute failedLastMinute oldestQueuedSeconds }
  workers { id host pid slots running startedAt heartbeatAt }
  schedules { id name taskName cron timezone paused nextRunAt }
  tasks { name description paused maxConcurrency maxConcurrencyPerKey rateLimit }
  failures: jobs(status: [FAILED], orderBy: { field: UPDATED_AT, direction: DESC }, first: 6) { nodes { ${ROW} } }
}`;

export const THROUGHPUT = `query DashboardThroughput($period: ThroughputPeriod!) {
  throughput(period: $period) { stepSeconds points { at created completed failed cancelled } }
}`;

/** How many jobs of each of so many tasks wait. */
export const waitingOf = (tasks: number) => {
  const numbers = [...Array(tasks).keys()];
  const counts = numbers.map((at) => `of${at}: jobs(status: [QUEUED] taskName: $name${at} first: 1) { totalCount(atMost: 10000) }`);
  return `query DashboardWaiting(${numbers.map((at) => `$name${at}: String`).join(' ')}) { ${counts.join(' ')} }`;
};

export const PAUSE_TASK = `mutation PauseTask($name: String!) { pauseTask(name: $name) { task { name paused } } }`;
export const RESUME_TASK = `mutation ResumeTask($name: String!) { resumeTask(name: $name) { task { name paused } } }`;

export const TASKS = `query DashboardTasks {
  tasks { name description payloadSchema maxAttempts timeoutSeconds paused }
}`;

export const SCHEDULES = `query DashboardSchedules {
  schedules {
    id name taskName priority cron timezone overlap misfire paused nextRunAt lastRunAt nextRuns(first: 5) payloadText
    lastFirings(first: 30) { at job { id status } }
  }
}`;

export const CREATE_JOB = `mutation CreateJob($input: CreateJobInput!) {
  createJob(input: $input) { created job { ${ROW} } }
}`;
export const CREATE_JOBS = `mutation CreateJobs($inputs: [CreateJobInput!]!) {
  createJobs(inputs: $inputs) { jobs { id } }
}`;
export const RUN = `mutation RunJob($id: ID!) { runJob(id: $id) { job { ${ROW} } } }`;
export const CANCEL = `mutation CancelJob($id: ID!) { cancelJob(id: $id) { job { ${ROW} } } }`;
export const RETRY = `mutation RetryJob($id: ID!) { retryJob(id: $id) { job { ${ROW} } } }`;
export const DELETE = `mutation DeleteJob($id: ID!) { deleteJob(id: $id) { id } }`;
export const COPY = `mutation CopyJob($id: ID!, $payload: JSON, $run: Boolean!) {
  copyJob(id: $id, payload: $payload, run: $run) { job { id } }
}`;

export const RUN_ALL = `mutation RunJobs($filter: JobFilter!, $dryRun: Boolean!) {
  runJobs(filter: $filter, dryRun: $dryRun) { count }
}`;
export const CANCEL_ALL = `mutation CancelJobs($filter: JobFilter!, $dryRun: Boolean!) {
  cancelJobs(filter: $filter, dryRun: $dryRun) { count }
}`;
export const RETRY_ALL = `mutation RetryJobs($filter: JobFilter!, $dryRun: Boolean!) {
  retryJobs(filter: $filter, dryRun: $dryRun) { count }
}`;
export const DELETE_ALL = `mutation DeleteJobs($filter: JobFilter!, $dryRun: Boolean!) {
  deleteJobs(filter: $filter, dryRun: $dryRun) { count }
}`;

export const CREATE_SCHEDULE = `mutation CreateSchedule($input: CreateScheduleInput!) {
  createSchedule(input: $input) { schedule { id } }
}`;
export const UPDATE_SCHEDULE = `mutation UpdateSchedule($input: UpdateScheduleInput!) {
  updateSchedule(input: $input) { schedule { id } }
}`;
export const NEXT_RUNS = `query DashboardNextRuns($cron: String!, $timezone: String!) {
  nextRuns(cron: $cron, timezone: $timezone, first: 5)
}`;
export const PAUSE_SCHEDULE = `mutation PauseSchedule($id: ID!) { pauseSchedule(id: $id) { schedule { id } } }`;
export const RESUME_SCHEDULE = `mutation ResumeSchedule($id: ID!) { resumeSchedule(id: $id) { schedule { id } } }`;
export const TRIGGER_SCHEDULE = `mutation TriggerSchedule($id: ID!) { triggerSchedule(id: $id) { job { id } } }`;
export const DELETE_SCHEDULE = `mutation DeleteSchedule($id: ID!) { deleteSchedule(id: $id) { id } }`;

export const ENDPOINTS = `query DashboardEndpoints {
  webhookEndpoints {
    id url events taskNames enabled disabledReason createdAt circuit { failuresInARow failingSince openUntil }
  }
}`;
export const LAST_DELIVERIES = `query DashboardLastDeliveries($id: ID!) {
  webhookDeliveries(filter: { endpointId: $id }, first: 20) {
    nodes { id status createdAt tries { at durationMs responseStatus error } }
  }
}`;
export const DELIVERIES = `query DashboardDeliveries($filter: WebhookDeliveryFilter, $first: Int, $after: String) {
  webhookDeliveries(filter: $filter, first: $first, after: $after) {
    nodes { ${DELIVERY} } pageInfo { hasNextPage endCursor }
  }
}`;
export const DELIVERY_COUNTS = `query DashboardDeliveryCounts(
  $ALL: WebhookDeliveryFilter $PENDING: WebhookDeliveryFilter $DELIVERED: WebhookDeliveryFilter
  $FAILED: WebhookDeliveryFilter
) {
  ALL: webhookDeliveries(filter: $ALL, first: 1) { totalCount(atMost: 10000) }
  PENDING: webhookDeliveries(filter: $PENDING, first: 1) { totalCount(atMost: 10000) }
  DELIVERED: webhookDeliveries(filter: $DELIVERED, first: 1) { totalCount(atMost: 10000) }
  FAILED: webhookDeliveries(filter: $FAILED, first: 1) { totalCount(atMost: 10000) }
}`;
export const DELIVERY_DETAIL = `query DashboardDelivery($id: ID!) {
  webhookDelivery(id: $id) { ${DELIVERY} body tries { responseBody } }
}`;
export const CREATE_ENDPOINT = `mutation CreateEndpoint($input: CreateWebhookEndpointInput!) {
  createWebhookEndpoint(input: $input) { secret endpoint { id url } }
}`;
export const UPDATE_ENDPOINT = `mutation UpdateEndpoint($input: UpdateWebhookEndpointInput!) {
  updateWebhookEndpoint(input: $input) { endpoint { id } }
}`;
export const ROTATE_SECRET = `mutation RotateSecret($id: ID!) {
  rotateWebhookSecret(id: $id) { secret endpoint { id url } }
}`;
export const DELETE_ENDPOINT = `mutation DeleteEndpoint($id: ID!) { deleteWebhookEndpoint(id: $id) { id } }`;
export const TEST_ENDPOINT = `mutation TestEndpoint($id: ID!) {
  testWebhookEndpoint(id: $id) { body outcome { at durationMs responseStatus error responseBody } }
}`;
export const REDELIVER = `mutation Redeliver($id: ID!) { redeliverWebhook(id: $id) { delivery { id status } } }`;
export const REDELIVER_ALL = `mutation RedeliverAll($filter: WebhookDeliveryFilter!, $dryRun: Boolean!) {
  redeliverWebhooks(filter: $filter, dryRun: $dryRun) { count }
}`;

// Asks whether this key may change anything, and changes nothing.
export const MAY_WRITE = `mutation MayWrite { cancelJobs(filter: { ids: ["1"] }, dryRun: true) { count } }`;
