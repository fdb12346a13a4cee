//! A database that already holds the old system's tables and rows.

use domain::id::UserId;
use secrecy::SecretString;
use sqlx::{Connection, PgConnection};

use crate::world::World;

/// The old tables as the contract describes them, with their checks, policies and a row in each.
const OLD: &str = include_str!("legacy.sql");

async fn old_database() -> (e2e::database::Database, PgConnection) {
    let database = tokio::task::spawn_blocking(e2e::database::empty).await.expect("a database");
    let mut connection = PgConnection::connect(&database.url).await.expect("a connection");
    sqlx::raw_sql(OLD).execute(&mut connection).await.expect("the old schema");
    (database, connection)
}

#[tokio::test]
async fn the_migrations_keep_every_row_and_a_second_run_changes_nothing() {
    let (database, mut connection) = old_database().await;
    let before: Vec<serde_json::Value> = rows(&mut connection).await;
    let url = SecretString::from(database.url.clone());
    for _ in 0..2 {
        store::migrate(&url, None).await.expect("the migrations apply");
    }
    let after = rows(&mut connection).await;
    assert_eq!(before.len(), after.len());
    for (old, new) in before.iter().zip(&after) {
        for (column, value) in old.as_object().expect("a row") {
            assert_eq!(&new[column], value, "{column}");
        }
    }
    let versions: i64 = sqlx::query_scalar("select count(*) from _sqlx_migrations where success")
        .fetch_one(&mut connection)
        .await
        .expect("versions");
    assert_eq!(usize::try_from(versions).expect("few"), store::MIGRATOR.iter().count());
}

async fn rows(connection: &mut PgConnection) -> Vec<serde_json::Value> {
    sqlx::query_scalar("select to_jsonb(j) - 'updated_at' from gh_automation_jobs j union all select to_jsonb(e) from gh_job_events e union all select to_jsonb(m) - 'updated_at' from gh_action_manuals m union all select to_jsonb(w) from gh_worker_registry w order by 1")
        .fetch_all(connection)
        .await
        .expect("rows")
}

#[tokio::test]
async fn what_the_old_checks_refused_is_taken_now() {
    let (database, mut connection) = old_database().await;
    store::migrate(&SecretString::from(database.url.clone()), None).await.expect("the migrations apply");
    sqlx::raw_sql(
        "insert into gh_automation_jobs (user_id, job_type, target_url, status) values (gen_random_uuid(), 'smart_apply', 'https://example.com', 'queued');
         update gh_automation_jobs set status = 'needs_human' where job_type = 'smart_apply';
         update gh_worker_registry set updated_at = now()",
    )
    .execute(&mut connection)
    .await
    .expect("VALET's writes");
    let manuals: i64 = sqlx::query_scalar("select count(*) from pg_policies where tablename = 'gh_action_manuals' and 'authenticated' = any (roles)").fetch_one(&mut connection).await.expect("policies");
    assert_eq!(manuals, 0, "no user may write a manual");
}

#[tokio::test]
async fn when_a_job_was_changed_is_the_databases_word_whoever_changes_it() {
    let world = World::new().await;
    let job = world.insert(UserId::new(), "starter").await;
    world.execute("update gh_automation_jobs set updated_at = now() - interval '1 day'").await;
    assert_eq!(
        world
            .count("select count(*) from gh_automation_jobs where updated_at > now() - interval '1 minute'")
            .await,
        1,
        "a word of the writer's own is not taken"
    );
    let inserted = world.job(job, "updated_at").await;
    world.claim(1).await;
    let claimed = world.job(job, "updated_at").await;
    assert!(claimed > inserted, "a claim says it");
    world.execute("update gh_automation_jobs set status_message = 'seen'").await;
    assert!(world.job(job, "updated_at").await > claimed, "and a person");
}

#[tokio::test]
async fn the_runbooks_recovery_statements_work_verbatim_and_retire_the_live_attempt() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    world.execute("update gh_automation_jobs set last_heartbeat = now() - interval '3 minutes'").await;
    let found = world.count("SELECT count(*) FROM (SELECT id, worker_id, last_heartbeat, status\nFROM gh_automation_jobs\nWHERE status IN ('queued', 'running')\n  AND last_heartbeat < NOW() - INTERVAL '2 minutes') x").await;
    assert_eq!(found, 1);
    world
        .execute(
            "UPDATE gh_automation_jobs
SET status = 'pending',
    worker_id = NULL,
    error_details = jsonb_build_object('recovered_by', 'manual', 'reason', 'stuck_job_recovery')
WHERE status IN ('queued', 'running')
  AND last_heartbeat < NOW() - INTERVAL '2 minutes'",
        )
        .await;
    assert_eq!(world.job(claimed.job_id, "status").await.as_deref(), Some("pending"));
    assert_eq!(world.job(claimed.job_id, "execution_attempt_id").await, None);
    assert_eq!(
        world
            .count("select count(*) from gh_job_attempts where state = 'lost' and end_class = 'retired'")
            .await,
        1
    );
    assert_eq!(runner.heartbeat().await.expect("answered"), store::runner::Beat::Stop("retired".into()));
    assert_eq!(world.claim(1).await.len(), 1, "the job is due again");
}
