/** Subscriptions and waiting, over Phoenix frames, fed by the real tables. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';

import { GhostHandsClient, type AutomationJob, type JobEvent, type JobProgress } from 'ghosthands/client';

import { SERVICE_KEY } from './fake/supabase.js';
import { API_KEY, API_URL, System, later, someone, until } from './system.js';

let system: System;
let gh: GhostHandsClient;
before(async () => {
  system = await System.start();
  // REST with Realtime: the third form of the constructor.
  gh = new GhostHandsClient({ apiUrl: API_URL, apiKey: API_KEY, supabaseUrl: system.supabase.url, supabaseKey: SERVICE_KEY });
});
after(async () => {
  await gh.dispose();
  await system.stop();
});

const listens = (topic: string) => until(() => system.supabase.realtime.topics.includes(topic), `${topic} is joined`);
const leaves = (topic: string) => until(() => !system.supabase.realtime.topics.includes(topic), `${topic} is left`);

it('hears of every change of a job, and of nothing after its end', async () => {
  const { id } = await gh.createJob(someone(), later());
  const other = await gh.createJob(someone(), later());
  const seen: Array<[string, string | null]> = [];
  gh.subscribeToJobStatus(id, (job: AutomationJob) => seen.push([job.status, job.status_message]));
  await listens(`gh-job-${id}`);
  await system.set(other.id, `status_message = 'not this one'`);
  await system.set(id, `status = 'running', status_message = 'Working'`);
  await system.set(id, `status_message = 'Filling page 2'`);
  await system.set(id, `status = 'completed', completed_at = now()`);
  await leaves(`gh-job-${id}`);
  assert.deepEqual(seen, [['running', 'Working'], ['running', 'Filling page 2'], ['completed', 'Filling page 2']]);
});

it('hears of a job twice when two ask, and of nothing once unsubscribed', async () => {
  const { id } = await gh.createJob(someone(), later());
  const seen = [0, 0];
  const first = gh.subscribeToJobStatus(id, () => (seen[0]! += 1));
  gh.subscribeToJobStatus(id, { onUpdate: () => (seen[1]! += 1) });
  await listens(`gh-job-${id}`);
  await listens(`gh-job-${id}-2`);
  await system.set(id, `status_message = 'one'`);
  await until(() => seen[0] === 1 && seen[1] === 1, 'both heard of it');
  await first.unsubscribe();
  await first.unsubscribe();
  await system.set(id, `status = 'cancelled'`);
  await leaves(`gh-job-${id}-2`);
  assert.deepEqual(seen, [1, 2]);
});

it('hears of events and progress until shortly after the end', async () => {
  const { id } = await gh.createJob(someone(), later());
  const [events, progress]: [JobEvent[], JobProgress[]] = [[], []];
  gh.subscribeToJobEvents(id, (event) => events.push(event));
  gh.subscribeToJobProgress(id, (one) => progress.push(one));
  await listens(`gh-job-events-${id}`);
  await listens(`gh-job-progress-${id}`);
  const insert = `insert into gh_job_events (job_id, event_type, metadata) values ($1, $2, $3)`;
  await system.sql.query(insert, [id, 'progress_update', { progress_pct: 40, step: 'filling' }]);
  await system.set(id, `status = 'failed'`);
  await system.sql.query(insert, [id, 'job_failed', {}]);
  await leaves(`gh-job-events-${id}`);
  await leaves(`gh-job-progress-${id}`);
  assert.deepEqual(events.map((event) => event.event_type), ['progress_update', 'status_change', 'job_failed']);
  assert.deepEqual(progress, [{ progress_pct: 40, step: 'filling' }]);
});

it('hears of all jobs of a user, also new ones', async () => {
  const user = someone();
  const seen: string[] = [];
  const subscription = gh.subscribeToUserJobs(user, { onUpdate: (job) => seen.push(`${job.id} ${job.status}`) });
  await listens(`gh-user-jobs-${user}`);
  const { id } = await gh.createJob(user, later());
  await gh.createJob(someone(), later());
  await gh.cancelJob(id);
  await until(() => seen.length === 2, 'both changes');
  assert.deepEqual(seen, [`${id} pending`, `${id} cancelled`]);
  await subscription.unsubscribe();
  await leaves(`gh-user-jobs-${user}`);
});

it('tells when a channel is refused', async () => {
  const user = someone();
  system.supabase.realtime.refused.add(`gh-user-jobs-${user}`);
  const error = await new Promise((resolve) => {
    gh.subscribeToUserJobs(user, { onUpdate: () => undefined, onError: resolve });
  });
  assert.deepEqual([(error as Error).name, (error as { code?: string }).code], ['GhostHandsError', 'realtime_error']);
});

it('waits for the end by Realtime, without asking again and again', async () => {
  for (const client of [gh, new GhostHandsClient(system.db())]) {
    const { id } = await client.createJob(someone(), later());
    const wait = client.waitForCompletion(id);
    await listens(`gh-job-${id}`);
    const start = Date.now();
    await system.set(id, `status = 'completed', result_summary = 'Done'`);
    const job = await wait;
    assert.deepEqual([job.status, job.result_summary], ['completed', 'Done']);
    assert.ok(Date.now() - start < 1_900, 'polling would have taken two seconds');
    await leaves(`gh-job-${id}`);
    await (client === gh ? undefined : client.dispose());
  }
});

it('reads the state first: a job that has ended already is returned at once', async () => {
  const { id } = await gh.createJob(someone(), later());
  await gh.cancelJob(id);
  assert.equal((await gh.waitForCompletion(id, 1_000)).status, 'cancelled');
});

it('finds an end that came while Realtime was away', async () => {
  const { id } = await gh.createJob(someone(), later());
  const wait = gh.waitForCompletion(id, 20_000);
  await listens(`gh-job-${id}`);
  system.supabase.realtime.cut();
  await system.set(id, `status = 'completed'`);
  assert.equal((await wait).status, 'completed');
});

it('asks instead where Realtime is refused', async () => {
  const { id } = await gh.createJob(someone(), later());
  system.supabase.realtime.refused.add(`gh-job-${id}`);
  const wait = gh.waitForCompletion(id, 20_000);
  await system.set(id, `status = 'completed'`);
  assert.equal((await wait).status, 'completed');
});
