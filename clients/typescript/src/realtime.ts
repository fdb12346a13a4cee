/** Changes of rows as they happen, from Supabase Realtime. */
import type { RealtimeChannel, SupabaseClient } from '@supabase/supabase-js';

import { GhostHandsError } from './errors.js';
import type { Handlers, Subscription } from './options.js';
import type { Supabase } from './supabase.js';
import {
  TERMINAL_STATUSES, type AutomationJob, type JobEvent, type JobProgress,
} from './types.js';
import { isObject } from './wire.js';

/** How long events are still taken after a job's end: they are published after its row. */
const LATE_EVENTS_MS = 2_000;

interface Binding {
  event: 'INSERT' | 'UPDATE' | '*';
  table: 'gh_automation_jobs' | 'gh_job_events';
  filter: string;
  on: (row: never) => void;
}

export class Realtime {
  readonly #supabase: Supabase;
  readonly #open = new Map<string, Subscription>();

  constructor(supabase: Supabase) {
    this.#supabase = supabase;
  }

  /** The job's row at each change, until it is final. `onReady` is called each time the channel is (again) complete. */
  jobStatus(jobId: string, handlers: Handlers<AutomationJob>, onReady?: () => void): Subscription {
    const subscription = this.#listen(`gh-job-${jobId}`, [{
      event: 'UPDATE', table: 'gh_automation_jobs', filter: `id=eq.${jobId}`,
      on: (row: AutomationJob) => {
        handlers.onUpdate(row);
        if (isFinal(row)) {
          void subscription.unsubscribe();
        }
      },
    }], handlers.onError, onReady);
    return subscription;
  }

  /** Each job of the user that is made or changed. */
  userJobs(userId: string, handlers: Handlers<AutomationJob>): Subscription {
    return this.#listen(`gh-user-jobs-${userId}`, [{
      event: '*', table: 'gh_automation_jobs', filter: `user_id=eq.${userId}`,
      on: (row: AutomationJob) => {
        if (row.id !== undefined) { // of a deleted row only the key is published, and that as the old one
          handlers.onUpdate(row);
        }
      },
    }], handlers.onError);
  }

  /** Each event of the job, until shortly after its end. */
  jobEvents(jobId: string, handlers: Handlers<JobEvent>): Subscription {
    return this.#eventsUntilFinal(`gh-job-events-${jobId}`, jobId, handlers, handlers.onError);
  }

  /** What the job says about its progress, until shortly after its end. */
  jobProgress(jobId: string, handlers: Handlers<JobProgress>): Subscription {
    const onUpdate = (event: JobEvent) => {
      if (event.event_type === 'progress_update' && isObject(event.metadata)) {
        handlers.onUpdate(event.metadata);
      }
    };
    return this.#eventsUntilFinal(`gh-job-progress-${jobId}`, jobId, { onUpdate }, handlers.onError);
  }

  /** Ends every subscription. */
  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((subscription) => subscription.unsubscribe()));
  }

  #eventsUntilFinal(
    name: string, jobId: string, { onUpdate }: Handlers<JobEvent>, onError?: (error: Error) => void,
  ): Subscription {
    const subscription = this.#listen(name, [
      { event: 'INSERT', table: 'gh_job_events', filter: `job_id=eq.${jobId}`, on: onUpdate },
      {
        event: 'UPDATE', table: 'gh_automation_jobs', filter: `id=eq.${jobId}`,
        on: (row: AutomationJob) => {
          if (isFinal(row)) {
            setTimeout(() => void subscription.unsubscribe(), LATE_EVENTS_MS);
          }
        },
      },
    ], onError);
    return subscription;
  }

  #listen(
    name: string, bindings: Binding[], onError: ((error: Error) => void) | undefined, onReady?: () => void,
  ): Subscription {
    const topic = this.#freeTopic(name);
    let ended = false;
    let channel: RealtimeChannel | undefined;
    const subscription: Subscription = {
      unsubscribe: async () => {
        ended = true;
        this.#open.delete(topic);
        const open = channel;
        channel = undefined;
        if (open !== undefined) {
          await (await this.#supabase.live()).removeChannel(open);
        }
      },
    };
    this.#open.set(topic, subscription);
    const report = (status: string, cause?: unknown) => {
      if (status === 'SUBSCRIBED') {
        onReady?.();
      } else if (!ended) {
        onError?.(new GhostHandsError(`Realtime: ${status}`, 'realtime_error', 0, { cause }));
      }
    };
    const start = async () => {
      const client = await this.#supabase.live();
      await notDisconnecting(client);
      if (ended) {
        return;
      }
      const opened = client.channel(topic);
      for (const { event, table, filter, on } of bindings) {
        opened.on('postgres_changes', { event: event as '*', schema: 'public', table, filter }, (change) => {
          if (!ended) {
            on(change.new as never);
          }
        });
      }
      channel = opened.subscribe(report);
    };
    start().catch((error: unknown) => onError?.(error instanceof Error ? error : new Error(String(error))));
    return subscription;
  }

  /** Supabase has one channel per name; who asks for the same thing twice gets two. */
  #freeTopic(name: string): string {
    let topic = name;
    for (let copy = 2; this.#open.has(topic); copy += 1) {
      topic = `${name}-${copy}`;
    }
    return topic;
  }
}

/**
 * The SDK hangs up when its last channel is gone, and for 100 ms afterwards it takes a new channel without connecting for
 * it. Older versions, which lack the question, connect at once.
 */
async function notDisconnecting({ realtime }: SupabaseClient): Promise<void> {
  for (let look = 0; look < 100 && realtime.isDisconnecting?.(); look += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Whether the job has ended. */
export function isFinal(job: Pick<AutomationJob, 'status'>): boolean {
  return TERMINAL_STATUSES.includes(job.status);
}
