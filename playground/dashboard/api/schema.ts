// Written by schema-types.mjs from schema/schema.graphql.

export type Maybe<T> = T | null;
export type InputMaybe<T> = T | null;
/** All built-in and custom scalars, mapped to their actual values */
export type Scalars = {
  ID: { input: string; output: string; }
  String: { input: string; output: string; }
  Boolean: { input: boolean; output: boolean; }
  Int: { input: number; output: number; }
  Float: { input: number; output: number; }
  /** An instant in UTC, RFC 3339 with milliseconds or finer: 2026-02-05T15:00:00.000Z. Input needs an offset. */
  DateTime: { input: string; output: string; }
  /** Any JSON value: at most 64 levels deep, finite numbers, integers within 64 bits or refused. */
  JSON: { input: unknown; output: unknown; }
};

export type BulkDeliveriesPayload = {
  /** How many will be sent again (with dryRun, would be). */
  count: Scalars['Int']['output'];
};

export type BulkJobsPayload = {
  /** How many jobs were changed (with dryRun, would be). */
  count: Scalars['Int']['output'];
};

export type CreateJobInput = {
  /** 1 to 255 characters. */
  taskName: Scalars['String']['input'];
  payload?: InputMaybe<Scalars['JSON']['input']>;
  priority?: JobPriority;
  tags?: Array<Scalars['String']['input']>;
  /** Run as soon as a slot is free, instead of waiting for runJob. */
  run?: Scalars['Boolean']['input'];
  /** Run at this instant. */
  runAt?: InputMaybe<Scalars['DateTime']['input']>;
  maxAttempts?: InputMaybe<Scalars['Int']['input']>;
  timeoutSeconds?: InputMaybe<Scalars['Float']['input']>;
  /** The same key with the same input returns the first job; with another input it is a CONFLICT. */
  idempotencyKey?: InputMaybe<Scalars['String']['input']>;
  /** Also POST this job's webhook here. */
  webhookUrl?: InputMaybe<Scalars['String']['input']>;
  /** Jobs of one task with the same key share that task's per-key limit. */
  concurrencyKey?: InputMaybe<Scalars['String']['input']>;
};

export type CreateJobPayload = {
  job: Job;
  /** False when idempotencyKey found an earlier job. */
  created: Scalars['Boolean']['output'];
};

export type CreateJobsPayload = {
  /** In the order of the inputs. */
  jobs: Array<Job>;
};

export type CreateScheduleInput = {
  /** Unique. */
  name: Scalars['String']['input'];
  taskName: Scalars['String']['input'];
  payload?: InputMaybe<Scalars['JSON']['input']>;
  priority?: JobPriority;
  cron: Scalars['String']['input'];
  timezone?: Scalars['String']['input'];
  overlap?: OverlapPolicy;
  misfire?: MisfirePolicy;
};

export type CreateWebhookEndpointInput = {
  url: Scalars['String']['input'];
  events?: Array<WebhookEvent>;
  /** Null means every task. */
  taskNames?: InputMaybe<Array<Scalars['String']['input']>>;
};

export type CreateWebhookEndpointPayload = {
  endpoint: WebhookEndpoint;
  /** whsec_...; shown this once. */
  secret: Scalars['String']['output'];
};

export type DeletePayload = {
  id: Scalars['ID']['output'];
};

/** Where a delivery stands. */
export type DeliveryStatus =
  | 'PENDING'
  | 'DELIVERED'
  | 'FAILED';

/** One POST and what came of it. */
export type DeliveryTry = {
  at: Scalars['DateTime']['output'];
  durationMs: Scalars['Int']['output'];
  /** Null when no response came. */
  responseStatus: Maybe<Scalars['Int']['output']>;
  error: Maybe<Scalars['String']['output']>;
  /** The beginning of what was answered, at most 1 KiB. */
  responseBody: Maybe<Scalars['String']['output']>;
};

