//! The client against the local Fly: whole lives of machines.

use crate::fake::client;
use fly::{
    Client, CreateMachine, Delete, Deleted, Init, ListMachines, MachineConfig, Next, Restart, RestartPolicy,
    Shortage, Started, State, WaitFor, Waited,
};
use local::{Call, Fault, Handle, Limits, Options, Rule};
use std::{collections::BTreeMap, time::Duration};

const APP: &str = "runner";

struct Stage {
    fly: Client,
    local: Handle,
}

/// A local Fly whose image `sh` is a shell, and that fails as `rules` say.
async fn stage(rules: Vec<Rule>) -> Stage {
    stage_with_boot_delay(Duration::from_millis(20), rules).await
}

async fn stage_with_boot_delay(boot_delay: Duration, rules: Vec<Rule>) -> Stage {
    let options = Options {
        images: BTreeMap::from([("sh".to_owned(), "/bin/sh".into())]),
        token: Some("fm2_test".into()),
        apps: vec![APP.to_owned()],
        boot_delay,
        start_delay: Duration::from_millis(20),
        limits: Limits::NONE,
        faults: rules,
        ..Options::default()
    };
    let local = local::serve(options).await.unwrap();
    Stage { fly: client(local.base_url(), Duration::from_secs(5)), local }
}

/// A machine that does one job, which is a line of shell.
fn job(name: &str, line: &str) -> CreateMachine {
    let mut machine = CreateMachine::new(name, "sh");
    machine.config.init = Some(Init { exec: ["sh", "-c", line].map(str::to_owned).to_vec() });
    machine.config.auto_destroy = true;
    machine.config.restart = Some(Restart { policy: RestartPolicy::No });
    machine.config.metadata.insert("gh_attempt".to_owned(), name.to_owned());
    machine
}

fn until(state: State) -> WaitFor {
    WaitFor { states: vec![state], timeout: Duration::from_secs(10) }
}

#[tokio::test]
async fn a_job_runs_ends_and_its_interval_is_the_one_on_the_bill() {
    let Stage { fly, local } = stage(Vec::new()).await;
    let machine = fly.create(APP, &job("gh-1", "exit 3")).await.unwrap();
    assert_eq!(
        (machine.state.clone(), machine.name.as_str(), machine.region.as_str()),
        (State::Created, "gh-1", "iad")
    );
    assert_eq!(machine.interval(), None);
    assert_eq!(
        fly.wait(APP, &machine.id, &until(State::Destroyed)).await.unwrap(),
        Waited::Reached(State::Destroyed)
    );

    let gone = fly.get(APP, &machine.id).await.unwrap().unwrap();
    let interval = gone.interval().unwrap();
    assert_eq!((interval.exit_code, interval.oom_killed, interval.requested_stop), (Some(3), false, false));
    let billed = local.bill().pop().unwrap();
    let span = interval.exited_at.unwrap() - interval.started_at;
    assert_eq!(span.num_milliseconds(), billed.milliseconds);
    assert_eq!(fly.events(APP, &machine.id).await.unwrap().unwrap(), gone.events);
    local.stop().await;
}

#[tokio::test]
async fn the_same_name_twice_is_one_machine_to_adopt() {
    let Stage { fly, local } = stage(Vec::new()).await;
    let first = fly.create(APP, &job("gh-1", "sleep 60")).await.unwrap();
    let error = fly.create(APP, &job("gh-1", "sleep 60")).await.unwrap_err();
    assert_eq!(error.next, Next::Adopt(first.id.clone()));
    assert_eq!(fly.list(APP, &ListMachines::default()).await.unwrap().len(), 1);
    local.stop().await;
}

