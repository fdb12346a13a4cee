/** `@supabase/auth-helpers-nextjs`, as far as the samples use it: a real supabase-js for whoever is signed in. */
import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { WebSocket } from 'ws';

import { keyOf } from '../../fake/supabase.js';
import { session } from './valet.js';

export function createRouteHandlerClient(_options: unknown) {
  const user = session.userId === undefined ? null : { id: session.userId };
  return { auth: { getUser: async () => ({ data: { user }, error: null }) } };
}

const clients = new Map<string, SupabaseClient>();

/** One per page, as in a browser. */
export function createClientComponentClient(): SupabaseClient {
  const key = keyOf(session.userId ?? '');
  const client = clients.get(key)
    ?? createClient(session.supabaseUrl, key, { realtime: { transport: WebSocket as never } });
  clients.set(key, client);
  return client;
}

/** Closes the pages. */
export async function closePages(): Promise<void> {
  await Promise.all([...clients.values()].map((client) => client.removeAllChannels()));
}
