//! From the end of an attempt to a machine that is gone and paid for.

use std::time::Duration;

use domain::world::MachineKind;
use local::{Call, Fault, Rule};
use store::runner::Beat;

use super::rig::{IMAGE, Rig, Wish};

const CLOSED: &str = "select count(*) from gh_machines where closed_at is not null";

async fn running() -> (Rig, super::rig::Running, domain::id::AttemptId, std::sync::Arc<store::runner::Attempt>)
{
    let rig = Rig::new(Wish::default()).await;
    rig.insert("starter").await;
    let dispatcher = rig.start("one");
    let attempt = rig.launched().await;
    let runner = rig.run(attempt).await;
    (rig, dispatcher, attempt, runner)
}

#[tokio::test]
async fn a_cancelled_job_stops_its_machine_at_once() {
    let (rig, dispatcher, _, runner) = running().await;
    let began = std::time::Instant::now();
    rig.execute("update gh_automation_jobs set status = 'cancelled', completed_at = now()").await;
    rig.until(1, "select count(*) from gh_machines where stop_sent_at is not null").await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(runner.heartbeat().await.expect("answered"), Beat::Stop("cancelled".into()));
    rig.until(1, CLOSED).await;
    assert_eq!(
        rig.count("select count(*) from gh_cost_ledger where kind = 'machine'").await,
        1,
        "what was spent is kept"
    );
    dispatcher.stop().await;
}

#[tokio::test]
async fn a_job_cancelled_while_its_machine_boots_never_starts() {
    let rig = Rig::new(Wish { boot_delay: Duration::from_secs(1), ..Wish::default() }).await;
    rig.insert("starter").await;
    let dispatcher = rig.start("one");
    rig.launched().await;
    rig.execute("update gh_automation_jobs set status = 'cancelled'").await;
    rig.until(1, CLOSED).await;
    assert_eq!(
        rig.count("select count(*) from gh_job_attempts where state = 'cancelled' and started_at is null")
            .await,
        1
    );
    dispatcher.stop().await;
}

#[tokio::test]
async fn a_silent_attempt_is_given_up_and_its_machine_destroyed_before_another_works() {
    let (rig, dispatcher, attempt, silent) = running().await;
    rig.execute("update gh_attempt_heartbeats set beat_at = now() - interval '121 seconds'").await;
    rig.until(1, "select count(*) from gh_job_attempts where end_class = 'crash'").await;
    assert_eq!(silent.heartbeat().await.expect("answered"), Beat::Stop("crash".into()));
    rig.until(1, CLOSED).await;
    rig.execute("update gh_automation_jobs set scheduled_at = null").await;
    assert_ne!(rig.launched().await, attempt);
    dispatcher.stop().await;
}

#[tokio::test]
async fn a_machine_that_dies_under_its_job_is_noticed_by_its_exit_event() {
    let (rig, dispatcher, attempt, _) = running().await;
    rig.exit(attempt).await;
    rig.execute("update gh_machines set seen_at = now() - interval '1 minute'").await; // time for a look
    rig.until(1, "select count(*) from gh_automation_jobs where status = 'pending' and crash_count = 1 and retry_count = 1").await;
    dispatcher.stop().await;
}

#[tokio::test]
async fn what_an_unreachable_host_says_ends_no_attempt() {
    let (rig, dispatcher, _, runner) = running().await;
    rig.fly.set_faults(vec![Rule::always(Call::Get, Fault::HostUnreachable)]);
    rig.execute("update gh_machines set seen_at = now() - interval '1 minute'").await;
    rig.until(1, "select count(*) from gh_machines where host_status = 'unreachable'").await;
    assert!(matches!(runner.heartbeat().await.expect("answered"), Beat::Continue(_)));
    dispatcher.stop().await;
}

#[tokio::test]
async fn a_machine_that_outlives_its_job_is_destroyed() {
    let (rig, dispatcher, _, runner) = running().await;
    runner.finish(&serde_json::json!({ "class": "completed" })).await.expect("answered");
    rig.execute("update gh_job_attempts set ended_at = now() - interval '61 seconds'").await;
    rig.until(1, CLOSED).await;
    dispatcher.stop().await;
}

#[tokio::test]
async fn a_destroy_that_fly_only_acknowledged_is_not_taken_for_the_end() {
    let (rig, dispatcher, _, _) = running().await;
    rig.fly.set_faults(vec![Rule::always(Call::Delete, Fault::DestroyAckOnly).times(1)]);
    rig.execute("update gh_attempt_heartbeats set beat_at = now() - interval '121 seconds'").await;
    rig.until(
        1,
        "select count(*) from gh_machines where destroy_sent_at is not null and seen = 'destroying'",
    )
    .await;
    assert_eq!(rig.count(CLOSED).await, 0);
    rig.execute("update gh_machines set destroy_sent_at = now() - interval '31 seconds'").await;
    rig.until(1, CLOSED).await;
    dispatcher.stop().await;
}