/** One request to run a task. */
export type Job = {
  /** A decimal number; the webhook's jobId. */
  id: Scalars['ID']['output'];
  taskName: Scalars['String']['output'];
  payload: Maybe<Scalars['JSON']['output']>;
  /** The payload as stored, byte for byte: safe for integers that JavaScript would round. */
  payloadText: Maybe<Scalars['String']['output']>;
  /** How payloadText begins, for lists: at most 200 characters. */
  payloadPreview: Maybe<Scalars['String']['output']>;
  priority: JobPriority;
  status: JobStatus;
  tags: Array<Scalars['String']['output']>;
  /** The attempt under way or last made; 0 before the first. */
  attempt: Scalars['Int']['output'];
  maxAttempts: Scalars['Int']['output'];
  timeoutSeconds: Scalars['Float']['output'];
  /** 0 to 1, as the task reports it. */
  progress: Maybe<Scalars['Float']['output']>;
  result: Maybe<Scalars['JSON']['output']>;
  resultText: Maybe<Scalars['String']['output']>;
  /** Of the last failed attempt. */
  error: Maybe<JobError>;
  idempotencyKey: Maybe<Scalars['String']['output']>;
  createdAt: Scalars['DateTime']['output'];
  updatedAt: Scalars['DateTime']['output'];
  runAt: Maybe<Scalars['DateTime']['output']>;
  startedAt: Maybe<Scalars['DateTime']['output']>;
  /** When it reached a terminal status. */
  finishedAt: Maybe<Scalars['DateTime']['output']>;
  /** The schedule that made it; null once that is deleted. */
  schedule: Maybe<Schedule>;
  /** One sentence: why it is not running. Null while RUNNING and once terminal. */
  waitingFor: Maybe<Scalars['String']['output']>;
  /** The job this one was copied from by copyJob. */
  copyOf: Maybe<Job>;
  /** Oldest first. */
  attempts: Array<JobAttempt>;
  /** Every status change, oldest first. */
  events: Array<JobEvent>;
  /** What task code logged, oldest first. first: at most 100. To follow a running job, ask again with the last endCursor as after. */
  logs: JobLogConnection;
  /** The webhooks that tell of this job, oldest first. */
  deliveries: Array<WebhookDelivery>;
};


/** One request to run a task. */
export type JobLogsArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
};

/** One try at running a job. */
export type JobAttempt = {
  number: Scalars['Int']['output'];
  /** Null while it runs. */
  outcome: Maybe<JobStatus>;
  error: Maybe<JobError>;
  worker: Maybe<Scalars['String']['output']>;
  startedAt: Scalars['DateTime']['output'];
  finishedAt: Maybe<Scalars['DateTime']['output']>;
};

export type JobConnection = {
  nodes: Array<Job>;
  edges: Array<JobEdge>;
  pageInfo: PageInfo;
  /** Counted only when asked for; counting stops at atMost. */
  totalCount: Scalars['Int']['output'];
};


export type JobConnectionTotalCountArgs = {
  atMost?: InputMaybe<Scalars['Int']['input']>;
};

export type JobEdge = {
  cursor: Scalars['String']['output'];
  node: Job;
};

/** Why an attempt failed. */
export type JobError = {
  /** TASK_ERROR, TIMEOUT, WORKER_LOST, UNKNOWN_TASK, INVALID_PAYLOAD, or the code a task raised. */
  code: Scalars['String']['output'];
  message: Scalars['String']['output'];
  /** Only to admins. */
  traceback: Maybe<Scalars['String']['output']>;
};

/** One status change. */
export type JobEvent = {
  cursor: Scalars['String']['output'];
  /** Null for the creation. */
  from: Maybe<JobStatus>;
  to: JobStatus;
  attempt: Scalars['Int']['output'];
  at: Scalars['DateTime']['output'];
};

/** Jobs that match all that is given. */
export type JobFilter = {
  ids?: InputMaybe<Array<Scalars['ID']['input']>>;
  status?: InputMaybe<Array<JobStatus>>;
  priority?: InputMaybe<Array<JobPriority>>;
  taskName?: InputMaybe<Scalars['String']['input']>;
  tag?: InputMaybe<Scalars['String']['input']>;
  createdAfter?: InputMaybe<Scalars['DateTime']['input']>;
  createdBefore?: InputMaybe<Scalars['DateTime']['input']>;
};

