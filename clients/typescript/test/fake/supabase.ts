/** A Supabase project over a plain Postgres: PostgREST's wire format and Realtime's, for the requests our client makes. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import pg from 'pg';

import { answer } from './postgrest.js';
import { Realtime } from './realtime.js';

/** The key that may do everything. */
export const SERVICE_KEY = 'service-role-key';

/** The key of a signed-in user, which stands for the anon key with the user's token. */
export const keyOf = (userId: string): string => `user:${userId}`;

export class FakeSupabase {
  readonly realtime: Realtime;
  readonly #server;
  readonly #pool: pg.Pool;

  private constructor(database: string) {
    this.#pool = new pg.Pool({ connectionString: database, max: 4 });
    this.#server = createServer((request, response) => void answer(this.#pool, request, response));
    this.realtime = new Realtime(database, this.#server);
  }

  static async start(database: string): Promise<FakeSupabase> {
    const fake = new FakeSupabase(database);
    await fake.realtime.start();
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    await this.realtime.stop();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await this.#pool.end();
  }
}
