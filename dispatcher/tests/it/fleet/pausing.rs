//! A job that waits for a person keeps its machine, for a time.

use dispatcher::plan::Upkeep;
use serde_json::json;
use store::runner::Beat;

use super::rig::{Rig, Wish};

#[tokio::test]
async fn a_waiting_job_keeps_its_machine_until_nobody_has_answered_in_its_time() {
    let rig = Rig::new(Wish::default()).await;
    rig.insert("starter").await;
    let dispatcher = rig.start("one");
    let attempt = rig.launched().await;
    let runner = rig.run(attempt).await;
    // Its own time is long over; that does not count while it waits.
    rig.execute("update gh_job_attempts set hard_deadline = now() + interval '1 second'").await;
    runner.pause(&json!({ "type": "captcha" })).await.expect("paused");
    rig.execute("update gh_job_attempts set pause_until = pause_until - interval '150 seconds', hard_deadline = hard_deadline - interval '150 seconds'").await;
    let looks = dispatcher.signals.pulse.looks();
    dispatcher.signals.due.note(Upkeep::Expire);
    while dispatcher.signals.pulse.looks() < looks + 3 {
        dispatcher.signals.bell.ring();
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(matches!(runner.heartbeat().await.expect("answered"), Beat::Continue(_)));

    rig.execute("update gh_job_attempts set pause_until = now() - interval '1 second'").await;
    dispatcher.signals.due.note(Upkeep::Expire);
    dispatcher.signals.bell.ring();
    rig.until(
        1,
        "select count(*) from gh_automation_jobs where status = 'failed' and error_code = 'hitl_timeout'",
    )
    .await;
    assert_eq!(runner.heartbeat().await.expect("answered"), Beat::Stop("final".into()));
    rig.exit(attempt).await;
    rig.until(1, "select count(*) from gh_machines where closed_at is not null").await;
    dispatcher.stop().await;
}
