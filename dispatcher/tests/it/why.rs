//! `why` names the one thing that holds a job back.

use domain::attempt::{AttemptState, EndClass};
use domain::id::{JobId, UserId};
use serde_json::{Value, json};
use store::machines::{self, Seen, Sighting, Why};
use store::runner::Permit;

use crate::world::World;

/// Asks, and checks that the reason is this one.
async fn why(world: &World, job: JobId, reason: &str) -> Value {
    let (code, answer) = world.ask(&["why", &job.to_string()]).await;
    assert_eq!((code, answer["reason"].as_str()), (0, Some(reason)), "{answer:#}");
    let sentence = answer["sentence"].as_str().expect("a sentence");
    assert!(sentence.ends_with(['.', '?', '!', '…']) && !sentence.contains('\n'), "{sentence}");
    answer
}

fn says(answer: &Value, words: &str) {
    assert!(
        answer["sentence"].as_str().is_some_and(|sentence| sentence.contains(words)),
        "no `{words}` in {answer:#}"
    );
}

#[tokio::test]
async fn a_job_that_does_not_exist_is_unknown() {
    let world = World::new().await;
    let (code, answer) = world.ask(&["why", &JobId::new().to_string()]).await;
    assert_eq!((code, &answer["reason"]), (1, &json!("unknown")));
    assert_eq!(world.say(&["why", "no-uuid"]).await.code, 2);
}

#[tokio::test]
async fn a_job_that_is_over_says_how_it_ended() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    let result = json!({ "class": "final", "error_code": "login_failed", "error_message": "The password was refused." });
    runner.finish(&result).await.expect("recorded");
    let answer = why(&world, claimed.job_id, "terminal").await;
    says(&answer, "`login_failed`");
    says(&answer, "The password was refused.");

    let (claimed, runner) = world.running().await;
    runner.finish(&json!({ "class": "completed", "result_summary": "Sent" })).await.expect("recorded");
    says(&why(&world, claimed.job_id, "terminal").await, "It is done: completed");
}

#[tokio::test]
async fn a_scheduled_job_says_until_when() {
    let world = World::new().await;
    let job = world.insert(UserId::new(), "starter").await;
    world.execute("update gh_automation_jobs set scheduled_at = now() + interval '150 minutes'").await;
    says(&why(&world, job, "scheduled").await, "in 2 h");
}

#[tokio::test]
async fn a_job_that_is_tried_again_says_after_which_error() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    let result = json!({ "class": "retryable", "error_code": "page_timeout", "error_message": "The page did not load." });
    runner.finish(&result).await.expect("recorded");
    let answer = why(&world, claimed.job_id, "backoff").await;
    says(&answer, "retry 1 of 3 `page_timeout`: The page did not load.");

    let claimed = world.claimed().await;
    let told = Why { code: None, message: "No region has room.", next_tier: None };
    let seen = Seen { state: AttemptState::Claimed, beat_at: None };
    machines::close_attempt(&world.db, &world.lease, claimed.attempt_id, seen, EndClass::Placement, &told)
        .await
        .expect("closed");
    says(&why(&world, claimed.job_id, "backoff").await, "no machine came up: No region has room.");
}

#[tokio::test]
async fn a_job_that_waits_for_another_of_its_application_names_it() {
    let world = World::new().await;
    let claimed = world.claimed().await;
    let waits = "insert into gh_automation_jobs (user_id, job_type, target_url, tier, metadata)
        select user_id, 'apply', 'https://example.com', 'starter', jsonb_build_object('retryOf', id) from gh_automation_jobs returning id::text";
    let job = JobId(world.text(waits).await.parse().expect("a uuid"));
    let answer = why(&world, job, "application_held").await;
    says(&answer, &format!("It waits for job {} (queued) of the same application", claimed.job_id));
    assert_eq!(answer["details"]["other_job_id"], json!(claimed.job_id));
}

