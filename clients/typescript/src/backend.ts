/** The two ways to the service have this in common. */
import type {
  AutomationJob, BatchResult, CreatedJob, JobEvent, JobList, JobStatusInfo, ListJobsFilters, RetriedJob,
} from './types.js';
import type { WireJob } from './wire.js';

/** One way to the service: REST, or the tables themselves. */
export interface Backend {
  createJob(job: WireJob): Promise<CreatedJob>;
  createBatch(jobs: WireJob[], userId: string | undefined): Promise<BatchResult>;
  getJob(jobId: string): Promise<AutomationJob>;
  getJobStatus(jobId: string): Promise<JobStatusInfo>;
  getJobEvents(jobId: string, limit: number): Promise<JobEvent[]>;
  listJobs(filters: ListJobsFilters): Promise<JobList>;
  cancelJob(jobId: string): Promise<void>;
  retryJob(jobId: string): Promise<RetriedJob>;
}
