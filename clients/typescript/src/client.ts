/** The client of GhostHands: over REST, or straight on its tables through Supabase. */
import type { Backend } from './backend.js';
import { DbBackend } from './db.js';
import { GhostHandsError } from './errors.js';
import type { GhostHandsClientConfig, Handlers, Listener, Subscription } from './options.js';
import { Realtime } from './realtime.js';
import { RestBackend } from './rest.js';
import { Supabase } from './supabase.js';
import type {
  AutomationJob, BatchResult, CreatedJob, CreateJobFields, CreateJobOptions, CreateJobParams, JobEvent, JobList,
  JobProgress, JobStatusInfo, ListJobsFilters, RetriedJob,
} from './types.js';
import { Alarm, waitUntilFinal } from './wait.js';
import { split, toWire } from './wire.js';

export * from './errors.js';
export * from './options.js';
export * from './types.js';
export { verifyWebhook, WebhookVerificationError, type WebhookOptions } from './webhook.js';

/** How often Realtime is not trusted: a change it lost is found this late. */
const SAFETY_NET_MS = 30_000;

export class GhostHandsClient {
  readonly #backend: Backend;
  readonly #supabase: Supabase | undefined;
  readonly #realtime: Realtime | undefined;
  readonly #alarms = new Set<Alarm>();
  #disposals = 0;

  constructor(apiUrl: string, apiKey?: string);
  constructor(config: GhostHandsClientConfig);
  constructor(first: string | GhostHandsClientConfig, apiKey?: string) {
    const config: GhostHandsClientConfig =
      typeof first === 'string' ? { apiUrl: first, ...(apiKey !== undefined && { apiKey }) } : first;
    const { supabaseUrl, supabaseKey, webSocket } = config;
    if (supabaseUrl && supabaseKey) {
      this.#supabase = new Supabase({ supabaseUrl, supabaseKey, webSocket });
      this.#realtime = new Realtime(this.#supabase);
    }
    if (config.mode === 'db') {
      if (this.#supabase === undefined) {
        throw new GhostHandsError('DB mode needs supabaseUrl and supabaseKey', 'client_config', 500);
      }
      this.#backend = new DbBackend(this.#supabase);
    } else {
      if (!config.apiUrl) {
        throw new GhostHandsError('API mode needs apiUrl', 'client_config', 500);
      }
      this.#backend = new RestBackend(config.apiUrl, config.apiKey);
    }
  }

  /** Asks for a job. */
  createJob(params: CreateJobParams): Promise<CreatedJob>;
  createJob(userId: string, options: CreateJobOptions | CreateJobFields): Promise<CreatedJob>;
  async createJob(first: string | CreateJobParams, second?: CreateJobOptions | CreateJobFields): Promise<CreatedJob> {
    const { userId, rest } = split<CreateJobFields | CreateJobOptions>(first, second, 'createJob');
    const job = toWire(rest);
    return this.#backend.createJob(userId === undefined ? job : { ...job, user_id: userId });
  }

  /** Asks for up to fifty jobs: over REST all of them, or none; in DB mode all that are jobs. */
  createBatch(jobs: CreateJobParams[]): Promise<BatchResult>;
  createBatch(userId: string, jobs: Array<CreateJobOptions | CreateJobFields>): Promise<BatchResult>;
  async createBatch(
    first: string | CreateJobParams[], second?: Array<CreateJobOptions | CreateJobFields>,
  ): Promise<BatchResult> {
    const { userId, rest } = split<Array<CreateJobFields | CreateJobOptions>>(first, second, 'createBatch');
    return this.#backend.createBatch(rest.map(toWire), userId);
  }

  /** The whole job. */
  async getJob(jobId: string): Promise<AutomationJob> {
    return this.#backend.getJob(jobId);
  }

  /** How far the job is. */
  async getJobStatus(jobId: string): Promise<JobStatusInfo> {
    return this.#backend.getJobStatus(jobId);
  }

  /** What happened to the job, oldest first. */
  async getJobEvents(jobId: string, limit = 50): Promise<JobEvent[]> {
    return this.#backend.getJobEvents(jobId, limit);
  }

