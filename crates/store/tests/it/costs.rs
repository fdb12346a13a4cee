//! What the ledger says of itself, and the rows that repeat it.

use domain::id::{JobId, UserId};
use serde_json::{Value, json};
use store::costs::{self, By, Export, Pages, Period};
use store::machines::{self, Sighting};
use store::runner::{Attempt, Call};

use crate::world::{World, started};

fn always() -> Period {
    Period {
        from: "2020-01-01T00:00:00Z".parse().expect("a time"),
        to: "2100-01-01T00:00:00Z".parse().expect("a time"),
    }
}

fn call(request_id: &str, input: u64, output: u64) -> Call {
    Call {
        request_id: request_id.into(),
        provider: "openai".into(),
        model: "gpt-4o-mini".into(),
        purpose: "map".into(),
        input,
        output,
        ..Call::default()
    }
}

async fn text(world: &World, query: &'static str) -> String {
    sqlx::query_scalar(query).fetch_one(&mut world.sql().await).await.expect("a value")
}

/// A job of this user whose runner has started.
async fn run(world: &World, user: UserId) -> (JobId, uuid::Uuid, Attempt) {
    world.insert(user, "starter").await;
    let claimed = world.claim(1).await.pop().expect("the job is due");
    let mut runner = world.runner(claimed.attempt_id).await;
    started(&mut runner).await;
    (claimed.job_id, claimed.attempt_id.0, runner)
}

/// Its machine's bill: this many seconds from ten o'clock on.
async fn bill(world: &World, machine: uuid::Uuid, region: &str, seconds: i64) {
    let start: chrono::DateTime<chrono::Utc> = "2026-11-23T10:00:00Z".parse().expect("a time");
    let sighting = Sighting {
        state: "destroyed".into(),
        region: Some(region.into()),
        started_at: Some(start),
        exited_at: Some(start + chrono::TimeDelta::seconds(seconds)),
        ..Sighting::default()
    };
    machines::seen(&world.db, machine, &sighting).await.expect("seen");
    machines::bill(&world.db, machine).await.expect("billed");
}

#[tokio::test]
async fn every_way_to_sum_gives_the_same_total() {
    let world = World::new().await;
    let (_, machine, runner) = run(&world, UserId::new()).await;
    runner.usage(&call("1", 4000, 1000)).await.expect("answered");
    runner.finish(&json!({"class": "completed"})).await.expect("answered");
    bill(&world, machine, "iad", 300).await;
    let (_, machine, runner) = run(&world, UserId::new()).await;
    runner.usage(&call("2", 1000, 10)).await.expect("answered");
    runner.finish(&json!({"class": "final", "error_code": "x"})).await.expect("answered");
    bill(&world, machine, "ams", 60).await;
    let late = world.claimed().await;
    world.close(late.attempt_id, domain::attempt::EndClass::Placement, &crate::world::why("late")).await;
    bill(&world, late.attempt_id.0, "iad", 30).await;

    let total = costs::total(&world.db, always()).await.expect("sums").expect("money was spent");
    let ledger = text(&world, "select trim_scale(sum(cost_usd))::text from gh_cost_ledger").await;
    assert_eq!(total.total_usd.to_string(), ledger);
    assert_eq!(total.machine_usd.0 + total.llm_usd.0 + total.overhead_usd.0, total.total_usd.0);
    assert_eq!((total.jobs, total.completed, total.unpriced), (2, 1, 0));
    assert_eq!(total.per_success_usd, Some(total.total_usd), "waste and overhead belong to the one success");
    assert!(total.wasted_usd.0 > 0.into() && total.p50_usd < total.max_usd);
    for by in By::ALL {
        let groups = costs::report(&world.db, always(), &[by, By::Kind], 100).await.expect("sums");
        let sum: rust_decimal::Decimal = groups.iter().map(|group| group.total_usd.0).sum();
        assert_eq!(sum, total.total_usd.0, "{by:?}");
    }
    // Jobs and names of overhead are the whole, and nothing is in both.
    let split = text(
        &world,
        "select trim_scale((select sum(machine_usd + llm_usd) from gh_cost_by_job) + (select sum(usd) from gh_cost_overhead))::text",
    )
    .await;
    assert_eq!(split, ledger);
    for view in [
        "select trim_scale(sum(total_usd))::text from gh_cost_by_tier",
        "select trim_scale(sum(total_usd))::text from gh_cost_by_job_type",
        "select trim_scale(sum(total_usd))::text from gh_cost_by_platform",
        "select trim_scale(sum(total_usd))::text from gh_cost_by_day",
        "select trim_scale(sum(\"BilledCost\"))::text from gh_focus_1_2",
    ] {
        assert_eq!(text(&world, view).await, ledger, "{view}");
    }
    assert_eq!(
        text(&world, "select string_agg(distinct end_class || ':' || attempts, ',') from gh_cost_wasted")
            .await,
        "final:1"
    );
    assert_eq!(text(&world, "select string_agg(overhead, ',') from gh_cost_overhead").await, "lost_race");
}

