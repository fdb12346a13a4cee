//! Limits that keep one job, one statement or one process from hurting the rest.

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use store::runner::Finish;

use crate::world::World;

#[tokio::test]
async fn a_huge_result_is_left_out_and_the_job_still_ends() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    let huge = serde_json::json!({ "class": "completed", "result_data": { "text": "x".repeat(1_100_000) } });
    assert!(matches!(runner.finish(&huge).await.expect("answered"), Finish::Recorded(_)));
    let kept = world.job(claimed.job_id, "result_data").await.expect("a result");
    assert!(kept.len() < 1_000 && kept.contains("larger than 1 MB"), "{kept}");
}

#[tokio::test]
async fn an_event_that_is_too_large_is_cut() {
    let world = World::new().await;
    let (_, runner) = world.running().await;
    let huge = serde_json::json!({ "text": "x".repeat(200_000) });
    assert!(runner.event(&"k".repeat(80), Some(&"m".repeat(5_000)), &huge).await.expect("answered"));
    let longest = world.count("select max(octet_length(metadata::text) + octet_length(message) + octet_length(event_type))::bigint from gh_job_events").await;
    assert!(longest < 3_000, "{longest}");
}

#[tokio::test]
async fn no_statement_of_a_service_hangs_and_no_transaction_idles() {
    let world = World::new().await;
    let mut blocker = world.sql().await;
    let mut transaction = blocker.begin().await.expect("a transaction");
    sqlx::raw_sql("lock table gh_capacity").execute(&mut *transaction).await.expect("locked");
    let began = std::time::Instant::now();
    let refused =
        store::dispatch::seed_capacity(&world.db, &world.tiers).await.expect_err("the table is locked");
    assert!(refused.is_transient(), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(6));
}

/// A pooler in transaction mode with one server connection, over the test's database.
struct Pooler {
    process: std::process::Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn pooler(world: &World, size: u32) -> Option<Pooler> {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let installed = xtask::tools::program("pgbouncer")?;
    let folder = tempfile::Builder::new().prefix("ghosthands-").tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("readable");
    // A copy, because whoever it runs as below may not enter the folders of the checkout.
    let program = folder.path().join("pgbouncer");
    std::fs::copy(installed, &program).expect("copied");
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    let url: url::Url =
        world.database.url_as("gh_runner", crate::world::RUNNER_PASSWORD).parse().expect("an address");
    let database = url.path().trim_start_matches('/');
    let config = format!(
        "[databases]\n{database} = host=127.0.0.1 port={} dbname={database}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
         auth_type = plain\nauth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = {size}\nmax_client_conn = 200\nignore_startup_parameters = extra_float_digits\n",
        url.port().expect("a port"),
        folder = folder.path().display(),
    );
    std::fs::write(folder.path().join("pgbouncer.ini"), config).expect("written");
    std::fs::write(
        folder.path().join("users"),
        format!("\"gh_runner\" \"{}\"\n", crate::world::RUNNER_PASSWORD),
    )
    .expect("written");
    let mut command = std::process::Command::new(program);
    command
        .arg("-q")
        .arg(folder.path().join("pgbouncer.ini"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    if std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        command.uid(65_534).gid(65_534); // it refuses to run as root
    }
    let process = command.spawn().expect("pgbouncer starts");
    Some(Pooler { process, port, _folder: folder })
}

#[tokio::test]
async fn forty_runners_work_through_a_transaction_pooler_on_four_connections() {
    let world = World::new().await;
    let Some(pooler) = pooler(&world, 4) else {
        panic!("pgbouncer is needed: run `cargo xtask test`, which fetches it");
    };
    world.capacity("enterprise", 40).await;
    let user = domain::id::UserId::new();
    for _ in 0..40 {
        world.insert(user, "enterprise").await;
    }
    let claimed = world.claim(40).await;
    assert_eq!(claimed.len(), 40);
    let url: url::Url =
        world.database.url_as("gh_runner", crate::world::RUNNER_PASSWORD).parse().expect("an address");
    let mut url = url;
    url.set_port(Some(pooler.port)).expect("a port");
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while tokio::net::TcpStream::connect(("127.0.0.1", pooler.port)).await.is_err() {
        assert!(std::time::Instant::now() < until, "pgbouncer does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let work = claimed.into_iter().map(|claimed| {
        let url = url.to_string();
        async move {
            let mut runner = store::runner::Attempt::new(&url.into(), claimed.attempt_id, claimed.token)
                .expect("an address");
            crate::world::started(&mut runner).await;
            for step in 0..5 {
                assert!(matches!(
                    runner.heartbeat().await.expect("a heartbeat"),
                    store::runner::Beat::Continue(_)
                ));
                assert!(
                    runner
                        .event("step_started", None, &serde_json::json!({ "step": step }))
                        .await
                        .expect("an event")
                );
                assert!(
                    runner
                        .progress(&serde_json::json!({ "status_message": "at work" }))
                        .await
                        .expect("progress")
                );
            }
            assert_eq!(runner.permit("submit").await.expect("a permit"), store::runner::Permit::Granted);
            assert!(matches!(
                runner.finish(&serde_json::json!({ "class": "completed" })).await.expect("an end"),
                Finish::Recorded(_)
            ));
        }
    });
    let (_, most) = tokio::join!(futures::future::join_all(work), async {
        let mut most = 0;
        let mut sql: PgConnection = world.sql().await;
        for _ in 0..20 {
            let now: i64 = sqlx::query_scalar("select count(*) from pg_stat_activity where usename = 'gh_runner' and datname = current_database()").fetch_one(&mut sql).await.expect("a count");
            most = most.max(now);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        most
    });
    assert!(most <= 4, "{most} connections to the database");
    assert_eq!(world.count("select count(*) from gh_automation_jobs where status = 'completed'").await, 40);
}

#[tokio::test]
async fn a_service_takes_no_more_connections_than_it_says() {
    let world = World::new().await;
    let db = store::Db::open(&world.database.url.clone().into(), "counted", 5).expect("an address");
    let calls = (0..50).map(|_| db.ping());
    assert!(futures::future::join_all(calls).await.into_iter().all(|reply| reply.is_ok()));
    assert!(
        world.count("select count(*) from pg_stat_activity where application_name = 'counted' and datname = current_database()").await <= 5
    );
}