#[tokio::test]
async fn a_job_of_a_paused_tier_says_so_and_how_to_resume() {
    let world = World::new().await;
    let job = world.insert(UserId::new(), "starter").await;
    world.execute("update gh_capacity set paused = true where tier = 'starter'").await;
    says(&why(&world, job, "tier_paused").await, "`dispatcher resume starter`");
}

#[tokio::test]
async fn a_job_of_a_full_tier_says_how_full_and_what_the_rule_will_do() {
    let world = World::new().await;
    world.execute("update gh_capacity set capacity = 1 where tier = 'free'").await;
    for _ in 0..2 {
        world.insert(UserId::new(), "free").await;
    }
    assert_eq!(world.claim(5).await.len(), 1);
    let job: uuid::Uuid = world
        .text("select id::text from gh_automation_jobs where worker_id is null")
        .await
        .parse()
        .expect("a uuid");
    let answer = why(&world, JobId(job), "at_capacity").await;
    says(&answer, "1 of 1: the rule raises it when more than 2 are due, now 1");
    assert_eq!(
        (&answer["details"]["live"], &answer["details"]["capacity"], &answer["details"]["max"]),
        (&json!(1), &json!(1), &json!(5))
    );

    for _ in 0..3 {
        world.insert(UserId::new(), "free").await;
    }
    says(&why(&world, JobId(job), "at_capacity").await, "the rule raises it to 2 with 4 due");
}

#[tokio::test]
async fn a_user_with_all_their_jobs_running_is_told_the_cap() {
    let world = World::new().await;
    world.execute("update gh_capacity set capacity = 20").await;
    let user = UserId::new();
    for _ in 0..4 {
        world.insert(user, "starter").await;
    }
    assert_eq!(world.claim(10).await.len(), 3);
    let job: uuid::Uuid = world
        .text("select id::text from gh_automation_jobs where worker_id is null")
        .await
        .parse()
        .expect("a uuid");
    let answer = why(&world, JobId(job), "user_cap").await;
    says(&answer, "3 of 3");
    assert_eq!((&answer["details"]["live"], &answer["details"]["per_user"]), (&json!(3), &json!(3)));
}

#[tokio::test]
async fn a_job_without_money_says_which_budget_and_what_becomes_of_it() {
    let world = World::new().await;
    let job = world.insert(UserId::new(), "pro").await;
    let budget = |scope: &str, limit: &str, action: &str| {
        format!(
            "delete from gh_budgets; insert into gh_budgets (scope, name, limit_usd, action) values ('{scope}', {}, {limit}, '{action}')",
            match scope {
                "global_day" => "'*'",
                _ => "'pro'",
            }
        )
    };
    for (scope, limit, action, words) in [
        (
            "user_month",
            "0.5",
            "block",
            "its user's budget of the month has no room: $0.000000 of $0.500000 is spent",
        ),
        ("user_month", "0.5", "block", "`budget_exceeded`"),
        ("tier_day", "0.5", "defer", "tier pro's budget of the day has no room"),
        ("global_day", "0.9", "defer", "it waits for the next day"),
    ] {
        world.execute(&budget(scope, limit, action)).await;
        let answer = why(&world, job, "no_budget").await;
        assert!(answer["sentence"].as_str().expect("text").to_lowercase().contains(words), "{answer:#}");
        assert_eq!(
            (&answer["details"]["wanted"], &answer["details"]["scope"]),
            (&json!(1_000_000), &json!(scope))
        );
    }
    world.execute(&budget("user_month", "1.5", "block")).await;
    why(&world, job, "due").await;
    world.execute("insert into gh_automation_jobs (user_id, job_type, target_url, input_data) select user_id, job_type, target_url, input_data from gh_automation_jobs").await;
    assert_eq!(world.claim(5).await.len(), 1);
    let waiting: uuid::Uuid = world
        .text("select id::text from gh_automation_jobs where worker_id is null")
        .await
        .parse()
        .expect("a uuid");
    says(
        &why(&world, JobId(waiting), "no_budget").await,
        "$1.000000 is reserved, the job may need $1.000000; it starts when enough of the reserved comes back",
    );
}

