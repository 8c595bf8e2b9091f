// What the dashboard asks for, as parts of the types that schema-types.mjs writes from the schema.
// tests/browser/test_dashboard_files.py holds the operations against it too.
import type * as schema from './schema';

export type { DeliveryStatus, JobPriority, JobStatus, ThroughputPoint, WebhookEvent } from './schema';

export const STATUSES = ['PENDING', 'SCHEDULED', 'QUEUED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED'] as const satisfies schema.JobStatus[];
export const PRIORITIES = ['HIGH', 'MEDIUM', 'LOW'] as const satisfies schema.JobPriority[];
export const DELIVERY_STATUSES = ['PENDING', 'DELIVERED', 'FAILED'] as const satisfies schema.DeliveryStatus[];
export const WEBHOOK_EVENTS = ['JOB_COMPLETED', 'JOB_FAILED', 'JOB_CANCELLED'] as const satisfies schema.WebhookEvent[];

/** An input in which what is not given is left out, never null. */
type Given<T> = { [K in keyof T]?: NonNullable<T[K]> };

/** Lists do not ask for tracebacks. */
export type JobError = Pick<schema.JobError, 'code' | 'message'> & Partial<Pick<schema.JobError, 'traceback'>>;

export type JobRow = Pick<
  schema.Job,
  | 'id'
  | 'taskName'
  | 'status'
  | 'priority'
  | 'tags'
  | 'attempt'
  | 'maxAttempts'
  | 'progress'
  | 'payloadPreview'
  | 'createdAt'
  | 'updatedAt'
  | 'runAt'
  | 'startedAt'
  | 'finishedAt'
> & { error: JobError | null };

export type PageInfo = Pick<schema.PageInfo, 'hasNextPage' | 'endCursor'>;

export type JobAttempt = Pick<schema.JobAttempt, 'number' | 'outcome' | 'worker' | 'startedAt' | 'finishedAt'> & { error: JobError | null };

export type JobEvent = Pick<schema.JobEvent, 'cursor' | 'from' | 'to' | 'attempt' | 'at'>;

export type DeliveryTry = Pick<schema.DeliveryTry, 'at' | 'durationMs' | 'responseStatus' | 'error'>;

export type Delivery = Pick<schema.WebhookDelivery, 'id' | 'event' | 'status' | 'url' | 'nextTryAt' | 'createdAt'> & {
  tries: DeliveryTry[];
  job: Pick<schema.Job, 'id' | 'taskName'>;
};

export type DeliveryDetail = Omit<Delivery, 'tries'> &
  Pick<schema.WebhookDelivery, 'body'> & { tries: (DeliveryTry & Pick<schema.DeliveryTry, 'responseBody'>)[] };

export type DeliveryFilter = Given<Pick<schema.WebhookDeliveryFilter, 'endpointId' | 'status' | 'event' | 'createdAfter' | 'createdBefore'>>;

export type Endpoint = Pick<schema.WebhookEndpoint, 'id' | 'url' | 'events' | 'taskNames' | 'enabled' | 'disabledReason' | 'createdAt'> & {
  circuit: Pick<schema.WebhookCircuit, 'failuresInARow' | 'failingSince' | 'openUntil'> | null;
};

export type JobDetail = JobRow &
  Pick<schema.Job, 'payloadText' | 'resultText' | 'timeoutSeconds' | 'idempotencyKey' | 'waitingFor'> & {
    schedule: Pick<schema.Schedule, 'id' | 'name'> | null;
    copyOf: Pick<schema.Job, 'id'> | null;
    attempts: JobAttempt[];
    events: JobEvent[];
    deliveries: Delivery[];
  };

export type LogLine = Pick<schema.JobLogLine, 'at' | 'attempt' | 'level' | 'message'>;

/** A task as the overview lists it. */
export type ListedTask = Pick<schema.Task, 'name' | 'description' | 'paused' | 'maxConcurrency' | 'maxConcurrencyPerKey' | 'rateLimit'>;

export type Task = Pick<schema.Task, 'name' | 'description' | 'maxAttempts' | 'timeoutSeconds' | 'paused'> & { payloadSchema: JSONSchema | null };

/** What the form knows of JSON Schema. */
export interface JSONSchema {
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  properties?: Record<string, JSONSchema>;
  required?: string[];
}

export type Worker = Pick<schema.Worker, 'id' | 'host' | 'pid' | 'slots' | 'running' | 'startedAt' | 'heartbeatAt'>;

export type Schedule = Pick<
  schema.Schedule,
  | 'id'
  | 'name'
  | 'taskName'
  | 'priority'
  | 'cron'
  | 'timezone'
  | 'overlap'
  | 'misfire'
  | 'paused'
  | 'nextRunAt'
  | 'lastRunAt'
  | 'nextRuns'
  | 'payloadText'
> & { lastFirings: Firing[] };

/** Its job is null where the overlap policy left it out, and once the job is deleted. */
export type Firing = Pick<schema.ScheduleFiring, 'at'> & { job: Pick<schema.Job, 'id' | 'status'> | null };

export type Stats = Pick<schema.JobStats, 'total' | 'byStatus' | 'completedLastMinute' | 'failedLastMinute' | 'oldestQueuedSeconds'>;

export type Throughput = Pick<schema.Throughput, 'stepSeconds' | 'points'>;

/** What the list is filtered by: the arguments of `jobs`. */
export type JobsFilter = Given<Pick<schema.QueryJobsArgs, 'status' | 'priority' | 'taskName' | 'tag' | 'search' | 'createdAfter' | 'createdBefore'>>;