/** A page of a job's log. */
export type JobLogConnection = {
  nodes: Array<JobLogLine>;
  pageInfo: PageInfo;
};

/** One line of a job's log. */
export type JobLogLine = {
  at: Scalars['DateTime']['output'];
  attempt: Scalars['Int']['output'];
  /** debug, info, warning, error or critical. */
  level: Scalars['String']['output'];
  message: Scalars['String']['output'];
};

export type JobOrder = {
  field: JobOrderField;
  direction?: OrderDirection;
};

/** What a list of jobs can be sorted by. */
export type JobOrderField =
  | 'CREATED_AT'
  | 'UPDATED_AT'
  | 'RUN_AT'
  | 'PRIORITY';

export type JobPayload = {
  job: Job;
};

/** Higher priority is claimed first; within one priority, older first. */
export type JobPriority =
  | 'HIGH'
  | 'MEDIUM'
  | 'LOW';

/** How many jobs there are, and how it goes. */
export type JobStats = {
  total: Scalars['Int']['output'];
  byStatus: Array<JobStatusCount>;
  /** Jobs that reached COMPLETED in the last 60 seconds. */
  completedLastMinute: Scalars['Int']['output'];
  /** Jobs that reached FAILED in the last 60 seconds. */
  failedLastMinute: Scalars['Int']['output'];
  /** How long the oldest QUEUED job has waited, in seconds. */
  oldestQueuedSeconds: Maybe<Scalars['Float']['output']>;
};

/** Where a job is in its life. COMPLETED, FAILED and CANCELLED are terminal. */
export type JobStatus =
  | 'PENDING'
  | 'SCHEDULED'
  | 'QUEUED'
  | 'RUNNING'
  | 'COMPLETED'
  | 'FAILED'
  | 'CANCELLED';

/** A status change, live or replayed. */
export type JobStatusChange = {
  /** Give the last one seen as after, to go on where a broken connection stopped. */
  cursor: Scalars['String']['output'];
  /** The job as it was right after this change. */
  job: Job;
  /** Null for the creation. */
  from: Maybe<JobStatus>;
  to: JobStatus;
  at: Scalars['DateTime']['output'];
};

export type JobStatusCount = {
  status: JobStatus;
  count: Scalars['Int']['output'];
};

/** What happens to firings missed while no server ran: RUN_ONCE runs once for all that were missed, RUN_ALL runs each one, at most the latest 1000, SKIP none. */
export type MisfirePolicy =
  | 'RUN_ONCE'
  | 'RUN_ALL'
  | 'SKIP';

export type Mutation = {
  createJob: CreateJobPayload;
  /** All or none; at most 1000. */
  createJobs: CreateJobsPayload;
  /** PENDING or SCHEDULED becomes QUEUED now; any other status is INVALID_STATE. */
  runJob: JobPayload;
  /** PENDING, SCHEDULED, QUEUED: at once. RUNNING: the task is interrupted, the job becomes CANCELLED when it has stopped. */
  cancelJob: JobPayload;
  /** FAILED, CANCELLED or COMPLETED becomes QUEUED again, with its attempts counted afresh. */
  retryJob: JobPayload;
  /** A new job like this one, with the stored payload unless another is given; copyOf links them. */
  copyJob: JobPayload;
  /** Not while RUNNING. */
  deleteJob: DeletePayload;
  /** Every job that matches becomes QUEUED, where it is PENDING or SCHEDULED. */
  runJobs: BulkJobsPayload;
  /** Every job that matches and has not ended is cancelled. */
  cancelJobs: BulkJobsPayload;
  /** Every job that matches becomes QUEUED again, where it has ended. */
  retryJobs: BulkJobsPayload;
  /** Every job that matches is deleted, unless it is RUNNING. */
  deleteJobs: BulkJobsPayload;
  createSchedule: SchedulePayload;
  /** Another cron rule or time zone counts from now. */
  updateSchedule: SchedulePayload;
  /** No firings until resumeSchedule. */
  pauseSchedule: SchedulePayload;
  /** Goes on with the next firing from now: a pause misses nothing. */
  resumeSchedule: SchedulePayload;
  /** Creates its job now, whatever the cron rule says. */
  triggerSchedule: JobPayload;
  /** Its jobs stay. */
  deleteSchedule: DeletePayload;
  /** It is told of every job that ends from then on. */
  createWebhookEndpoint: CreateWebhookEndpointPayload;
  updateWebhookEndpoint: WebhookEndpointPayload;
  /** The old secret keeps signing beside the new one for 24 hours. */
  rotateWebhookSecret: CreateWebhookEndpointPayload;
  /** POSTs a signed webhook that tells of no job (jobId 0) to it, once and now, and says what came of it. Nothing of that is kept. */
  testWebhookEndpoint: TestWebhookEndpointPayload;
  /** Its deliveries stay on record; what was waiting becomes FAILED. */
  deleteWebhookEndpoint: DeletePayload;
  /** Sends it again, with the same id and the same bytes. INVALID_STATE when its endpoint is disabled or deleted. */
  redeliverWebhook: WebhookDeliveryPayload;
  /** Every delivery that matches is sent again, but for those of endpoints that are disabled or deleted. */
  redeliverWebhooks: BulkDeliveriesPayload;
  /** No job of this task is claimed until resumeTask. Those that run go on. */
  pauseTask: TaskPayload;
  /** Its jobs are claimed again, by priority and age. */
  resumeTask: TaskPayload;
};


