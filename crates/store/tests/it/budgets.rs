//! Money is reserved before it is spent.

use domain::id::{JobId, UserId};
use domain::tier::Tiers;
use serde_json::{Value, json};
use store::dispatch::Claimed;
use store::runner::{Attempt, Call, Finish};

use crate::world::{World, started};

/// A budget of the user's own.
async fn budget(world: &World, user: UserId, usd: &str, action: &str) {
    sqlx::query(
        "insert into gh_budgets (scope, name, limit_usd, action) values ('user_month', $1, $2::numeric, $3)",
    )
    .bind(user.to_string())
    .bind(usd)
    .bind(action)
    .execute(&mut world.sql().await)
    .await
    .expect("a budget");
}

/// A model's call that costs so many cents: 1,000 tokens of gpt-4o's output each.
fn call(request: &str, cents: u64) -> Call {
    Call {
        request_id: request.into(),
        provider: "openai".into(),
        model: "gpt-4o".into(),
        purpose: "map".into(),
        input: 0,
        cached: 0,
        output: cents * 1_000,
        reasoning: 0,
    }
}

/// The runner of a claimed attempt, at work.
async fn runner(world: &World, claimed: &Claimed) -> (Attempt, i64) {
    let mut runner = world.runner(claimed.attempt_id).await;
    let assignment = started(&mut runner).await;
    (runner, assignment.budget_micros.expect("a cap"))
}

async fn spend(world: &World, claimed: &Claimed, cents: u64) -> Attempt {
    let (runner, _) = runner(world, claimed).await;
    assert!(runner.usage(&call("1", cents)).await.expect("answered"));
    runner
}

async fn finish(runner: &Attempt, class: &str) {
    let end = runner.finish(&json!({ "class": class })).await.expect("answered");
    assert!(matches!(end, Finish::Recorded(_)), "{end:?}");
}

async fn refuse(world: &World) -> i32 {
    store::upkeep::refuse(&world.db, &world.tiers).await.expect("answered")
}

/// What a user has spent and reserved, in cents.
async fn used(world: &World, user: UserId, tier: &str) -> (i64, i64) {
    sqlx::query_as(
        "select (spent_usd * 100)::bigint, (reserved_usd * 100)::bigint from gh_user_budget($1, $2)",
    )
    .bind(user)
    .bind(tier)
    .fetch_one(&mut world.sql().await)
    .await
    .expect("a budget")
}

#[tokio::test]
async fn a_hundred_jobs_at_once_never_spend_more_than_a_budget_for_ten() {
    const SPENT: &str = "select (coalesce(sum(cost_usd), 0) * 1000000)::bigint from gh_cost_ledger";
    let mut world = World::new().await;
    let text =
        domain::tier::DEFAULT.replace("per_user = 40", "per_user = 100").replace("max = 40", "max = 100");
    world.tiers = Tiers::parse(&text).expect("tiers");
    world.capacity("enterprise", 100).await;
    let user = UserId::new();
    budget(&world, user, "20", "block").await; // a job may spend $2
    world.insert_many(user, "enterprise", 100).await;
    // Two dispatchers with connections of their own, under one lease as in a change of hands.
    let other = store::Db::open(&world.database.url.clone().into(), "other", 4).expect("an address");
    let (mut most_live, mut done) = (0, 0);
    let mut random = 7_u64;
    loop {
        let claim = async |db| {
            store::dispatch::claim(db, &world.lease, &world.tiers, "i", &world.apps, &world.sealer, 100)
                .await
                .expect("a claim")
        };
        let claims = tokio::join!(claim(&world.db), claim(&other), claim(&world.db), claim(&other));
        let claimed = [claims.0, claims.1, claims.2, claims.3].concat();
        if claimed.is_empty() {
            break;
        }
        most_live = most_live.max(claimed.len());
        // Each runner asks before a call, as the real one does, and spends some of its cap or all of it; one in five is lost half-way.
        let work = claimed.iter().enumerate().map(|(index, claimed)| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (world, share) = (&world, random >> 40);
            async move {
                let (runner, cap) = runner(world, claimed).await;
                let cents = u64::try_from(cap).expect("a cap") / 10_000;
                for (number, part) in
                    [share % (cents + 1), cents - share % (cents + 1)].into_iter().enumerate()
                {
                    if number == 0 || index % 2 == 0 {
                        assert!(runner.usage(&call(&number.to_string(), part)).await.expect("answered"));
                    }
                }
                if index % 5 == 0 {
                    let why = crate::world::why("gone");
                    world.close(claimed.attempt_id, domain::attempt::EndClass::Final, &why).await;
                } else {
                    finish(&runner, "completed").await;
                }
            }
        });
        futures::future::join_all(work).await;
        done += claimed.len();
        let spent = world.count(SPENT).await;
        assert!(spent <= 20_000_000, "{spent} millionths of a dollar after {done} jobs");
        refuse(&world).await;
    }
    refuse(&world).await;
    assert!(most_live == 10 && done >= 10, "{most_live} at once, {done} in all");
    let spent = world.count(SPENT).await;
    assert!(
        (18_000_001..=20_000_000).contains(&spent),
        "no room for one more, and not a cent too much: {spent}"
    );
    assert_eq!(
        world.count("select count(*) from gh_automation_jobs where status in ('pending', 'queued')").await,
        0
    );
    let refused =
        world.count("select count(*) from gh_automation_jobs where error_code = 'budget_exceeded'").await;
    assert_eq!(usize::try_from(refused).expect("a count") + done, 100);
}

