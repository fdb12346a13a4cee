/** What only REST has: the wire itself, refusals, and a service that is away. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, it } from 'node:test';

import { DuplicateIdempotencyKeyError, GhostHandsClient, GhostHandsError } from 'ghosthands/client';

import { API_KEY, API_URL, later, someone } from './system.js';

interface Seen {
  method: string | undefined;
  url: string | undefined;
  key: unknown;
  body: unknown;
}

/** A server that answers each request with the next of `answers`, the last one for ever. */
async function serve(...answers: Array<[number, unknown]>): Promise<{ url: string; seen: Seen[]; server: Server }> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => void reply(request).then(([status, body]) => {
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
  }));
  const reply = async (request: IncomingMessage) => {
    const parts: Buffer[] = [];
    for await (const part of request) {
      parts.push(part as Buffer);
    }
    const text = Buffer.concat(parts).toString();
    const { method, url } = request;
    seen.push({ method, url, key: request.headers['x-gh-service-key'], body: text && JSON.parse(text) });
    return (answers.length > 1 ? answers.shift() : answers[0]) as [number, unknown];
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, server };
}

const servers: Server[] = [];
let gh: GhostHandsClient;
before(() => (gh = new GhostHandsClient({ mode: 'api', apiUrl: `${API_URL}/api/v1/gh`, apiKey: API_KEY })));
after(() => servers.forEach((server) => server.close()));

it('takes an address with slashes at its end, without a path, and as one object', async () => {
  for (const client of [
    new GhostHandsClient(`${API_URL}/api/v1/gh//`, API_KEY),
    new GhostHandsClient(API_URL, API_KEY),
    new GhostHandsClient({ apiUrl: API_URL, apiKey: API_KEY }),
  ]) {
    assert.equal((await client.listJobs({ limit: 1 })).limit, 1);
  }
});

it('refuses to be made of too little', () => {
  const make = GhostHandsClient as unknown as new (...args: unknown[]) => GhostHandsClient;
  for (const args of [[''], [{}], [{ mode: 'db', supabaseUrl: 'http://a' }], [{ mode: 'db', apiUrl: 'http://a' }]]) {
    assert.throws(() => new make(...args), { code: 'client_config', status: 500 });
  }
});

it('sends what the contract says', async () => {
  const { url, seen } = await serve([201, { id: 'i', status: 'pending', created_at: 'now', job_ids: ['i'], created: 1 }]);
  const client = new GhostHandsClient(`${url}/api/v1/gh`, 'key');
  await client.createJob('u', { targetUrl: 't', taskDescription: 'd', idempotencyKey: null, inputData: { userData: undefined } });
  const batch = await client.createBatch([{ user_id: 'u', target_url: 't', task_description: 'd', priority: 2 }]);
  await client.createBatch('v', [{ jobType: 'custom', targetUrl: 't', taskDescription: 'd' }]);
  await client.listJobs('u', { status: ['failed', 'expired'], jobType: 'apply', limit: 0, offset: 5, sort: '-created_at' });
  await client.cancelJob('a/b');
  assert.deepEqual(seen.map(({ method, url, key, body }) => [method, url?.replace('/api/v1/gh', ''), key, body]), [
    ['POST', '/jobs', 'key', {
      user_id: 'u', target_url: 't', task_description: 'd', job_type: 'apply', idempotency_key: null, input_data: {},
    }],
    ['POST', '/jobs/batch', 'key', {
      user_id: 'u', jobs: [{ target_url: 't', task_description: 'd', priority: 2, job_type: 'apply' }],
    }],
    ['POST', '/jobs/batch', 'key', { user_id: 'v', jobs: [{ target_url: 't', task_description: 'd', job_type: 'custom' }] }],
    ['GET', '/jobs?user_id=u&status=failed%2Cexpired&job_type=apply&offset=5&sort=-created_at', 'key', ''],
    ['POST', '/jobs/a%2Fb/cancel', 'key', ''],
  ]);
  // The old service's answer to a batch: ids alone.
  assert.deepEqual(batch, { created: [{ id: 'i', status: 'pending' }], errors: [] });
});

it('tells a refusal with its code, its status and its details', async () => {
  await assert.rejects(new GhostHandsClient(API_URL, 'wrong').listJobs(), {
    name: 'GhostHandsError', code: 'unauthorized', status: 401, message: 'Invalid service key',
  });
  await assert.rejects(gh.createJob(someone(), later({ targetUrl: 'javascript:alert(1)' })), (error: GhostHandsError) => {
    assert.deepEqual([error.code, error.status], ['validation_error', 422]);
    return (error.details as Array<{ field: string }>)[0]?.field === 'target_url';
  });
  await assert.rejects(gh.createBatch(someone(), [later(), later({ taskDescription: '' })]), (error: GhostHandsError) =>
    (error.details as Array<{ field: string }>)[0]?.field === 'jobs.1.task_description');
  const { url } = await serve([502, 'no JSON object']);
  await assert.rejects(new GhostHandsClient(url).getJob('x'), { code: 'http_502', status: 502, message: 'Bad Gateway' });
});

it('does not learn the id of another user\'s job from its key', async () => {
  const key = `shared-${someone()}`;
  await gh.createJob(someone(), later({ idempotencyKey: key }));
  await assert.rejects(gh.createJob(someone(), later({ idempotencyKey: key })), (error) => {
    assert.ok(error instanceof DuplicateIdempotencyKeyError);
    return error.existingJobId === undefined && error.existingStatus === undefined;
  });
});

it('says when the service cannot be reached', async () => {
  const { url, server } = await serve([200, {}]);
  await new Promise((resolve) => server.close(resolve));
  await assert.rejects(new GhostHandsClient(url).getJob('x'), { code: 'network_error', status: 0 });
});

it('goes on polling while the service is away, and stops when it refuses', async () => {
  const running = { id: 'x', status: 'running' };
  const { url, seen } = await serve([200, running], [503, {}], [429, {}], [200, { ...running, status: 'completed' }]);
  const job = await new GhostHandsClient(url).pollForCompletion('x', { intervalMs: 1 });
  assert.deepEqual([job.status, seen.length], ['completed', 4]);
  const refusing = await serve([401, { error: 'unauthorized', message: 'no' }]);
  await assert.rejects(new GhostHandsClient(refusing.url).pollForCompletion('x', { intervalMs: 1 }), { code: 'unauthorized' });
});

it('gives up polling with poll_timeout, naming the status', async () => {
  const { id } = await gh.createJob(someone(), later());
  const error = { code: 'poll_timeout', status: 408, message: /pending/ };
  await assert.rejects(gh.pollForCompletion(id, { intervalMs: 5, timeoutMs: 30 }), error);
  await assert.rejects(gh.waitForCompletion(id, 0), error);
});

it('ends every wait when it is disposed, and can be used afterwards', async () => {
  const { id } = await gh.createJob(someone(), later());
  const wait = assert.rejects(gh.pollForCompletion(id), { code: 'client_disposed' });
  await gh.dispose();
  await wait;
  assert.equal((await gh.getJob(id)).id, id);
});

it('needs Supabase for subscriptions', async () => {
  for (const method of ['JobStatus', 'JobProgress', 'JobEvents', 'UserJobs'] as const) {
    assert.throws(() => gh[`subscribeTo${method}`]('x', () => undefined), { code: 'client_config', status: 500 });
  }
});