#[tokio::test]
async fn nothing_can_be_summed_by_a_word_that_is_not_on_the_list() {
    let world = World::new().await;
    let error =
        sqlx::query("select * from gh_cost_report(now(), now(), array['id; drop table gh_cost_ledger'])")
            .execute(&mut world.sql().await)
            .await
            .expect_err("refused");
    assert!(error.to_string().contains("cannot group by"), "{error}");
}

#[tokio::test]
async fn a_correction_is_two_lines_that_leave_the_right_sum_on_the_right_day() {
    let world = World::new().await;
    let (job, _, runner) = run(&world, UserId::new()).await;
    runner.usage(&call("1", 1_000_000, 0)).await.expect("answered");
    let correct = "select gh_correct_line((select min(id) from gh_cost_ledger), 400000, 0.00000015, 'counted twice')::text";
    let first = text(&world, correct).await;
    assert_eq!(text(&world, correct).await, first, "the same correction again changes nothing");
    assert_eq!(world.count("select count(*) from gh_cost_ledger").await, 3);
    assert_eq!(text(&world, "select trim_scale(sum(cost_usd))::text || '/' || trim_scale(sum(quantity))::text from gh_cost_ledger").await, "0.06/400000");
    assert_eq!(world.count("select count(distinct day) from gh_cost_lines").await, 1);
    assert_eq!(
        world
            .count("select count(*) from gh_cost_ledger where cost_usd <> round(quantity * unit_price, 10)")
            .await,
        0
    );
    assert_eq!(world.job(job, "llm_cost_cents").await.as_deref(), Some("6"), "the job's row follows");
    let again =
        sqlx::query("select gh_correct_line((select min(id) from gh_cost_ledger), 1, 1, 'another reason')")
            .execute(&mut world.sql().await)
            .await
            .expect_err("refused");
    assert!(again.to_string().contains(&format!("correct line {first} instead")), "{again}");
}

#[tokio::test]
async fn a_price_that_came_late_is_written_behind_the_line_once() {
    let world = World::new().await;
    let (job, machine, runner) = run(&world, UserId::new()).await;
    let new = Call { provider: "acme".into(), model: "m".into(), ..call("1", 1_000_000, 10) };
    runner.usage(&new).await.expect("answered");
    runner.finish(&json!({"class": "completed"})).await.expect("answered");
    bill(&world, machine, "xyz", 100).await;
    assert_eq!(
        costs::backfill(&world.db).await.expect("done"),
        costs::Backfill { missing: 3, ..Default::default() }
    );
    world.execute(
        "insert into gh_prices (provider, sku, unit, price, valid_from) values ('acme', 'm:input', 'million tokens', 2, '2026-01-01'),
           ('acme', 'm:output', 'million tokens', 9, now() + interval '1 day');
         insert into gh_prices (provider, sku, region, unit, price, valid_from) values ('fly', 'markup', 'xyz', 'factor', 1, '2024-10-03')",
    ).await;
    let done = costs::backfill(&world.db).await.expect("done");
    assert_eq!((done.filled, done.missing), (2, 1), "a price of tomorrow is not yesterday's");
    assert_eq!(done.usd.to_string(), "2.000439429", "$2 and 100 s of shared-2x with 2 GB");
    assert_eq!(costs::backfill(&world.db).await.expect("done").filled, 0);
    assert_eq!(world.job(job, "llm_cost_cents").await.as_deref(), Some("200"));
    assert_eq!(world.job(job, "total_tokens").await.as_deref(), Some("1000010"));
    let total = costs::total(&world.db, always()).await.expect("sums").expect("money");
    assert_eq!((total.unpriced, total.total_usd.to_string()), (1, "2.000439429".into()));
}

