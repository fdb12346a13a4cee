//! What time without a database costs a job: nothing.

use std::time::Duration;

use store::runner::{Beat, Permit};
use tokio::time::{Instant, sleep};

use super::rig::{Rig, Wish};

/// As after an outage: nobody could renew the lease, and no heartbeat was heard, for `seconds`.
async fn away(rig: &Rig, seconds: u32) {
    rig.execute(&format!(
        "update gh_leader set expires_at = now() - interval '{seconds} seconds';
         update gh_attempt_heartbeats set beat_at = now() - interval '{seconds} seconds' - interval '20 seconds'"
    ))
    .await;
}

#[tokio::test]
async fn after_an_outage_a_running_attempt_has_its_whole_time_to_be_heard_again() {
    let rig = Rig::new(Wish::default()).await;
    rig.insert("starter").await;
    let first = rig.start("first");
    let attempt = rig.launched().await;
    let runner = rig.run(attempt).await;
    first.kill();
    away(&rig, 300).await;
    let second = rig.start("second");
    rig.until(1, "select count(*) from gh_leader where holder = 'second'").await;
    let looks = second.signals.pulse.looks();
    rig.execute("update gh_machines set seen_at = now() - interval '1 minute'").await;
    while second.signals.pulse.looks() < looks + 3 {
        second.signals.bell.ring();
        sleep(Duration::from_millis(20)).await;
    }
    let beat = runner.heartbeat().await.expect("answered");
    assert!(matches!(beat, Beat::Continue(_)), "{beat:?}");
    second.stop().await;
    // And no longer than that.
    rig.execute("update gh_leader set well_since = now() - interval '125 seconds'; update gh_attempt_heartbeats set beat_at = now() - interval '200 seconds'").await;
    let third = rig.start("third");
    rig.until(1, "select count(*) from gh_job_attempts where end_class = 'released'").await;
    let story = "select concat_ws(' ', crash_count, retry_count) from gh_automation_jobs";
    assert_eq!(rig.text(story).await.as_deref(), Some("0 0"));
    third.stop().await;
}

#[tokio::test]
async fn without_an_outage_another_leader_grants_no_more_time() {
    let rig = Rig::new(Wish::default()).await;
    rig.insert("starter").await;
    let first = rig.start("first");
    let attempt = rig.launched().await;
    let _silent = rig.run(attempt).await;
    first.stop().await;
    rig.execute("update gh_attempt_heartbeats set beat_at = now() - interval '121 seconds'").await;
    let second = rig.start("second");
    rig.until(1, "select count(*) from gh_job_attempts where end_class = 'crash'").await;
    second.stop().await;
}

/// A job whose machine ends with an exit code of its own, by then with the permit or without.
async fn exits(code: u8, permit: bool) -> Rig {
    let script = "while [ ! -s $GATE ]; do sleep 0.02; done; exit $(cat $GATE)";
    let rig = Rig::new(Wish { script: Some(script), ..Wish::default() }).await;
    rig.insert("starter").await;
    let dispatcher = rig.start("one");
    let attempt = rig.launched().await;
    let runner = rig.run(attempt).await;
    if permit {
        assert_eq!(runner.permit("submit").await.expect("answered"), Permit::Granted);
    }
    rig.execute("update gh_capacity set paused = true").await; // the next try would end the same way
    std::fs::write(rig.gate(), code.to_string()).expect("written");
    let until = Instant::now() + Duration::from_secs(20);
    while rig.count("select count(*) from gh_job_attempts where ended_at is not null").await == 0 {
        assert!(Instant::now() < until, "nobody noticed");
        rig.execute("update gh_machines set seen_at = now() - interval '1 minute' where closed_at is null")
            .await;
        dispatcher.signals.bell.ring();
        sleep(Duration::from_millis(50)).await;
    }
    dispatcher.stop().await;
    rig
}

const STORY: &str = "select concat_ws(' ', a.end_class, j.status, j.error_code, j.crash_count, j.retry_count)
                     from gh_automation_jobs j join gh_job_attempts a on a.job_id = j.id";

#[tokio::test]
async fn a_runner_that_gave_up_for_want_of_the_database_is_no_crash_of_its_job() {
    for (code, permit, story) in [
        (75, false, "released pending 0 0"),
        (75, true, "released failed submission_unknown 0 0"),
        (134, false, "crash pending browser_crashed 1 1"),
    ] {
        let rig = exits(code, permit).await;
        assert_eq!(rig.text(STORY).await.as_deref(), Some(story), "exit code {code}, permit {permit}");
    }
}