#[tokio::test]
async fn what_an_attempt_did_not_spend_comes_back_when_it_ends_however_it_ends() {
    let world = World::new().await;
    world.capacity("enterprise", 40).await;
    for ending in ["completed", "retryable", "crash", "cancelled", "retired"] {
        let user = UserId::new();
        budget(&world, user, "4", "block").await;
        world.insert_many(user, "enterprise", 3).await;
        let claimed = world.claim(3).await;
        assert_eq!((claimed.len(), used(&world, user, "enterprise").await), (2, (0, 400)), "{ending}");
        let runner = spend(&world, &claimed[0], 50).await;
        assert_eq!(
            used(&world, user, "enterprise").await,
            (50, 350),
            "what is spent comes out of what is reserved"
        );
        assert!(world.claim(3).await.is_empty(), "the rest is still reserved");
        let one = claimed[0].job_id.0;
        match ending {
            "crash" => {
                let (class, why) = (domain::attempt::EndClass::Crash, crate::world::why("gone"));
                world.close(claimed[0].attempt_id, class, &why).await;
            }
            "cancelled" | "retired" => {
                let statement = match ending {
                    "cancelled" => "update gh_automation_jobs set status = 'cancelled' where id = $1",
                    _ => "update gh_automation_jobs set status = 'pending', worker_id = null where id = $1",
                };
                sqlx::query(statement).bind(one).execute(&mut world.sql().await).await.expect("by hand");
            }
            class => finish(&runner, class).await,
        }
        assert_eq!(used(&world, user, "enterprise").await, (50, 200), "{ending}");
        assert!(world.claim(3).await.is_empty(), "$1.50 is left, a job may need $2");
        world.execute("update gh_automation_jobs set status = 'cancelled' where status <> 'completed'").await;
    }
}

#[tokio::test]
async fn a_jobs_cap_is_one_over_all_its_attempts() {
    let world = World::new().await;
    world.insert(UserId::new(), "enterprise").await;
    for (cap, cents) in [(2_000_000, 150), (500_000, 50), (0, 0)] {
        world.execute("update gh_automation_jobs set scheduled_at = null").await;
        let claimed = world.claim(1).await.pop().expect("the job is due");
        let (runner, given) = runner(&world, &claimed).await;
        assert_eq!(given, cap);
        runner.usage(&call("1", cents)).await.expect("answered");
        finish(&runner, "retryable").await;
    }
}