export type MutationCreateJobArgs = {
  input: CreateJobInput;
};


export type MutationCreateJobsArgs = {
  inputs: Array<CreateJobInput>;
};


export type MutationRunJobArgs = {
  id: Scalars['ID']['input'];
};


export type MutationCancelJobArgs = {
  id: Scalars['ID']['input'];
};


export type MutationRetryJobArgs = {
  id: Scalars['ID']['input'];
};


export type MutationCopyJobArgs = {
  id: Scalars['ID']['input'];
  payload?: InputMaybe<Scalars['JSON']['input']>;
  run?: Scalars['Boolean']['input'];
};


export type MutationDeleteJobArgs = {
  id: Scalars['ID']['input'];
};


export type MutationRunJobsArgs = {
  filter: JobFilter;
  dryRun?: Scalars['Boolean']['input'];
};


export type MutationCancelJobsArgs = {
  filter: JobFilter;
  dryRun?: Scalars['Boolean']['input'];
};


export type MutationRetryJobsArgs = {
  filter: JobFilter;
  dryRun?: Scalars['Boolean']['input'];
};


export type MutationDeleteJobsArgs = {
  filter: JobFilter;
  dryRun?: Scalars['Boolean']['input'];
};


export type MutationCreateScheduleArgs = {
  input: CreateScheduleInput;
};


export type MutationUpdateScheduleArgs = {
  input: UpdateScheduleInput;
};


export type MutationPauseScheduleArgs = {
  id: Scalars['ID']['input'];
};


export type MutationResumeScheduleArgs = {
  id: Scalars['ID']['input'];
};


export type MutationTriggerScheduleArgs = {
  id: Scalars['ID']['input'];
};


export type MutationDeleteScheduleArgs = {
  id: Scalars['ID']['input'];
};


export type MutationCreateWebhookEndpointArgs = {
  input: CreateWebhookEndpointInput;
};


export type MutationUpdateWebhookEndpointArgs = {
  input: UpdateWebhookEndpointInput;
};


export type MutationRotateWebhookSecretArgs = {
  id: Scalars['ID']['input'];
};


export type MutationTestWebhookEndpointArgs = {
  id: Scalars['ID']['input'];
};


export type MutationDeleteWebhookEndpointArgs = {
  id: Scalars['ID']['input'];
};


export type MutationRedeliverWebhookArgs = {
  id: Scalars['ID']['input'];
};


export type MutationRedeliverWebhooksArgs = {
  filter: WebhookDeliveryFilter;
  dryRun?: Scalars['Boolean']['input'];
};


export type MutationPauseTaskArgs = {
  name: Scalars['String']['input'];
};


export type MutationResumeTaskArgs = {
  name: Scalars['String']['input'];
};

