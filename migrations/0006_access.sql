-- Who may touch what. Row level security is on for every table of ours; a runner owns nothing and may only call its functions.

do $$
declare t text;
begin
  for t in select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where n.nspname = 'public' and c.relkind = 'r' and c.relname like 'gh\_%' loop
    execute format('alter table %I enable row level security', t);
    execute format('revoke all on %I from anon, authenticated, gh_runner', t);
    execute format('grant all on %I to service_role', t);
    execute format('drop policy if exists gh_service_all on %I', t);
    execute format('create policy gh_service_all on %I for all to service_role using (true) with check (true)', t);
  end loop;
  -- The old policies: any user could write manuals, and every column of a job.
  for t in select format('drop policy %I on %I', p.policyname, p.tablename) from pg_policies p
           where p.schemaname = 'public' and p.tablename like 'gh\_%' and p.policyname <> 'gh_service_all'
             and p.roles && array['authenticated', 'anon', 'public']::name[] loop
    execute t;
  end loop;
end $$;
grant usage on all sequences in schema public to service_role;

grant select on gh_job_events, gh_user_usage, gh_browser_sessions to authenticated;
-- All of a job but where its callback goes: VALET puts the service's key there. Supabase Realtime sends a user the same columns.
-- `select *` is refused, and a column added later is hidden until it is granted.
do $$
begin
  execute (select format('grant select (%s) on gh_automation_jobs to authenticated', string_agg(quote_ident(a.attname), ', ' order by a.attnum))
           from pg_attribute a
           where a.attrelid = 'gh_automation_jobs'::regclass and a.attnum > 0 and not a.attisdropped and a.attname <> 'callback_url');
end $$;
grant delete on gh_browser_sessions to authenticated;
-- A user may ask for a job; what becomes of it is the system's to write.
grant insert (id, idempotency_key, user_id, job_type, target_url, task_description, input_data, priority, scheduled_at,
              max_retries, timeout_seconds, metadata, tags, valet_task_id, execution_mode)
  on gh_automation_jobs to authenticated;
create policy gh_jobs_own_read on gh_automation_jobs for select to authenticated using (user_id = auth.uid());
create policy gh_jobs_own_insert on gh_automation_jobs for insert to authenticated with check (user_id = auth.uid());
create policy gh_events_own_read on gh_job_events for select to authenticated
  using (exists (select 1 from gh_automation_jobs j where j.id = job_id and j.user_id = auth.uid()));
create policy gh_usage_own_read on gh_user_usage for select to authenticated using (user_id = auth.uid());
create policy gh_sessions_own_read on gh_browser_sessions for select to authenticated using (user_id = auth.uid());
create policy gh_sessions_own_delete on gh_browser_sessions for delete to authenticated using (user_id = auth.uid());

do $$
declare f regprocedure;
begin
  for f in select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
           where n.nspname = 'public' and p.proname like 'gh\_%' loop
    execute format('revoke all on function %s from public, anon, authenticated, gh_runner', f);
  end loop;
end $$;
grant usage on schema public to gh_runner, anon, authenticated, service_role;
grant execute on function gh_pool_attempt(uuid, text), gh_attempt_start(uuid, text, uuid, text), gh_attempt_heartbeat(uuid, bigint, text),
  gh_attempt_event(uuid, bigint, text, text, text, jsonb), gh_attempt_progress(uuid, bigint, text, jsonb),
  gh_attempt_usage(uuid, bigint, text, jsonb), gh_attempt_permit(uuid, bigint, text, text),
  gh_attempt_finish(uuid, bigint, text, jsonb) to gh_runner;
grant execute on function gh_pickup_next_job(text),
  gh_increment_user_usage(uuid, text, timestamptz, timestamptz, double precision, bigint, bigint, integer) to service_role;
do $$
begin
  if exists (select 1 from pg_roles where rolname = 'postgres') then
    grant execute on function gh_pickup_next_job(text) to postgres;
  end if;
end $$;

do $$
declare t text;
begin
  if not exists (select 1 from pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
  end if;
  foreach t in array array['gh_automation_jobs', 'gh_job_events'] loop
    if not exists (select 1 from pg_publication p left join pg_publication_tables pt
                   on pt.pubname = p.pubname and pt.schemaname = 'public' and pt.tablename = t
                   where p.pubname = 'supabase_realtime' and (p.puballtables or pt.tablename is not null)) then
      execute format('alter publication supabase_realtime add table %I', t);
    end if;
  end loop;
end $$;
