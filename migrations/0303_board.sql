-- What the dashboard asks for every few seconds.
create index gh_jobs_with_people on gh_automation_jobs (status) where status in ('paused', 'needs_human', 'awaiting_review');
create index gh_scale_log_tier on gh_scale_log (tier, at);
create index gh_machines_closed on gh_machines (closed_at desc) where closed_at is not null;