#[tokio::test]
async fn a_users_own_budget_goes_before_the_tiers_and_other_users_are_untouched() {
    let world = World::new().await;
    world.capacity("pro", 40).await;
    let (poor, rich) = (UserId::new(), UserId::new());
    budget(&world, poor, "2", "block").await; // the tier's: $10, $1 a job
    world.insert_many(poor, "pro", 4).await;
    world.insert_many(rich, "pro", 4).await;
    let first = world.claim(20).await.len();
    let live = |user: UserId| {
        let world = &world;
        async move {
            sqlx::query_scalar::<_, i64>("select count(*) from gh_job_attempts where user_id = $1")
                .bind(user)
                .fetch_one(&mut world.sql().await)
                .await
                .expect("a count")
        }
    };
    assert_eq!((first, live(poor).await, live(rich).await), (6, 2, 4));
}

#[tokio::test]
async fn a_user_without_money_does_not_hide_the_others() {
    let world = World::new().await;
    world.capacity("pro", 20).await;
    let loud = UserId::new();
    budget(&world, loud, "0.5", "defer").await;
    world.insert_many(loud, "pro", 500).await;
    assert!(world.claim(10).await.is_empty(), "the first look finds out");
    for _ in 0..5 {
        world.insert(UserId::new(), "pro").await;
    }
    assert_eq!(world.claim(10).await.len(), 5, "everybody behind the 500 that wait");
    assert_eq!(refuse(&world).await, 0, "they wait for the next month");
    assert_eq!(world.count("select count(*) from gh_budget_holds").await, 1);
    // A change of the budget counts from the next claim on.
    world.execute("update gh_budgets set limit_usd = 5.5 where limit_usd = 0.5").await;
    assert_eq!(world.claim(10).await.len(), 5);
}

#[tokio::test]
async fn a_budget_of_the_day_holds_for_everybody_and_one_that_only_warns_holds_nobody() {
    let world = World::new().await;
    for tier in ["pro", "premium"] {
        world.capacity(tier, 20).await;
    }
    world.execute("insert into gh_budgets (scope, name, limit_usd, action) values ('global_day', '*', 5, 'defer'), ('tier_day', 'pro', 0, 'warn')").await;
    for _ in 0..4 {
        world.insert(UserId::new(), "pro").await; // $1 each
        world.insert(UserId::new(), "premium").await; // $2 each
    }
    let claimed = world.claim(20).await;
    let pro = claimed.iter().filter(|claimed| claimed.intent.tier == "pro").count();
    let premium = claimed.len() - pro;
    assert!(pro + 2 * premium <= 5 && pro + 2 * premium >= 4, "{pro} pro, {premium} premium");
    assert_eq!(refuse(&world).await, 0, "the rest is put off");
    // A machine's money counts for the day too.
    for claimed in &claimed {
        finish(&spend(&world, claimed, 1).await, "completed").await;
    }
    world.execute("insert into gh_cost_ledger (tier, kind, provider, sku, quantity, unit, cost_usd, source, dedup) values ('free', 'machine', 'fly', 's', 1, 'second', 4.5, 'test', 'm')").await;
    assert!(world.claim(20).await.is_empty());
}

#[tokio::test]
async fn a_tiers_day_that_is_spent_fails_its_jobs_and_no_others() {
    let world = World::new().await;
    world.execute("insert into gh_budgets (scope, name, limit_usd, action) values ('tier_day', 'pro', 1.2, 'block')").await;
    world.insert(UserId::new(), "pro").await;
    let claimed = world.claim(5).await.pop().expect("the job is due");
    spend(&world, &claimed, 30).await;
    let (pro, premium) =
        (world.insert(UserId::new(), "pro").await, world.insert(UserId::new(), "premium").await);
    assert_eq!(world.claim(5).await.iter().map(|claimed| claimed.job_id).collect::<Vec<_>>(), [premium]);
    assert_eq!(refuse(&world).await, 1);
    assert_eq!(
        world.job(pro, "status_message").await.as_deref(),
        Some("Insufficient daily budget. Remaining: $0.90, task requires: $1.00")
    );
}