/** PRIORITY DESC is HIGH first. */
export type OrderDirection =
  | 'ASC'
  | 'DESC';

/** What happens to a cron firing whose previous job is not finished. */
export type OverlapPolicy =
  | 'ALLOW'
  | 'SKIP';

export type PageInfo = {
  hasNextPage: Scalars['Boolean']['output'];
  hasPreviousPage: Scalars['Boolean']['output'];
  startCursor: Maybe<Scalars['String']['output']>;
  endCursor: Maybe<Scalars['String']['output']>;
};

export type Query = {
  /** Null when there is no such job. */
  job: Maybe<Job>;
  /** Newest first unless orderBy says otherwise. first and last: at most 100; neither given means first: 50. */
  jobs: JobConnection;
  jobStats: JobStats;
  tasks: Array<Task>;
  workers: Array<Worker>;
  /** Where the log of events is. Whatever else the same request, or a later one, reads shows every change up to here; jobStatusChanged(after: eventCursor) tells of all that follow, so that none is missed. Some of them may be in what was read already. */
  eventCursor: Scalars['String']['output'];
  version: Scalars['String']['output'];
  /** Null when there is no such schedule. */
  schedule: Maybe<Schedule>;
  /** All of them, by name. */
  schedules: Array<Schedule>;
  /** When a cron rule would fire next in a time zone; first: at most 100. */
  nextRuns: Array<Scalars['DateTime']['output']>;
  /** How many jobs were created and ended in the last hour, day or week. */
  throughput: Throughput;
  /** WEBHOOK_URL of the settings first, if it is set; then the others, oldest first. */
  webhookEndpoints: Array<WebhookEndpoint>;
  /** Null when there is no such delivery. */
  webhookDelivery: Maybe<WebhookDelivery>;
  /** Newest first. first: at most 100; not given means 50. */
  webhookDeliveries: WebhookDeliveryConnection;
};


export type QueryJobArgs = {
  id: Scalars['ID']['input'];
};


export type QueryJobsArgs = {
  status?: InputMaybe<Array<JobStatus>>;
  priority?: InputMaybe<Array<JobPriority>>;
  taskName?: InputMaybe<Scalars['String']['input']>;
  tag?: InputMaybe<Scalars['String']['input']>;
  search?: InputMaybe<Scalars['String']['input']>;
  createdAfter?: InputMaybe<Scalars['DateTime']['input']>;
  createdBefore?: InputMaybe<Scalars['DateTime']['input']>;
  orderBy?: InputMaybe<JobOrder>;
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
};


export type QueryScheduleArgs = {
  id: Scalars['ID']['input'];
};


export type QueryNextRunsArgs = {
  cron: Scalars['String']['input'];
  timezone?: Scalars['String']['input'];
  first?: InputMaybe<Scalars['Int']['input']>;
};


export type QueryThroughputArgs = {
  period?: ThroughputPeriod;
};


export type QueryWebhookDeliveryArgs = {
  id: Scalars['ID']['input'];
};


export type QueryWebhookDeliveriesArgs = {
  filter?: InputMaybe<WebhookDeliveryFilter>;
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
};

/** A cron rule that creates jobs. */
export type Schedule = {
  id: Scalars['ID']['output'];
  name: Scalars['String']['output'];
  taskName: Scalars['String']['output'];
  payload: Maybe<Scalars['JSON']['output']>;
  /** The payload as stored, byte for byte: safe for integers that JavaScript would round. */
  payloadText: Maybe<Scalars['String']['output']>;
  priority: JobPriority;
  /** Five fields, or @hourly and the like. */
  cron: Scalars['String']['output'];
  /** An IANA name. */
  timezone: Scalars['String']['output'];
  overlap: OverlapPolicy;
  misfire: MisfirePolicy;
  paused: Scalars['Boolean']['output'];
  /** Null while it is paused. */
  nextRunAt: Maybe<Scalars['DateTime']['output']>;
  /** The firing time of its last job. */
  lastRunAt: Maybe<Scalars['DateTime']['output']>;
  createdAt: Scalars['DateTime']['output'];
  /** Its last firings, the latest first; at most 100. triggerSchedule makes none. */
  lastFirings: Array<ScheduleFiring>;
  /** The next firings, as the cron rule and time zone give them; at most 100. */
  nextRuns: Array<Scalars['DateTime']['output']>;
};


