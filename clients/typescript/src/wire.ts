/** From what a caller may write to what goes over the wire. */
import { GhostHandsError } from './errors.js';
import type { CreateJobFields, CreateJobOptions, Json } from './types.js';

/** A job under the names of the wire. Keys we do not know are kept, so that the service can refuse a typo. */
export type WireJob = Json & { user_id?: string };

const FIELDS: Readonly<Record<string, string>> = {
  userId: 'user_id',
  type: 'job_type',
  jobType: 'job_type',
  targetUrl: 'target_url',
  taskDescription: 'task_description',
  inputData: 'input_data',
  scheduledAt: 'scheduled_at',
  maxRetries: 'max_retries',
  timeoutSeconds: 'timeout_seconds',
  idempotencyKey: 'idempotency_key',
  targetWorkerId: 'target_worker_id',
  callbackUrl: 'callback_url',
  valetTaskId: 'valet_task_id',
  executionMode: 'execution_mode',
  workerAffinity: 'worker_affinity',
  resumeRef: 'resume_ref',
};

const INPUT_FIELDS: Readonly<Record<string, string>> = {
  resumePath: 'resume_path',
  resumeId: 'resume_id',
  userData: 'user_data',
  qaOverrides: 'qa_overrides',
};

/** Translates one job. Names of both kinds may be mixed; what is undefined is left out, null is sent as null. */
export function toWire(job: CreateJobFields | CreateJobOptions): WireJob {
  const wire: WireJob = rename({ ...job }, FIELDS);
  wire['job_type'] ??= 'apply';
  if (isObject(wire['input_data'])) {
    wire['input_data'] = rename(wire['input_data'], INPUT_FIELDS);
  }
  if (wire['scheduled_at'] instanceof Date) {
    wire['scheduled_at'] = wire['scheduled_at'].toISOString();
  }
  if (Array.isArray(wire['tags'])) {
    wire['tags'] = wire['tags'].filter((tag) => tag !== null && tag !== undefined);
  }
  return wire;
}

/** Both forms of a call that names a user: `(userId, rest)` and `(rest)`. */
export function split<T>(first: unknown, second: T | undefined, call: string): { userId?: string; rest: T } {
  if (typeof first === 'string' && isObject(second)) {
    return { userId: first, rest: second as T };
  }
  if (isObject(first) && second === undefined) {
    return { rest: first as T };
  }
  throw new GhostHandsError(`${call} takes (userId, options) or (options)`, 'invalid_args', 400);
}

function rename(from: Json, names: Readonly<Record<string, string>>): Json {
  const to: Json = {};
  for (const [key, value] of Object.entries(from)) {
    if (value !== undefined) {
      to[Object.hasOwn(names, key) ? (names[key] as string) : key] = value;
    }
  }
  return to;
}

/** Whether `value` is an object or an array. */
export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null;
}
