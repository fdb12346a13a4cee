-- What each job cost, machine and model apart, to the digits the ledger holds.
create view gh_job_costs with (security_invoker = true) as
  select job_id,
    coalesce(sum(cost_usd) filter (where provider = 'fly'), 0) as machine_usd,
    coalesce(sum(cost_usd) filter (where kind = 'llm'), 0) as llm_usd,
    coalesce(sum(cost_usd), 0) as total_usd,
    count(*) filter (where unit_price is null) as lines_without_price
  from gh_cost_ledger where job_id is not null group by job_id;
revoke all on gh_job_costs from public, anon, authenticated, gh_runner;
grant select on gh_job_costs to service_role;
