-- Money: what the ledger says, by whatever it is asked for, and the rows that repeat it for the contract's readers.
--
-- Every line is of one of three kinds. `machine` and `llm` belong to a job, `overhead` to a name (tags.overhead): so the kinds
-- add up to the invoice. A line is never edited: a correction takes the old line back whole and writes the right one, and both
-- name the line they correct, so that quantities and prices keep multiplying out.

do $$
begin
  if not exists (select 1 from pg_roles where rolname = 'gh_finance') then
    create role gh_finance nologin;
  end if;
exception when duplicate_object or unique_violation then null; -- another database of this cluster made it just now
end $$;

-- When the money was used: a correction counts on the day of what it corrects.
create index gh_cost_ledger_used on gh_cost_ledger (used_at, id) include (cost_usd);
create index gh_cost_ledger_corrects on gh_cost_ledger (corrects) where corrects is not null;
create index gh_cost_ledger_unpriced on gh_cost_ledger (id) where unit_price is null and corrects is null;
-- Pauses, for the minutes a machine was paid to wait.
create index gh_job_events_status on gh_job_events (created_at) where event_type = 'status_change';
-- Which jobs were completed, and which attempts came to nothing: sums ask it of every job and attempt of a month.
create index gh_jobs_completed on gh_automation_jobs (id) where status = 'completed';
create index gh_attempts_in_vain on gh_job_attempts (id) where state in ('failed', 'lost') and end_class is distinct from 'needs_human';

-- The model of a line's sku, which ends in the class of its tokens.
create function gh_model_of(p_sku text) returns text language sql immutable as $$
  select left(p_sku, length(p_sku) - strpos(reverse(p_sku), ':'))
$$;

-- Every line with what is known of its job. No personal data but the user's id.
create view gh_cost_lines as
  select l.id, l.at, l.used_at, (l.used_at at time zone 'utc')::date as day,
    l.job_id, l.attempt_id, l.user_id, l.tier, l.kind, l.provider, l.sku, l.region, l.quantity, l.unit, l.unit_price, l.cost_usd,
    l.period_start, l.period_end, l.source, l.corrects,
    case when l.kind = 'llm' then gh_model_of(l.sku) end as model,
    case when l.kind = 'overhead' then coalesce(l.tags ->> 'overhead', 'unnamed') end as overhead,
    l.tags ->> 'machine_id' as machine_id, l.tags ->> 'purpose' as purpose, l.tags ->> 'reason' as reason,
    j.job_type, gh_platform_of(j.target_url, j.input_data) as platform, j.status as job_status,
    a.no as attempt, a.state as attempt_state, a.end_class,
    -- Spent for nothing: the attempt failed, died, or was fenced off. Waiting for a person is not waste.
    l.kind <> 'overhead' and vain.id is not null as wasted,
    l.unit_price is null and l.corrects is null
      and not exists (select 1 from gh_cost_ledger c where c.corrects = l.id) as unpriced
  from gh_cost_ledger l
  left join gh_automation_jobs j on j.id = l.job_id
  left join gh_job_attempts a on a.id = l.attempt_id
  left join gh_job_attempts vain on vain.id = l.attempt_id and vain.state in ('failed', 'lost') and vain.end_class is distinct from 'needs_human';

-- The sums of a time, by up to three things, or as one row by none. `keys` are their values in the order asked for; null: there is none (overhead has no user).
--   A job's own money is `machine` and `llm`; percentiles are over jobs. `per_success_usd` is everything, waste and overhead
--   included, over the jobs that were completed: what one application really costs.
-- Lines are added up by job first: what a job is, is then looked at once a job and not once a line. Runs with its owner's rights, because
-- its readers may not read jobs; it shows no more of them than the views do.
create function gh_cost_report(p_from timestamptz, p_to timestamptz, p_by text[])
returns table (keys text[], machine_usd numeric, llm_usd numeric, overhead_usd numeric, total_usd numeric, jobs bigint, completed bigint,
  per_success_usd numeric, wasted_usd numeric, p50_usd numeric, p95_usd numeric, max_usd numeric, lines bigint, unpriced bigint)
language plpgsql stable security definer set search_path = public, pg_temp set work_mem = '64MB' set jit = off as $$
declare
  v_of_line text; -- what lines are grouped by beside their job
  v_names text;
  v_keys text;
