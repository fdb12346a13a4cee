// Type-checked by package.test.ts as a package that has installed ours and nothing else.
import { GhostHandsClient, JobNotFoundError, verifyWebhook, type AutomationJob, type JobStatus } from 'ghosthands/client';
import { GhostHandsClient as Same } from 'ghosthands';

const gh: Same = new GhostHandsClient('http://localhost:3100/api/v1/gh', 'key');
export const status: Promise<JobStatus> = gh.getJob('x').then((job: AutomationJob) => job.status);
export const created: Promise<string> = gh.createJob('u', { targetUrl: 't', taskDescription: 'd' }).then((job) => job.id);
export const error: string = new JobNotFoundError('x').code;
export const read: Promise<{ job_id: string }> = verifyWebhook<{ job_id: string }>({}, '', 's');
// @ts-expect-error a job needs an address
gh.createJob('u', { taskDescription: 'd' });
// @ts-expect-error params need a user
gh.createJob({ target_url: 't', task_description: 'd' });