/** A cron rule that creates jobs. */
export type ScheduleLastFiringsArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
};


/** A cron rule that creates jobs. */
export type ScheduleNextRunsArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
};

/** One time at which a schedule fired. */
export type ScheduleFiring = {
  at: Scalars['DateTime']['output'];
  /** Null when its overlap policy left it out, and once the job is deleted. */
  job: Maybe<Job>;
};

export type SchedulePayload = {
  schedule: Schedule;
};

export type Subscription = {
  /** Every status change that matches all arguments given, in order. status names the new status. */
  jobStatusChanged: JobStatusChange;
};


export type SubscriptionJobStatusChangedArgs = {
  id?: InputMaybe<Scalars['ID']['input']>;
  status?: InputMaybe<Array<JobStatus>>;
  priority?: InputMaybe<Array<JobPriority>>;
  taskName?: InputMaybe<Scalars['String']['input']>;
  tag?: InputMaybe<Scalars['String']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
};

/** A task that this server's workers can run. */
export type Task = {
  name: Scalars['String']['output'];
  description: Maybe<Scalars['String']['output']>;
  /** JSON Schema of the payload; null when anything goes. */
  payloadSchema: Maybe<Scalars['JSON']['output']>;
  maxAttempts: Scalars['Int']['output'];
  timeoutSeconds: Scalars['Float']['output'];
  /** At most so many run at once, over all workers; null means no limit. */
  maxConcurrency: Maybe<Scalars['Int']['output']>;
  /** At most so many of those with one concurrencyKey run at once; null means no limit. */
  maxConcurrencyPerKey: Maybe<Scalars['Int']['output']>;
  /** At most so many start in a period, as 60/min; null means no limit. */
  rateLimit: Maybe<Scalars['String']['output']>;
  /** Paused tasks are not claimed; their jobs stay QUEUED. */
  paused: Scalars['Boolean']['output'];
};

export type TaskPayload = {
  task: Task;
};

export type TestWebhookEndpointPayload = {
  /** What was sent, byte for byte. */
  body: Scalars['String']['output'];
  outcome: DeliveryTry;
};

/** A period, step by step, over all servers. It is a few seconds behind. */
export type Throughput = {
  /** How long a step is. */
  stepSeconds: Scalars['Int']['output'];
  /** Oldest first, without gaps: a step in which nothing happened has zeros. The last is under way. */
  points: Array<ThroughputPoint>;
};

/** HOUR is 60 steps of a minute, DAY 96 of 15 minutes, WEEK 168 of an hour. The step under way is the last. */
export type ThroughputPeriod =
  | 'HOUR'
  | 'DAY'
  | 'WEEK';

/** What happened in one step. */
export type ThroughputPoint = {
  /** When the step began; steps begin at full minutes, quarters or hours of UTC. */
  at: Scalars['DateTime']['output'];
  /** Jobs that were created. */
  created: Scalars['Int']['output'];
  /** Times that a job reached COMPLETED. */
  completed: Scalars['Int']['output'];
  /** Times that a job reached FAILED: after its last attempt, not after each that failed. */
  failed: Scalars['Int']['output'];
  /** Times that a job reached CANCELLED. */
  cancelled: Scalars['Int']['output'];
};

/** What is not given stays as it is. */
export type UpdateScheduleInput = {
  id: Scalars['ID']['input'];
  /** Null takes it away. */
  payload?: InputMaybe<Scalars['JSON']['input']>;
  priority?: InputMaybe<JobPriority>;
  cron?: InputMaybe<Scalars['String']['input']>;
  timezone?: InputMaybe<Scalars['String']['input']>;
  overlap?: InputMaybe<OverlapPolicy>;
  misfire?: InputMaybe<MisfirePolicy>;
};

