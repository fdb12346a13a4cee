/** Every method, with the same expectations in both modes: over REST against the real api, and on the tables themselves. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import {
  DuplicateIdempotencyKeyError, GhostHandsClient, GhostHandsError, JobNotCancellableError, JobNotFoundError,
} from 'ghosthands/client';

import { keyOf } from './fake/supabase.js';
import { System, later, someone } from './system.js';

const NOBODY = '00000000-0000-4000-8000-000000000000';

let system: System;
before(async () => (system = await System.start()));
after(() => system.stop());

for (const mode of ['api', 'db'] as const) {
  describe(`in ${mode} mode`, () => {
    let gh: GhostHandsClient;
    before(() => (gh = system.client(mode)));
    after(() => gh.dispose());

    it('creates the same job from camelCase, from snake_case and from params', async () => {
      const scheduled = new Date(Date.now() + 86_400_000).toISOString();
      const user = someone();
      const input = { resume_path: 'r.pdf', user_data: { first_name: 'A', last_name: 'B', email: 'a@b.example', x: 1 },
        tier: 'pro', platform: 'lever', qa_overrides: { q: 'a' }, own: true };
      const fields = { job_type: 'custom', target_url: 'https://a.example/', task_description: 'd', input_data: input,
        priority: 3, scheduled_at: scheduled, max_retries: 1, timeout_seconds: 60, tags: ['t'], metadata: { m: 1 },
        target_worker_id: 'w' };
      const created = await Promise.all([
        gh.createJob(user, { jobType: 'custom', targetUrl: 'https://a.example/', taskDescription: 'd', priority: 3,
          inputData: { resumePath: 'r.pdf', userData: input.user_data, tier: 'pro', platform: 'lever',
            qaOverrides: { q: 'a' }, own: true },
          scheduledAt: new Date(scheduled), maxRetries: 1, timeoutSeconds: 60, tags: ['t'], metadata: { m: 1 },
          targetWorkerId: 'w' }),
        gh.createJob(user, fields),
        gh.createJob({ user_id: user, ...fields }),
        gh.createJob({ user_id: user, ...fields, job_type: undefined, type: 'custom' }),
      ]);
      for (const { id, status, created_at } of created) {
        assert.equal(status, 'pending');
        assert.ok(Date.parse(created_at) > 0);
        const job = await gh.getJob(id);
        const { scheduled_at, ...rest } = fields;
        for (const [name, value] of Object.entries({ ...rest, user_id: user, created_by: 'valet', idempotency_key: null })) {
          assert.deepEqual(job[name as keyof typeof job], value, name);
        }
        assert.equal(Date.parse(job.scheduled_at ?? ''), Date.parse(scheduled));
      }
    });

    it('gives a job with nothing but its address the defaults, and takes null for every option', async () => {
      const nulls = { inputData: null, priority: null, maxRetries: null, timeoutSeconds: null, tags: null,
        idempotencyKey: null, metadata: null, targetWorkerId: null, callbackUrl: null, valetTaskId: null,
        executionMode: null, workerAffinity: null, resumeRef: null };
      for (const options of [later({ jobType: undefined }), later(nulls), later({ jobType: null, ...nulls })]) {
        const job = await gh.getJob((await gh.createJob(someone(), options)).id);
        const { job_type, priority, max_retries, timeout_seconds, tags, input_data, metadata, execution_mode } = job;
        assert.deepEqual(
          { job_type, priority, max_retries, timeout_seconds, tags, input_data, metadata, execution_mode },
          { job_type: 'apply', priority: 5, max_retries: 3, timeout_seconds: 300, tags: [], input_data: {}, metadata: {},
            execution_mode: 'auto' },
        );
      }
    });

    it('refuses a call without a user or a job', async () => {
      const call = gh.createJob.bind(gh) as (...args: unknown[]) => Promise<unknown>;
      for (const args of [[], ['user'], [null], [{}, {}], ['user', 'job']]) {
        await assert.rejects(call(...args), { name: 'GhostHandsError', code: 'invalid_args', status: 400 });
      }
    });

    it('names the job that holds an idempotency key', async () => {
      const user = someone();
      const options = later({ idempotencyKey: `key-${user}` });
      const { id } = await gh.createJob(user, options);
      await assert.rejects(gh.createJob(user, options), (error) => {
        assert.ok(error instanceof DuplicateIdempotencyKeyError && error instanceof GhostHandsError);
        assert.deepEqual(
          [error.code, error.status, error.existingJobId, error.existingStatus],
          ['duplicate_idempotency_key', 409, id, 'pending'],
        );
        return true;
      });
    });

    it('creates one job when the same key comes many times at once', async () => {
      const user = someone();
      const options = later({ idempotencyKey: `race-${user}` });
      const results = await Promise.allSettled(Array.from({ length: 8 }, () => gh.createJob(user, options)));
      const codes = results.map((result) => (result.status === 'fulfilled' ? 'created' : result.reason.code));
      assert.deepEqual(codes.sort(), ['created', ...Array<string>(7).fill('duplicate_idempotency_key')]);
      assert.equal((await gh.listJobs(user)).total, 1);
    });

    it('says which value is wrong', async () => {
      await assert.rejects(gh.createJob(someone(), later({ priority: 11 })), { code: 'validation_error', status: 422 });
      await assert.rejects(gh.createJob(someone(), { ...later(), prioritty: 1 } as never), (error: GhostHandsError) => {
        assert.equal(error.code, 'validation_error');
        return JSON.stringify([error.message, error.details]).includes('prioritty');
      });
      await assert.rejects(gh.createJob(someone(), later({ targetUrl: '' })), { code: 'validation_error' });
    });

    it('tells how far a job is', async () => {
      const { id } = await gh.createJob(someone(), later());
      await system.set(id, `status_message = 'Soon'`);
      assert.deepEqual(await gh.getJobStatus(id), {
        id, status: 'pending', status_message: 'Soon', progress_pct: null, estimated_completion: null, started_at: null,
        last_heartbeat: null, completed_at: null,
      });
    });

    it('lists events, oldest first, at most as many as asked for', async () => {
      const { id } = await gh.createJob(someone(), later());
      await gh.cancelJob(id);
      await gh.retryJob(id);
      const events = await gh.getJobEvents(id); // more may follow: the job is due now
      assert.deepEqual(events.slice(0, 2).map((event) => [event.event_type, event.from_status, event.to_status]), [
        ['status_change', 'pending', 'cancelled'], ['status_change', 'cancelled', 'pending'],
      ]);
      assert.equal(events[0]?.message, 'Status changed from pending to cancelled');
      assert.equal((await gh.getJobEvents(id, 1)).length, 1);
    });

    it('lists the jobs of a user, by status and type, page by page', async () => {
      const user = someone();
      const ids: string[] = [];
      for (const jobType of ['apply', 'scrape', 'apply']) {
        ids.unshift((await gh.createJob(user, later({ jobType }))).id);
      }
      await gh.cancelJob(ids[0] as string);
      const list = async (...args: unknown[]) => {
        const page = await (gh.listJobs as (...args: unknown[]) => ReturnType<typeof gh.listJobs>).apply(gh, args);
        return [page.jobs.map((job) => ids.indexOf(job.id)), page.total, page.limit, page.offset];
      };
      assert.deepEqual(await list(user), [[0, 1, 2], 3, 20, 0]);
      assert.deepEqual(await list({ userId: user }), [[0, 1, 2], 3, 20, 0]);
      assert.deepEqual(await list({ user_id: user, job_type: 'scrape' }), [[1], 1, 20, 0]);
      assert.deepEqual(await list(user, { status: ['pending'], jobType: 'apply' }), [[2], 1, 20, 0]);
      assert.deepEqual(await list(user, { status: ['pending', 'cancelled'], limit: 2 }), [[0, 1], 3, 2, 0]);
      assert.deepEqual(await list(user, { limit: 2, offset: 2 }), [[2], 3, 2, 2]);
      assert.deepEqual(await list(user, { limit: 0, offset: 0, sort: 'created_at:desc' }), [[0, 1, 2], 3, 20, 0]);
    });

    it('cancels a job once', async () => {
      const { id } = await gh.createJob(someone(), later());
      assert.equal(await gh.cancelJob(id), undefined);
      assert.equal((await gh.getJobStatus(id)).status, 'cancelled');
      await assert.rejects(gh.cancelJob(id), (error) => {
        assert.ok(error instanceof JobNotCancellableError);
        assert.deepEqual([error.code, error.status, error.currentStatus], ['job_not_cancellable', 409, 'cancelled']);
        return error.message.includes('cancelled');
      });
    });

    it('retries a job that failed, and no other', async () => {
      const { id } = await gh.createJob(someone(), later());
      await assert.rejects(gh.retryJob(id), { code: 'job_not_retryable', status: 409 });
      await system.set(id, `status = 'failed', error_code = 'timeout', completed_at = now(), started_at = now()`);
      const { status, retry_count } = await gh.retryJob(id);
      assert.deepEqual([status, retry_count], ['pending', 1]);
      const job = await gh.getJob(id);
      assert.deepEqual([job.retry_count, job.error_code, job.error_details], [1, null, null]);
      await gh.cancelJob(id).catch(() => undefined);
    });

    it('retries no job whose form may have been sent', async () => {
      const { id } = await gh.createJob(someone(), later());
      await system.set(id, `status = 'failed', error_code = 'submission_unknown', completed_at = now()`);
      await system.sql.query(`insert into gh_permits (job_id, effect, attempt_id, fence) values ($1, 'submit', $1, 1)`, [id]);
      await assert.rejects(gh.retryJob(id), (error: GhostHandsError) => {
        assert.deepEqual([error.code, error.status], ['job_not_retryable', 409]);
        return error.message.includes('may have been sent');
      });
      const job = await gh.getJob(id);
      assert.deepEqual([job.status, job.error_code, job.retry_count], ['failed', 'submission_unknown', 0]);
    });

    it('knows no job that is not there', async () => {
      for (const id of [NOBODY, 'no-uuid']) {
        for (const call of ['getJob', 'getJobStatus', 'cancelJob', 'retryJob', 'pollForCompletion'] as const) {
          await assert.rejects(gh[call](id), (error) => {
            assert.ok(error instanceof JobNotFoundError, String(error));
            return error.code === 'job_not_found' && error.status === 404 && error.message.includes(id);
          });
        }
      }
    });

    it('creates a batch, from both forms', async () => {
      const user = someone();
      const [one, two] = [later(), later({ idempotencyKey: `two-${user}`, tags: ['batch', undefined] })];
      const result = await gh.createBatch(user, [one, two]);
      assert.deepEqual([result.created.length, result.errors], [2, []]);
      assert.equal(result.created[0]?.status, 'pending');
      assert.deepEqual((await gh.getJob(result.created[1]?.id as string)).tags, ['batch']);
      const fields = { target_url: 'https://a.example/', task_description: 'd', scheduled_at: one.scheduledAt };
      const other = someone();
      await gh.createBatch([{ user_id: user, ...fields }, { user_id: other, ...fields }]);
      await gh.createBatch([{ user_id: user, ...fields }]);
      assert.deepEqual([(await gh.listJobs(user)).total, (await gh.listJobs(other)).total], [4, 1]);
    });

    it('writes no job of a batch that holds a taken key', async () => {
      const user = someone();
      const taken = later({ idempotencyKey: `taken-${user}` });
      const { id } = await gh.createJob(user, taken);
      await assert.rejects(gh.createBatch(user, [later(), taken]), { code: 'duplicate_idempotency_key', existingJobId: id });
      assert.equal((await gh.listJobs(user)).total, 1);
    });
  });
}

it('in db mode, an item that is no job is named and the others are written', async () => {
  const gh = system.client('db');
  const user = someone();
  const result = await gh.createBatch(user, [later(), later({ taskDescription: '' })]);
  assert.deepEqual([result.created.length, result.errors], [1, [{ index: 1, error: 'task_description is required' }]]);
});

it('in db mode, a user sees and asks for their own jobs only', async () => {
  const [user, service] = [someone(), system.client('db')];
  const gh = new GhostHandsClient(system.db(keyOf(user)));
  const foreign = await service.createJob(someone(), later());
  const own = await service.createJob(user, later({ callbackUrl: 'https://valet.example/hook?token=the-service-key' }));
  const shown = await gh.getJob(own.id);
  assert.ok(shown.status === 'pending' && !JSON.stringify(shown).includes('the-service-key'));
  await assert.rejects(gh.getJob(foreign.id), JobNotFoundError);
  assert.deepEqual((await gh.listJobs()).jobs.map(({ id }) => id), [own.id]);
  await assert.rejects(gh.createJob(someone(), later()), { code: 'db_error', status: 403 });
  await gh.dispose();
});
