-- What the dashboard asks for every few seconds.
-- What was spent today, and on the middle one of the seven days before: more than three times that is worth a look.
create view gh_cost_usual as
  with day as (
    select d.day, coalesce(sum(l.cost_usd), 0) as usd
    from generate_series(0, 7) n cross join lateral (select date_trunc('day', now() at time zone 'utc') - n * interval '1 day' as day) d
    left join gh_cost_ledger l on l.used_at >= d.day at time zone 'utc' and l.used_at < (d.day + interval '1 day') at time zone 'utc'
    group by 1
  )
  select max(usd) filter (where day = date_trunc('day', now() at time zone 'utc')) as today_usd,
    percentile_disc(0.5) within group (order by usd) filter (where day < date_trunc('day', now() at time zone 'utc')) as usual_usd
  from day;
revoke all on gh_cost_usual from public, anon, authenticated, gh_runner;
grant select on gh_cost_usual to gh_finance, service_role;
create index gh_scale_log_tier on gh_scale_log (tier, at);
create index gh_machines_closed on gh_machines (closed_at desc) where closed_at is not null;
