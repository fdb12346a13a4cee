/** Callbacks: whose they are, and whose they are not. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { it } from 'node:test';

import { verifyWebhook, WebhookVerificationError } from 'ghosthands/client';

const SECRET = 'a-service-key-of-thirty-two-chars';
const BODY = '{"job_id":"1","status":"completed","note":"é"}';
const ID = 'msg_1';
const NOW = new Date(1_800_000_000_000);
const TIME = String(NOW.getTime() / 1000);

const sign = (text: string, key: string | Buffer = SECRET) => createHmac('sha256', key).update(text).digest();
const headers = (more: Record<string, string> = {}) => ({
  'webhook-id': ID, 'webhook-timestamp': TIME,
  'webhook-signature': `v1,${sign(`${ID}.${TIME}.${BODY}`).toString('base64')}`, ...more,
});
const refused = (call: Promise<unknown>, what: string) =>
  assert.rejects(call, (error) => error instanceof WebhookVerificationError && error.status === 401, what);

it('reads a body that is signed right, from every kind of headers and bodies', async () => {
  const capitals = Object.fromEntries(Object.entries(headers()).map(([name, value]) => [name.toUpperCase(), [value]]));
  for (const given of [headers(), new Headers(headers()), capitals]) {
    for (const body of [BODY, new TextEncoder().encode(BODY), Buffer.from(BODY)]) {
      const read = await verifyWebhook<{ status: string }>(given, body, SECRET, { now: NOW });
      assert.equal(read.status, 'completed');
    }
  }
});

it('agrees with the example of the Standard Webhooks specification', async () => {
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  const example = {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek', 'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  };
  const now = new Date(1_614_265_330_000);
  assert.deepEqual(await verifyWebhook(example, '{"test": 2432232314}', secret, { now }), { test: 2432232314 });
});

it('takes any of several signatures and any of several secrets', async () => {
  const signed = headers();
  const many = { ...signed, 'webhook-signature': `v1a,AAAA v1,AAAA ${signed['webhook-signature']}` };
  await verifyWebhook(many, BODY, ['the-new-one', SECRET], { now: NOW });
});

it('refuses what was changed, what is old, and what is not signed', async () => {
  const at = (now: Date, toleranceSeconds?: number) => ({ now, ...(toleranceSeconds !== undefined && { toleranceSeconds }) });
  await refused(verifyWebhook(headers(), BODY.replace('completed', 'failed'), SECRET, at(NOW)), 'another body');
  await refused(verifyWebhook(headers({ 'webhook-id': 'msg_2' }), BODY, SECRET, at(NOW)), 'another id');
  await refused(verifyWebhook(headers({ 'webhook-timestamp': String(Number(TIME) + 1) }), BODY, SECRET, at(NOW)), 'another time');
  await refused(verifyWebhook(headers(), BODY, 'another secret', at(NOW)), 'another secret');
  await refused(verifyWebhook(headers(), BODY, SECRET, at(new Date(NOW.getTime() + 301_000))), 'too old');
  await refused(verifyWebhook(headers(), BODY, SECRET, at(new Date(NOW.getTime() - 301_000))), 'from the future');
  await refused(verifyWebhook(headers({ 'webhook-timestamp': 'NaN' }), BODY, SECRET, at(NOW)), 'no time');
  await refused(verifyWebhook({}, BODY, SECRET), 'no headers');
  for (const signature of ['', 'v1,', 'v1,§', 'v2,AAAA', sign(BODY).toString('base64')]) {
    await refused(verifyWebhook(headers({ 'webhook-signature': signature }), BODY, SECRET, at(NOW)), signature);
  }
  await verifyWebhook(headers(), BODY, SECRET, at(new Date(NOW.getTime() + 301_000), 600));
});

it('takes the older form where it is allowed and nothing newer is there', async () => {
  const older = { 'X-GH-Signature': `sha256=${sign(BODY).toString('hex')}` };
  assert.equal((await verifyWebhook<{ status: string }>(older, BODY, SECRET)).status, 'completed');
  await refused(verifyWebhook(older, BODY, SECRET, { allowLegacy: false }), 'not allowed');
  await refused(verifyWebhook({ ...older, 'webhook-signature': 'v1,AAAA' }, BODY, SECRET), 'the newer one is wrong');
  for (const value of ['sha256=', 'sha256=0', 'sha256=zz', 'sha1=00', `sha256=${'0'.repeat(64)}`]) {
    await refused(verifyWebhook({ 'x-gh-signature': value }, BODY, SECRET), value);
  }
});

it('cannot be used without a secret', async () => {
  for (const secret of ['', [], ['']]) {
    await assert.rejects(verifyWebhook(headers(), BODY, secret, { now: NOW }), { code: 'client_config' });
  }
});