#[tokio::test]
async fn memory_that_ran_out_sends_the_job_up_one_tier_when_the_tier_says_so() {
    let tiers = domain::tier::DEFAULT.replacen("[tiers.starter]", "[tiers.starter]\noom_tier = \"pro\"", 1);
    let faults = vec![Rule::always(Call::Create, Fault::OomAfter { ms: 5_000 }).times(1)];
    let rig = Rig::new(Wish { faults, tiers, ..Wish::default() }).await;
    rig.insert("starter").await;
    let dispatcher = rig.start("one");
    let attempt = rig.launched().await;
    rig.run(attempt).await;
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    while rig
        .count("select count(*) from gh_automation_jobs where tier = 'pro' and error_code = 'out_of_memory'")
        .await
        == 0
    {
        assert!(tokio::time::Instant::now() < until);
        rig.execute("update gh_machines set seen_at = now() - interval '1 minute' where closed_at is null")
            .await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    rig.execute("update gh_automation_jobs set scheduled_at = null").await;
    rig.until(1, "select count(*) from gh_machines where tier = 'pro' and guest ->> 'cpus' = '4'").await;
    dispatcher.stop().await;
}

#[tokio::test]
async fn an_orphan_is_destroyed_and_paid_for_by_name_and_a_foreign_machine_is_only_reported() {
    let rig = Rig::new(Wish::default()).await;
    let machine = |name: &str, env: Option<&str>| {
        let mut machine = fly::CreateMachine::new(name, IMAGE);
        machine.config.guest = Some(fly::Guest { cpu_kind: "shared".into(), cpus: 1, memory_mb: 512 });
        machine.config.auto_destroy = true;
        machine.config.metadata.extend(env.map(|env| ("gh_env".to_owned(), env.to_owned())));
        machine
    };
    for (name, env) in [("gh-lost", Some("test")), ("by-hand", None), ("theirs", Some("production"))] {
        rig.client().create("runner", &machine(name, env)).await.expect("made");
    }
    let dispatcher = rig.start("one");
    for _ in 0..2 {
        dispatcher.signals.due.note(dispatcher::plan::Upkeep::Sweep);
        dispatcher.signals.bell.ring();
        rig.until(1, "select count(*) from gh_notices where key = 'foreign_machines' and jsonb_array_length(value) = 2").await;
    }
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    while rig.count("select count(*) from gh_cost_ledger where tags ->> 'overhead' = 'orphan'").await == 0 {
        assert!(tokio::time::Instant::now() < until, "the orphan was not billed");
        dispatcher.signals.due.note(dispatcher::plan::Upkeep::Sweep);
        dispatcher.signals.bell.ring();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let alive: Vec<String> = rig
        .client()
        .list("runner", &fly::ListMachines::default())
        .await
        .expect("a list")
        .into_iter()
        .map(|machine| machine.name)
        .collect();
    assert!(
        alive.contains(&"by-hand".to_owned())
            && alive.contains(&"theirs".to_owned())
            && !alive.contains(&"gh-lost".to_owned()),
        "{alive:?}"
    );
    dispatcher.stop().await;
}

#[tokio::test]
async fn an_empty_list_kills_nothing() {
    let (rig, dispatcher, _, runner) = running().await;
    rig.fly.set_faults(vec![Rule::always(Call::List, Fault::EmptyList)]);
    let looks = dispatcher.signals.pulse.looks();
    for _ in 0..3 {
        dispatcher.signals.due.note(dispatcher::plan::Upkeep::Sweep);
        dispatcher.signals.bell.ring();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(dispatcher.signals.pulse.looks() > looks);
    assert!(matches!(runner.heartbeat().await.expect("answered"), Beat::Continue(_)));
    assert_eq!(
        rig.count(
            "select count(*) from gh_machines where destroy_sent_at is not null or stop_sent_at is not null"
        )
        .await,
        0
    );
    dispatcher.stop().await;
}

#[tokio::test]
async fn an_attempt_that_the_database_lost_can_start_nothing() {
    let rig = Rig::new(Wish { boot_delay: Duration::from_millis(300), ..Wish::default() }).await;
    let job = rig.insert("starter").await;
    let dispatcher = rig.start("one");
    let attempt = rig.launched().await;
    let token = store::dispatch::token(&rig.db, attempt, &Rig::sealer()).await.expect("a token");
    // A failover that lost the last commits.
    rig.execute(&format!("delete from gh_machines; delete from gh_job_attempts; update gh_automation_jobs set status = 'pending', worker_id = null where id = '{job}'")).await;
    let url = rig.database.url_as("gh_runner", crate::world::RUNNER_PASSWORD).into();
    let mut late = store::runner::Attempt::new(&url, attempt, token).expect("an address");
    assert!(matches!(
        late.start(uuid::Uuid::new_v4(), "m").await.expect("answered"),
        store::runner::Start::Refused(_)
    ));
    let again = rig.launched().await;
    assert_ne!(again, attempt);
    rig.run(again).await;
    let world = store::machines::world(&rig.db).await.expect("a look");
    assert!(
        world
            .machines
            .iter()
            .any(|machine| machine.kind == MachineKind::Job && machine.attempt_id == Some(again))
    );
    dispatcher.stop().await;
}
