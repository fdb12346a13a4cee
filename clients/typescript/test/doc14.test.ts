/** The samples of the deployment strategy, sections 5.2 to 5.6, word for word but for their imports, on the whole system. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';

import { createElement } from 'react';
import { act, create, type ReactTestRenderer } from 'react-test-renderer';

import { closePages, createClientComponentClient } from './doc14/outside/auth-helpers.js';
import { NextRequest } from './doc14/outside/next-server.js';
import { session } from './doc14/outside/valet.js';
import { SERVICE_KEY } from './fake/supabase.js';
import { API_URL, System, later, setting, someone, until } from './system.js';

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

const SITE = setting('GH_SITE_URL');
const APPLICANT = {
  firstName: 'Alex', lastName: 'Rivera', email: 'alex.rivera@example.com', phone: '+1 415 555 0134',
  linkedinUrl: 'https://www.linkedin.com/in/alex-rivera-example',
};
const ANSWERS = {
  'Country': 'United States',
  'Are you legally authorized to work in the country of this role?': 'Yes',
  'Are you legally authorized to work in this country?': 'Yes',
  'Will you now or in the future require visa sponsorship?': 'No',
  'Earliest start date': '2027-01-11',
  'How did you hear about us?': 'LinkedIn',
  'I agree that Northwind stores my application for twelve months.': 'Yes',
};

/** A request of VALET's front end. */
const request = (body: unknown) =>
  new NextRequest('http://valet.example/api', { method: 'POST', body: JSON.stringify(body) });

let system: System;
before(async () => {
  system = await System.start();
  process.env['GHOSTHANDS_API_URL'] = `${API_URL}/api/v1/gh`;
  process.env['SUPABASE_URL'] = session.supabaseUrl = system.supabase.url;
  process.env['SUPABASE_SERVICE_KEY'] = SERVICE_KEY;
});
after(async () => {
  await closePages();
  await system.stop();
});

it('5.2: both clients are made from the environment', async () => {
  const { gh, ghDirect } = await import('./doc14/lib/ghosthands.js');
  for (const client of [gh, ghDirect]) {
    assert.equal((await client.listJobs(someone())).total, 0);
  }
});

it('5.3, 5.4 and 5.5: a job is created, shown while it moves, and awaited', async () => {
  const apply = await import('./doc14/app/api/apply/route.js');
  const { JobTracker } = await import('./doc14/components/JobTracker.js');
  const { waitForJobResult } = await import('./doc14/lib/ghosthands-poll.js');
  const body = {
    ...APPLICANT, jobUrl: `${SITE}/northwind/apply?ref=${someone()}`, jobTitle: 'Engineer', company: 'Northwind',
    platform: 'other', resumePath: `${SITE}/resume.pdf`, qaOverrides: ANSWERS, valetTaskId: 'task-1',
    subscriptionTier: 'starter',
  };

  session.userId = undefined;
  assert.equal((await apply.POST(request(body))).status, 401);

  session.userId = someone();
  const response = await apply.POST(request(body));
  const { jobId, status } = await response.json();
  assert.deepEqual([response.status, status], [201, 'pending']);

  let page: ReactTestRenderer | undefined;
  await act(async () => {
    page = create(createElement(JobTracker, { jobId }));
  });
  const again = await apply.POST(request(body));
  const { error, existingJobId } = await again.json();
  assert.deepEqual([again.status, error, existingJobId], [409, 'duplicate', jobId]);

  const result = await waitForJobResult(jobId, 120_000);
  assert.deepEqual([result.status, result.user_id], ['completed', session.userId], JSON.stringify(result));
  const shown = () => JSON.stringify(page?.toJSON());
  await until(async () => {
    await act(async () => new Promise((resolve) => setTimeout(resolve, 20)));
    return shown().includes('completed') && shown().includes(String(result.result_summary));
  }, `the page shows the result: ${shown()}`);
  await act(async () => page?.unmount());
});

it('5.4: a page shows no job of another user', async () => {
  const { JobTracker } = await import('./doc14/components/JobTracker.js');
  const { ghDirect } = await import('./doc14/lib/ghosthands.js');
  const foreign = await ghDirect.createJob(someone(), later());
  session.userId = someone();
  const { data } = await createClientComponentClient().from('gh_automation_jobs').select('id').eq('id', foreign.id).single();
  assert.equal(data, null);
  let page: ReactTestRenderer | undefined;
  await act(async () => {
    page = create(createElement(JobTracker, { jobId: foreign.id }));
  });
  await until(() => system.supabase.realtime.topics.includes(`job-${foreign.id}`), 'the page listens');
  assert.ok(JSON.stringify(page?.toJSON()).includes('Loading...'));
  await act(async () => page?.unmount());
});

it('5.6: a batch is created', async () => {
  const batch = await import('./doc14/app/api/apply-batch/route.js');
  session.userId = someone();
  const userData = { first_name: 'Alex', last_name: 'Rivera', email: 'alex.rivera@example.com' };
  const applications = ['one', 'two'].map((name) => ({
    jobUrl: `${SITE}/northwind/apply?ref=${someone()}`, jobTitle: name, company: 'Northwind', userData, tier: 'free',
  }));
  const response = await batch.POST(request({ applications }));
  const { created, jobIds, errors } = await response.json();
  assert.deepEqual([response.status, created, jobIds.length, errors], [201, 2, 2, []]);
  const { gh } = await import('./doc14/lib/ghosthands.js');
  const job = await gh.getJob(jobIds[1]);
  assert.deepEqual([job.task_description, job.tags], ['Apply to two at Northwind', ['batch']]);
  await Promise.all(jobIds.map((id: string) => gh.cancelJob(id)));
});
