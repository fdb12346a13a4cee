//! Money is reserved before it is spent.

use domain::id::UserId;
use serde_json::{Value, json};

use crate::world::{World, started};

/// An attempt of this user with its job, ready to reserve.
async fn attempt(world: &World, user: UserId, tier: &str) -> uuid::Uuid {
    sqlx::query_scalar(
        "with job as (insert into gh_automation_jobs (user_id, job_type, target_url, tier) values ($1, 'apply', 'https://example.com', $2) returning id)
         insert into gh_job_attempts (id, job_id, user_id, no, tier, state, token_hash, token_sealed, boot_deadline)
         select gen_random_uuid(), id, $1, 1, $2, 'running', '\\x00', '\\x00', now() from job returning id",
    )
    .bind(user)
    .bind(tier)
    .fetch_one(&mut world.sql().await)
    .await
    .expect("an attempt")
}

async fn reserve(world: &World, attempt: uuid::Uuid, micros: i64) -> Value {
    sqlx::query_scalar("select gh_budget_reserve($1, $2)")
        .bind(attempt)
        .bind(micros)
        .fetch_one(&mut world.sql().await)
        .await
        .expect("an answer")
}

async fn spend(world: &World, attempt: uuid::Uuid, usd: &str) {
    sqlx::query(
        "insert into gh_cost_ledger (job_id, attempt_id, user_id, tier, kind, provider, sku, quantity, unit, unit_price, cost_usd, source, dedup)
         select job_id, id, user_id, tier, 'llm', 'p', 'm:input', 1, 'token', $2::numeric, $2::numeric, 'test', gen_random_uuid()::text
         from gh_job_attempts where id = $1",
    )
    .bind(attempt)
    .bind(usd)
    .execute(&mut world.sql().await)
    .await
    .expect("a line");
}

async fn end(world: &World, attempt: uuid::Uuid) {
    sqlx::query("update gh_job_attempts set state = 'succeeded', ended_at = now() where id = $1")
        .bind(attempt)
        .execute(&mut world.sql().await)
        .await
        .expect("ended");
}

#[tokio::test]
async fn a_hundred_jobs_at_once_cannot_overshoot_a_budget_for_ten() {
    let world = World::new().await;
    let user = UserId::new();
    // Free: $0.50 a month; each job may spend $0.05.
    let mut attempts = Vec::new();
    for _ in 0..100 {
        attempts.push(attempt(&world, user, "free").await);
    }
    let answers = futures::future::join_all(attempts.iter().map(async |attempt| {
        let answer = reserve(&world, *attempt, 50_000).await;
        if answer["ok"] == json!(true) {
            spend(&world, *attempt, "0.05").await;
        }
        answer["ok"] == json!(true)
    }))
    .await;
    assert_eq!(answers.iter().filter(|granted| **granted).count(), 10);
    assert_eq!(world.count("select (sum(cost_usd) * 100)::bigint from gh_cost_ledger").await, 50);
}

#[tokio::test]
async fn what_an_attempt_did_not_spend_comes_back_when_it_ends() {
    let world = World::new().await;
    let user = UserId::new();
    let (first, second) = (attempt(&world, user, "free").await, attempt(&world, user, "free").await);
    assert_eq!(reserve(&world, first, 400_000).await["ok"], true);
    assert_eq!(reserve(&world, first, 400_000).await["ok"], true, "asking again is harmless");
    let refused = reserve(&world, second, 200_000).await;
    assert_eq!((&refused["scope"], &refused["action"]), (&json!("user_month"), &json!("block")), "{refused}");
    assert_eq!(refused["remaining_usd"], json!(0.1));
    spend(&world, first, "0.25").await;
    assert_eq!(reserve(&world, second, 200_000).await["ok"], false, "the rest is still reserved");
    end(&world, first).await;
    assert_eq!(reserve(&world, second, 200_000).await["ok"], true);
}

#[tokio::test]
async fn a_users_own_budget_goes_before_the_tiers_and_other_users_are_untouched() {
    let world = World::new().await;
    let (rich, poor) = (UserId(uuid::Uuid::from_u128(5)), UserId::new());
    world.execute("insert into gh_budgets (scope, name, limit_usd) values ('user_month', '00000000-0000-0000-0000-000000000005', 5)").await;
    for (user, granted) in [(rich, true), (poor, false)] {
        let attempt = attempt(&world, user, "free").await;
        assert_eq!(reserve(&world, attempt, 1_000_000).await["ok"], granted);
    }
}

#[tokio::test]
async fn a_budget_of_the_day_holds_for_everybody_and_one_that_only_warns_holds_nobody() {
    let world = World::new().await;
    world.execute("insert into gh_budgets (scope, name, limit_usd, action) values ('global_day', '*', 3, 'defer'), ('tier_day', 'pro', 0, 'warn')").await;
    for (tier, granted) in [("pro", true), ("premium", true), ("premium", false)] {
        let attempt = attempt(&world, UserId::new(), tier).await;
        let answer = reserve(&world, attempt, 1_500_000).await;
        assert_eq!(answer["ok"], granted, "{tier}: {answer}");
    }
    let room: i32 = sqlx::query_scalar("select gh_budget_room(null, 'pro', 1)")
        .fetch_one(&mut world.sql().await)
        .await
        .expect("a number");
    assert_eq!(room, 0);
}