/** What is not given stays as it is. */
export type UpdateWebhookEndpointInput = {
  id: Scalars['ID']['input'];
  url?: InputMaybe<Scalars['String']['input']>;
  events?: InputMaybe<Array<WebhookEvent>>;
  /** Null means every task. */
  taskNames?: InputMaybe<Array<Scalars['String']['input']>>;
  /** What waits for an endpoint that is disabled becomes FAILED; redeliverWebhooks sends it again. */
  enabled?: InputMaybe<Scalars['Boolean']['input']>;
};

/** How a receiver has been failing. Ten failures in a row open its circuit. */
export type WebhookCircuit = {
  failuresInARow: Scalars['Int']['output'];
  failingSince: Scalars['DateTime']['output'];
  /** Until then nothing is sent to it, then one delivery as a probe. Null below ten failures. */
  openUntil: Maybe<Scalars['DateTime']['output']>;
};

/** One event to be POSTed to one receiver, however many tries that takes. */
export type WebhookDelivery = {
  /** The webhook-id header: the same on every try. */
  id: Scalars['ID']['output'];
  event: WebhookEvent;
  status: DeliveryStatus;
  /** Where it was to go when its job ended, or was sent again; a try goes to the endpoint's URL of that moment. */
  url: Scalars['String']['output'];
  tries: Array<DeliveryTry>;
  nextTryAt: Maybe<Scalars['DateTime']['output']>;
  createdAt: Scalars['DateTime']['output'];
  /** One that was deleted is shown as disabled. */
  endpoint: WebhookEndpoint;
  /** What every try sends, byte for byte; secrets in it are hidden from viewers. */
  body: Scalars['String']['output'];
  job: Job;
};

export type WebhookDeliveryConnection = {
  pageInfo: PageInfo;
  nodes: Array<WebhookDelivery>;
  /** Counted only when asked for; counting stops at atMost. */
  totalCount: Scalars['Int']['output'];
};


export type WebhookDeliveryConnectionTotalCountArgs = {
  atMost?: InputMaybe<Scalars['Int']['input']>;
};

/** Deliveries that match all that is given. */
export type WebhookDeliveryFilter = {
  endpointId?: InputMaybe<Scalars['ID']['input']>;
  jobId?: InputMaybe<Scalars['ID']['input']>;
  status?: InputMaybe<Array<DeliveryStatus>>;
  event?: InputMaybe<Array<WebhookEvent>>;
  createdAfter?: InputMaybe<Scalars['DateTime']['input']>;
  createdBefore?: InputMaybe<Scalars['DateTime']['input']>;
};

export type WebhookDeliveryPayload = {
  delivery: WebhookDelivery;
};

/** A URL that receives webhooks. */
export type WebhookEndpoint = {
  /** 0 is WEBHOOK_URL of the settings. A delivery to a job's own webhookUrl has one named after the job, which is in no list. */
  id: Scalars['ID']['output'];
  url: Scalars['String']['output'];
  events: Array<WebhookEvent>;
  /** Null means every task. */
  taskNames: Maybe<Array<Scalars['String']['output']>>;
  enabled: Scalars['Boolean']['output'];
  /** Why it was switched off, when the server did it. */
  disabledReason: Maybe<Scalars['String']['output']>;
  createdAt: Scalars['DateTime']['output'];
  /** Newest first. first: at most 100; not given means 50. */
  deliveries: WebhookDeliveryConnection;
  /** How its last tries have failed; null once one succeeds. */
  circuit: Maybe<WebhookCircuit>;
};


/** A URL that receives webhooks. */
export type WebhookEndpointDeliveriesArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
};

export type WebhookEndpointPayload = {
  endpoint: WebhookEndpoint;
};

/** What a webhook can tell of. */
export type WebhookEvent =
  | 'JOB_COMPLETED'
  | 'JOB_FAILED'
  | 'JOB_CANCELLED';

/** A process's execution engine. */
export type Worker = {
  id: Scalars['ID']['output'];
  host: Scalars['String']['output'];
  pid: Scalars['Int']['output'];
  slots: Scalars['Int']['output'];
  running: Scalars['Int']['output'];
  startedAt: Scalars['DateTime']['output'];
  heartbeatAt: Scalars['DateTime']['output'];
};
