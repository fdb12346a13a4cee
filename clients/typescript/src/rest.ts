/** The service over REST. */
import type { Backend } from './backend.js';
import {
  DuplicateIdempotencyKeyError, GhostHandsError, JobNotCancellableError, JobNotFoundError,
} from './errors.js';
import type {
  AutomationJob, BatchResult, CreatedJob, JobEvent, JobList, JobStatusInfo, ListJobsFilters, RetriedJob,
} from './types.js';
import { isObject, type WireJob } from './wire.js';

/** The service's own limit is 30 s: what is not answered then never will be. */
const TIMEOUT_MS = 35_000;

interface Call {
  method: 'GET' | 'POST';
  path: string;
  body?: unknown;
  /** The job the path is about. */
  jobId?: string;
}

export class RestBackend implements Backend {
  readonly #url: string;
  readonly #apiKey: string | undefined;

  /** `apiUrl` ends with `/api/v1/gh`; to an address without any path it is added, because VALET's setting has none. */
  constructor(apiUrl: string, apiKey?: string) {
    const url = apiUrl.replace(/\/+$/, '');
    this.#url = /^https?:\/\/[^/]+$/i.test(url) ? `${url}/api/v1/gh` : url;
    this.#apiKey = apiKey;
  }

  createJob(job: WireJob): Promise<CreatedJob> {
    return this.#call({ method: 'POST', path: '/jobs', body: job });
  }

  async createBatch(jobs: WireJob[], userId: string | undefined): Promise<BatchResult> {
    const owners = new Set(jobs.map((job) => job.user_id));
    const owner = userId ?? (owners.size === 1 ? jobs[0]?.user_id : undefined);
    const items = owner === undefined ? jobs : jobs.map(({ user_id: _, ...job }) => job);
    const body = { jobs: items, ...(owner !== undefined && { user_id: owner }) };
    const reply = await this.#call<{ job_ids: string[]; jobs?: BatchResult['created'] }>({
      method: 'POST', path: '/jobs/batch', body,
    });
    return { created: reply.jobs ?? reply.job_ids.map((id) => ({ id, status: 'pending' })), errors: [] };
  }

  getJob(jobId: string): Promise<AutomationJob> {
    return this.#about('GET', jobId, '');
  }

  getJobStatus(jobId: string): Promise<JobStatusInfo> {
    return this.#about('GET', jobId, '/status');
  }

  async getJobEvents(jobId: string, limit: number): Promise<JobEvent[]> {
    return (await this.#about<{ events: JobEvent[] }>('GET', jobId, `/events?limit=${limit}`)).events;
  }

  listJobs(filters: ListJobsFilters): Promise<JobList> {
    const statuses = filters.status ?? [];
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries({
      user_id: filters.userId ?? filters.user_id,
      status: Array.isArray(statuses) ? statuses.join(',') : statuses,
      job_type: filters.jobType ?? filters.job_type,
      limit: filters.limit,
      offset: filters.offset,
      sort: filters.sort,
    })) {
      if (value) {
        query.set(name, String(value));
      }
    }
    const text = query.toString();
    return this.#call({ method: 'GET', path: text === '' ? '/jobs' : `/jobs?${text}` });
  }

  async cancelJob(jobId: string): Promise<void> {
    await this.#about('POST', jobId, '/cancel');
  }

  retryJob(jobId: string): Promise<RetriedJob> {
    return this.#about('POST', jobId, '/retry');
  }

  #about<T>(method: Call['method'], jobId: string, rest: string): Promise<T> {
    return this.#call({ method, path: `/jobs/${encodeURIComponent(jobId)}${rest}`, jobId });
  }

  async #call<T>(call: Call): Promise<T> {
    const headers: Record<string, string> = { 'Content-Type': 'application/json' };
    if (this.#apiKey) {
      headers['X-GH-Service-Key'] = this.#apiKey;
    }
    const body = call.body === undefined ? null : JSON.stringify(call.body);
    let response: Response;
    let text: string;
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      response = await fetch(`${this.#url}${call.path}`, { method: call.method, headers, body, signal });
      text = await response.text();
    } catch (cause) {
      const timedOut = cause instanceof Error && cause.name === 'TimeoutError';
      const message = timedOut ? 'The service did not answer in time' : 'The service could not be reached';
      throw new GhostHandsError(message, timedOut ? 'timeout' : 'network_error', 0, { cause });
    }
    const reply = parse(text);
    if (!response.ok) {
      throw refusal(response, reply, call.jobId);
    }
    if (reply === undefined) {
      throw new GhostHandsError('The answer is no JSON', 'invalid_response', response.status);
    }
    return reply as T;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The error that stands for an answer. */
function refusal(response: Response, reply: unknown, jobId: string | undefined): GhostHandsError {
  const body = isObject(reply) ? reply : {};
  const text = (name: string) => (typeof body[name] === 'string' ? body[name] : undefined);
  const context = { details: body['details'] };
  const code = text('error') ?? `http_${response.status}`;
  if (code === 'duplicate_idempotency_key') {
    return new DuplicateIdempotencyKeyError(text('existing_job_id'), text('existing_status'), context);
  }
  if (response.status === 404 && jobId !== undefined) {
    return new JobNotFoundError(jobId, context);
  }
  if (code === 'job_not_cancellable') {
    return new JobNotCancellableError(jobId ?? '', text('current_status'), context);
  }
  const message = text('message') ?? text('error') ?? (response.statusText || `HTTP ${response.status}`);
  return new GhostHandsError(message, code, response.status, context);
}
