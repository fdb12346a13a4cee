//! What each role may do.

use domain::id::UserId;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::world::{RUNNER_PASSWORD, World};

async fn runner(world: &World) -> PgConnection {
    PgConnection::connect(&world.database.url_as("gh_runner", RUNNER_PASSWORD))
        .await
        .expect("the runner can log in")
}

/// A connection with the rights of an end user, as PostgREST has it.
async fn as_user(world: &World, user: UserId) -> PgConnection {
    let mut connection = world.sql().await;
    sqlx::query("select set_config('request.jwt.claims', $1, false)")
        .bind(json!({"sub": user}).to_string())
        .execute(&mut connection)
        .await
        .expect("claims");
    sqlx::raw_sql("set role authenticated").execute(&mut connection).await.expect("role");
    connection
}

#[tokio::test]
async fn the_runners_role_can_read_no_table_and_call_nothing_but_its_functions() {
    let world = World::new().await;
    let tables: Vec<String> = sqlx::query_scalar("select relname::text from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = 'public' and relkind in ('r', 'v') and relname like 'gh%'")
        .fetch_all(&mut world.sql().await)
        .await
        .expect("tables");
    assert!(tables.len() > 15);
    let granted: Vec<(String, String)> = sqlx::query_as("select t::text, p::text from unnest($1::text[]) t, unnest(array['select', 'insert', 'update', 'delete']) p where has_table_privilege('gh_runner', t, p)")
        .bind(&tables)
        .fetch_all(&mut world.sql().await)
        .await
        .expect("rights");
    assert_eq!(granted, []);
    let error = sqlx::query("select * from gh_automation_jobs")
        .execute(&mut runner(&world).await)
        .await
        .expect_err("refused");
    assert!(error.to_string().contains("permission denied"), "{error}");
    let callable: Vec<String> = sqlx::query_scalar("select proname::text from pg_proc p join pg_namespace n on n.oid = pronamespace where nspname = 'public' and proname like 'gh\\_%' and has_function_privilege('gh_runner', p.oid, 'execute') order by 1")
        .fetch_all(&mut world.sql().await)
        .await
        .expect("functions");
    let mut expected = [
        "event",
        "finish",
        "heartbeat",
        "manual_find",
        "manual_record",
        "pause",
        "permit",
        "permit_return",
        "progress",
        "resolution",
        "start",
        "usage",
    ]
    .map(|name| format!("gh_attempt_{name}"))
    .to_vec();
    expected.push("gh_pool_attempt".to_owned());
    assert_eq!(callable, expected);
}

#[tokio::test]
async fn every_table_of_ours_has_row_level_security() {
    let world = World::new().await;
    let open = world.count("select count(*) from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = 'public' and relkind = 'r' and relname like 'gh\\_%' and not relrowsecurity").await;
    assert_eq!(open, 0);
}

#[tokio::test]
async fn a_user_sees_only_own_jobs_and_decides_nothing_the_system_decides() {
    let world = World::new().await;
    let (me, other) = (UserId::new(), UserId::new());
    world.insert(other, "starter").await;
    let mut connection = as_user(&world, me).await;
    sqlx::query("insert into gh_automation_jobs (user_id, job_type, target_url, input_data, metadata) values ($1, 'apply', 'https://example.com', '{\"tier\":\"enterprise\"}', '{\"callback_url\":\"https://evil.example\",\"subscription_tier\":\"enterprise\"}')")
        .bind(me.0)
        .execute(&mut connection)
        .await
        .expect("own insert");
    let seen: Vec<(uuid::Uuid, String, Option<String>)> =
        sqlx::query_as("select user_id, tier, metadata ->> 'callback_url' from gh_automation_jobs")
            .fetch_all(&mut connection)
            .await
            .expect("own rows");
    assert_eq!(seen, [(me.0, "free".to_owned(), None)]);
    for refused in [
        "insert into gh_automation_jobs (user_id, job_type, target_url, status, result_data) values (auth.uid(), 'apply', 'https://e', 'completed', '{}')",
        "insert into gh_automation_jobs (user_id, job_type, target_url, callback_url) values (auth.uid(), 'apply', 'https://e', 'https://evil')",
        "insert into gh_automation_jobs (user_id, job_type, target_url) values (gen_random_uuid(), 'apply', 'https://e')",
        "update gh_automation_jobs set status = 'completed'",
        "update gh_automation_jobs set metadata = '{}'",
        "update gh_automation_jobs set input_data = '{}'",
        "insert into gh_automation_jobs (user_id, job_type, target_url, resume_ref) values (auth.uid(), 'apply', 'https://e', '{}')",
        "insert into gh_action_manuals (url_pattern, task_pattern, steps) values ('*', 'apply', '[]')",
        "select * from gh_job_attempts",
        "select gh_claim('x', 1, '[]', '[]', '{}', '{}', '{}')",
    ] {
        let error = sqlx::raw_sql(sqlx::AssertSqlSafe(refused))
            .execute(&mut connection)
            .await
            .expect_err(refused)
            .to_string();
        assert!(
            error.contains("permission denied") || error.contains("row-level security"),
            "{refused}: {error}"
        );
    }
}