begin
  if cardinality(p_by) > 3 or not p_by <@ array['job', 'attempt', 'user', 'tier', 'job_type', 'platform', 'day', 'month',
                                                                'model', 'provider', 'sku', 'region', 'kind', 'overhead', 'outcome'] then
    raise exception 'cannot group by %', p_by using errcode = '22023';
  end if;
  select string_agg(of_line || ' as k' || o || ', ', '' order by o), string_agg('k' || o || ', ', '' order by o) filter (where of_line is not null),
    string_agg(coalesce(of_job, 'p.k' || o), ', ' order by o)
  into v_of_line, v_names, v_keys
  from (select o,
      case b when 'job_type' then 'j.job_type' when 'platform' then 'gh_platform_of(j.target_url, j.input_data)' when 'outcome' then 'j.status' end,
      case when b in ('job_type', 'platform', 'outcome') then null when b in ('job', 'attempt', 'user') then 'l.' || b || '_id'
           when b = 'month' then 'date_trunc(''month'', l.day)::date' else format('l.%I', b) end
    from unnest(p_by) with ordinality x (b, o)) x (o, of_job, of_line);
  return query execute format($q$
    with part as (
      select %1$s l.job_id, l.job_id is not null and count(*) filter (where l.kind <> 'overhead') > 0 as is_own,
        sum(l.cost_usd) filter (where l.kind = 'machine') as machine, sum(l.cost_usd) filter (where l.kind = 'llm') as llm,
        sum(l.cost_usd) filter (where l.kind = 'overhead') as overhead, sum(l.cost_usd) filter (where l.wasted) as wasted,
        count(*) as lines, count(*) filter (where l.unpriced) as unpriced
      from gh_cost_lines l where l.used_at >= $1 and l.used_at < $2 group by %2$s l.job_id
    ), of_job as (
      select *, case when is_own then coalesce(machine + llm, machine, llm) end as usd from part
    ), sums as (
      select array[%3$s]::text[] as keys, coalesce(sum(p.machine), 0) as machine, coalesce(sum(p.llm), 0) as llm, coalesce(sum(p.overhead), 0) as overhead,
        count(*) filter (where p.is_own) as jobs, count(*) filter (where p.is_own and j.status = 'completed') as completed,
        coalesce(sum(p.wasted), 0) as wasted, %4$s as p50, %5$s as p95, max(p.usd) as most,
        sum(p.lines)::bigint as lines, sum(p.unpriced)::bigint as unpriced
      from of_job p left join gh_automation_jobs j on j.id = p.job_id %6$s
      group by %7$s having count(*) > 0
    )
    select s.keys, s.machine, s.llm, s.overhead, s.machine + s.llm + s.overhead, s.jobs, s.completed,
      round((s.machine + s.llm + s.overhead) / nullif(s.completed, 0), 10), s.wasted, s.p50, s.p95, s.most, s.lines, s.unpriced
    from sums s
  $q$, v_of_line, v_names, v_keys,
    -- Where each group is one job there is nothing to be spread.
    case when 'job' = any (p_by) then 'max(p.usd)' else 'percentile_disc(0.5) within group (order by p.usd)' end,
    case when 'job' = any (p_by) then 'max(p.usd)' else 'percentile_disc(0.95) within group (order by p.usd)' end,
    -- An index answers who was completed; anything else of a job stands in its row.
    case when v_keys ~ '\mj\.' then '' else 'and j.status = ''completed''' end,
    coalesce(v_keys, '()')) using p_from, p_to;
end $$;

-- The same sums over all time, one view each, for people and spreadsheets with the role gh_finance.
do $$
declare d text[];
begin
  foreach d slice 1 in array array[['job', 'job_id'], ['attempt', 'attempt_id'], ['user', 'user_id'], ['tier', 'tier'], ['job_type', 'job_type'],
                                   ['platform', 'platform'], ['day', 'day']] loop
    execute format($v$
      create view gh_cost_by_%1$s as
      select %2$I,
        coalesce(sum(cost_usd) filter (where kind = 'machine'), 0) as machine_usd, coalesce(sum(cost_usd) filter (where kind = 'llm'), 0) as llm_usd,
        coalesce(sum(cost_usd) filter (where kind = 'overhead'), 0) as overhead_usd, coalesce(sum(cost_usd), 0) as total_usd,
        count(distinct job_id) filter (where kind <> 'overhead') as jobs,
        count(distinct job_id) filter (where kind <> 'overhead' and job_status = 'completed') as completed,
        coalesce(sum(cost_usd) filter (where wasted), 0) as wasted_usd, count(*) filter (where unpriced) as lines_without_price
      from gh_cost_lines %3$s group by 1 $v$,
      d[1], d[2], case when d[1] in ('job', 'attempt', 'user') then format('where %I is not null', d[2]) else '' end);
  end loop;