#[tokio::test]
async fn the_room_of_a_user_is_what_is_left_over_the_price_of_one() {
    let world = World::new().await;
    let user = UserId::new();
    let room = async || -> i32 {
        sqlx::query_scalar("select gh_budget_room($1, 'free', 50000)")
            .bind(user)
            .fetch_one(&mut world.sql().await)
            .await
            .expect("a number")
    };
    assert_eq!(room().await, 10);
    let first = attempt(&world, user, "free").await;
    reserve(&world, first, 50_000).await;
    assert_eq!(room().await, 9);
    spend(&world, first, "0.011").await;
    assert_eq!(room().await, 9, "what is spent comes out of what is reserved");
    end(&world, first).await;
    assert_eq!(room().await, 9);
    let unlimited: i32 = sqlx::query_scalar("select gh_budget_room(null, 'free', 50000)")
        .fetch_one(&mut world.sql().await)
        .await
        .expect("a number");
    assert_eq!(unlimited, i32::MAX);
}

#[tokio::test]
async fn a_spent_month_fails_the_waiting_jobs_in_the_contracts_words_and_a_reserved_one_lets_them_wait() {
    let world = World::new().await;
    let (spent, reserved) = (UserId::new(), UserId::new());
    for (user, spends) in [(spent, true), (reserved, false)] {
        let attempt = attempt(&world, user, "free").await;
        reserve(&world, attempt, 470_000).await;
        if spends {
            spend(&world, attempt, "0.47").await;
        }
    }
    world.execute("update gh_automation_jobs set status = 'running', worker_id = 'w'").await;
    let (job, waiting) = (world.insert(spent, "free").await, world.insert(reserved, "free").await);
    let refused: i32 = sqlx::query_scalar("select gh_budget_refuse('free', 50000)")
        .fetch_one(&mut world.sql().await)
        .await
        .expect("a number");
    assert_eq!(refused, 1);
    assert_eq!(world.job(job, "status").await.as_deref(), Some("failed"));
    assert_eq!(world.job(job, "error_code").await.as_deref(), Some("budget_exceeded"));
    assert_eq!(
        world.job(job, "status_message").await.as_deref(),
        Some("Insufficient monthly budget. Remaining: $0.03, task requires: $0.05")
    );
    assert_eq!(world.job(waiting, "status").await.as_deref(), Some("queued"));
}

#[tokio::test]
async fn each_budget_says_how_full_it_is() {
    let world = World::new().await;
    for (usd, level) in [("0.24", 0), ("0.02", 50), ("0.15", 80), ("0.10", 100)] {
        let attempt = attempt(&world, UserId(uuid::Uuid::from_u128(9)), "free").await;
        spend(&world, attempt, usd).await;
        assert_eq!(world.count("select level::bigint from gh_cost_budgets").await, level, "{usd}");
    }
}

#[tokio::test]
async fn a_runner_that_ends_settles_by_itself() {
    let world = World::new().await;
    let claimed = world.claimed().await;
    let mut runner = world.runner(claimed.attempt_id).await;
    started(&mut runner).await;
    reserve(&world, claimed.attempt_id.0, 500_000).await;
    assert_eq!(world.count("select count(*) from gh_reservations where settled_at is null").await, 1);
    runner.finish(&json!({"class": "completed"})).await.expect("answered");
    assert_eq!(world.count("select count(*) from gh_reservations where settled_at is null").await, 0);
}

#[tokio::test]
async fn the_rooms_of_many_users_are_the_room_of_each() {
    let world = World::new().await;
    let users = [UserId::new(), UserId::new(), UserId(uuid::Uuid::from_u128(5))];
    world.execute("insert into gh_budgets (scope, name, limit_usd) values ('user_month', '00000000-0000-0000-0000-000000000005', 5)").await;
    let first = attempt(&world, users[0], "free").await;
    reserve(&world, first, 200_000).await;
    let second = attempt(&world, users[1], "free").await;
    spend(&world, second, "0.49").await;
    let differ: i64 = sqlx::query_scalar("select count(*) from gh_budget_rooms($1, 'free', 50000) r where r.room <> gh_budget_room(r.user_id, 'free', 50000)")
        .bind(users.map(|user| user.0).to_vec())
        .fetch_one(&mut world.sql().await)
        .await
        .expect("a count");
    let rooms: Vec<i32> =
        sqlx::query_scalar("select room from gh_budget_rooms($1, 'free', 50000) order by 1")
            .bind(users.map(|user| user.0).to_vec())
            .fetch_all(&mut world.sql().await)
            .await
            .expect("rooms");
    assert_eq!((differ, rooms), (0, vec![0, 6, 100]));
}
