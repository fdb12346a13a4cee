/** A callback of the real dispatcher, checked with our own helper. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';

import { GhostHandsClient, verifyWebhook, WebhookVerificationError } from 'ghosthands/client';

import { API_KEY, API_URL, later, someone } from './system.js';

const SECRET = process.env['GH_WEBHOOK_SECRET'];

it('a callback of the service is known as ours', { skip: SECRET === undefined && 'GH_WEBHOOK_SECRET is not set' }, async () => {
  const secret = SECRET as string;
  const told: Array<{ headers: Record<string, string | string[] | undefined>; body: string }> = [];
  const received = new Promise<void>((resolve) => {
    server.on('request', async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) {
        parts.push(part as Buffer);
      }
      told.push({ headers: request.headers, body: Buffer.concat(parts).toString() });
      response.writeHead(200).end();
      resolve();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const callbackUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  const gh = new GhostHandsClient(API_URL, API_KEY);
  const { id } = await gh.createJob(someone(), later({ callbackUrl }));
  await gh.cancelJob(id);
  await received;
  server.close();

  const [{ headers, body }] = told as [(typeof told)[0]];
  const { job_id, status } = await verifyWebhook(headers, body, secret);
  assert.deepEqual([job_id, status], [id, 'cancelled']);
  await assert.rejects(verifyWebhook(headers, `${body} `, secret), WebhookVerificationError);
  const older = { 'x-gh-signature': headers['x-gh-signature'] };
  assert.equal((await verifyWebhook(older, body, secret))['job_id'], id);
});

const server = createServer();
