/** The service's tables themselves, through Supabase: what VALET does where it needs no REST service. */
import type { PostgrestError, PostgrestSingleResponse } from '@supabase/supabase-js';

import type { Backend } from './backend.js';
import {
  DuplicateIdempotencyKeyError, GhostHandsError, JobNotCancellableError, JobNotFoundError,
} from './errors.js';
import { toRow } from './row.js';
import type { Supabase } from './supabase.js';
import {
  CANCELLABLE_STATUSES, RETRYABLE_STATUSES,
  type AutomationJob, type BatchResult, type JobEvent, type JobList, type JobStatusInfo,
  type ListJobsFilters, type RetriedJob,
} from './types.js';
import type { WireJob } from './wire.js';

const JOBS = 'gh_automation_jobs';
const EVENTS = 'gh_job_events';

/**
 * A whole row, but for `callback_url`: VALET puts the service's key there, and only services may read it. Named one by one,
 * because Postgres refuses `*` to whoever may not read every column.
 */
const ROW = [
  'id', 'idempotency_key', 'user_id', 'created_by', 'job_type', 'target_url', 'task_description', 'input_data', 'priority',
  'scheduled_at', 'max_retries', 'retry_count', 'timeout_seconds', 'status', 'status_message', 'started_at', 'completed_at',
  'last_heartbeat', 'worker_id', 'manual_id', 'engine_type', 'result_data', 'result_summary', 'error_code', 'error_details',
  'screenshot_urls', 'artifact_urls', 'metadata', 'tags', 'created_at', 'updated_at', 'target_worker_id', 'valet_task_id',
  'resume_ref', 'interaction_type', 'interaction_data', 'paused_at', 'execution_mode', 'browser_mode', 'final_mode',
  'worker_affinity', 'llm_cost_cents', 'action_count', 'total_tokens', 'execution_attempt_id',
] as const satisfies ReadonlyArray<keyof AutomationJob>;
const COLUMNS = ROW.join(',');

/** Why a job whose form may have been sent is not tried again: the table refuses it, whoever asks. */
const SENT = 'The form of this job may have been sent, and is not sent again. Look whether the application arrived; '
  + 'if it did not, create a new job.';

/** What a retry makes of a job: as if it had never been tried, but for the count. */
const UNTRIED = {
  status: 'pending', worker_id: null, status_message: null, error_code: null, error_details: null,
  started_at: null, completed_at: null, last_heartbeat: null, scheduled_at: null, interaction_type: null,
  interaction_data: null, paused_at: null, placement_failures: 0, crash_count: 0,
} as const;

export class DbBackend implements Backend {
  readonly #supabase: Supabase;

  constructor(supabase: Supabase) {
    this.#supabase = supabase;
  }

