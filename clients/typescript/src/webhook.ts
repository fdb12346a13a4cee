/**
 * Checks that a callback came from GhostHands.
 *
 * The headers are those of https://www.standardwebhooks.com: `webhook-id`, `webhook-timestamp` and `webhook-signature`,
 * the last a list of `v1,<base64 of HMAC-SHA256 of "id.timestamp.body">`. The older form, `x-gh-signature:
 * sha256=<hex of HMAC-SHA256 of the body>`, has no time in it, so that a recorded request can be sent again by anybody who
 * saw it: it counts only when the request has no newer signature, and only when it is allowed.
 */
import { GhostHandsError } from './errors.js';

/** How to check. */
export interface WebhookOptions {
  /** How old, or how far ahead, a request may be, in seconds; 300. */
  toleranceSeconds?: number;
  /** Whether the older form counts; true. */
  allowLegacy?: boolean;
  /** The time to compare with; now. */
  now?: Date;
}

/** The headers of a request, as fetch, Node, Express or Fastify have them. */
export type WebhookHeaders =
  | { get(name: string): string | null }
  | Record<string, string | string[] | undefined>;

/** The request is not from us, or too old. */
export class WebhookVerificationError extends GhostHandsError {
  override name = 'WebhookVerificationError';

  constructor(message: string) {
    super(message, 'invalid_signature', 401);
  }
}

/**
 * Returns the body as JSON when the signature is right, and throws {@link WebhookVerificationError} otherwise.
 *
 * `body` is the body exactly as it arrived. `secret` may be several while one is replaced by another; one that begins with
 * `whsec_` is base64, any other is used as it is. Answer every `webhook-id` once: deliveries are repeated.
 */
export async function verifyWebhook<T = Record<string, unknown>>(
  headers: WebhookHeaders, body: string | Uint8Array, secret: string | readonly string[], options: WebhookOptions = {},
): Promise<T> {
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : Uint8Array.from(body);
  const secrets = (typeof secret === 'string' ? [secret] : secret).filter((one) => one !== '');
  if (secrets.length === 0) {
    throw new GhostHandsError('A secret is needed to check a webhook', 'client_config', 500);
  }
  const { signed, signatures } = expectation(headers, bytes, options);
  for (const one of secrets) {
    const key = await importKey(one);
    for (const signature of signatures) {
      if (await (await subtle()).verify('HMAC', key, signature, signed)) {
        return JSON.parse(new TextDecoder().decode(bytes)) as T;
      }
    }
  }
  throw new WebhookVerificationError('The signature is not right');
}

/** What must have been signed, and the signatures that came. */
function expectation(headers: WebhookHeaders, body: Bytes, options: WebhookOptions) {
  const [id, timestamp, list] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
    header(headers, name),
  );
  if (list === undefined) {
    const legacy = header(headers, 'x-gh-signature');
    if (legacy === undefined || options.allowLegacy === false) {
      throw new WebhookVerificationError('The request has no signature');
    }
    return { signed: body, signatures: legacy.startsWith('sha256=') ? [fromHex(legacy.slice(7))] : [] };
  }
  if (id === undefined || timestamp === undefined || !/^\d{1,12}$/.test(timestamp)) {
    throw new WebhookVerificationError('The request has no id or no time');
  }
  const age = Math.abs((options.now ?? new Date()).getTime() / 1000 - Number(timestamp));
  if (age > (options.toleranceSeconds ?? 300)) {
    throw new WebhookVerificationError('The request is too old, or from the future');
  }
  const head = new TextEncoder().encode(`${id}.${timestamp}.`);
  const signed = new Uint8Array(head.length + body.length);
  signed.set(head);
  signed.set(body, head.length);
  const versioned = list.split(' ').filter((one) => one.startsWith('v1,'));
  return { signed, signatures: versioned.map((one) => fromBase64(one.slice(3))) };
}

type Bytes = Uint8Array<ArrayBuffer>;

function header(headers: WebhookHeaders, name: string): string | undefined {
  if (typeof headers.get === 'function') {
    return (headers as { get(name: string): string | null }).get(name) ?? undefined;
  }
  const entry = Object.entries(headers).find(([key]) => key.toLowerCase() === name);
  const value = entry?.[1];
  return Array.isArray(value) ? value[0] : (value as string | undefined);
}

/** Web Crypto: everywhere but in Node 18, where it has to be fetched. */
async function subtle(): Promise<SubtleCrypto> {
  const here = globalThis.crypto as Crypto | undefined;
  if (here !== undefined) {
    return here.subtle;
  }
  const module = 'node:crypto'; // not a literal, so that bundlers for browsers do not look for it
  return ((await import(module)) as { webcrypto: Crypto }).webcrypto.subtle;
}

async function importKey(secret: string): Promise<CryptoKey> {
  const raw = secret.startsWith('whsec_') ? fromBase64(secret.slice(6)) : new TextEncoder().encode(secret);
  if (raw.length === 0) {
    throw new GhostHandsError('The secret is not base64', 'client_config', 500);
  }
  return (await subtle()).importKey('raw', raw as Bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
}

/** Nothing when the text is not base64: no signature is that short. */
function fromBase64(text: string): Bytes {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

function fromHex(text: string): Bytes {
  const pairs = /^(?:[0-9a-f]{2})*$/i.test(text) ? (text.match(/../g) ?? []) : [];
  return Uint8Array.from(pairs, (pair) => parseInt(pair, 16));
}
