//! How much a claim reads: the rows it may take, whatever else waits.

use std::time::{Duration, Instant};

use store::Db;

use crate::world::World;

/// What was read of the jobs so far: rows by looking through the table, rows by an index, and entries of indexes.
const READ: &str = "select coalesce((select sum(seq_tup_read + idx_tup_fetch) from pg_stat_user_tables where relname = 'gh_automation_jobs'), 0)::bigint
                         + coalesce((select sum(idx_tup_read) from pg_stat_user_indexes where relname = 'gh_automation_jobs'), 0)::bigint";
/// The same of the fleet.
const READ_OF_FLEET: &str = "select coalesce((select sum(seq_tup_read) from pg_stat_user_tables where relname in ('gh_machines', 'gh_job_attempts')), 0)::bigint
                                  + coalesce((select sum(idx_tup_read) from pg_stat_user_indexes where relname in ('gh_machines', 'gh_job_attempts')), 0)::bigint";
/// More than ten jobs, the two hundred that stand before them in the queue, and a look for each tier.
const MOST: i64 = 1_500;

/// Jobs of 500 users that wait, the oldest last.
async fn seed(world: &World, jobs: i32) {
    let mut connection = world.sql().await;
    sqlx::raw_sql("set session_replication_role = replica")
        .execute(&mut connection)
        .await
        .expect("no triggers");
    sqlx::query(
        "insert into gh_automation_jobs (user_id, job_type, target_url, tier, status, created_at)
         select lpad((n % 500)::text, 32, '0')::uuid, 'apply', 'https://example.com/apply', 'starter', 'queued', now() - make_interval(secs => n * 0.001)
         from generate_series(1, $1) n",
    )
    .bind(jobs)
    .execute(&mut connection)
    .await
    .expect("jobs");
}

/// Claims ten jobs.
async fn claim(world: &World, db: &Db) {
    let claimed = store::dispatch::claim(
        db,
        &world.lease,
        &world.tiers,
        "image@sha256:1",
        &world.apps,
        &world.sealer,
        10,
    );
    assert_eq!(claimed.await.expect("a claim").len(), 10);
}

/// What was read of the jobs on the connection of `db`, which is closed: only then does the database have its counts for sure.
async fn read(world: &World, db: Db, before: i64) -> i64 {
    close(world, db).await;
    world.count(READ).await - before
}

async fn close(world: &World, db: Db) {
    db.close().await;
    let until = Instant::now() + Duration::from_secs(10);
    let open = "select count(*) from pg_stat_activity where application_name = 'reads' and datname = current_database()";
    while world.count(open).await > 0 {
        assert!(Instant::now() < until, "the connection stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn open(world: &World) -> Db {
    Db::open(&world.database.url.clone().into(), "reads", 1).expect("an address")
}

#[tokio::test]
async fn a_claim_reads_no_more_rows_however_many_wait() {
    let world = World::new().await;
    world.capacity("starter", 1000).await;
    for (jobs, first) in [(300, "select 1"), (30_000, "select 1"), (0, "analyze"), (0, "vacuum analyze")] {
        seed(&world, jobs).await;
        world.execute(first).await;
        let (db, before) = (open(&world), world.count(READ).await);
        claim(&world, &db).await;
        let rows = read(&world, db, before).await;
        assert!(rows < MOST, "{rows} rows were read with {jobs} jobs more, after {first}");
    }
}

/// A dispatcher plans its claim once and keeps the plan: one that was made while next to nothing waited must do for a flood.
#[tokio::test]
async fn a_claim_that_was_planned_on_a_quiet_day_reads_no_more_rows_on_a_busy_one() {
    let world = World::new().await;
    world.capacity("starter", 1000).await;
    // Nothing but us looks after this table: what the planner knows of it stays what it was on the quiet day.
    world.execute("alter table gh_automation_jobs set (autovacuum_enabled = false)").await;
    seed(&world, 10).await;
    world.execute("vacuum analyze").await;
    let db = open(&world);
    claim(&world, &db).await;
    seed(&world, 30_000).await;
    let before = world.count(READ).await;
    claim(&world, &db).await;
    let rows = read(&world, db, before).await;
    assert!(rows < MOST, "{rows} rows were read");
}

/// As above, of a dispatcher that was started before anything ever ran: a join over what was empty may be planned as a walk through all of it.
#[tokio::test]
async fn a_claim_that_was_planned_before_the_first_machine_reads_no_machine_of_others() {
    let world = World::new().await;
    world.capacity("starter", 1000).await;
    // Nobody else looks after these tables, so that the plan stays.
    world.execute("alter table gh_machines set (autovacuum_enabled = false)").await;
    world.execute("alter table gh_job_attempts set (autovacuum_enabled = false)").await;
    seed(&world, 100).await;
    world.execute("vacuum analyze").await;
    let db = open(&world);
    claim(&world, &db).await;
    world.execute("insert into gh_machines (id, app, name, tier, guest, image, regions, closed_at)
                   select gen_random_uuid(), 'app', n, 'starter', '{}', 'image', 'iad', now() from generate_series(1, 10000) n").await;
    world.execute("insert into gh_job_attempts (id, job_id, user_id, no, tier, state, token_hash, token_sealed, boot_deadline)
                   select gen_random_uuid(), (select id from gh_automation_jobs limit 1), gen_random_uuid(), n, 'starter', 'lost', '', '', now()
                   from generate_series(2, 10000) n").await;
    let before = world.count(READ_OF_FLEET).await;
    claim(&world, &db).await;
    close(&world, db).await;
    let rows = world.count(READ_OF_FLEET).await - before;
    assert!(rows < MOST, "{rows} rows were read");
}

/// Six indexes hold every job: without this, a claim would write into each of them for each job it takes.
#[tokio::test]
async fn a_claim_of_queued_jobs_writes_into_no_index_of_the_jobs() {
    let world = World::new().await;
    world.capacity("starter", 1000).await;
    seed(&world, 12).await; // they share a page, and the next versions of all find room in it
    let db = open(&world);
    claim(&world, &db).await;
    close(&world, db).await;
    let updates = "select n_tup_upd from pg_stat_user_tables where relname = 'gh_automation_jobs'";
    let heap_only = "select n_tup_hot_upd from pg_stat_user_tables where relname = 'gh_automation_jobs'";
    assert_eq!((world.count(updates).await, world.count(heap_only).await), (10, 10));
}

/// What started stays in the way of every claim until the queue is vacuumed, which Postgres by itself leaves until a fifth of it is dead.
#[tokio::test]
async fn a_queue_of_a_million_is_vacuumed_with_its_indexes_when_ten_thousand_of_it_are_dead() {
    let world = World::new().await;
    let often = "select count(*) from (
                   select 1000000 * max(option_value::float) filter (where option_name = 'autovacuum_vacuum_scale_factor')
                          + max(option_value::float) filter (where option_name = 'autovacuum_vacuum_threshold') <= 11000
                          and count(*) filter (where option_name = 'vacuum_index_cleanup' and option_value = 'on') = 1 as often
                   from pg_class, pg_options_to_table(reloptions)
                   where oid in ('gh_automation_jobs'::regclass, 'gh_job_attempts'::regclass, 'gh_machines'::regclass) group by oid) t
                 where t.often";
    assert_eq!(world.count(often).await, 3);
}
