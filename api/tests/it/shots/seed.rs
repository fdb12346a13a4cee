//! A month of a fleet that has been busy: enough for every page to have something to show.

use std::path::Path;

use crate::harness::Service;

/// Fills the database; the id of a job with attempts, events, lines and a result.
///
/// `artifacts` is where its screenshots lie.
pub fn fill(service: &Service, jobs: u32, artifacts: &Path) -> String {
    // Without triggers: a month is written at once, not lived.
    service.sql(&format!(
        "set session_replication_role = replica; set statement_timeout = 0;
        insert into gh_automation_jobs (id, user_id, job_type, target_url, tier, status, worker_id, error_code, status_message, created_at, started_at,
            completed_at, retry_count, llm_cost_cents, input_data)
        select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, ('00000000-0000-4000-9000-' || lpad((n % 97)::text, 12, '0'))::uuid,
            case when n % 5 = 0 then 'scrape' else 'apply' end,
            'https://' || (array['boards.greenhouse.io/acme', 'jobs.lever.co/initech', 'acme.wd5.myworkdayjobs.com/en-US/careers'])[1 + n % 3] || '/jobs/' || n,
            (array['free', 'starter', 'starter', 'pro', 'premium', 'enterprise'])[1 + n % 6], s.status,
            case when s.status in ('running', 'queued', 'needs_human') then 'gh-w' end,
            case when s.status = 'failed' then (array['timeout', 'form_not_found', 'browser_crashed'])[1 + n % 3] end,
            case s.status when 'completed' then 'Application sent' when 'pending' then 'Waiting for a machine' when 'running' then 'Filling page 2 of 3'
              when 'needs_human' then 'Waiting for human: captcha' else 'Failed' end,
            t.at, case when s.status <> 'pending' then t.at + interval '9 seconds' end,
            case when s.status in ('completed', 'failed') then t.at + (60 + n % 240) * interval '1 second' end, n % 7 / 5, n % 4,
            jsonb_build_object('user_data', jsonb_build_object('first_name', 'Ann', 'summary', repeat('x', 600)))
        from generate_series(1, {jobs}) n
        cross join lateral (select case when n <= 14 then 'pending' when n <= 20 then 'running' when n <= 22 then 'needs_human' when n % 11 = 0 then 'failed' else 'completed' end) s (status)
        cross join lateral (select case when n <= 22 then now() - n * interval '7 seconds' else now() - interval '6 minutes' - (n::float8 / {jobs}) * 29 * interval '1 day' end) t (at);
        analyze gh_automation_jobs",
    ));
    service.sql(
        "set session_replication_role = replica; set statement_timeout = 0;
        insert into gh_job_attempts (id, job_id, user_id, no, tier, state, end_class, token_hash, token_sealed, boot_deadline, claimed_at, launched_at, started_at, ended_at, peak_rss_mb)
        select ('00000000-0000-7000-8000-' || lpad(right(j.id::text, 12), 12, '0'))::uuid, j.id, j.user_id, 1, j.tier,
          case j.status when 'completed' then 'succeeded' when 'failed' then 'failed' else 'running' end,
          case j.status when 'completed' then 'completed' when 'failed' then 'final' end, '\\x00', '\\x00', j.created_at, j.created_at + interval '1 second',
          j.created_at + interval '2 seconds', j.started_at, j.completed_at, 600 + (right(j.id::text, 3)::integer % 700)
        from gh_automation_jobs j where j.status <> 'pending';
        insert into gh_machines (id, attempt_id, app, name, fly_id, tier, guest, image, regions, region, seen, seen_at, started_at, exited_at, exit_code, closed_at)
        select a.id, a.id, 'ghosthands-runner', 'gh-' || a.id, 'e784' || right(replace(a.id::text, '-', ''), 10), a.tier, '{\"cpu_kind\":\"shared\",\"cpus\":2,\"memory_mb\":2048}', 'i', 'iad,ewr', 'iad',
          case when a.ended_at is null then 'started' else 'destroyed' end, now(), a.launched_at, a.ended_at, case when a.ended_at is not null then 0 end, a.ended_at + interval '2 seconds'
        from gh_job_attempts a;
        insert into gh_capacity (tier, capacity) values ('free', 2), ('starter', 6), ('pro', 4), ('premium', 3), ('enterprise', 2);
        insert into gh_leader (name, holder, term, expires_at) values ('dispatcher', 'd1', 3, now() + interval '1 hour');
        insert into gh_scale_log (at, tier, pending, live, capacity_from, capacity_to, pool_target, reason)
        select now() - n * interval '47 minutes', 'starter', n % 9, n % 5, 2 + n % 6, 2 + (n + 1) % 6, 0, 'rule' from generate_series(1, 30) n;
        insert into gh_audit (at, actor, action, subject, detail) values (now() - interval '2 hours', 'ann', 'pause', 'free', '{}'), (now() - interval '1 hour', 'ann', 'resume', 'free', '{}'),
          (now() - interval '20 minutes', 'dashboard:Ben', 'cancel', '00000000-0000-4000-8000-000000000040', '{\"from\":\"running\"}')",
    );
    service.sql(
        "set session_replication_role = replica; set statement_timeout = 0;
        insert into gh_cost_ledger (at, job_id, attempt_id, user_id, tier, kind, provider, sku, region, quantity, unit, unit_price, cost_usd, period_start, period_end, source, dedup, tags)
        select a.ended_at, a.job_id, a.id, a.user_id, a.tier, 'machine', 'fly', 'shared-2x-2048mb', 'iad', 150, 'second', 0.0000043942901235, 150 * 0.0000043942901235,
          a.launched_at, a.ended_at, 'fly_events', 'm' || a.id, jsonb_build_object('machine_id', m.fly_id)
        from gh_job_attempts a join gh_machines m on m.id = a.id where a.ended_at is not null
        union all
        select a.started_at, a.job_id, a.id, a.user_id, a.tier, 'llm', x.provider, x.model || ':' || x.class, null, x.tokens, 'token', x.price, x.tokens * x.price,
          a.started_at, a.started_at, 'runner', 'l' || a.id || x.class || x.model, jsonb_build_object('purpose', 'map')
        from gh_job_attempts a join (values ('openai', 'gpt-4o-mini', 'input', 4000, 0.00000015, 2), ('openai', 'gpt-4o-mini', 'output', 900, 0.0000006, 2),
            ('anthropic', 'claude-sonnet-4-5-20250929', 'input', 3000, 0.000003, 5), ('anthropic', 'claude-sonnet-4-5-20250929', 'output', 400, 0.000015, 5))
          x (provider, model, class, tokens, price, every) on right(a.job_id::text, 4)::integer % x.every = 0
        where a.ended_at is not null;
        insert into gh_cost_ledger (at, tier, kind, provider, sku, region, quantity, unit, unit_price, cost_usd, period_start, period_end, source, dedup, tags)
        select now() - (n - 1) * interval '1 day', 'pro', 'overhead', 'fly', 'rootfs.gb', 'iad', 86400, 'gb-second', 0.0000000578703704, 86400 * 0.0000000578703704, now() - n * interval '1 day', now() - (n - 1) * interval '1 day',
          'dispatcher', 'o' || n, '{\"overhead\":\"pool_rootfs\"}' from generate_series(1, 28) n;
        insert into gh_day_spending select (at at time zone 'utc')::date, coalesce(tier, ''), sum(cost_usd) from gh_cost_ledger group by 1, 2;
        insert into gh_budgets (scope, name, limit_usd, action) select 'global_day', '*', round(sum(usd) * 1.2, 2), 'warn' from gh_day_spending where day = (now() at time zone 'utc')::date;
        ",
    );
    // As autovacuum leaves a table that has been there for a while.
    for table in ["gh_automation_jobs", "gh_cost_ledger", "gh_job_attempts", "gh_machines"] {
        service.sql(&format!("vacuum analyze {table}"));
    }
    let job = "00000000-0000-4000-8000-000000000030";
    service.sql(&format!(
        "set session_replication_role = replica; set statement_timeout = 0;
        update gh_automation_jobs set task_description = 'Apply to Engineer at Acme', action_count = 31, total_tokens = 4900, screenshot_urls = '[\"{shots}/page-1.png\", \"{shots}/done.png\"]',
          result_data = '{{\"submitted\":true,\"fields\":{{\"total\":22,\"by_source\":{{\"rule\":14,\"answer\":3,\"model\":4,\"none\":1}},\"by_state\":{{\"verified\":21,\"optional_left\":1}},
              \"each\":[{{\"page\":1,\"question\":\"First name\",\"kind\":\"text\",\"source\":\"rule\",\"state\":\"verified\"}},{{\"page\":1,\"question\":\"Are you authorised to work in the country you are applying for?\",\"kind\":\"radio\",\"source\":\"answer\",\"state\":\"verified\"}},{{\"page\":2,\"question\":\"Why do you want to work at Acme?\",\"kind\":\"textarea\",\"source\":\"model\",\"state\":\"verified\"}}]}},
            \"open_questions\":[{{\"question\":\"How did you hear about us?\",\"kind\":\"select\",\"required\":false,\"state\":\"optional_left\"}}]}}' where id = '{job}';
        insert into gh_job_events (job_id, event_type, message, metadata, actor, created_at)
        select '{job}', e, m, '{{}}', 'gh-w', j.created_at + o * interval '10 seconds' from gh_automation_jobs j cross join (values (1, 'job_created', 'Asked for over REST'), (2, 'status_change', 'Status changed from pending to queued'),
          (3, 'job_started', 'Starting browser agent'), (4, 'step_started', 'Reading the form'), (5, 'progress_update', 'Filling 22 fields on page 1'), (6, 'step_completed', 'All fields read back'),
          (7, 'permit_granted', 'Leave to submit'), (8, 'job_completed', 'Application sent')) x (o, e, m) where j.id = '{job}'",
        shots = artifacts.join("gh/jobs").join(job).display()
    ));
    job.to_owned()
}
