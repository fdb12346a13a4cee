//! What makes a dispatcher look, and which one leads.

use std::time::{Duration, Instant};

use domain::tier::DEFAULT;
use local::{Call, Fault, Rule};
use tokio::time::timeout;

use super::rig::{Rig, Wish};

const LAUNCHED: &str = "select count(*) from gh_job_attempts where state = 'launching'";

#[tokio::test]
async fn a_lost_notice_costs_at_most_the_poll() {
    let rig = Rig::new(Wish::default()).await;
    let dispatcher = rig.start("one");
    rig.until(1, "select count(*) from gh_leader where expires_at > now()").await;
    rig.execute("alter table gh_automation_jobs disable trigger gh_automation_jobs_notify").await;
    let began = Instant::now();
    rig.insert("starter").await;
    rig.until(1, LAUNCHED).await;
    assert!(began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
    dispatcher.stop().await;
}

#[tokio::test]
async fn a_listener_that_was_cut_or_went_silent_listens_again() {
    for how in ["cut", "silent"] {
        let silence = if how == "silent" { Duration::from_millis(300) } else { Duration::from_secs(75) };
        let rig = Rig::new(Wish { silence, ..Wish::default() }).await;
        let dispatcher = rig.start("one");
        let listening = "select count(*) from pg_stat_activity where application_name = 'ghosthands-dispatcher-listen' and datname = current_database()";
        rig.until(1, listening).await;
        let before = rig.text(&listening.replace("count(*)", "max(pid)::text")).await;
        if how == "cut" {
            rig.execute(&listening.replace("count(*)", "pg_terminate_backend(pid)")).await;
        }
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let now = rig.text(&listening.replace("count(*)", "max(pid)::text")).await;
            if now.is_some() && now != before {
                break;
            }
            assert!(Instant::now() < until, "{how}: the old connection is still in use");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let began = Instant::now();
        rig.insert("starter").await;
        rig.until(1, LAUNCHED).await;
        assert!(began.elapsed() < Duration::from_secs(4), "{how}: heard, not polled");
        dispatcher.stop().await;
    }
}

#[tokio::test]
async fn a_storm_of_notices_is_a_few_looks() {
    let rig = Rig::new(Wish::default()).await;
    let dispatcher = rig.start("one");
    rig.until(1, "select count(*) from gh_leader where expires_at > now()").await;
    let (looks, began) = (dispatcher.signals.pulse.looks(), Instant::now());
    rig.execute("do $$ begin for i in 1..5000 loop perform pg_notify('gh_job_created', i::text); if i % 100 = 0 then commit; end if; end loop; end $$").await;
    let looked = dispatcher.signals.pulse.looks() - looks;
    let most = began.elapsed().as_millis() / 10 + 2;
    assert!(u128::from(looked) <= most, "{looked} looks in {:?}", began.elapsed());
    dispatcher.stop().await;
}

#[tokio::test]
async fn two_dispatchers_start_each_job_once() {
    let rig = Rig::new(Wish::default()).await;
    rig.execute("insert into gh_capacity (tier, capacity) values ('enterprise', 40)").await;
    for _ in 0..30 {
        rig.insert("enterprise").await;
    }
    let (one, two) = (rig.start("one"), rig.start("two"));
    rig.until(30, LAUNCHED).await;
    assert_eq!((rig.made().await, rig.creates()), (30, 30));
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_standby_takes_over_within_twenty_seconds_of_a_death_and_at_once_after_a_stop() {
    let rig = Rig::new(Wish::default()).await;
    let first = rig.start("first");
    rig.until(1, "select count(*) from gh_leader where holder = 'first'").await;
    let second = rig.start("second");
    first.kill();
    let began = Instant::now();
    rig.insert("starter").await;
    rig.until(1, LAUNCHED).await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let third = rig.start("third");
    second.stop().await;
    let began = Instant::now();
    rig.until(1, "select count(*) from gh_leader where holder = 'third'").await;
    assert!(began.elapsed() < Duration::from_secs(7), "a stop lets go of the lease: {:?}", began.elapsed());
    third.stop().await;
}

#[tokio::test]
async fn a_dispatcher_that_is_told_to_stop_finishes_the_calls_under_way() {
    let rig = Rig::new(Wish {
        faults: vec![local::Rule::always(local::Call::Create, local::Fault::Delay { ms: 700 })],
        ..Wish::default()
    })
    .await;
    rig.insert("starter").await;
    let dispatcher = rig.start("one");
    rig.until(1, "select count(*) from gh_machines").await;
    dispatcher.stop().await;
    assert_eq!(rig.count(LAUNCHED).await, 1, "the answer was waited for and noted");
    assert_eq!(rig.count("select count(*) from gh_leader where expires_at > now()").await, 0);
}

#[tokio::test]
async fn a_database_that_goes_away_kills_nothing_and_work_goes_on_when_it_is_back() {
    let rig = Rig::new(Wish::default()).await;
    rig.insert("starter").await;
    let dispatcher = rig.start("one");
    let attempt = rig.launched().await;
    rig.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()").await;
    let runner = rig.run(attempt).await;
    rig.insert("starter").await;
    rig.until(1, LAUNCHED).await;
    rig.finish(attempt, &runner).await;
    assert_eq!(rig.count("select count(*) from gh_machines where destroy_sent_at is not null").await, 0);
    dispatcher.stop().await;
}

#[tokio::test]
async fn each_dispatcher_tells_by_which_tiers_it_goes_until_it_ends() {
    let rig = Rig::new(Wish::default()).await;
    let (one, two) = (rig.start("one"), rig.start("two"));
    rig.until(2, "select count(*) from gh_dispatchers").await;
    rig.until(1, "select count(distinct tiers_hash) from gh_dispatchers").await;
    let before = rig.text("select max(tiers_hash) from gh_dispatchers").await;
    let edited = domain::tier::DEFAULT.replacen("memory_mb = 2048", "memory_mb = 4096", 1);
    std::fs::write(&rig.tiers_file, edited).expect("written");
    let file = std::fs::File::options().append(true).open(&rig.tiers_file).expect("opened");
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(1)).expect("touched");
    let changed =
        format!("select count(*) from gh_dispatchers where tiers_hash <> '{}'", before.unwrap_or_default());
    rig.until(2, &changed).await;
    let guest = "select count(*) from gh_notices where key = 'tiers_in_force' and value -> 'free' -> 'guest' ->> 'memory_mb' = '4096'";
    rig.until(1, guest).await;
    one.stop().await;
    two.stop().await;
    assert_eq!(rig.count("select count(*) from gh_dispatchers").await, 0);
}

#[tokio::test]
async fn what_a_dispatcher_does_is_counted_for_prometheus() {
    let rig = Rig::new(Wish::default()).await;
    let dispatcher = rig.start("one");
    rig.insert("starter").await;
    rig.until(1, LAUNCHED).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/metrics", listener.local_addr().expect("an address"));
    let (pulse, metrics) = (dispatcher.signals.pulse.clone(), dispatcher.signals.metrics.clone());
    tokio::spawn(dispatcher::health::serve(
        listener,
        pulse,
        metrics,
        tokio_util::sync::CancellationToken::new(),
    ));
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().expect("a client");
    let reply = client.get(url).send().await.expect("answered");
    assert_eq!(reply.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = reply.text().await.expect("a text");
    for line in [
        "gh_dispatcher_claimed_total{tier=\"starter\"} 1",
        "gh_fly_create_outcome_total{outcome=\"created\"} 1",
        "gh_dispatcher_leads 1",
        "gh_listen_ok 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    dispatcher.stop().await;
}

/// Backends that do not answer and do not end, as behind a network that drops what is sent.
struct Dead(Vec<i32>);

impl Dead {
    async fn new(rig: &Rig, name: &str) -> Self {
        let found = format!(
            "select string_agg(pid::text, ',') from pg_stat_activity where application_name = '{name}' and datname = current_database()"
        );
        let pids = rig.text(&found).await.expect("connections");
        let pids: Vec<i32> = pids.split(',').map(|pid| pid.parse().expect("a number")).collect();
        for pid in &pids {
            e2e::process::send(*pid, libc::SIGSTOP);
        }
        Self(pids)
    }
}

impl Drop for Dead {
    fn drop(&mut self) {
        for pid in &self.0 {
            e2e::process::send(*pid, libc::SIGCONT);
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_dead_and_does_not_say_so_ends_the_dispatcher() {
    let rig = Rig::new(Wish::default()).await;
    let dispatcher = rig.start("one");
    rig.until(1, "select count(*) from gh_leader where expires_at > now()").await;
    let _dead = Dead::new(&rig, "dispatcher").await;
    let hung = timeout(Duration::from_mins(2), dispatcher.ended()).await.expect("it ends by itself");
    let why = hung.expect_err("not in order").to_string();
    // The second, where it is the ping with which a connection is given back to its pool.
    let whats = ["a look had no answer in 60 s", "a pool of connections had no answer"];
    assert!(whats.iter().any(|what| why.contains(what)), "{why}");
}

#[tokio::test]
async fn a_dispatcher_on_a_dead_connection_can_be_stopped() {
    let rig = Rig::new(Wish::default()).await;
    let dispatcher = rig.start("one");
    rig.until(1, "select count(*) from gh_leader where expires_at > now()").await;
    let dead = Dead::new(&rig, "dispatcher").await;
    let began = Instant::now();
    dispatcher.stop().await;
    assert!(began.elapsed() < Duration::from_secs(35), "{:?}", began.elapsed());
    drop(dead);
}

#[tokio::test]
async fn where_fly_does_not_answer_what_needs_no_answer_of_it_goes_on() {
    // More machines than calls may be under way at once, three times over.
    const MACHINES: i64 = 200;
    let wide = "capacity = { min = 200, max = 200 }";
    let tiers = DEFAULT.replacen("capacity = { min = 2, max = 20 }", wide, 1);
    let rig = Rig::new(Wish { tiers, ..Wish::default() }).await;
    rig.execute(
        "insert into gh_automation_jobs (user_id, job_type, target_url, input_data)
         select gen_random_uuid(), 'apply', 'https://example.com', '{\"tier\": \"starter\"}' from generate_series(1, 200)",
    )
    .await;
    let dispatcher = rig.start("one");
    rig.until(MACHINES, LAUNCHED).await;
    rig.fly.set_faults(vec![Rule::always(Call::Get, Fault::Delay { ms: 60_000 })]);
    // The last of them did not come up in its time.
    rig.execute(
        "update gh_job_attempts set boot_deadline = now() + interval '10 seconds' where id = (select attempt_id from gh_machines order by intent_at desc, id desc limit 1)",
    )
    .await;
    rig.until(1, "select count(*) from gh_job_attempts where end_class = 'placement'").await;
    dispatcher.kill();
}
