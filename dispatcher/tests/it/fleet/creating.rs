//! From the claim to a machine, whatever Fly answers.

use domain::tier::{DEFAULT, Tiers};
use local::{Call, Fault, Rule, Shortage};
use serde_json::json;

use super::rig::{IMAGE, Rig, Wish};

async fn with(faults: Vec<Rule>) -> Rig {
    Rig::new(Wish { faults, ..Wish::default() }).await
}

const CLOSED: &str = "select count(*) from gh_machines where closed_at is not null";

/// A job goes through on one machine.
async fn one_job(rig: &Rig) {
    rig.insert("starter").await;
    let running = rig.start("one");
    let attempt = rig.launched().await;
    let runner = rig.run(attempt).await;
    rig.finish(attempt, &runner).await;
    rig.until(1, CLOSED).await;
    assert_eq!(
        rig.count("select count(*) from gh_automation_jobs where status = 'completed' and retry_count = 0")
            .await,
        1
    );
    assert_eq!(
        rig.count("select count(*) from gh_cost_ledger where kind = 'machine' and cost_usd > 0").await,
        1
    );
    running.stop().await;
}

#[tokio::test]
async fn a_job_goes_through_on_one_machine_and_is_billed() {
    let rig = with(vec![]).await;
    one_job(&rig).await;
    assert_eq!(rig.made().await, 1);
}

