//! Tiers, the pool, and the scaling rule, in force.

use std::time::Duration;

use domain::tier::DEFAULT;
use local::{Call, Fault, Rule};

use super::rig::{Rig, Wish};

const LAUNCHED: &str = "select count(*) from gh_job_attempts where state = 'launching'";

fn touch(rig: &Rig, text: &str, seconds: u64) {
    std::fs::write(&rig.tiers_file, text).expect("written");
    let file = std::fs::File::options().append(true).open(&rig.tiers_file).expect("opened");
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(seconds)).expect("touched");
}

#[tokio::test]
async fn an_edit_of_a_tier_changes_the_next_machine_and_no_running_one_and_a_broken_edit_changes_nothing() {
    let rig = Rig::new(Wish::default()).await;
    rig.insert("starter").await;
    let dispatcher = rig.start("one");
    let attempt = rig.launched().await;
    rig.run(attempt).await;
    let starter = DEFAULT.find("[tiers.starter]").expect("a tier");
    let (before, after) = DEFAULT.split_at(starter);
    touch(&rig, &format!("{before}{}", after.replacen("memory_mb = 2048", "memory_mb = 4096", 1)), 1);
    rig.insert("starter").await;
    rig.until(1, LAUNCHED).await;
    let sizes = "select string_agg(guest ->> 'memory_mb', ',' order by intent_at) from gh_machines";
    assert_eq!(rig.text(sizes).await.as_deref(), Some("2048,4096"));
    touch(&rig, "[tiers.starter]\nguest = 'big'", 2);
    rig.until(1, "select count(*) from gh_notices where key = 'tiers' and value ->> 'refused' like '%line%'")
        .await;
    touch(&rig, &format!("{before}{}", after.replacen("memory_mb = 2048", "memory_mb = 4096", 1)), 3);
    rig.until(1, "select count(*) from gh_notices where key = 'tiers' and value = 'null'").await;
    assert_eq!(
        rig.count(
            "select count(*) from gh_machines where destroy_sent_at is not null or stop_sent_at is not null"
        )
        .await,
        0
    );
    dispatcher.stop().await;
}

fn pooled(size: i32) -> String {
    DEFAULT.replacen(
        "[tiers.starter]",
        &format!("[tiers.starter]\npool = {{ min = {size}, max = {size} }}"),
        1,
    )
}

const READY: &str = "select count(*) from gh_machines where kind = 'pool' and seen = 'stopped' and attempt_id is null and retired_at is null";

#[tokio::test]
async fn a_job_takes_a_ready_machine_of_the_pool_and_the_pool_is_filled_again() {
    let rig = Rig::new(Wish { tiers: pooled(2), ..Wish::default() }).await;
    let dispatcher = rig.start("one");
    rig.until(2, READY).await;
    rig.insert("starter").await;
    let attempt = rig.launched().await;
    let runner = rig.run(attempt).await;
    assert_eq!(
        rig.count("select count(*) from gh_machines where kind = 'job'").await,
        0,
        "no machine was made for it"
    );
    rig.until(2, READY).await;
    rig.finish(attempt, &runner).await;
    rig.until(1, "select count(*) from gh_machines where closed_at is not null").await;
    assert_eq!(rig.count("select count(*) from gh_cost_ledger where kind = 'machine'").await, 1);
    assert_eq!(
        rig.count("select count(*) from gh_cost_ledger where tags ->> 'overhead' = 'pool_rootfs'").await,
        1
    );
    dispatcher.stop().await;
}

#[tokio::test]
async fn a_pool_machine_that_does_not_start_is_replaced_for_the_same_attempt() {
    let rig = Rig::new(Wish { tiers: pooled(1), ..Wish::default() }).await;
    let dispatcher = rig.start("one");
    rig.until(1, READY).await;
    rig.fly.set_faults(vec![Rule::always(Call::Start, Fault::StartWithoutBoot)]);
    rig.insert("starter").await;
    rig.until(1, "select count(*) from gh_machines where kind = 'pool' and assigned_at is not null").await;
    rig.execute(
        "update gh_machines set assigned_at = now() - interval '11 seconds' where assigned_at is not null",
    )
    .await;
    rig.until(1, "select count(*) from gh_machines m join gh_job_attempts a on a.id = m.id where m.kind = 'job' and a.state = 'launching'").await;
    let attempt = rig.launched().await;
    rig.run(attempt).await;
    assert_eq!(rig.count("select count(*) from gh_job_attempts").await, 1, "the same attempt");
    rig.until(
        1,
        "select count(*) from gh_machines where outcome = 'pool_miss' and destroy_sent_at is not null",
    )
    .await;
    dispatcher.stop().await;
}