#[tokio::test]
async fn a_job_that_would_pass_its_users_cap_in_line_is_told_so_before() {
    let world = World::new().await;
    world.execute("update gh_capacity set capacity = 20").await;
    let user = UserId::new();
    for _ in 0..3 {
        world.insert(user, "starter").await;
    }
    let job = world.insert(user, "starter").await;
    says(&why(&world, job, "user_cap").await, "0 of 3 jobs running and 3 more before it");
}

#[tokio::test]
async fn an_open_breaker_says_its_cause() {
    let world = World::new().await;
    let job = world.insert(UserId::new(), "starter").await;
    let notice = json!({ "cause": "BadImage", "message": "manifest unknown" });
    store::notices::set(&world.db, "breaker", &notice).await.expect("noted");
    says(&why(&world, job, "breaker").await, "(BadImage): manifest unknown");
    store::notices::set(&world.db, "breaker", &Value::Null).await.expect("noted");
    why(&world, job, "due").await;
}

#[tokio::test]
async fn a_job_bound_to_a_worker_names_it() {
    let world = World::new().await;
    let job = world.insert(UserId::new(), "starter").await;
    world
        .execute("update gh_automation_jobs set target_worker_id = 'desk-7', worker_affinity = 'strict'")
        .await;
    says(&why(&world, job, "strict_worker").await, "worker `desk-7` only, which is not registered");
    world.execute("update gh_automation_jobs set worker_affinity = 'preferred'").await;
    why(&world, job, "due").await;
}

#[tokio::test]
async fn without_create_tokens_it_is_flys_limit() {
    let world = World::new().await;
    world.claimed().await; // makes the bucket
    let job = world.insert(UserId::new(), "starter").await;
    machines::freeze(&world.db, "runner", 20).await.expect("frozen");
    says(&why(&world, job, "rate_frozen").await, "too fast");
    // Refilled an hour from now, so that no token comes back while this test runs.
    world
        .execute(
            "update gh_rate set frozen_until = null, tokens = 0, refilled_at = now() + interval '1 hour'",
        )
        .await;
    why(&world, job, "no_create_token").await;
}

#[tokio::test]
async fn a_ready_pool_machine_needs_no_create_token() {
    let world = World::new().await;
    world.claimed().await;
    let job = world.insert(UserId::new(), "starter").await;
    machines::freeze(&world.db, "runner", 20).await.expect("frozen");
    world
        .execute(
            "insert into gh_machines (id, kind, app, name, tier, guest, image, regions, seen)
             values (gen_random_uuid(), 'pool', 'runner', 'gh-pool-1', 'starter', '{\"cpu_kind\":\"shared\",\"cpus\":2,\"memory_mb\":2048}', 'i', 'iad', 'stopped')",
        )
        .await;
    why(&world, job, "due").await;
}

#[tokio::test]
async fn without_a_leader_it_says_who_led_last() {
    let world = World::new().await;
    let job = world.insert(UserId::new(), "starter").await;
    world.execute("update gh_leader set expires_at = now() - interval '7 minutes'").await;
    says(&why(&world, job, "no_leader").await, "the lease of leader-1 ended 7 min ago");
    world.execute("delete from gh_leader").await;
    says(&why(&world, job, "no_leader").await, "ever led");
}

#[tokio::test]
async fn a_job_whose_machine_starts_says_how_far_it_is() {
    let world = World::new().await;
    let claimed = world.claimed().await;
    says(&why(&world, claimed.job_id, "launching").await, "asked for, not answered yet");
    machines::not_created(&world.db, claimed.intent.id, "region_full", Some("ewr,ord")).await.expect("noted");
    says(&why(&world, claimed.job_id, "launching").await, "region_full after 1 calls, regions left: ewr,ord");
    machines::created(&world.db, claimed.intent.id, "3d8d7e62c12789", Some("ewr"), "created")
        .await
        .expect("noted");
    let sighting = Sighting { state: "starting".into(), ..Sighting::default() };
    machines::seen(&world.db, claimed.intent.id, &sighting).await.expect("noted");
    let answer = why(&world, claimed.job_id, "launching").await;
    says(&answer, "(3d8d7e62c12789, starting)");
    says(&answer, "s of the 60 s");
    assert_eq!(
        (&answer["details"]["boot_seconds"], &answer["details"]["region"]),
        (&json!(60), &json!("ewr"))
    );
}