#[tokio::test]
async fn a_create_of_unknown_outcome_is_found_by_its_metadata() {
    for fault in [Fault::CommitThen408, Fault::ResetAfterCommit] {
        let Stage { fly, local } = stage(vec![Rule::always(Call::Create, fault).times(1)]).await;
        let error = fly.create(APP, &job("gh-1", "sleep 60")).await.unwrap_err();
        assert_eq!(error.next, Next::UnknownOutcome);
        let found = fly.list(APP, &ListMachines::with_metadata("gh_attempt", "gh-1")).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            fly.create(APP, &job("gh-1", "sleep 60")).await.unwrap_err().next,
            Next::Adopt(found[0].id.clone())
        );
        assert!(fly.list(APP, &ListMachines::with_metadata("gh_attempt", "gh-2")).await.unwrap().is_empty());
        local.stop().await;
    }
}

#[tokio::test]
async fn a_reset_before_anything_was_done_leaves_nothing_and_the_same_name_may_be_sent_again() {
    let rule = Rule::always(Call::Create, Fault::ResetBeforeCommit).times(1);
    let Stage { fly, local } = stage(vec![rule]).await;
    assert_eq!(fly.create(APP, &job("gh-1", "sleep 60")).await.unwrap_err().next, Next::UnknownOutcome);
    assert!(fly.list(APP, &ListMachines::default()).await.unwrap().is_empty());
    fly.create(APP, &job("gh-1", "sleep 60")).await.unwrap();
    local.stop().await;
}

#[tokio::test]
async fn a_full_region_is_left_for_the_next() {
    let full = |kind| Rule::always(Call::Create, Fault::Capacity { region: "ams".to_owned(), kind });
    for (kind, next) in [
        (local::Shortage::Region, Next::NextRegion(Shortage::Capacity)),
        (local::Shortage::NoCapacity, Next::NextRegion(Shortage::Capacity)),
        (local::Shortage::Quota, Next::NextRegion(Shortage::Quota)),
        (local::Shortage::Host, Next::SameRegionAgain),
    ] {
        let Stage { fly, local } = stage(vec![full(kind)]).await;
        let ams = CreateMachine { region: Some("ams".to_owned()), ..job("gh-1", "sleep 60") };
        assert_eq!(fly.create(APP, &ams).await.unwrap_err().next, next);
        let both = CreateMachine { region: Some("ams,fra".to_owned()), ..job("gh-1", "sleep 60") };
        assert_eq!(fly.create(APP, &both).await.unwrap().region, "fra");
        local.stop().await;
    }
}

#[tokio::test]
async fn a_machine_stuck_in_created_is_not_yet_started_and_can_be_destroyed() {
    let Stage { fly, local } = stage(vec![Rule::always(Call::Create, Fault::StuckCreated)]).await;
    let machine = fly.create(APP, &job("gh-1", "sleep 60")).await.unwrap();
    let short = WaitFor { states: vec![State::Started], timeout: Duration::from_secs(1) };
    let waited = fly.wait(APP, &machine.id, &short).await.unwrap();
    assert_eq!(waited, Waited::NotYet { current: Some(State::Created) });
    assert_eq!(fly.delete(APP, &machine.id, Delete::IfIdle).await.unwrap(), Deleted::Accepted);
    assert_eq!(fly.wait(APP, &machine.id, &short).await.unwrap(), Waited::Gone);
    local.stop().await;
}

