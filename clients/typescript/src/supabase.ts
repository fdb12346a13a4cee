/** The optional package `@supabase/supabase-js`, loaded when it is first needed. */
import type { SupabaseClient } from '@supabase/supabase-js';

import { GhostHandsError } from './errors.js';
import type { SupabaseSettings } from './options.js';

/** How long a request may take; Supabase's own limit for a statement is 8 s. */
const TIMEOUT_MS = 15_000;

interface Connection {
  client: SupabaseClient;
  hasWebSocket: boolean;
}

/** One connection to a Supabase project. */
export class Supabase {
  readonly #settings: SupabaseSettings;
  #connection: Promise<Connection> | undefined;

  constructor(settings: SupabaseSettings) {
    this.#settings = settings;
  }

  /** For requests. */
  async client(): Promise<SupabaseClient> {
    return (await this.#connect()).client;
  }

  /** For channels. */
  async live(): Promise<SupabaseClient> {
    const { client, hasWebSocket } = await this.#connect();
    if (!hasWebSocket) {
      const message = 'There are no WebSockets here: use Node 22, install the package ws, or pass webSocket';
      throw new GhostHandsError(message, 'client_config', 500);
    }
    return client;
  }

  /** Closes every channel; the next use opens a new connection. */
  async close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.then(({ client }) => client.removeAllChannels(), () => undefined);
  }

  #connect(): Promise<Connection> {
    this.#connection ??= connect(this.#settings);
    return this.#connection;
  }
}

async function connect(settings: SupabaseSettings): Promise<Connection> {
  let sdk: typeof import('@supabase/supabase-js');
  try {
    sdk = await import('@supabase/supabase-js');
  } catch (cause) {
    const message = 'This needs the package @supabase/supabase-js: npm install @supabase/supabase-js';
    throw new GhostHandsError(message, 'client_config', 500, { cause });
  }
  const isNative = 'WebSocket' in globalThis;
  const transport = settings.webSocket ?? (isNative ? undefined : await installedWebSocket());
  const client = sdk.createClient(settings.supabaseUrl, settings.supabaseKey, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    global: {
      fetch: (input, init) => fetch(input, { ...init, signal: init?.signal ?? AbortSignal.timeout(TIMEOUT_MS) }),
    },
    ...(transport !== undefined && { realtime: { transport: transport as never } }),
  });
  return { client, hasWebSocket: isNative || transport !== undefined };
}

/** What Node before 22 lacks, if the package `ws` is there. */
async function installedWebSocket(): Promise<unknown> {
  const module = 'ws'; // not a literal, so that bundlers do not ask for it
  const ws = await import(module).catch(() => undefined) as { WebSocket: EmitterClass } | undefined;
  if (ws === undefined) {
    return undefined;
  }
  // The SDK takes its listeners off a socket before it closes it; an error without a listener would end the process.
  return class extends ws.WebSocket {
    constructor(...args: unknown[]) {
      super(...args);
      this.on('error', () => undefined);
    }
  };
}

type EmitterClass = new (...args: unknown[]) => { on(event: 'error', listener: () => void): void };