#[tokio::test]
async fn the_result_says_what_the_ledger_says_also_of_a_price_that_came_late() {
    let world = World::new().await;
    let (job, _, runner) = run(&world, UserId::new()).await;
    runner.usage(&call("1", 4000, 1000)).await.expect("answered");
    let unpriced = Call { provider: "acme".into(), model: "m".into(), ..call("2", 1000, 0) };
    runner.usage(&unpriced).await.expect("answered");
    let result = json!({"class": "completed", "action_count": 7, "result_data": {"ok": true, "cost": {"total_cost_usd": 99}}});
    runner.finish(&result).await.expect("answered");
    let cost = |text: Option<String>| {
        serde_json::from_str::<Value>(&text.expect("a result")).expect("JSON")["cost"].clone()
    };
    assert_eq!(
        cost(world.job(job, "result_data").await),
        json!({"input_tokens": 5000, "output_tokens": 1000, "total_cost_usd": 0.0012, "action_count": 7})
    );
    world.execute("insert into gh_prices (provider, sku, unit, price, valid_from) values ('acme', 'm:input', 'million tokens', 0.6, '2026-01-01')").await;
    assert_eq!(costs::backfill(&world.db).await.expect("filled").filled, 1);
    assert_eq!(cost(world.job(job, "result_data").await)["total_cost_usd"], json!(0.0018));
    assert_eq!(
        world.count("select (result_data ->> 'ok')::boolean::int::bigint from gh_automation_jobs").await,
        1
    );
}

#[tokio::test]
async fn a_users_month_counts_each_job_once_and_each_line_once() {
    let world = World::new().await;
    let user = UserId(uuid::Uuid::from_u128(7));
    world.execute("insert into gh_user_usage (user_id, tier, period_start, period_end) values ('00000000-0000-0000-0000-000000000007', 'pro', '2020-01-01', '2020-02-01')").await;
    let (_, _, runner) = run(&world, user).await;
    for _ in 0..2 {
        runner.usage(&call("1", 4000, 1000)).await.expect("answered");
    }
    runner.finish(&json!({"class": "final", "error_code": "x"})).await.expect("answered");
    world
        .execute("update gh_automation_jobs set status = 'pending', worker_id = null, completed_at = null")
        .await;
    let claimed = world.claim(1).await.pop().expect("it is tried again");
    let mut runner = world.runner(claimed.attempt_id).await;
    started(&mut runner).await;
    runner.usage(&call("1", 4000, 1000)).await.expect("answered");
    runner.finish(&json!({"class": "completed"})).await.expect("answered");
    let month = text(
        &world,
        "select concat_ws('/', tier, round(total_cost_usd::numeric, 6), total_input_tokens, total_output_tokens, job_count)
         from gh_user_usage where period_start > '2026-01-01'",
    )
    .await;
    assert_eq!(month, "pro/0.002400/8000/2000/1");
}

#[tokio::test]
async fn what_a_user_without_an_account_spends_is_counted_and_gives_them_none() {
    let world = World::new().await;
    let (_, _, runner) = run(&world, UserId::new()).await;
    runner.usage(&call("1", 4000, 1000)).await.expect("answered");
    runner.finish(&json!({"class": "completed"})).await.expect("answered");
    let month = text(
        &world,
        "select concat_ws('/', tier, tier_from, round(total_cost_usd::numeric, 6), total_input_tokens, total_output_tokens, job_count)
         from gh_user_usage",
    )
    .await;
    assert_eq!(month, "free/usage/0.001200/4000/1000/1");
    assert_eq!(world.count("select count(*) from gh_accounts").await, 0);
}

