/** What the constructor and the subscriptions take. Nothing here needs the optional package's types. */

/** Where a Supabase project is, and what to show it. */
export interface SupabaseSettings {
  supabaseUrl: string;
  supabaseKey: string;
  /** What to make WebSockets with, where there are none: in Node before 22, without it, the package `ws` if it is installed. */
  webSocket?: unknown;
}

/** REST; with both Supabase values, Realtime too. */
export interface ApiModeConfig extends Partial<SupabaseSettings> {
  mode?: 'api';
  /** With `/api/v1/gh`; an address without any path gets it. */
  apiUrl: string;
  /** The service key. */
  apiKey?: string;
}

/** The tables themselves, and Realtime. */
export interface DbModeConfig extends SupabaseSettings {
  mode: 'db';
}

/** Everything the constructor takes. */
export type GhostHandsClientConfig = ApiModeConfig | DbModeConfig;

/** What is called: for each change, and when the channel fails. */
export interface Handlers<T> {
  onUpdate: (update: T) => void;
  onError?: (error: Error) => void;
}

/** A function for each change, or handlers that also hear of errors. */
export type Listener<T> = ((update: T) => void) | Handlers<T>;

/** Something that goes on until it is ended. */
export interface Subscription {
  /** Ends it; doing so twice is harmless. */
  unsubscribe(): Promise<void>;
}