  async createJob(job: WireJob): Promise<AutomationJob> {
    const row = toRow(job);
    if (row.idempotency_key !== null) {
      await this.#refuseDuplicate([row.idempotency_key]);
    }
    const insert = (await this.#table(JOBS)).insert(row).select(COLUMNS).single<AutomationJob>();
    return this.#written(await insert, [row.idempotency_key]);
  }

  async createBatch(jobs: WireJob[], userId: string | undefined): Promise<BatchResult> {
    const rows: Array<ReturnType<typeof toRow>> = [];
    const errors: BatchResult['errors'] = [];
    jobs.forEach((job, index) => {
      try {
        rows.push(toRow(userId === undefined ? job : { ...job, user_id: userId }));
      } catch (error) {
        errors.push({ index, error: error instanceof Error ? error.message : String(error) });
      }
    });
    if (rows.length === 0) {
      return { created: [], errors };
    }
    const reply = await (await this.#table(JOBS)).insert(rows).select(COLUMNS).returns<AutomationJob[]>();
    const keys = rows.map((row) => row.idempotency_key);
    const created = await this.#written<AutomationJob[]>(reply, keys);
    return { created, errors };
  }

  async getJob(jobId: string): Promise<AutomationJob> {
    const query = (await this.#table(JOBS)).select(COLUMNS).eq('id', jobId).single<AutomationJob>();
    return found(await query, jobId);
  }

  async getJobStatus(jobId: string): Promise<JobStatusInfo> {
    const columns = 'id,status,status_message,started_at,last_heartbeat,completed_at';
    const query = (await this.#table(JOBS)).select(columns).eq('id', jobId).single<JobStatusInfo>();
    return { ...found(await query, jobId), progress_pct: null, estimated_completion: null };
  }

  async getJobEvents(jobId: string, limit: number): Promise<JobEvent[]> {
    const columns = 'id,job_id,event_type,from_status,to_status,message,metadata,actor,created_at';
    const query = (await this.#table(EVENTS)).select(columns).eq('job_id', jobId)
      .order('created_at').order('seq').limit(limit);
    return found<JobEvent[]>(await query, jobId);
  }

  async listJobs(filters: ListJobsFilters): Promise<JobList> {
    const limit = Math.min(filters.limit || 20, 100);
    const offset = filters.offset ?? 0;
    const userId = filters.userId ?? filters.user_id;
    const jobType = filters.jobType ?? filters.job_type;
    const statuses = typeof filters.status === 'string' ? [filters.status] : (filters.status ?? []);
    let query = (await this.#table(JOBS)).select(COLUMNS, { count: 'exact' });
    query = userId ? query.eq('user_id', userId) : query;
    query = jobType ? query.eq('job_type', jobType) : query;
    query = statuses.length > 0 ? query.in('status', statuses) : query;
    const reply = await query.order('created_at', { ascending: false }).range(offset, offset + limit - 1);
    if (reply.error) {
      throw failure(reply.error, reply.status);
    }
    return { jobs: reply.data as unknown as AutomationJob[], total: reply.count ?? 0, limit, offset };
  }

  async cancelJob(jobId: string): Promise<void> {
    const change = { status: 'cancelled', status_message: 'Cancelled by user', completed_at: new Date().toISOString() };
    const update = (await this.#table(JOBS)).update(change).eq('id', jobId)
      .in('status', [...CANCELLABLE_STATUSES]).select('id');
    if (found<unknown[]>(await update, jobId).length === 0) {
      throw new JobNotCancellableError(jobId, (await this.getJobStatus(jobId)).status);
    }
  }

  async retryJob(jobId: string): Promise<RetriedJob> {
    const { status, retry_count } = await this.getJob(jobId);
    if (!RETRYABLE_STATUSES.includes(status)) {
      const message = `Job with status '${status}' cannot be retried. Only failed or cancelled jobs can be retried.`;
      throw new GhostHandsError(message, 'job_not_retryable', 409, { details: { current_status: status } });
    }
    // Guarded by what was read: of two retries at once, one counts.
    const update = (await this.#table(JOBS)).update({ ...UNTRIED, retry_count: retry_count + 1 })
      .eq('id', jobId).eq('status', status).eq('retry_count', retry_count).select('id,status,retry_count');
    const [retried] = found<RetriedJob[]>(await update, jobId);
    if (retried === undefined) {
      throw new GhostHandsError(`Job ${jobId} was changed by somebody else meanwhile`, 'retry_failed', 500);
    }
    if (retried.status !== 'pending') {
      throw new GhostHandsError(SENT, 'job_not_retryable', 409, { details: { current_status: retried.status, reason: SENT } });
    }
    return retried;
  }

  async #table(name: string) {
    return (await this.#supabase.client()).from(name);
  }

  /** What was inserted; a key that somebody took a moment ago is told like one taken before. */
  async #written<T>(reply: PostgrestSingleResponse<T>, keys: Array<string | null>): Promise<T> {
    if (reply.error?.code === '23505') {
      await this.#refuseDuplicate(keys.filter((key) => key !== null));
      throw new DuplicateIdempotencyKeyError(undefined, undefined, { cause: reply.error });
    }
    if (reply.error) {
      throw failure(reply.error, reply.status);
    }
    return reply.data;
  }

  async #refuseDuplicate(keys: string[]): Promise<void> {
    const query = (await this.#table(JOBS)).select('id,status').in('idempotency_key', keys).limit(1);
    const reply = await query.maybeSingle<{ id: string; status: string }>();
    if (reply.error) {
      throw failure(reply.error, reply.status);
    }
    if (reply.data) {
      throw new DuplicateIdempotencyKeyError(reply.data.id, reply.data.status);
    }
  }
}

/** The rows about a job. None where one was asked for, and an id that is no UUID, mean that there is no such job. */
function found<T>(reply: PostgrestSingleResponse<T>, jobId: string): T {
  if (reply.error && (reply.error.code === 'PGRST116' || reply.error.code === '22P02')) {
    throw new JobNotFoundError(jobId, { cause: reply.error });
  }
  if (reply.error) {
    throw failure(reply.error, reply.status);
  }
  return reply.data;
}

/** The error that stands for an answer of the database. */
function failure(error: PostgrestError, status: number): GhostHandsError {
  const context = { details: error.details, cause: error };
  if (/^2[23]/.test(error.code)) {
    return new GhostHandsError(error.message, 'validation_error', 422, context);
  }
  if (error.code === '' || status === 0) {
    return new GhostHandsError('The database could not be reached', 'network_error', 0, context);
  }
  return new GhostHandsError(error.message, 'db_error', status, context);
}
