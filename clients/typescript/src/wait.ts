/** Waiting for a job's end. What the service says is the truth; a wake-up only means "look now". */
import { GhostHandsError } from './errors.js';
import { isFinal } from './realtime.js';
import type { AutomationJob } from './types.js';

/** A pause that can be cut short, also before it begins. */
export class Alarm {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  async sleep(ms: number): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#rung = false;
    this.#wake = undefined;
  }
}

/** How to wait. */
export interface WaitOptions {
  jobId: string;
  read: () => Promise<AutomationJob>;
  /** Asked before each pause, so that it may change. */
  intervalMs: () => number;
  timeoutMs: number;
  alarm: Alarm;
  isDisposed: () => boolean;
}

/** Reads the job until it is final. A service that cannot answer for a moment is asked again until the time is over. */
export async function waitUntilFinal(options: WaitOptions): Promise<AutomationJob> {
  const until = Date.now() + options.timeoutMs;
  let status = 'unknown';
  let cause: unknown;
  for (;;) {
    try {
      const job = await options.read();
      if (isFinal(job)) {
        return job;
      }
      status = job.status;
      cause = undefined;
    } catch (error) {
      if (!isTransient(error)) {
        throw error;
      }
      cause = error;
    }
    const left = until - Date.now();
    if (left <= 0) {
      const message = `Job ${options.jobId} did not end within ${options.timeoutMs} ms (its status is ${status})`;
      throw new GhostHandsError(message, 'poll_timeout', 408, cause === undefined ? {} : { cause });
    }
    await options.alarm.sleep(Math.min(left, options.intervalMs()));
    if (options.isDisposed()) {
      throw new GhostHandsError('The client was disposed', 'client_disposed', 0);
    }
  }
}

function isTransient(error: unknown): boolean {
  return error instanceof GhostHandsError && (error.status === 0 || error.status === 429 || error.status >= 502);
}