  /** A page of jobs. */
  listJobs(filters?: ListJobsFilters): Promise<JobList>;
  listJobs(userId: string, filters?: ListJobsFilters): Promise<JobList>;
  async listJobs(first: string | ListJobsFilters = {}, second: ListJobsFilters = {}): Promise<JobList> {
    return this.#backend.listJobs(typeof first === 'string' ? { ...second, userId: first } : first);
  }

  /** Stops the job, also while it runs. */
  async cancelJob(jobId: string): Promise<void> {
    await this.#backend.cancelJob(jobId);
  }

  /** Makes a failed or cancelled job pending again. */
  async retryJob(jobId: string): Promise<RetriedJob> {
    return this.#backend.retryJob(jobId);
  }

  /** Hears of every change of the job's row until it is final. */
  subscribeToJobStatus(jobId: string, listener: Listener<AutomationJob>): Subscription {
    return this.#live().jobStatus(jobId, handlers(listener));
  }

  /** Hears of the job's progress until shortly after its end. */
  subscribeToJobProgress(jobId: string, listener: Listener<JobProgress>): Subscription {
    return this.#live().jobProgress(jobId, handlers(listener));
  }

  /** Hears of the job's events until shortly after its end. */
  subscribeToJobEvents(jobId: string, listener: Listener<JobEvent>): Subscription {
    return this.#live().jobEvents(jobId, handlers(listener));
  }

  /** Hears of every new and changed job of the user. */
  subscribeToUserJobs(userId: string, listener: Listener<AutomationJob>): Subscription {
    return this.#live().userJobs(userId, handlers(listener));
  }

  /** Waits for the job's end: reads its state first, then hears of it by Realtime where there is one, else by asking. */
  async waitForCompletion(jobId: string, timeoutMs = 600_000): Promise<AutomationJob> {
    if (this.#realtime === undefined) {
      return this.pollForCompletion(jobId, { timeoutMs });
    }
    const alarm = new Alarm();
    const ring = () => alarm.ring();
    let intervalMs = SAFETY_NET_MS;
    const subscription = this.#realtime.jobStatus(jobId, {
      onUpdate: ring,
      onError: () => {
        intervalMs = 2_000;
        ring();
      },
    }, () => {
      intervalMs = SAFETY_NET_MS;
      ring();
    });
    try {
      return await this.#wait(jobId, timeoutMs, () => intervalMs, alarm);
    } finally {
      await subscription.unsubscribe();
    }
  }

  /** Asks for the job until it has ended; after `timeoutMs` the error `poll_timeout`. */
  async pollForCompletion(
    jobId: string, { intervalMs = 2_000, timeoutMs = 600_000 }: { intervalMs?: number; timeoutMs?: number } = {},
  ): Promise<AutomationJob> {
    return this.#wait(jobId, timeoutMs, () => intervalMs, new Alarm());
  }

  /** Ends every subscription and every wait, and closes the connections. The client can still be used afterwards. */
  async dispose(): Promise<void> {
    this.#disposals += 1;
    for (const alarm of this.#alarms) {
      alarm.ring();
    }
    await this.#realtime?.close();
    await this.#supabase?.close();
  }

  async #wait(jobId: string, timeoutMs: number, intervalMs: () => number, alarm: Alarm): Promise<AutomationJob> {
    const disposals = this.#disposals;
    this.#alarms.add(alarm);
    try {
      return await waitUntilFinal({
        jobId, timeoutMs, intervalMs, alarm,
        read: () => this.#backend.getJob(jobId),
        isDisposed: () => this.#disposals !== disposals,
      });
    } finally {
      this.#alarms.delete(alarm);
    }
  }

  #live(): Realtime {
    if (this.#realtime === undefined) {
      throw new GhostHandsError('Subscriptions need supabaseUrl and supabaseKey', 'client_config', 500);
    }
    return this.#realtime;
  }
}

function handlers<T>(listener: Listener<T>): Handlers<T> {
  return typeof listener === 'function' ? { onUpdate: listener } : listener;
}