#[tokio::test]
async fn a_running_job_says_since_when_and_when_it_was_last_heard() {
    let world = World::new().await;
    let (claimed, _runner) = world.running().await;
    world.execute("update gh_attempt_heartbeats set beat_at = now() - interval '77 seconds'").await;
    let answer = why(&world, claimed.job_id, "running").await;
    says(&answer, "attempt 1 on");
    says(&answer, "last heartbeat 77 s ago");
    assert!(
        answer["details"]["remaining_seconds"].as_i64().is_some_and(|left| (1..=300).contains(&left)),
        "{answer:#}"
    );
}

#[tokio::test]
async fn a_job_that_waits_for_a_person_says_the_question() {
    let world = World::new().await;
    let (claimed, _runner) = world.running().await;
    world
        .execute(
            "update gh_automation_jobs set status = 'paused', paused_at = now() - interval '4 minutes', interaction_type = 'two_factor',
               interaction_data = '{\"question\": \"Which code did the site send?\", \"resolution_data\": {\"code\": \"424242\"}}'",
        )
        .await;
    let answer = why(&world, claimed.job_id, "needs_human").await;
    says(&answer, "for 4 min (two_factor), and a machine waits with it: Which code did the site send?");
    assert!(!answer.to_string().contains("424242"), "an answer of a person is nobody's to read");

    let (claimed, runner) = world.running().await;
    let result = json!({ "class": "needs_human", "result_summary": "The form asks for a salary.", "interaction_type": "question" });
    runner.finish(&result).await.expect("recorded");
    says(&why(&world, claimed.job_id, "needs_human").await, "The form asks for a salary.");

    let (claimed, runner) = world.running().await;
    let result = json!({ "class": "needs_human", "error_code": "missing_answers", "error_message": "Required: Salary" });
    runner.finish(&result).await.expect("recorded");
    says(&why(&world, claimed.job_id, "needs_human").await, "(missing_answers): Required: Salary.");
}

#[tokio::test]
async fn a_job_that_another_holds_names_the_holder() {
    let world = World::new().await;
    let job = world.insert(UserId::new(), "starter").await;
    world.text("select id::text from gh_pickup_next_job('old-worker-3')").await;
    says(&why(&world, job, "foreign_worker").await, "`old-worker-3` holds it");
    world.execute("update gh_automation_jobs set worker_id = null, status = 'running'").await;
    why(&world, job, "stranded").await;
}

#[tokio::test]
async fn a_job_behind_others_says_how_many() {
    let world = World::new().await;
    for _ in 0..3 {
        world.insert(UserId::new(), "starter").await;
    }
    let job = world.insert(UserId::new(), "starter").await;
    says(&why(&world, job, "in_line").await, "3 jobs of tier starter go first, and 2 may start now");
    world.execute("update gh_capacity set capacity = 10 where tier = 'starter'").await;
    why(&world, job, "due").await;
}

#[tokio::test]
async fn the_jobs_of_a_user_at_the_cap_are_not_counted_as_going_first() {
    let world = World::new().await;
    world.execute("update gh_capacity set capacity = 4 where tier = 'starter'").await;
    let loud = UserId::new();
    for _ in 0..10 {
        world.insert(loud, "starter").await;
    }
    assert_eq!(world.claim(10).await.len(), 3);
    let job = world.insert(UserId::new(), "starter").await;
    assert_eq!(why(&world, job, "due").await["details"]["ahead"], json!(0));
}

#[tokio::test]
async fn the_permit_does_not_change_what_a_running_job_says() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    assert_eq!(runner.permit("submit").await.expect("answered"), Permit::Granted);
    why(&world, claimed.job_id, "running").await;
}
