-- The contract's readers look at rows, not at the ledger: the job's columns, `result_data.cost` and `gh_user_usage` follow it.
-- And the ledger's own repairs: a correction, and the price that came late.

-- When a job was counted in its user's month: once, however often it is tried.
alter table gh_automation_jobs add column if not exists usage_counted_at timestamptz;

-- {input_tokens, output_tokens, total_cost_usd, action_count} of a job (contract section 8.4), or null when no model was asked.
create function gh_job_cost(p_job uuid, p_actions integer) returns jsonb language sql stable set search_path = public, pg_temp as $$
  select jsonb_build_object(
    'input_tokens', coalesce(sum(quantity) filter (where sku like '%:input' or sku like '%:cached'), 0)::bigint,
    'output_tokens', coalesce(sum(quantity) filter (where sku like '%:output' or sku like '%:reasoning'), 0)::bigint,
    'total_cost_usd', trim_scale(coalesce(sum(cost_usd), 0)), 'action_count', coalesce(p_actions, 0))
  from gh_cost_ledger where job_id = p_job and kind = 'llm' having count(*) > 0
$$;

-- Adds to a user's month, in the tier of the account. A user without an account is counted as free, and has none by that (gh_accounts).
create function gh_add_usage(p_user uuid, p_at timestamptz, p_usd numeric, p_input bigint, p_output bigint, p_jobs integer) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_tier text;
  v_month timestamp := date_trunc('month', p_at at time zone 'utc');
  v_from timestamptz := v_month at time zone 'utc';
  v_to timestamptz := (v_month + interval '1 month') at time zone 'utc';
begin
  select a.tier into v_tier from gh_accounts a where a.user_id = p_user;
  if not found then
    v_tier := 'free';
    insert into gh_user_usage (user_id, tier, tier_from, period_start, period_end) values (p_user, v_tier, 'usage', v_from, v_to)
    on conflict do nothing;
  end if;
  perform gh_increment_user_usage(p_user, v_tier, v_from, v_to, p_usd::double precision, p_input, p_output, p_jobs);
end $$;

-- Before a job row is written: what it says of its cost is what the ledger says. Fires after the guard (by name).
create function gh_job_money() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare v_cost jsonb;
begin
  if new.status in ('completed', 'failed', 'cancelled', 'expired', 'needs_human') and coalesce(jsonb_typeof(new.result_data), 'null') in ('object', 'null') then
    v_cost := gh_job_cost(new.id, new.action_count);
    -- A job that failed without a result keeps none; what an old worker wrote stands where the ledger has nothing.
    if (case when coalesce(jsonb_typeof(new.result_data), 'null') = 'null' then v_cost is not null and new.status = 'completed'
            else v_cost is not null or (not new.result_data ? 'cost' and new.started_at is not null) end) then
      new.result_data := coalesce(nullif(new.result_data, 'null'), '{}') || jsonb_build_object('cost',
        coalesce(v_cost, jsonb_build_object('input_tokens', 0, 'output_tokens', 0, 'total_cost_usd', 0, 'action_count', coalesce(new.action_count, 0))));
    end if;
  end if;
  if new.status in ('completed', 'failed', 'cancelled') and old.status <> new.status and new.usage_counted_at is null and new.started_at is not null then
    new.usage_counted_at := now();
    perform gh_add_usage(new.user_id, now(), 0, 0, 0, 1);
  end if;
  return new;
end $$;
create trigger gh_automation_jobs_money before update of status, result_data, llm_cost_cents on gh_automation_jobs for each row
  when (new.status = any ('{completed,failed,cancelled,expired,needs_human}'::text[])) execute function gh_job_money();

-- After lines were written: the rows of their jobs and users. Jobs are locked first and in order, as everywhere else.
create function gh_ledger_rows() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform 1 from gh_automation_jobs where id in (select job_id from written where kind = 'llm') order by id for no key update;
  perform gh_add_usage(w.user_id, w.at, w.usd, w.input, w.output, 0) from (
    select user_id, date_trunc('month', at at time zone 'utc') at time zone 'utc' as at, coalesce(sum(cost_usd), 0) as usd,
      coalesce(sum(quantity) filter (where sku like '%:input' or sku like '%:cached'), 0)::bigint as input,
      coalesce(sum(quantity) filter (where sku like '%:output' or sku like '%:reasoning'), 0)::bigint as output
    from written where kind = 'llm' and user_id is not null group by 1, 2 order by 1) w;
  -- A runner's own lines are followed by gh_attempt_usage, once for all token classes of a call.
  update gh_automation_jobs j set total_tokens = t.tokens, llm_cost_cents = t.cents
  from (select job_id, sum(quantity)::bigint as tokens, coalesce(round(sum(cost_usd) * 100), 0)::integer as cents
        from gh_cost_ledger where kind = 'llm' and job_id in (select job_id from written where kind = 'llm' and source <> 'runner')
        group by job_id) t
  where j.id = t.job_id;
  return null;
end $$;
create trigger gh_cost_ledger_rows after insert on gh_cost_ledger referencing new table as written
  for each statement execute function gh_ledger_rows();

