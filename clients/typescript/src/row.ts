/** A job as a row of `gh_automation_jobs`, complete: all rows of one insert must have the same columns. */
import { GhostHandsError } from './errors.js';
import type { WireJob } from './wire.js';

const DEFAULTS = {
  job_type: 'apply', input_data: {}, priority: 5, scheduled_at: null, max_retries: 3, timeout_seconds: 300,
  tags: [], idempotency_key: null, metadata: {}, target_worker_id: null, callback_url: null,
  valet_task_id: null, resume_ref: null, execution_mode: 'auto', worker_affinity: 'preferred',
};
const REQUIRED = ['user_id', 'target_url', 'task_description'] as const;
const COLUMNS = new Set<string>([...Object.keys(DEFAULTS), ...REQUIRED]);

/** Refuses a job that lacks what every job needs, or that names a column a caller does not set. */
export function toRow(job: WireJob): Record<string, unknown> & { idempotency_key: string | null } {
  const given = Object.entries(job).filter(([, value]) => value !== null && value !== undefined);
  for (const [name] of given) {
    if (!COLUMNS.has(name)) {
      throw invalid(name, 'is not known');
    }
  }
  for (const name of REQUIRED) {
    if (typeof job[name] !== 'string' || job[name] === '') {
      throw invalid(name, 'is required');
    }
  }
  const row = { ...DEFAULTS, created_by: 'valet', ...Object.fromEntries(given) };
  return { ...row, idempotency_key: row.idempotency_key };
}

function invalid(field: string, message: string): GhostHandsError {
  const details = [{ field, message, code: 'custom' }];
  return new GhostHandsError(`${field} ${message}`, 'validation_error', 422, { details });
}
