//! What keeps jobs from being done, each as the rows that show it: for whoever tells people about it.

/// A fleet that does nothing, under a dispatcher.
pub const CALM: &str = "
    insert into gh_leader (name, holder, term, expires_at) values ('dispatcher', 'leader-1', 1, now() + interval '1 hour')
    on conflict (name) do update set expires_at = excluded.expires_at;
    insert into gh_capacity (tier, capacity) select t, 1 from unnest('{free,starter,pro,premium,enterprise}'::text[]) t
    on conflict (tier) do update set capacity = 1";

/// One way in which jobs are not done.
#[derive(Debug)]
pub struct Outage {
    /// What machines call it.
    pub id: &'static str,
    /// The check of `doctor` that shows it.
    pub of: &'static str,
    /// `critical`, `warning` or `info`.
    pub severity: &'static str,
    /// What people are told, among other words.
    pub words: &'static str,
    /// What makes it so, in a calm fleet; `JOB` is an id.
    pub sql: &'static str,
}

/// The id of the job that some outages have.
pub const JOB: &str = "00000000-0000-7000-8000-00000000000a";

const fn outage(
    id: &'static str,
    of: &'static str,
    severity: &'static str,
    words: &'static str,
    sql: &'static str,
) -> Outage {
    Outage { id, of, severity, words, sql }
}

macro_rules! job {
    ($($sql:literal),*) => {
        concat!(
            "insert into gh_automation_jobs (id, user_id, job_type, target_url, created_at) values
            ('00000000-0000-7000-8000-00000000000a', gen_random_uuid(), 'apply', 'https://example.com', now());", $($sql),*
        )
    };
}