end $$;

-- What no job is charged for, by name.
create view gh_cost_overhead as
  select day, overhead, provider, tier, sum(quantity) as quantity, unit, coalesce(sum(cost_usd), 0) as usd
  from gh_cost_lines where kind = 'overhead' group by day, overhead, provider, tier, unit;

-- What one successful application costs, everything included.
create view gh_cost_per_application as
  select day, tier, total_usd, completed, round(total_usd / nullif(completed, 0), 10) as usd_per_application
  from (select day, tier, sum(cost_usd) as total_usd,
          count(distinct job_id) filter (where kind <> 'overhead' and job_status = 'completed') as completed
        from gh_cost_lines group by day, tier) x;

-- Machine minutes and money of attempts that came to nothing, by how they ended.
create view gh_cost_wasted as
  select day, tier, end_class, count(distinct attempt_id) as attempts,
    round(coalesce(sum(quantity) filter (where kind = 'machine'), 0) / 60, 3) as machine_minutes, coalesce(sum(cost_usd), 0) as usd
  from gh_cost_lines where wasted group by day, tier, end_class;

-- Minutes a machine was paid for while its job waited for a person.
create view gh_cost_paused as
  with pause as (
    select job_id, to_status, created_at as since, lead(created_at) over (partition by job_id order by created_at, seq) as until
    from gh_job_events where event_type = 'status_change'
  )
  select l.job_id, l.tier, (p.since at time zone 'utc')::date as day,
    round(sum(extract(epoch from least(coalesce(p.until, now()), l.period_end) - greatest(p.since, l.period_start)))::numeric / 60, 3) as minutes,
    sum(round(extract(epoch from least(coalesce(p.until, now()), l.period_end) - greatest(p.since, l.period_start))::numeric * l.unit_price, 10)) as usd
  from pause p
  join gh_cost_ledger l on l.job_id = p.job_id and l.kind = 'machine' and l.quantity > 0
    and l.period_start < coalesce(p.until, now()) and l.period_end > p.since
    and not exists (select 1 from gh_cost_ledger c where c.corrects = l.id)
  where p.to_status in ('paused', 'needs_human', 'awaiting_review')
  group by 1, 2, 3;

-- How jobs are spread: what half of them, nineteen of twenty, and the dearest cost.
create view gh_cost_percentiles as
  select month, tier, count(*) as jobs, percentile_disc(0.5) within group (order by usd) as p50_usd,
    percentile_disc(0.95) within group (order by usd) as p95_usd, max(usd) as max_usd
  from (select date_trunc('month', day)::date as month, tier, job_id, sum(cost_usd) as usd
        from gh_cost_lines where job_id is not null and kind <> 'overhead' group by 1, 2, 3) x
  group by 1, 2;

-- Where this month ends if the days to come are like the last seven.
create view gh_cost_forecast as
  with edge as (
    select date_trunc('month', now() at time zone 'utc') at time zone 'utc' as first,
      (date_trunc('month', now() at time zone 'utc') + interval '1 month') at time zone 'utc' as next
  ), spent as (
    select coalesce(sum(l.cost_usd) filter (where l.used_at >= e.first), 0) as month_usd,
      coalesce(sum(l.cost_usd) filter (where l.used_at >= now() - interval '7 days'), 0) as week_usd
    from edge e left join gh_cost_ledger l on l.used_at >= least(e.first, now() - interval '7 days') and l.used_at < e.next
  )
  select (e.first at time zone 'utc')::date as month, s.month_usd as spent_usd, s.week_usd as last_seven_days_usd,
    round(s.month_usd + s.week_usd / 7 * extract(epoch from e.next - now())::numeric / 86400, 10) as forecast_usd
  from edge e, spent s;

