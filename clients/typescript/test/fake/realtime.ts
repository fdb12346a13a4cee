/** Supabase Realtime: Phoenix frames over a WebSocket, fed by what is written to the two published tables. */
import type { Server } from 'node:http';

import pg from 'pg';
import { WebSocket, WebSocketServer } from 'ws';

interface Frame {
  topic: string;
  event: string;
  payload: { config?: { postgres_changes?: Wanted[] } };
  ref: string | null;
  join_ref?: string | null;
}

interface Wanted {
  event: 'INSERT' | 'UPDATE' | 'DELETE' | '*';
  schema: string;
  table: string;
  filter?: string;
}

interface Joined extends Wanted {
  id: number;
  socket: WebSocket;
  topic: string;
}

interface Change {
  table_name: string;
  operation: 'INSERT' | 'UPDATE';
  record: Record<string, unknown>;
}

/** Writes down each change of a published table, in the transaction that makes it. */
const SETUP = `
  create schema if not exists fake_realtime;
  create table if not exists fake_realtime.changes (
    n bigint generated always as identity, reader int, table_name text, operation text, record jsonb);
  create table if not exists fake_realtime.readers (id int generated always as identity primary key);
  create or replace function fake_realtime.note() returns trigger language plpgsql security definer as $$
  begin
    insert into fake_realtime.changes (reader, table_name, operation, record)
    select id, tg_table_name, tg_op, to_jsonb(new) from fake_realtime.readers;
    notify fake_realtime;
    return null;
  end $$;
  do $$ declare t text; begin
    for t in select tablename from pg_publication_tables where pubname = 'supabase_realtime' and schemaname = 'public' loop
      execute format('create or replace trigger fake_realtime after insert or update on public.%I
                      for each row execute function fake_realtime.note()', t);
    end loop;
  end $$`;

export class Realtime {
  /** Topics that are refused when somebody joins them. */
  readonly refused = new Set<string>();
  readonly #database: pg.Client;
  readonly #server: WebSocketServer;
  #joined: Joined[] = [];
  #columns = new Map<string, Array<{ name: string; type: string }>>();
  #reader = 0;
  #reading = Promise.resolve();
  #ids = 0;

  constructor(database: string, server: Server) {
    this.#database = new pg.Client({ connectionString: database });
    this.#server = new WebSocketServer({ server, path: '/realtime/v1/websocket' });
    this.#server.on('connection', (socket) => {
      socket.on('message', (data) => this.#receive(socket, JSON.parse(String(data)) as Frame));
      socket.on('close', () => (this.#joined = this.#joined.filter((one) => one.socket !== socket)));
    });
  }

  /** The topics somebody listens to now. */
  get topics(): string[] {
    return [...new Set(this.#joined.map((one) => one.topic.replace('realtime:', '')))];
  }

  async start(): Promise<void> {
    await this.#database.connect();
    await this.#database.query('begin; select pg_advisory_xact_lock(1)'); // test files run side by side
    await this.#database.query(SETUP);
    await this.#database.query('commit');
    this.#reader = (await this.#database.query('insert into fake_realtime.readers default values returning id')).rows[0].id;
    const { rows } = await this.#database.query(
      `select table_name as t, json_agg(json_build_object('name', column_name, 'type', udt_name)) as columns
       from information_schema.columns where table_schema = 'public' group by 1`,
    );
    this.#columns = new Map(rows.map((row) => [row.t, row.columns]));
    this.#database.on('notification', () => (this.#reading = this.#reading.then(() => this.#publish())));
    await this.#database.query('listen fake_realtime');
  }

  /** Cuts every connection, as a deploy of Realtime does. */
  cut(): void {
    this.#server.clients.forEach((socket) => socket.terminate());
  }

  async stop(): Promise<void> {
    await this.#database.query('delete from fake_realtime.readers where id = $1', [this.#reader]);
    await this.#reading;
    this.cut();
    this.#server.close();
    await this.#database.end();
  }

  #receive(socket: WebSocket, frame: Frame): void {
    const reply = (status: string, response: unknown) =>
      send(socket, frame.topic, 'phx_reply', { status, response }, frame.ref, frame.join_ref);
    if (frame.event === 'phx_join' && this.refused.has(frame.topic.replace('realtime:', ''))) {
      reply('error', { reason: 'refused' });
    } else if (frame.event === 'phx_join') {
      const wanted = (frame.payload.config?.postgres_changes ?? []).map((one) => ({ ...one, id: (this.#ids += 1) }));
      reply('ok', { postgres_changes: wanted });
      this.#joined.push(...wanted.map((one) => ({ ...one, socket, topic: frame.topic })));
    } else if (frame.event === 'phx_leave') {
      this.#joined = this.#joined.filter((one) => one.socket !== socket || one.topic !== frame.topic);
      reply('ok', {});
    } else {
      reply('ok', {}); // heartbeats and new tokens
    }
  }

  async #publish(): Promise<void> {
    const { rows } = await this.#database.query<Change & { n: string }>(
      'delete from fake_realtime.changes where reader = $1 returning n, table_name, operation, record', [this.#reader],
    );
    rows.sort((one, other) => Number(one.n) - Number(other.n));
    for (const change of rows) {
      for (const one of this.#joined) {
        if (matches(one, change)) {
          const data = {
            schema: 'public', table: change.table_name, type: change.operation, errors: null, old_record: {},
            commit_timestamp: new Date().toISOString(), columns: this.#columns.get(change.table_name), record: change.record,
          };
          send(one.socket, one.topic, 'postgres_changes', { ids: [one.id], data }, null);
        }
      }
    }
  }
}

function matches(wanted: Wanted, change: Change): boolean {
  const [, column, value] = /^(\w+)=eq\.(.*)$/.exec(wanted.filter ?? '') ?? [];
  return wanted.schema === 'public' && wanted.table === change.table_name
    && (wanted.event === '*' || wanted.event === change.operation)
    && column !== undefined && String(change.record[column]) === value;
}

function send(
  socket: WebSocket, topic: string, event: string, payload: unknown, ref: string | null, joinRef?: string | null,
): void {
  if (socket.readyState === WebSocket.OPEN) {
    socket.send(JSON.stringify({ topic, event, payload, ref, ...(joinRef !== undefined && { join_ref: joinRef }) }));
  }
}