#[tokio::test]
async fn a_machine_that_waited_for_a_person_shows_its_minutes_and_their_price() {
    let world = World::new().await;
    let (job, machine, runner) = run(&world, UserId::new()).await;
    runner.finish(&json!({"class": "completed"})).await.expect("answered");
    bill(&world, machine, "iad", 600).await;
    sqlx::query(
        "insert into gh_job_events (job_id, event_type, from_status, to_status, created_at) values
           ($1, 'status_change', 'running', 'needs_human', '2026-11-23T10:02:00Z'), ($1, 'status_change', 'needs_human', 'running', '2026-11-23T10:05:00Z'),
           ($1, 'status_change', 'running', 'needs_human', '2026-11-23T10:09:00Z'), ($1, 'status_change', 'needs_human', 'running', '2026-11-23T11:00:00Z')",
    )
    .bind(job)
    .execute(&mut world.sql().await)
    .await
    .expect("events");
    // Three minutes, and the one until the machine ended.
    assert_eq!(text(&world, "select minutes::text from gh_cost_paused").await, "4.000");
    assert_eq!(
        world.count("select (round(p.usd, 8) = round(l.cost_usd * 4 / 10, 8))::int::bigint from gh_cost_paused p, gh_cost_ledger l").await,
        1
    );
}

#[tokio::test]
async fn finance_reads_every_view_and_no_table() {
    let world = World::new().await;
    let views: Vec<String> = sqlx::query_scalar("select relname::text from pg_class where relkind = 'v' and (relname like 'gh\\_cost\\_%' or relname = 'gh_focus_1_2')")
        .fetch_all(&mut world.sql().await)
        .await
        .expect("views");
    assert!(views.len() >= 14, "{views:?}");
    let mut connection = world.sql().await;
    sqlx::raw_sql("set role gh_finance").execute(&mut connection).await.expect("the role");
    for view in &views {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("select * from {view}")))
            .execute(&mut connection)
            .await
            .expect(view);
    }
    let readable: Vec<String> = sqlx::query_scalar("select relname::text from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = 'public' and relkind = 'r' and has_table_privilege('gh_finance', c.oid, 'select')")
        .fetch_all(&mut connection)
        .await
        .expect("rights");
    assert_eq!(readable, Vec::<String>::new());
    let columns: Vec<String> = sqlx::query_scalar("select distinct attname::text from pg_attribute where attrelid = any (select oid from pg_class where relname = any ($1)) and attnum > 0")
        .bind(&views)
        .fetch_all(&mut connection)
        .await
        .expect("columns");
    for personal in
        ["input_data", "target_url", "result_data", "task_description", "metadata", "error_message"]
    {
        assert!(!columns.iter().any(|column| column == personal), "{personal}");
    }
}

#[tokio::test]
async fn an_export_is_the_whole_table_of_one_moment() {
    let world = World::new().await;
    world.execute("insert into gh_cost_ledger (kind, provider, sku, quantity, unit, unit_price, cost_usd, source, dedup, tags)
        select 'overhead', 'fly', 'rootfs.gb', 1, 'gb-second', 0.5, 0.5, 'test', 'n' || n, '{\"overhead\":\"pool_rootfs\"}' from generate_series(1, 2500) n").await;
    let mut pages = Pages::open(&world.db, &Export::Focus, always()).await.expect("open");
    world.execute("insert into gh_cost_ledger (kind, provider, sku, quantity, unit, source, dedup) values ('llm', 'late', 'm:input', 1, 'token', 'test', 'late')").await;
    let (mut rows, width) = (0, pages.columns.len());
    loop {
        let page = pages.next().await.expect("a page");
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 1000 && page.iter().all(|row| row.len() == width));
        rows += page.len();
    }
    assert_eq!(rows, 2500);
}

#[tokio::test]
async fn the_month_goes_on_as_the_last_seven_days_went() {
    let world = World::new().await;
    world.execute("insert into gh_cost_ledger (kind, provider, sku, quantity, unit, unit_price, cost_usd, source, dedup)
        values ('llm', 'p', 'm:input', 7, 'token', 1, 7, 'test', 'now')").await;
    let forecast = costs::forecast(&world.db).await.expect("a forecast");
    assert_eq!(
        (forecast.spent_usd.to_string(), forecast.last_seven_days_usd.to_string()),
        ("7".into(), "7".into())
    );
    // A dollar a day for the days that are left.
    assert_eq!(
        world.count("select (abs(forecast_usd - 7 - extract(epoch from (date_trunc('month', now() at time zone 'utc') + interval '1 month') at time zone 'utc' - now())::numeric / 86400) < 0.01)::int::bigint from gh_cost_forecast").await,
        1
    );
}