#[tokio::test]
async fn a_machine_made_ahead_is_started_once() {
    let Stage { fly, local } = stage_with_boot_delay(Duration::from_secs(1), Vec::new()).await;
    let ahead = CreateMachine { skip_launch: true, ..job("pool-1", "sleep 60") };
    let machine = fly.create(APP, &ahead).await.unwrap();
    assert!(matches!(fly.start(APP, &machine.id).await.unwrap(), Started::NotNow(_)));
    fly.wait(APP, &machine.id, &until(State::Stopped)).await.unwrap();
    assert_eq!(fly.get(APP, &machine.id).await.unwrap().unwrap().interval(), None);
    assert_eq!(fly.start(APP, &machine.id).await.unwrap(), Started::Accepted { migrated: false });
    fly.wait(APP, &machine.id, &until(State::Started)).await.unwrap();
    assert_eq!(fly.start(APP, &machine.id).await.unwrap(), Started::Already);
    assert!(fly.get(APP, &machine.id).await.unwrap().unwrap().interval().unwrap().exited_at.is_none());

    assert_eq!(fly.delete(APP, &machine.id, Delete::IfIdle).await.unwrap(), Deleted::StillRunning);
    assert_eq!(fly.delete(APP, &machine.id, Delete::Force).await.unwrap(), Deleted::Accepted);
    fly.wait(APP, &machine.id, &until(State::Destroyed)).await.unwrap();
    let interval = fly.get(APP, &machine.id).await.unwrap().unwrap().interval().unwrap();
    assert_eq!((interval.exit_code, interval.signal, interval.requested_stop), (Some(137), Some(9), true));
    local.stop().await;
}

#[tokio::test]
async fn an_exit_in_flys_other_shape_is_billed_all_the_same() {
    let Stage { fly, local } = stage(vec![Rule::always(Call::Create, Fault::MonitorEvent)]).await;
    let machine = fly.create(APP, &job("gh-1", "exit 0")).await.unwrap();
    fly.wait(APP, &machine.id, &until(State::Destroyed)).await.unwrap();
    let interval = fly.get(APP, &machine.id).await.unwrap().unwrap().interval().unwrap();
    assert_eq!((interval.exit_code, interval.signal, interval.exited_at.is_some()), (Some(0), None, true));
    local.stop().await;
}

#[tokio::test]
async fn out_of_memory_is_told_from_other_kills() {
    let Stage { fly, local } = stage(vec![Rule::always(Call::Create, Fault::Oom)]).await;
    let machine = fly.create(APP, &job("gh-1", "sleep 60")).await.unwrap();
    fly.wait(APP, &machine.id, &until(State::Destroyed)).await.unwrap();
    let interval = fly.get(APP, &machine.id).await.unwrap().unwrap().interval().unwrap();
    assert_eq!((interval.exit_code, interval.oom_killed, interval.requested_stop), (Some(137), true, false));
    local.stop().await;
}

#[tokio::test]
async fn a_wrong_token_app_image_or_size_stops_everything_and_says_why() {
    use fly::Cause::{Auth, BadConfig, BadImage, NoApp};
    let Stage { fly, local } = stage(Vec::new()).await;
    let stranger = Client::new(fly::Config {
        base_url: local.base_url().parse().unwrap(),
        token: "fm2_other".into(),
        timeout: Duration::from_secs(5),
    })
    .unwrap();
    let huge = CreateMachine {
        config: MachineConfig {
            guest: Some(fly::Guest { cpu_kind: "shared".to_owned(), cpus: 1, memory_mb: 65536 }),
            ..job("gh-1", "sleep 60").config
        },
        ..job("gh-1", "sleep 60")
    };
    let mut latest = job("gh-1", "sleep 60");
    latest.config.image = "registry.fly.io/runner:latest".to_owned();
    for (error, cause) in [
        (stranger.create(APP, &job("gh-1", "sleep 60")).await.unwrap_err(), Auth),
        (stranger.app(APP).await.unwrap_err(), Auth),
        (fly.app("nobodys").await.unwrap_err(), NoApp),
        (fly.create("nobodys", &job("gh-1", "sleep 60")).await.unwrap_err(), NoApp),
        (fly.create(APP, &latest).await.unwrap_err(), BadImage),
        (fly.create(APP, &huge).await.unwrap_err(), BadConfig),
    ] {
        assert_eq!(error.next, Next::Breaker(cause), "{error}");
    }
    assert_eq!(fly.app(APP).await.unwrap().machine_count, 0);
    assert!(fly.regions().await.unwrap().iter().any(|region| region.code == "iad"));
    local.stop().await;
}
