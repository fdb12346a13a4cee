// valet/components/JobTracker.tsx
'use client';
import { useEffect, useState } from 'react';
import { createClientComponentClient } from '../outside/auth-helpers.js';

interface JobStatus {
  id: string;
  status: string;
  status_message: string | null;
  started_at: string | null;
  completed_at: string | null;
  result_summary: string | null;
}

export function JobTracker({ jobId }: { jobId: string }) {
  const [job, setJob] = useState<JobStatus | null>(null);
  const supabase = createClientComponentClient();

  useEffect(() => {
    // Initial fetch
    supabase
      .from('gh_automation_jobs')
      .select('id, status, status_message, started_at, completed_at, result_summary')
      .eq('id', jobId)
      .single()
      .then(({ data }) => { if (data) setJob(data); });

    // Real-time subscription
    const channel = supabase
      .channel(`job-${jobId}`)
      .on(
        'postgres_changes',
        {
          event: 'UPDATE',
          schema: 'public',
          table: 'gh_automation_jobs',
          filter: `id=eq.${jobId}`,
        },
        (payload) => {
          setJob(payload.new as JobStatus);
        },
      )
      .subscribe();

    return () => { supabase.removeChannel(channel); };
  }, [jobId, supabase]);

  if (!job) return <div>Loading...</div>;

  return (
    <div>
      <p>Status: {job.status}</p>
      {job.status_message && <p>{job.status_message}</p>}
      {job.result_summary && <p>Result: {job.result_summary}</p>}
    </div>
  );
}