#[tokio::test]
async fn a_spent_month_fails_the_waiting_jobs_in_the_contracts_words_and_a_reserved_one_lets_them_wait() {
    let world = World::new().await;
    world.capacity("pro", 20).await;
    let (spent, reserved) = (UserId::new(), UserId::new());
    for (user, cents) in [(spent, 97), (reserved, 0)] {
        budget(&world, user, "1.90", "block").await;
        world.insert(user, "pro").await;
        let claimed = world.claim(1).await.pop().expect("the job is due");
        if cents > 0 {
            spend(&world, &claimed, cents).await;
        }
    }
    let waiting = [world.insert(spent, "pro").await, world.insert(reserved, "pro").await];
    assert!(world.claim(5).await.is_empty());
    assert_eq!(refuse(&world).await, 1);
    assert_eq!(world.job(waiting[0], "status").await.as_deref(), Some("failed"));
    assert_eq!(world.job(waiting[0], "error_code").await.as_deref(), Some("budget_exceeded"));
    assert_eq!(
        world.job(waiting[0], "status_message").await.as_deref(),
        Some("Insufficient monthly budget. Remaining: $0.93, task requires: $1.00")
    );
    assert_eq!(world.job(waiting[1], "status").await.as_deref(), Some("queued"));
    let event: Value = sqlx::query_scalar(
        "select metadata from gh_job_events where job_id = $1 and event_type = 'job_failed'",
    )
    .bind(waiting[0].0)
    .fetch_one(&mut world.sql().await)
    .await
    .expect("an event");
    assert_eq!((&event["error_code"], &event["final"]), (&json!("budget_exceeded"), &json!(true)));
    assert_eq!(refuse(&world).await, 0, "once");
}

#[tokio::test]
async fn each_budget_says_how_full_it_is() {
    let world = World::new().await;
    world.execute("insert into gh_budgets (scope, name, limit_usd, action) values ('global_day', '*', 1, 'warn'), ('tier_day', 'free', 0.25, 'warn')").await;
    let job = JobId(uuid::Uuid::new_v4());
    for (usd, levels) in [
        ("0.24", [0, 0, 80]),
        ("0.02", [0, 50, 100]),
        ("0.15", [0, 80, 100]),
        ("0.10", [50, 100, 100]),
        ("0.3", [80, 100, 100]),
    ] {
        sqlx::query(
            "insert into gh_cost_ledger (job_id, user_id, tier, kind, provider, sku, quantity, unit, cost_usd, source, dedup)
             values ($1, '00000000-0000-0000-0000-000000000009', 'free', 'llm', 'p', 'm:input', 1, 'token', $2::numeric, 'test', gen_random_uuid()::text)",
        )
        .bind(job.0)
        .bind(usd)
        .execute(&mut world.sql().await)
        .await
        .expect("a line");
        let found: Vec<i32> = sqlx::query_scalar("select level from gh_cost_budgets order by array_position(array['global_day', 'user_month', 'tier_day'], scope)")
            .fetch_all(&mut world.sql().await)
            .await
            .expect("levels");
        assert_eq!(found, levels, "{usd}");
    }
}

#[tokio::test]
async fn the_view_of_all_budgets_says_what_each_users_says() {
    let world = World::new().await;
    world.capacity("pro", 20).await;
    let users: [UserId; 3] = std::array::from_fn(|_| UserId::new());
    budget(&world, users[2], "5", "warn").await;
    world.execute("insert into gh_user_usage (user_id, tier, tier_from, period_start, period_end) select gen_random_uuid(), 'pro', 'account', now(), now()").await;
    for user in users {
        world.insert_many(user, "pro", 2).await;
    }
    for (claimed, cents) in world.claim(6).await.iter().zip([0, 10, 20, 30, 40, 50]) {
        if cents > 0 {
            spend(&world, claimed, cents).await;
        }
    }
    let differ = world.count(
        "select count(*) from gh_cost_budgets b full join (select u.user_id, x.* from (select distinct user_id from gh_job_attempts) u
           cross join lateral gh_user_budget(u.user_id, 'pro') x) s on s.user_id = b.user_id
         where (b.name, b.action, b.limit_usd, b.spent_usd, b.reserved_usd) is distinct from (s.name, s.action, s.limit_usd, s.spent_usd, s.reserved_usd)",
    );
    assert_eq!(differ.await, 0);
    assert_eq!(
        world.count("select count(*) from gh_cost_budgets where spent_usd > 0 and reserved_usd > 0").await,
        3
    );
}