#[tokio::test]
async fn the_capacity_rises_with_the_backlog_and_every_move_is_logged_with_its_inputs() {
    let rig = Rig::new(Wish::default()).await;
    for _ in 0..14 {
        rig.insert("starter").await;
    }
    let dispatcher = rig.start("one");
    // Two slots are taken at once; twelve wait: max(2 + 1, ceil(12 / 2)).
    rig.until(6, LAUNCHED).await;
    let log = "select reason || ' ' || pending || ' ' || capacity_from || ' ' || capacity_to from gh_scale_log where tier = 'starter' order by id limit 1";
    assert_eq!(rig.text(log).await.as_deref(), Some("backlog 12 2 6"));
    let long_ago = "update gh_capacity set zero_since = now() - interval '11 minutes' where tier = 'starter'";
    let capacity = "select count(*) from gh_capacity where tier = 'starter' and capacity = ";
    rig.execute(&format!(
        "update gh_automation_jobs set status = 'cancelled' where status = 'pending'; {long_ago}"
    ))
    .await;
    rig.until(1, "select count(*) from gh_capacity where tier = 'starter' and zero_since is null").await;
    assert_eq!(rig.count(&format!("{capacity} 6")).await, 1, "with six live it is not idle");
    assert_eq!(rig.count(LAUNCHED).await, 6, "nothing that works was stopped for it");
    rig.execute("update gh_automation_jobs set status = 'cancelled' where status = 'queued'").await;
    rig.until(1, "select count(*) from gh_capacity where tier = 'starter' and zero_since is not null").await;
    dispatcher.stop().await;
    rig.execute(long_ago).await;
    let dispatcher = rig.start("two");
    rig.until(1, &format!("{capacity} 2")).await;
    dispatcher.stop().await;
}

#[tokio::test]
async fn a_job_that_has_waited_longer_than_its_tier_allows_gets_a_slot() {
    let rig = Rig::new(Wish::default()).await;
    for _ in 0..3 {
        rig.insert("starter").await;
    }
    let dispatcher = rig.start("one");
    rig.until(2, LAUNCHED).await;
    assert_eq!(
        rig.count("select count(*) from gh_scale_log where tier = 'starter'").await,
        0,
        "3 - 2 <= 2 * 2"
    );
    // It waits since then, and no trigger says otherwise.
    rig.execute(
        "set session_replication_role = replica;
         update gh_automation_jobs set created_at = now() - interval '11 seconds', updated_at = now() - interval '11 seconds' where worker_id is null;
         update gh_capacity set updated_at = now() - interval '11 seconds'",
    )
    .await;
    rig.until(3, LAUNCHED).await;
    let log = "select reason || ' ' || pending || ' ' || live || ' ' || capacity_from || ' ' || capacity_to from gh_scale_log where tier = 'starter'";
    assert_eq!(rig.text(log).await.as_deref(), Some("wait 1 2 2 3"));
    dispatcher.stop().await;
}

#[tokio::test]
async fn a_paused_tier_starts_nothing_and_loses_nothing() {
    let rig = Rig::new(Wish::default()).await;
    let dispatcher = rig.start("one");
    rig.until(5, "select count(*) from gh_capacity").await;
    rig.execute("update gh_capacity set paused = true where tier = 'starter'").await;
    rig.insert("starter").await;
    rig.insert("pro").await;
    rig.until(1, LAUNCHED).await;
    assert_eq!(
        rig.count("select count(*) from gh_automation_jobs where tier = 'starter' and status = 'pending'")
            .await,
        1
    );
    rig.execute("update gh_capacity set paused = false").await;
    rig.until(2, LAUNCHED).await;
    dispatcher.stop().await;
}

#[tokio::test]
async fn under_flys_limits_the_calls_are_paced_and_not_refused_one_after_the_other() {
    let rig = Rig::new(Wish { limits: local::Limits::default(), rate: (0.97, 3.0), ..Wish::default() }).await;
    rig.execute("insert into gh_capacity (tier, capacity) values ('enterprise', 40)").await;
    for _ in 0..8 {
        rig.insert("enterprise").await;
    }
    let began = std::time::Instant::now();
    let dispatcher = rig.start("one");
    rig.until(8, LAUNCHED).await;
    let took = began.elapsed().as_secs_f64();
    let refused = rig.fly.requests().iter().filter(|request| request.status == 429).count();
    // Unpaced it would be five. One is what a busy computer costs: the burst's calls leave late, and the next one on time.
    assert!(refused <= 1, "{refused} calls came too early");
    assert!(
        took < 10.0,
        "a burst of three, then one a second: five seconds are needed, {took:.1} were taken"
    );
    dispatcher.stop().await;
}
