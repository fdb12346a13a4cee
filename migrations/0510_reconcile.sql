-- What is known of machines that Fly denies and of time without a database, so that neither is charged to a job.

-- Since when Fly says that there is no such machine. Once proves nothing: it may have been made a moment ago.
alter table gh_machines add column missing_since timestamptz;

-- The end of the last time in which nobody renewed the lease, because the database or every dispatcher was away; null: there was none.
alter table gh_leader add column well_since timestamptz;

-- As before (0005), and notes the end of an outage: a lease that has been over for as long as it lasts was not handed over, it was left.
create or replace function gh_lead(p_holder text, p_seconds integer) returns bigint language sql as $$
  insert into gh_leader as l (name, holder, term, expires_at)
  values ('dispatcher', p_holder, 1, clock_timestamp() + make_interval(secs => p_seconds))
  on conflict (name) do update set
    term = case when l.holder = p_holder and l.expires_at > clock_timestamp() then l.term else l.term + 1 end,
    holder = p_holder,
    well_since = case when l.expires_at + make_interval(secs => p_seconds) < clock_timestamp() then clock_timestamp() else l.well_since end,
    expires_at = excluded.expires_at
  where l.holder = p_holder or l.expires_at <= clock_timestamp()
  returning term
$$;

-- Gives a machine's line the length it turned out to have; nothing when it has it already. What was corrected before is corrected further.
create function gh_settle_line(p_dedup text, p_seconds numeric, p_reason text) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
  l gh_cost_ledger;
  n gh_cost_ledger;
begin
  select * into strict l from gh_cost_ledger where dedup = p_dedup;
  loop
    select * into n from gh_cost_ledger where dedup = format('correct:%s:right', l.id);
    exit when not found;
    l := n;
  end loop;
  if l.quantity <> round(p_seconds, 6) then
    perform gh_correct_line(l.id, p_seconds, l.unit_price, p_reason);
  end if;
end $$;

-- Closes a machine that is gone and writes its started interval to the ledger, once, whatever crashes in between. One that Fly denies is paid for
-- until it was last heard of; when it turns up after all, its row is opened again, and this corrects what was written.
create or replace function gh_bill_machine(p_machine uuid) returns void language plpgsql as $$
declare
  m gh_machines;
  a gh_job_attempts;
  v_seconds numeric;
  v_price numeric;
  v_end timestamptz;
  v_dedup text;
begin
  select * into m from gh_machines where id = p_machine for update;
  if not found or m.closed_at is not null then
    return;
  end if;
  select * into a from gh_job_attempts where id = m.attempt_id;
  -- While it was kept ready it cost its root file system: 1 GB is what our image unpacks to, rounded up.
  if m.kind = 'pool' and m.fly_id is not null and m.posted_at is not null then
    v_seconds := greatest(0, extract(epoch from coalesce(m.started_at, m.destroy_sent_at, now()) - m.posted_at));
    select round(price / 2592000, 16) into v_price from gh_prices
    where provider = 'fly' and sku = 'rootfs.gb' and valid_from <= m.posted_at order by valid_from desc limit 1;
    v_dedup := format('rootfs:%s', m.fly_id);
    insert into gh_cost_ledger (tier, kind, provider, sku, region, quantity, unit, unit_price, cost_usd, period_start, period_end, source, dedup, tags)
    values (m.tier, 'overhead', 'fly', 'rootfs.gb', m.region, v_seconds, 'gb-second', v_price, v_seconds * v_price, m.posted_at,
            m.posted_at + make_interval(secs => v_seconds), 'dispatcher', v_dedup,
            jsonb_build_object('machine_id', m.fly_id, 'overhead', 'pool_rootfs'))
    on conflict (dedup) do nothing;
    perform gh_settle_line(v_dedup, v_seconds, 'the machine was there for longer');
  end if;
  v_end := coalesce(m.exited_at, case when m.missing_since is not null then
    coalesce((select h.beat_at from gh_attempt_heartbeats h where h.attempt_id = a.id), a.ended_at, m.missing_since) end);
  if m.started_at is not null and v_end is not null then
    v_seconds := greatest(0, extract(epoch from v_end - m.started_at));
    v_price := round(gh_guest_price(m.guest, m.region, m.started_at), 16); -- as it is stored, so that a line multiplies out
    v_dedup := format('machine:%s:%s', m.fly_id, extract(epoch from m.started_at));
    insert into gh_cost_ledger (job_id, attempt_id, user_id, tier, kind, provider, sku, region, quantity, unit, unit_price, cost_usd,
                                period_start, period_end, source, dedup, tags)
    values (a.job_id, a.id, a.user_id, m.tier, case when a.started_at is null then 'overhead' else 'machine' end, 'fly',
      format('%s-%sx-%smb', m.guest ->> 'cpu_kind', m.guest ->> 'cpus', m.guest ->> 'memory_mb'), m.region, v_seconds, 'second',
      v_price, v_seconds * v_price, m.started_at, v_end, case when m.exited_at is null then 'dispatcher' else 'fly_events' end, v_dedup,
      jsonb_strip_nulls(jsonb_build_object('machine_id', m.fly_id, 'class', a.end_class, 'overhead', case
        when m.kind = 'orphan' then 'orphan' when a.started_at is not null then null when m.kind = 'pool' then 'pool_miss' else 'lost_race' end)))
    on conflict (dedup) do nothing;
    perform gh_settle_line(v_dedup, v_seconds, format('the machine ended at %s', v_end));
  end if;
  update gh_machines set closed_at = now() where id = m.id;
end $$;

revoke all on function gh_settle_line(text, numeric, text) from public, anon, authenticated, gh_runner;