-- Each line as a row of FOCUS 1.2 (FinOps Open Cost and Usage Specification), under its column names and with its rules.
-- A price that is missing costs nothing here and says so in x_PriceMissing: the specification allows no null cost.
create view gh_focus_1_2 as
  select l.id, l.used_at,
    trim_scale(coalesce(l.cost_usd, 0)) as "BilledCost", 'ghosthands' as "BillingAccountId", 'GhostHands' as "BillingAccountName", 'USD' as "BillingCurrency",
    to_char(m.first + interval '1 month', t.iso) as "BillingPeriodEnd", to_char(m.first, t.iso) as "BillingPeriodStart",
    'Usage' as "ChargeCategory", case when m.first > date_trunc('month', l.used_at at time zone 'utc') then 'Correction' end as "ChargeClass",
    case l.kind when 'llm' then format('Tokens of %s', l.sku) when 'machine' then format('Machine %s, a job at work', l.sku)
                else format('%s: %s', l.sku, l.overhead) end as "ChargeDescription",
    'Usage-Based' as "ChargeFrequency",
    -- Half-open, and never empty: a model's call is a moment.
    to_char(greatest(l.period_end, date_trunc('second', l.used_at) + interval '1 second') at time zone 'utc', t.iso) as "ChargePeriodEnd",
    to_char(l.used_at at time zone 'utc', t.iso) as "ChargePeriodStart",
    trim_scale(l.quantity) as "ConsumedQuantity", u.unit as "ConsumedUnit",
    trim_scale(coalesce(l.unit_price * l.quantity, 0)) as "ContractedCost", trim_scale(l.unit_price) as "ContractedUnitPrice", trim_scale(coalesce(l.cost_usd, 0)) as "EffectiveCost",
    s.provider as "InvoiceIssuerName", trim_scale(coalesce(l.unit_price * l.quantity, 0)) as "ListCost", trim_scale(l.unit_price) as "ListUnitPrice",
    'Standard' as "PricingCategory", trim_scale(l.quantity) as "PricingQuantity", u.unit as "PricingUnit", s.provider as "ProviderName", s.provider as "PublisherName",
    l.region as "RegionId", l.region as "RegionName", l.machine_id as "ResourceId", l.machine_id as "ResourceName",
    case when l.machine_id is not null then 'Machine' end as "ResourceType",
    s.category as "ServiceCategory", s.name as "ServiceName", s.subcategory as "ServiceSubcategory", l.sku as "SkuId",
    l.provider || '/' || l.sku || coalesce('/' || l.region, '') as "SkuPriceId",
    jsonb_strip_nulls(jsonb_build_object('overhead', l.overhead, 'purpose', l.purpose, 'corrects', l.corrects, 'reason', l.reason))::text as "Tags",
    l.job_id as "x_JobId", l.attempt_id as "x_AttemptId", l.user_id as "x_UserId", l.tier as "x_Tier", l.job_type as "x_JobType",
    l.job_status as "x_Outcome", l.unpriced as "x_PriceMissing", l.id as "x_LedgerLine", l.kind as "x_Kind"
  from gh_cost_lines l
  cross join (values ('YYYY-MM-DD"T"HH24:MI:SS"Z"')) t (iso)
  -- A correction is billed in the month it is written, for the time of what it corrects.
  cross join lateral (select date_trunc('month', (case when l.corrects is null then l.used_at else l.at end) at time zone 'utc')) m (first)
  cross join lateral (select case l.unit when 'second' then 'Seconds' when 'gb-second' then 'GB-Seconds' when 'token' then 'Tokens' else l.unit end) u (unit)
  cross join lateral (select case l.provider when 'fly' then 'Fly.io' when 'openai' then 'OpenAI' when 'anthropic' then 'Anthropic' when 'google' then 'Google'
                               else initcap(l.provider) end,
                        case when l.kind = 'llm' then 'AI and Machine Learning' when l.sku = 'rootfs.gb' then 'Storage' else 'Compute' end,
                        case when l.kind = 'llm' then 'Language model' when l.sku = 'rootfs.gb' then 'Machine root file system' else 'Fly Machines' end,
                        case when l.kind = 'llm' then 'Generative AI' when l.sku = 'rootfs.gb' then 'Block Storage' else 'Virtual Machines' end)
    s (provider, category, name, subcategory);

do $$
declare v text;
begin
  for v in select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where n.nspname = 'public' and c.relkind = 'v' and (c.relname like 'gh\_cost\_%' or c.relname = 'gh_focus_1_2') loop
    execute format('revoke all on %I from public, anon, authenticated, gh_runner', v);
    execute format('grant select on %I to gh_finance, service_role', v);
  end loop;
end $$;
revoke all on function gh_model_of(text), gh_cost_report(timestamptz, timestamptz, text[]) from public, anon, authenticated, gh_runner;
grant execute on function gh_model_of(text), gh_cost_report(timestamptz, timestamptz, text[]) to gh_finance, service_role;
grant usage on schema public to gh_finance;
-- A function within a view is called with the reader's rights.
grant execute on function gh_platform_of(text, jsonb) to gh_finance, service_role;