#[tokio::test]
async fn an_unknown_outcome_is_asked_again_by_the_same_name_and_never_makes_two() {
    for fault in [Fault::CommitThen408, Fault::ResetAfterCommit, Fault::DelayAfterCommit { ms: 4_000 }] {
        let rig = with(vec![Rule::always(Call::Create, fault.clone()).times(1)]).await;
        one_job(&rig).await;
        assert_eq!(rig.made().await, 1, "{fault:?}");
        assert!(rig.creates() >= 1, "{fault:?}");
        assert_eq!(
            rig.text("select outcome from gh_machines").await.as_deref(),
            Some("adopted"),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn a_call_that_never_reached_fly_is_repeated() {
    let rig = with(vec![Rule::always(Call::Create, Fault::ResetBeforeCommit).times(2)]).await;
    one_job(&rig).await;
    assert_eq!((rig.made().await, rig.creates()), (1, 3));
}

#[tokio::test]
async fn a_full_host_is_asked_again_and_a_full_region_is_left_for_the_next() {
    let host = Fault::Capacity { region: "*".into(), kind: Shortage::Host };
    let rig = with(vec![Rule::always(Call::Create, host).times(1)]).await;
    one_job(&rig).await;
    assert_eq!(rig.text("select region from gh_machines").await.as_deref(), Some("iad"));

    for kind in [Shortage::Region, Shortage::NoCapacity, Shortage::Quota] {
        let rig =
            with(vec![Rule::always(Call::Create, Fault::Capacity { region: "iad".into(), kind })]).await;
        one_job(&rig).await;
        assert_eq!(
            rig.text("select region from gh_machines").await.as_deref(),
            Some("ewr"),
            "{kind:?}: the region that came back is on record"
        );
        // A second job does not ask the full region again.
        let before = rig.creates();
        rig.insert("starter").await;
        let running = rig.start("two");
        rig.launched().await;
        assert!(rig.creates() - before <= 2, "{kind:?}");
        running.stop().await;
    }
}

#[tokio::test]
async fn no_room_anywhere_costs_no_retry() {
    let full = Fault::Capacity { region: "*".into(), kind: Shortage::Region };
    let rig = with(vec![Rule::always(Call::Create, full).times(3)]).await;
    rig.insert("starter").await; // three regions
    let running = rig.start("one");
    rig.until(1, "select count(*) from gh_job_attempts where end_class = 'placement'").await;
    assert_eq!(rig.count("select count(*) from gh_automation_jobs where status = 'pending' and retry_count = 0 and placement_failures = 1").await, 1);
    rig.execute("update gh_automation_jobs set scheduled_at = null").await;
    rig.launched().await;
    running.stop().await;
}

#[tokio::test]
async fn too_many_requests_freeze_the_bucket_and_cost_no_retry() {
    let rig = with(vec![
        Rule::always(Call::Create, Fault::Status { code: 429, body: json!({"error": "rate limit"}) })
            .times(1),
    ])
    .await;
    one_job(&rig).await;
    assert_eq!(rig.count("select count(*) from gh_rate where frozen_until is not null").await, 1);
}

#[tokio::test]
async fn what_would_fail_every_job_leaves_them_pending_with_the_reason_and_heals_by_itself() {
    for (code, body, word) in [
        (401, json!({"error": "Authenticate: token validation error"}), "token"),
        (404, json!({"error": "manifest unknown"}), "image"),
        (400, json!({"error": "invalid config.guest.memory_mb, minimum required 1024 MiB"}), "size"),
    ] {
        let rig = with(vec![Rule::always(Call::Create, Fault::Status { code, body })]).await;
        let job = rig.insert("starter").await;
        let other = rig.insert("starter").await;
        let running = rig.start("one");
        rig.until(1, "select count(*) from gh_notices where key = 'breaker' and value <> 'null'").await;
        for job in [job, other] {
            let told = format!(
                "select count(*) from gh_automation_jobs where id = '{job}' and status = 'pending' and status_message like '%{word}%' and retry_count + placement_failures = 0"
            );
            rig.until(1, &told).await;
        }
        let tries = rig.creates();
        assert!(tries <= 4, "{code}: {tries} calls");
        rig.fly.set_faults(vec![]);
        rig.until(2, "select count(*) from gh_job_attempts where state = 'launching'").await;
        rig.until(0, "select count(*) from gh_notices where key = 'breaker' and value <> 'null'").await;
        running.stop().await;
    }
}

#[tokio::test]
async fn a_claim_whose_dispatcher_died_is_carried_out_by_the_next_one_at_once() {
    let rig = with(vec![]).await;
    rig.insert("starter").await;
    store::dispatch::seed_capacity(&rig.db, &Tiers::default()).await.expect("capacity");
    let lease = store::dispatch::lead(&rig.db, "dead", 15).await.expect("answered").expect("free");
    let claimed =
        store::dispatch::claim(&rig.db, &lease, &Tiers::default(), IMAGE, &rig.apps(), &Rig::sealer(), 1)
            .await
            .expect("a claim");
    rig.execute("update gh_leader set expires_at = now()").await; // its time passes
    let began = std::time::Instant::now();
    let running = rig.start("next");
    assert_eq!(rig.launched().await, claimed[0].attempt_id);
    assert!(began.elapsed().as_secs() < 10, "not the 25 s of a slow call");
    rig.run(claimed[0].attempt_id).await;
    running.stop().await;
}

#[tokio::test]
async fn a_machine_that_was_made_but_not_recorded_is_adopted() {
    let rig = with(vec![]).await;
    rig.insert("starter").await;
    let first = rig.start("first");
    let attempt = rig.launched().await;
    first.kill();
    // What a dispatcher that dies between the answer and its record leaves behind.
    rig.execute("update gh_machines set fly_id = null, outcome = null; update gh_job_attempts set state = 'claimed'; update gh_leader set expires_at = now()").await;
    let second = rig.start("second");
    assert_eq!(rig.launched().await, attempt);
    assert_eq!(rig.made().await, 1);
    rig.run(attempt).await;
    second.stop().await;
}

#[tokio::test]
async fn a_machine_stuck_in_created_is_given_up_at_its_deadline() {
    for fault in [Fault::StuckCreated, Fault::LaunchFailed] {
        let rig = with(vec![Rule::always(Call::Create, fault.clone()).times(1)]).await;
        rig.insert("starter").await;
        let running = rig.start("one");
        rig.until(1, "select count(*) from gh_machines where fly_id is not null").await;
        rig.execute("update gh_job_attempts set boot_deadline = now()").await;
        rig.until(1, "select count(*) from gh_job_attempts where end_class = 'placement'").await;
        rig.execute("update gh_automation_jobs set scheduled_at = null").await;
        let attempt = rig.launched().await;
        let runner = rig.run(attempt).await;
        rig.finish(attempt, &runner).await;
        rig.until(2, CLOSED).await;
        assert_eq!(
            rig.count(
                "select count(*) from gh_automation_jobs where status = 'completed' and retry_count = 0"
            )
            .await,
            1,
            "{fault:?}"
        );
        running.stop().await;
    }
}

/// Fly made two machines for the only job, and the ledger has whatever of them Fly bills: one that was destroyed before it
/// started costs nothing.
async fn both_are_paid_for(rig: &Rig) {
    assert_eq!(rig.made().await, 2);
    let mut billed: Vec<String> = rig.fly.bill().into_iter().map(|line| line.machine_id).collect();
    billed.sort_unstable();
    let ours =
        rig.text("select string_agg(tags ->> 'machine_id', ' ' order by tags ->> 'machine_id') from gh_cost_ledger where unit = 'second'");
    assert_eq!(ours.await, Some(billed.join(" ")));
}

/// The machine that an unanswered call made comes and goes before the call is repeated.
async fn come_and_gone(rig: &Rig) -> String {
    let everything = fly::ListMachines::default();
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let found = rig.client().list("runner", &everything).await.expect("a list");
        if let Some(machine) = found.into_iter().find(|machine| machine.state.as_str() == "started") {
            return machine.id;
        }
        assert!(tokio::time::Instant::now() < until, "the first call made no machine");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_machine_that_came_and_went_before_its_call_was_repeated_is_paid_for_too() {
    let rig = with(vec![Rule::always(Call::Create, Fault::CommitThen408).nth(1)]).await;
    rig.insert("starter").await;
    let running = rig.start("one");
    let first = come_and_gone(&rig).await;
    rig.client().stop("runner", &first, &fly::Stop::default()).await.expect("it dies before its first word");
    let attempt = rig.launched().await;
    let runner = rig.run(attempt).await;
    rig.finish(attempt, &runner).await;
    rig.until(2, CLOSED).await;
    both_are_paid_for(&rig).await;
    running.stop().await;
}

#[tokio::test]
async fn a_repeated_call_that_comes_after_the_work_makes_an_orphan_that_is_destroyed_and_paid_for() {
    let rig = with(vec![
        Rule::always(Call::Create, Fault::CommitThen408).nth(1),
        Rule::always(Call::Create, Fault::Delay { ms: 2_000 }).nth(2),
    ])
    .await;
    rig.insert("starter").await;
    let running = rig.start("one");
    let first = come_and_gone(&rig).await;
    rig.until(1, "select count(*) from gh_machines where posts = 2").await;
    // Its runner calls while the second call is under way.
    let attempt = domain::id::AttemptId(
        sqlx::query_scalar("select id from gh_job_attempts")
            .fetch_one(&mut rig.sql().await)
            .await
            .expect("an attempt"),
    );
    let token = store::dispatch::token(&rig.db, attempt, &Rig::sealer()).await.expect("a token");
    let url = rig.database.url_as("gh_runner", crate::world::RUNNER_PASSWORD).into();
    let mut runner = store::runner::Attempt::new(&url, attempt, token).expect("an address");
    runner.start(uuid::Uuid::new_v4(), &first).await.expect("answered");
    rig.finish(attempt, &runner).await;
    rig.until(2, CLOSED).await;
    both_are_paid_for(&rig).await;
    let of_the_job = "select tags ->> 'machine_id' from gh_cost_ledger where kind = 'machine'";
    assert_eq!(rig.text(of_the_job).await, Some(first), "who did the work is the job's");
    running.stop().await;
}

#[tokio::test]
async fn a_machine_that_lists_hid_until_its_row_was_closed_is_still_found_and_destroyed() {
    let rig = with(vec![
        Rule::always(Call::Create, Fault::CommitThen408).nth(1),
        Rule::always(Call::Create, Fault::ResetBeforeCommit),
        Rule::always(Call::List, Fault::EmptyList),
    ])
    .await;
    rig.insert("starter").await;
    let running = rig.start("one");
    rig.until(1, "select count(*) from gh_machines where outcome = 'unknown'").await;
    rig.execute("update gh_automation_jobs set status = 'cancelled'").await;
    // The call was sent long ago, and it was looked for again and again.
    rig.execute("update gh_machines set posted_at = now() - interval '2 minutes'").await;
    rig.until(1, "select count(*) from gh_machines where seen = 'absent'").await;
    assert_eq!(rig.count(CLOSED).await, 0, "one empty list proves nothing");
    rig.execute("update gh_machines set absent_since = now() - interval '1 minute'").await;
    rig.until(1, CLOSED).await;
    rig.fly.set_faults(vec![]);
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while rig.count("select count(*) from gh_cost_ledger where tags ->> 'overhead' = 'orphan'").await == 0 {
        assert!(tokio::time::Instant::now() < until, "the machine was not billed");
        running.signals.due.note(dispatcher::plan::Upkeep::Sweep);
        running.signals.bell.ring();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn many_unanswered_calls_are_looked_for_no_faster_than_fly_allows() {
    let rig = Rig::new(Wish {
        faults: vec![Rule::always(Call::Create, Fault::ResetBeforeCommit)],
        limits: local::Limits::default(),
        rate: (0.97, 3.0),
        ..Wish::default()
    })
    .await;
    rig.execute("insert into gh_capacity (tier, capacity) values ('enterprise', 40)").await;
    for _ in 0..6 {
        rig.insert("enterprise").await;
    }
    let running = rig.start("one");
    rig.until(6, "select count(*) from gh_machines where outcome = 'unknown'").await;
    rig.execute("update gh_automation_jobs set status = 'cancelled'").await;
    rig.until(6, "select count(*) from gh_machines where absent_since is not null").await;
    let lists = rig.fly.requests();
    let refused = lists.iter().filter(|request| request.method == "GET" && request.status == 429).count();
    assert_eq!(refused, 0);
    running.stop().await;
}

const STOPPED: &str = "select count(*) from gh_notices where key = 'breaker' and value <> 'null'";

#[tokio::test]
async fn what_stopped_everything_is_over_for_a_dispatcher_that_was_started_anew() {
    let fault = Fault::Status { code: 401, body: json!({"error": "Authenticate: token validation error"}) };
    let rig = with(vec![Rule::always(Call::Create, fault)]).await;
    rig.insert("starter").await;
    let first = rig.start("one");
    rig.until(1, STOPPED).await;
    // The token is renewed, and with it comes a new process.
    first.stop().await;
    rig.fly.set_faults(vec![]);
    let second = rig.start("two");
    rig.launched().await;
    rig.until(0, STOPPED).await;
    second.stop().await;
}

#[tokio::test]
async fn a_missing_image_of_one_tier_stops_that_tier_alone() {
    let tiers = DEFAULT.replacen("[tiers.pro]", "[tiers.pro]\nimage = \"nowhere@sha256:1\"", 1);
    let rig = Rig::new(Wish { tiers, ..Wish::default() }).await;
    let job = rig.insert("pro").await;
    let dispatcher = rig.start("one");
    rig.until(1, STOPPED).await;
    let told = format!(
        "select count(*) from gh_automation_jobs where id = '{job}' and status = 'pending' and status_message like '%image%'"
    );
    rig.until(1, &told).await;
    for number in 1..=2 {
        rig.insert("starter").await;
        rig.until(
            number,
            "select count(*) from gh_job_attempts where state = 'launching' and tier = 'starter'",
        )
        .await;
    }
    let tiers = "select value -> 'tiers' #>> '{}' from gh_notices where key = 'breaker'";
    assert_eq!(rig.text(tiers).await.as_deref(), Some("[\"pro\"]"), "others do not end it");
    dispatcher.stop().await;
}