/// All of them.
pub const OUTAGES: [Outage; 20] = [
    outage(
        "no_leader",
        "leader",
        "critical",
        "No dispatcher leads since ",
        job!("update gh_leader set expires_at = now() - interval '1 minute'"),
    ),
    outage(
        "no_leader",
        "leader",
        "critical",
        "No dispatcher has ever led this database: 1 job waits",
        job!("delete from gh_leader"),
    ),
    outage(
        "dispatcher_silent",
        "dispatchers",
        "warning",
        "The dispatcher that leads has told nothing of itself since ",
        "insert into gh_dispatchers (holder, seen_at, version, image, tiers_hash) select holder, now() - interval '5 minutes', '1', 'i', 'h' from gh_leader",
    ),
    outage(
        "tiers_differ",
        "dispatchers",
        "warning",
        "The dispatchers go by 2 different tiers files.",
        "insert into gh_dispatchers (holder, version, image, tiers_hash) values ('a', '1', 'i', 'h'), ('b', '1', 'i', 'other')",
    ),
    outage(
        "breaker_open",
        "breaker",
        "critical",
        "Machines cannot be started: 1 job waits.",
        job!(
            "insert into gh_notices (key, value) values ('breaker', '{\"cause\":\"Auth\",\"message\":\"unauthorized\"}')"
        ),
    ),
    outage(
        "breaker_open",
        "breaker",
        "warning",
        "Machines of pro cannot be started: no job waits.",
        job!(
            "insert into gh_notices (key, value) values ('breaker', '{\"cause\":\"Image\",\"message\":\"no such image\",\"tiers\":[\"pro\"]}')"
        ),
    ),
    outage(
        "tier_paused",
        "paused",
        "warning",
        "Paused: free, pro; 1 job waits.",
        job!("update gh_capacity set paused = true where tier in ('free', 'pro')"),
    ),
    outage(
        "tier_paused",
        "paused",
        "info",
        "Paused: pro; no job waits.",
        "update gh_capacity set paused = true where tier = 'pro'",
    ),
    outage(
        "budget_used_up",
        "budget",
        "critical",
        "The budget of the day is used up (of all tiers 0.50 of 0.50 USD): 1 job waits.",
        job!(
            "insert into gh_budgets (scope, name, limit_usd, action) values ('global_day', '*', 0.5, 'defer');",
            "insert into gh_cost_ledger (kind, provider, sku, quantity, unit, unit_price, cost_usd, source, dedup) values ('overhead', 'p', 's', 1, 'u', 0.5, 0.5, 't', '1')"
        ),
    ),
    outage(
        "budget_used_up",
        "budget",
        "warning",
        "The budget of the day is used up (of free 0.50 of 0.50 USD): no job waits and 1 failed for it today.",
        job!(
            "update gh_automation_jobs set status = 'failed', completed_at = now(), error_code = 'budget_exceeded', error_details = '{\"scope\":\"tier_day\"}';",
            "insert into gh_budgets (scope, name, limit_usd, action) values ('tier_day', 'free', 0.5, 'block');",
            "insert into gh_cost_ledger (kind, provider, sku, quantity, unit, unit_price, cost_usd, tier, source, dedup) values ('overhead', 'p', 's', 1, 'u', 0.5, 0.5, 'free', 't', '1')"
        ),
    ),
    outage(
        "no_capacity",
        "capacity",
        "critical",
        "The capacity of free is 0: 1 job waits.",
        job!(
            "update gh_automation_jobs set created_at = now() - interval '2 minutes'; update gh_capacity set capacity = 0"
        ),
    ),
    outage(
        "no_capacity",
        "capacity",
        "critical",
        "The capacity of gold is 0: 1 job waits.",
        job!("update gh_automation_jobs set created_at = now() - interval '2 minutes', tier = 'gold'"),
    ),
    outage(
        "jobs_wait",
        "waiting",
        "warning",
        "1 job waits, the oldest for 10 min.",
        job!("update gh_automation_jobs set created_at = now() - interval '10 minutes'"),
    ),
    outage(
        "callbacks_parked",
        "callbacks",
        "warning",
        "1 callback(s) were given up",
        job!(
            "insert into gh_outbox (job_id, event, url, body, parked_at) select id, 'completed', 'https://valet.example/hook?token=secret', '{}', now() from gh_automation_jobs"
        ),
    ),
    outage(
        "callbacks_late",
        "callbacks",
        "warning",
        "1 callback(s) should have been sent more than ten minutes ago.",
        job!(
            "insert into gh_outbox (job_id, event, url, body, next_at) select id, 'completed', 'https://valet.example/hook?token=secret', '{}', now() - interval '11 minutes' from gh_automation_jobs"
        ),
    ),
    outage(
        "machines_left",
        "machines",
        "warning",
        "1 machine(s) are still there 15 minutes after their job",
        "insert into gh_machines (id, kind, app, name, tier, guest, image, regions, intent_at) values (gen_random_uuid(), 'orphan', 'runner', 'gh-x', 'free', '{}', 'i', 'iad', now() - interval '16 minutes')",
    ),
    outage(
        "foreign_machines",
        "machines",
        "warning",
        "1 machine(s) in the runners' app are not ours.",
        "insert into gh_notices (key, value) values ('foreign_machines', '[{\"app\":\"runner\",\"machine_id\":\"m\",\"name\":\"n\"}]')",
    ),
    outage(
        "prices_missing",
        "prices",
        "warning",
        "1 line(s) of the ledger have no price.",
        "insert into gh_cost_ledger (kind, provider, sku, quantity, unit, source, dedup) values ('overhead', 'p', 's', 1, 'u', 't', '1')",
    ),
    outage(
        "unusual_spending",
        "spending",
        "warning",
        "Today cost $3.50; the median of the last seven days is $0.00.",
        "insert into gh_cost_ledger (kind, provider, sku, quantity, unit, unit_price, cost_usd, source, dedup) values ('overhead', 'p', 's', 1, 'u', 3.5, 3.5, 't', '1')",
    ),
    outage(
        "tiers_refused",
        "tiers edit",
        "warning",
        "The last edit of the tiers file was refused, the one before is in force.",
        "insert into gh_notices (key, value) values ('tiers', '{\"refused\":\"line 3: a size is no number\"}')",
    ),
];

/// Makes the tables unreadable that the problems are found in, while the database answers.
pub const UNREADABLE: &str = "alter table gh_outbox rename to gh_outbox_away";