#[tokio::test]
async fn where_a_callback_goes_can_be_read_by_no_user_however_it_was_written() {
    let world = World::new().await;
    let me = UserId::new();
    let address = "https://valet.example/hook?token=the-service-key";
    // As VALET inserts a job, and as it adds the ids of its queue a moment later.
    sqlx::query(
        "insert into gh_automation_jobs (user_id, job_type, target_url, input_data, status, callback_url, metadata)
         values ($1, 'apply', 'https://example.com', '{}', 'queued', $2, jsonb_build_object('source', 'valet', 'callback_url', $2))",
    )
    .bind(me.0)
    .bind(address)
    .execute(&mut world.sql().await)
    .await
    .expect("VALET's insert");
    sqlx::query("update gh_automation_jobs set metadata = jsonb_build_object('source', 'valet', 'callback_url', $1::text, 'pgBossJobId', 'x')")
        .bind(address)
        .execute(&mut world.sql().await)
        .await
        .expect("VALET's update");
    let kept: (String, serde_json::Value) =
        sqlx::query_as("select callback_url, metadata from gh_automation_jobs")
            .fetch_one(&mut world.sql().await)
            .await
            .expect("the row");
    assert_eq!(kept, (address.to_owned(), json!({"source": "valet", "pgBossJobId": "x"})));

    let mut connection = as_user(&world, me).await;
    // What the front end selects (deployment strategy, 5.4).
    let row: (uuid::Uuid, String, Option<String>) = sqlx::query_as(
        "select id, status, result_summary from (select id, status, status_message, started_at, completed_at, result_summary from gh_automation_jobs) x",
    )
    .fetch_one(&mut connection)
    .await
    .expect("the six columns");
    assert_eq!(row.1, "queued");
    // Realtime sends a user the published columns that has_column_privilege allows.
    let sent: Vec<String> = sqlx::query_scalar(
        "select a.attname::text from pg_publication_tables t
         join pg_attribute a on a.attrelid = 'gh_automation_jobs'::regclass and a.attname = any (t.attnames)
         where t.pubname = 'supabase_realtime' and t.tablename = 'gh_automation_jobs'
           and has_column_privilege('authenticated', a.attrelid, a.attnum, 'select')",
    )
    .fetch_all(&mut world.sql().await)
    .await
    .expect("columns");
    assert!(!sent.contains(&"callback_url".to_owned()));
    for column in [
        "id",
        "user_id",
        "status",
        "status_message",
        "started_at",
        "completed_at",
        "result_summary",
        "metadata",
        "interaction_type",
    ] {
        assert!(sent.iter().any(|sent| sent == column), "{column}");
    }
    let all = format!("select to_jsonb(x)::text from (select {} from gh_automation_jobs) x", sent.join(", "));
    let shown: String = sqlx::query_scalar(sqlx::AssertSqlSafe(all))
        .fetch_one(&mut connection)
        .await
        .expect("the rest of the row");
    assert!(shown.contains("pgBossJobId") && !shown.contains("the-service-key"), "{shown}");
    for refused in [
        "select callback_url from gh_automation_jobs",
        "select * from gh_automation_jobs",
        "select to_jsonb(j) from gh_automation_jobs j",
        "select id from gh_automation_jobs where callback_url like '%token=a%'",
        "select id from gh_automation_jobs order by callback_url",
        "select url from gh_outbox",
    ] {
        let error =
            sqlx::raw_sql(sqlx::AssertSqlSafe(refused)).execute(&mut connection).await.expect_err(refused);
        assert!(error.to_string().contains("permission denied"), "{refused}: {error}");
    }
}

#[tokio::test]
async fn the_ledger_can_only_grow() {
    let world = World::new().await;
    world.execute("insert into gh_cost_ledger (kind, provider, sku, quantity, unit, source, dedup) values ('llm', 'p', 's', 1, 'token', 'test', '1')").await;
    for change in ["update gh_cost_ledger set cost_usd = 0", "delete from gh_cost_ledger"] {
        let error = sqlx::raw_sql(sqlx::AssertSqlSafe(change))
            .execute(&mut world.sql().await)
            .await
            .expect_err(change);
        assert!(error.to_string().contains("append-only"), "{error}");
    }
}

#[tokio::test]
async fn a_runner_keeps_manuals_only_while_it_holds_its_job_and_their_health_follows_their_use() {
    const HEALTH: &str = "select round(health_score)::bigint from gh_action_manuals";
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    let steps = json!([{"question": "first name", "kind": "text", "fact": "first_name"}]);
    let mut run = json!({"signature": "s1", "url_pattern": "a.test/jobs/*", "task": "apply", "platform": "other", "outcome": "created", "manual_id": null, "steps": steps});
    let url = world.database.url_as("gh_runner", RUNNER_PASSWORD).into();
    let thief = store::runner::Attempt::new(&url, claimed.attempt_id, "guessed".into()).expect("an address");
    assert!(!thief.record_manual(&run).await.expect("answered"));
    assert_eq!(runner.find_manual("s1", "apply").await.expect("answered"), None);
    assert!(runner.record_manual(&run).await.expect("recorded"));
    let (id, health, kept) = runner.find_manual("s1", "apply").await.expect("answered").expect("a manual");
    assert!((health - 1.0).abs() < f64::EPSILON && kept == steps);
    assert_eq!(thief.find_manual("s1", "apply").await.expect("answered"), None);
    assert_eq!(world.job(claimed.job_id, "manual_id").await, Some(id.to_string()));
    (run["manual_id"], run["outcome"]) = (json!(id), json!("failed"));
    for _ in 0..6 {
        assert!(runner.record_manual(&run).await.expect("recorded"));
    }
    assert_eq!(world.count(HEALTH).await, 100 - 5 * 5 - 15);
    run["outcome"] = json!("succeeded");
    assert!(runner.record_manual(&run).await.expect("recorded"));
    assert_eq!(world.count(HEALTH).await, 62);
}
