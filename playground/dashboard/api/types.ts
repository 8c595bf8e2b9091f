// What the dashboard asks for, as the schema has it. tests/browser/test_dashboard_files.py holds the operations
// against schema/schema.graphql.

export const STATUSES = ['PENDING', 'SCHEDULED', 'QUEUED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED'] as const;
export type JobStatus = (typeof STATUSES)[number];
export const PRIORITIES = ['HIGH', 'MEDIUM', 'LOW'] as const;
export type JobPriority = (typeof PRIORITIES)[number];

export interface JobError {
  code: string;
  message: string;
  traceback?: string | null;
}

export interface JobRow {
  id: string;
  taskName: string;
  status: JobStatus;
  priority: JobPriority;
  tags: string[];
  attempt: number;
  maxAttempts: number;
  progress: number | null;
  payloadPreview: string | null;
  createdAt: string;
  updatedAt: string;
  runAt: string | null;
  startedAt: string | null;
  finishedAt: string | null;
  error: JobError | null;
}

export interface PageInfo {
  hasNextPage: boolean;
  endCursor: string | null;
}

export interface JobAttempt {
  number: number;
  outcome: JobStatus | null;
  error: JobError | null;
  worker: string | null;
  startedAt: string;
  finishedAt: string | null;
}

export interface JobEvent {
  cursor: string;
  from: JobStatus | null;
  to: JobStatus;
  attempt: number;
  at: string;
}

export interface DeliveryTry {
  at: string;
  durationMs: number;
  responseStatus: number | null;
  error: string | null;
}

export const DELIVERY_STATUSES = ['PENDING', 'DELIVERED', 'FAILED'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];
export const WEBHOOK_EVENTS = ['JOB_COMPLETED', 'JOB_FAILED', 'JOB_CANCELLED'] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

export interface Delivery {
  id: string;
  event: WebhookEvent;
  status: DeliveryStatus;
  url: string;
  tries: DeliveryTry[];
  nextTryAt: string | null;
  createdAt: string;
  job: { id: string; taskName: string };
}

export interface DeliveryDetail extends Delivery {
  body: string;
  tries: (DeliveryTry & { responseBody: string | null })[];
}

export interface DeliveryFilter {
  endpointId?: string;
  status?: DeliveryStatus[];
  event?: WebhookEvent[];
  createdAfter?: string;
  createdBefore?: string;
}

export interface Endpoint {
  id: string;
  url: string;
  events: WebhookEvent[];
  taskNames: string[] | null;
  enabled: boolean;
  disabledReason: string | null;
  createdAt: string;
  circuit: { failuresInARow: number; failingSince: string; openUntil: string | null } | null;
}

export interface JobDetail extends JobRow {
  payloadText: string | null;
  resultText: string | null;
  timeoutSeconds: number;
  idempotencyKey: string | null;
  waitingFor: string | null;
  schedule: { id: string; name: string } | null;
  copyOf: { id: string } | null;
  attempts: JobAttempt[];
  events: JobEvent[];
  deliveries: Delivery[];
}

export interface LogLine {
  at: string;
  attempt: number;
  level: string;
  message: string;
}

export interface Task {
  name: string;
  description: string | null;
  payloadSchema: JSONSchema | null;
  maxAttempts: number;
  timeoutSeconds: number;
  paused: boolean;
}

export interface JSONSchema {
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  properties?: Record<string, JSONSchema>;
  required?: string[];
}

export interface Worker {
  id: string;
  host: string;
  pid: number;
  slots: number;
  running: number;
  startedAt: string;
  heartbeatAt: string;
}

export interface Schedule {
  id: string;
  name: string;
  taskName: string;
  priority: JobPriority;
  cron: string;
  timezone: string;
  overlap: string;
  misfire: string;
  paused: boolean;
  nextRunAt: string | null;
  lastRunAt: string | null;
  nextRuns: string[];
  payloadText: string | null;
  lastFirings: Firing[];
}

export interface Firing {
  at: string;
  /** Null where the overlap policy left it out, and once the job is deleted. */
  job: { id: string; status: JobStatus } | null;
}

export interface Stats {
  total: number;
  byStatus: { status: JobStatus; count: number }[];
  completedLastMinute: number;
  failedLastMinute: number;
  oldestQueuedSeconds: number | null;
}

export interface ThroughputPoint {
  at: string;
  created: number;
  completed: number;
  failed: number;
  cancelled: number;
}

export interface Throughput {
  stepSeconds: number;
  points: ThroughputPoint[];
}

export interface JobsFilter {
  status?: JobStatus[];
  priority?: JobPriority[];
  taskName?: string;
  tag?: string;
  search?: string;
  createdAfter?: string;
  createdBefore?: string;
}
