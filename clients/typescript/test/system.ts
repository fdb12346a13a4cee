/** The system under test: its addresses from the environment, and what tests of both modes need. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

import { GhostHandsClient, type CreateJobOptions } from 'ghosthands/client';
import pg from 'pg';

import { FakeSupabase, SERVICE_KEY } from './fake/supabase.js';

/** A setting of the environment that run.mjs sets. */
export function setting(name: string): string {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: run the tests with npm test`);
  return value;
}

export const API_URL = setting('GHOSTHANDS_API_URL');
export const API_KEY = setting('GH_SERVICE_SECRET');
export const DATABASE_URL = setting('DATABASE_URL');

/** Everything a test file needs, closed by `stop`. */
export class System {
  private constructor(readonly supabase: FakeSupabase, readonly sql: pg.Pool) {}

  static async start(): Promise<System> {
    const sql = new pg.Pool({ connectionString: DATABASE_URL, max: 2 });
    return new System(await FakeSupabase.start(DATABASE_URL), sql);
  }

  async stop(): Promise<void> {
    await this.supabase.stop();
    await this.sql.end();
  }

  /** A client of each mode that can do the same. */
  client(mode: 'api' | 'db'): GhostHandsClient {
    return mode === 'api' ? new GhostHandsClient(`${API_URL}/api/v1/gh`, API_KEY) : new GhostHandsClient(this.db());
  }

  db(supabaseKey = SERVICE_KEY) {
    return { mode: 'db', supabaseUrl: this.supabase.url, supabaseKey } as const;
  }

  /** Changes the job behind everybody's back. */
  async set(jobId: string, changes: string): Promise<void> {
    const { rowCount } = await this.sql.query(`update gh_automation_jobs set ${changes} where id = $1`, [jobId]);
    assert.equal(rowCount, 1);
  }
}

/** A user of this test alone. */
export const someone = (): string => randomUUID();

/** A job that no machine takes for a year. */
export function later(more: Partial<CreateJobOptions> = {}): CreateJobOptions {
  return {
    jobType: 'apply',
    targetUrl: 'https://boards.greenhouse.io/acme/jobs/1',
    taskDescription: 'Apply to Engineer at Acme',
    scheduledAt: new Date(Date.now() + 365 * 86_400_000),
    ...more,
  };
}

/** Waits until `condition` holds, for at most ten seconds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = Date.now() + 10_000;
  while (!(await condition())) {
    assert.ok(Date.now() < end, `not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
