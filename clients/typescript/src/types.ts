/** The words of the service, under the names its tables and its REST API use. */

/** Where a job is in its life. */
export type JobStatus =
  | 'pending'
  | 'queued'
  | 'running'
  | 'paused'
  | 'needs_human'
  | 'awaiting_review'
  | 'completed'
  | 'failed'
  | 'cancelled'
  | 'expired';

/** The four types every version knows; VALET and the runner may agree on others. */
export type JobType = 'apply' | 'scrape' | 'fill_form' | 'custom' | (string & {});

/** The statuses a job never leaves by itself. */
export const TERMINAL_STATUSES: readonly JobStatus[] = ['completed', 'failed', 'cancelled', 'expired'];
/** The statuses a cancel is possible in. */
export const CANCELLABLE_STATUSES: readonly JobStatus[] = [
  'pending', 'queued', 'running', 'paused', 'needs_human', 'awaiting_review',
];
/** The statuses a retry is possible in. */
export const RETRYABLE_STATUSES: readonly JobStatus[] = ['failed', 'cancelled', 'needs_human'];

/** Any JSON object. */
export type Json = Record<string, unknown>;

/** A whole row of `gh_automation_jobs`. */
export interface AutomationJob {
  id: string;
  idempotency_key: string | null;
  user_id: string;
  created_by: string;
  job_type: JobType;
  target_url: string;
  task_description: string;
  input_data: Json;
  priority: number;
  scheduled_at: string | null;
  max_retries: number;
  retry_count: number;
  timeout_seconds: number;
  status: JobStatus;
  status_message: string | null;
  started_at: string | null;
  completed_at: string | null;
  last_heartbeat: string | null;
  worker_id: string | null;
  manual_id: string | null;
  engine_type: string | null;
  result_data: Json | null;
  result_summary: string | null;
  error_code: string | null;
  error_details: Json | null;
  screenshot_urls: string[] | null;
  artifact_urls: string[] | null;
  metadata: Json | null;
  tags: string[] | null;
  created_at: string;
  updated_at: string;
  target_worker_id: string | null;
  /** Over REST only, and to users without its query. */
  callback_url?: string | null;
  valet_task_id: string | null;
  resume_ref: Json | null;
  interaction_type: string | null;
  interaction_data: Json | null;
  paused_at: string | null;
  execution_mode: string | null;
  browser_mode: string | null;
  final_mode: string | null;
  worker_affinity: string | null;
  llm_cost_cents: number | null;
  action_count: number | null;
  total_tokens: number | null;
  execution_attempt_id: string | null;
}

/** What creating a job returns: over REST these three fields, in DB mode the whole row. */
export type CreatedJob = Pick<AutomationJob, 'id' | 'status' | 'created_at'> & Partial<AutomationJob>;

/** How far a job is. */
export interface JobStatusInfo {
  id: string;
  status: JobStatus;
  status_message: string | null;
  /** 0 to 100; always null in DB mode. */
  progress_pct: number | null;
  /** Always null in DB mode. */
  estimated_completion: string | null;
  started_at: string | null;
  last_heartbeat: string | null;
  completed_at: string | null;
}

/** Something that happened to a job. */
export interface JobEvent {
  id: string;
  job_id: string;
  event_type: string;
  from_status: JobStatus | null;
  to_status: JobStatus | null;
  message: string | null;
  metadata: Json | null;
  actor: string;
  created_at: string;
}

/** What a running job last said about its progress. */
export interface JobProgress extends Json {
  step?: string;
  progress_pct?: number;
  description?: string;
  action_index?: number;
  total_actions_estimate?: number;
  current_action?: string;
  elapsed_ms?: number;
  eta_ms?: number | null;
}

/** A page of jobs. */
export interface JobList {
  jobs: AutomationJob[];
  total: number;
  limit: number;
  offset: number;
}

/** What became of a batch. */
export interface BatchResult {
  created: Array<Pick<AutomationJob, 'id' | 'status'> & Partial<AutomationJob>>;
  /** The items that could not be made into a job, by their place. */
  errors: Array<{ index: number; error: string }>;
}

/** What a retry returns. */
export interface RetriedJob {
  id: string;
  status: JobStatus;
  retry_count: number;
}

/** The data of a job's user that every version knows; other keys are kept. */
export interface UserData extends Json {
  first_name: string;
  last_name: string;
  email: string;
  phone?: string | null;
  linkedin_url?: string | null;
}

/** The input of a job, in camelCase; other keys are kept as they are. */
export interface JobInputData extends Json {
  resumePath?: string | null;
  resumeId?: string | null;
  userData?: UserData | null;
  tier?: string | null;
  platform?: string | null;
  qaOverrides?: Record<string, string> | null;
}

/** A job to be made, in camelCase. What is null or missing gets the service's default. */
export interface CreateJobOptions {
  jobType?: JobType | null;
  targetUrl: string;
  taskDescription: string;
  inputData?: JobInputData | null;
  /** 1 goes first, 10 last; 5. */
  priority?: number | null;
  scheduledAt?: string | Date | null;
  /** 3. */
  maxRetries?: number | null;
  /** 300. */
  timeoutSeconds?: number | null;
  tags?: Array<string | null | undefined> | null;
  idempotencyKey?: string | null;
  metadata?: Json | null;
  targetWorkerId?: string | null;
  callbackUrl?: string | null;
  valetTaskId?: string | null;
  executionMode?: string | null;
  workerAffinity?: string | null;
  resumeRef?: Json | null;
}

/** The same under the names of the wire. */
export interface CreateJobFields {
  job_type?: JobType | null;
  /** Another name of `job_type`. */
  type?: JobType | null;
  target_url: string;
  task_description: string;
  input_data?: Json | null;
  priority?: number | null;
  scheduled_at?: string | Date | null;
  max_retries?: number | null;
  timeout_seconds?: number | null;
  tags?: Array<string | null | undefined> | null;
  idempotency_key?: string | null;
  metadata?: Json | null;
  target_worker_id?: string | null;
  callback_url?: string | null;
  valet_task_id?: string | null;
  execution_mode?: string | null;
  worker_affinity?: string | null;
  resume_ref?: Json | null;
}

/** A job to be made, with the user it is for. */
export type CreateJobParams = CreateJobFields & { user_id: string };

/** Which jobs to list. */
export interface ListJobsFilters {
  userId?: string | null;
  user_id?: string | null;
  status?: JobStatus | JobStatus[] | null;
  jobType?: JobType | null;
  job_type?: JobType | null;
  /** At most 100; 20. */
  limit?: number | null;
  offset?: number | null;
  /** `created_at:desc` or `-created_at`; in DB mode always that. */
  sort?: string | null;
}
