/** What can go wrong, each kind with the `code` and the `status` a caller decides by. */

/** More about an error. */
export interface ErrorContext {
  /** What the server said about it: of a `validation_error`, every field that is wrong. */
  details?: unknown;
  /** What led to it. */
  cause?: unknown;
}

/** Any failure of this client. `status` is the HTTP status, or 0 when there was no answer. */
export class GhostHandsError extends Error {
  override name = 'GhostHandsError';
  readonly code: string;
  readonly status: number;
  readonly details: unknown;

  constructor(message: string, code: string, status: number, context: ErrorContext = {}) {
    super(message, 'cause' in context ? { cause: context.cause } : undefined);
    this.code = code;
    this.status = status;
    this.details = context.details;
  }
}

/** Another job holds the idempotency key. Its id and status are known only if it is the same user's. */
export class DuplicateIdempotencyKeyError extends GhostHandsError {
  override name = 'DuplicateIdempotencyKeyError';
  readonly existingJobId: string | undefined;
  readonly existingStatus: string | undefined;

  constructor(existingJobId?: string, existingStatus?: string, context?: ErrorContext) {
    const known = existingJobId === undefined ? '' : `: ${existingJobId} (${existingStatus ?? 'unknown status'})`;
    super(`A job with this idempotency key exists${known}`, 'duplicate_idempotency_key', 409, context);
    this.existingJobId = existingJobId;
    this.existingStatus = existingStatus;
  }
}

/** There is no such job, or it is another user's. */
export class JobNotFoundError extends GhostHandsError {
  override name = 'JobNotFoundError';

  constructor(jobId: string, context?: ErrorContext) {
    super(`Job ${jobId} not found`, 'job_not_found', 404, context);
  }
}

/** The job has ended already, or is in a status that cannot be cancelled. */
export class JobNotCancellableError extends GhostHandsError {
  override name = 'JobNotCancellableError';
  readonly currentStatus: string | undefined;

  constructor(jobId: string, currentStatus?: string, context?: ErrorContext) {
    super(
      `Job ${jobId} cannot be cancelled: its status is ${currentStatus ?? 'unknown'}`,
      'job_not_cancellable',
      409,
      context,
    );
    this.currentStatus = currentStatus;
  }
}