-- Takes a line back and writes it as it should have been; the new line's id. Doing it twice with one reason is one correction.
create function gh_correct_line(p_line bigint, p_quantity numeric, p_unit_price numeric, p_reason text) returns bigint
language plpgsql set search_path = public, pg_temp as $$
declare
  l gh_cost_ledger;
  v_id bigint;
begin
  select * into l from gh_cost_ledger where id = p_line;
  if not found then
    raise exception 'there is no line %', p_line using errcode = '22023';
  end if;
  -- The job before anything else, as in every other write: a call of a model holds its job when it adds to its user's month.
  perform 1 from gh_automation_jobs where id = l.job_id for no key update;
  perform pg_advisory_xact_lock(hashtextextended('gh_correct_line', p_line));
  select id into v_id from gh_cost_ledger where dedup = format('correct:%s:right', p_line);
  if found then
    if (select tags ->> 'reason' from gh_cost_ledger where id = v_id) = p_reason then
      return v_id;
    end if;
    raise exception 'line % is corrected already: correct line % instead', p_line, v_id using errcode = '22023';
  elsif l.dedup like 'correct:%:back' then
    raise exception 'line % takes line % back and cannot be corrected', p_line, l.corrects using errcode = '22023';
  end if;
  insert into gh_cost_ledger (job_id, attempt_id, user_id, tier, kind, provider, sku, region, quantity, unit, unit_price, cost_usd,
                              period_start, period_end, source, dedup, corrects, tags)
  select l.job_id, l.attempt_id, l.user_id, l.tier, l.kind, l.provider, l.sku, l.region, x.quantity, l.unit, x.price, x.cost,
    l.used_at, coalesce(l.period_end, l.at), 'correction', format('correct:%s:%s', l.id, x.side), l.id,
    l.tags || jsonb_build_object('reason', p_reason)
  from (values (-l.quantity, l.unit_price, -l.cost_usd, 'back'),
               (p_quantity, round(p_unit_price, 16), p_quantity * round(p_unit_price, 16), 'right')) x (quantity, price, cost, side);
  select id into strict v_id from gh_cost_ledger where dedup = format('correct:%s:right', p_line);
  return v_id;
end $$;

-- The price of a line at the time it was used, or null. A machine's guest is read from its sku (shared-2x-2048mb).
create function gh_price_of_line(l gh_cost_ledger) returns numeric language sql stable set search_path = public, pg_temp as $$
  select round(case
    when l.kind = 'llm' then (
      select p.price / 1000000 from gh_prices p
      where p.provider = l.provider and p.valid_from <= l.used_at
        and p.sku = any (array[l.sku, regexp_replace(regexp_replace(l.sku, ':reasoning$', ':output'), ':cached$', ':input')])
      order by (p.sku = l.sku) desc, p.valid_from desc limit 1)
    when l.sku = 'rootfs.gb' then (
      select p.price / 2592000 from gh_prices p
      where p.provider = l.provider and p.sku = l.sku and p.valid_from <= l.used_at order by p.valid_from desc limit 1)
    when l.provider = 'fly' then gh_guest_price(
      (select jsonb_build_object('cpu_kind', m[1], 'cpus', m[2]::integer, 'memory_mb', m[3]::integer)
       from regexp_matches(l.sku, '^(shared|performance)-([0-9]+)x-([0-9]+)mb$') m), l.region, l.used_at)
  end, 16)
$$;

-- Gives lines without a price the one that is known by now: the new lines, and how many still have none.
create function gh_backfill_prices(p_most integer default 10000) returns table (filled bigint, usd numeric, missing bigint)
language plpgsql set search_path = public, pg_temp as $$
declare
  v_lines bigint[] := array(
    select x.id from gh_cost_ledger x
    where x.unit_price is null and x.corrects is null and not exists (select 1 from gh_cost_ledger c where c.corrects = x.id)
      and gh_price_of_line(x) is not null order by x.id limit p_most);
  l record;
begin
  filled := 0;
  usd := 0;
  -- All jobs, in order, before the first user's month; and then the months in order.
  perform 1 from gh_automation_jobs where id in (select job_id from gh_cost_ledger where id = any (v_lines)) order by id for no key update;
  for l in select x.id, x.quantity, gh_price_of_line(x) as price from gh_cost_ledger x where x.id = any (v_lines) order by x.user_id, x.id loop
    perform gh_correct_line(l.id, l.quantity, l.price, 'the price was not known yet');
    filled := filled + 1;
    usd := usd + round(l.quantity * l.price, 10);
  end loop;
  select count(*) into missing from gh_cost_ledger x
  where x.unit_price is null and x.corrects is null and not exists (select 1 from gh_cost_ledger c where c.corrects = x.id);
  return next;
end $$;

revoke all on function gh_job_cost(uuid, integer), gh_add_usage(uuid, timestamptz, numeric, bigint, bigint, integer), gh_job_money(), gh_ledger_rows(),
  gh_correct_line(bigint, numeric, numeric, text), gh_price_of_line(gh_cost_ledger), gh_backfill_prices(integer)
  from public, anon, authenticated, gh_runner;
