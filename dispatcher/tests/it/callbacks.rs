//! Callbacks on their way: real couriers, a real database, receivers that answer as the test wants.

mod receiver;

use std::collections::HashSet;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use dispatcher::callbacks::{Courier, Names, Reach, Settings};
use dispatcher::hung::Hung;
use dispatcher::wake::Bell;
use domain::id::{JobId, UserId};
use hmac::{Hmac, KeyInit, Mac};
use receiver::{Receiver, Seen};
use serde_json::json;
use sha2::Sha256;
use store::Db;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::world::{IMAGE, KEY, World};

const SECRET: &str = "the-secret-of-the-service";
const LIMIT: Duration = Duration::from_secs(30);

fn settings(key_hosts: &str) -> Settings {
    Settings::new(None, Some(&SECRET.into()), key_hosts, Reach::Anything)
}

/// A courier at work.
struct Running {
    bell: Bell,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Hung>>,
}

impl Running {
    fn start(world: &World, settings: Settings) -> Self {
        let db = Db::open(&world.database.url.clone().into(), "courier", 1).expect("an address");
        let (bell, stop) = (Bell::default(), CancellationToken::new());
        let courier = Courier::new(db, settings).expect("a courier");
        Self { task: tokio::spawn(courier.run(bell.clone(), stop.clone())), bell, stop }
    }

    /// As SIGTERM.
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("it does not panic").expect("it ends in order");
    }

    /// As kill -9: what is under way is not noted.
    fn kill(&self) {
        self.task.abort();
    }
}

/// A job that was cancelled, so that one callback is due; returns the job.
async fn told(world: &World, url: &str) -> JobId {
    let job = world.insert(UserId::new(), "starter").await;
    for statement in [
        "update gh_automation_jobs set callback_url = $2 where id = $1",
        "update gh_automation_jobs set status = 'cancelled', completed_at = now(), status_message = $2 where id = $1",
    ] {
        sqlx::query(statement).bind(job.0).bind(url).execute(&mut world.sql().await).await.expect("written");
    }
    job
}

/// The same job again: another callback behind the first.
async fn told_again(world: &World, job: JobId) {
    store::jobs::retry(&world.db, store::jobs::Scope::Everyone, job).await.expect("pending");
    store::jobs::cancel(&world.db, store::jobs::Scope::Everyone, job).await.expect("cancelled");
}

async fn until(world: &World, expected: i64, query: &str) {
    let until = Instant::now() + LIMIT;
    while world.count(query).await != expected {
        assert!(
            Instant::now() <= until,
            "{query}: not {expected}; {}",
            world.text("select string_agg(to_jsonb(o)::text, E'\\n') from gh_outbox o").await
        );
        sleep(Duration::from_millis(10)).await;
    }
}

const DELIVERED: &str = "select count(*) from gh_outbox where delivered_at is not null";
const PARKED: &str = "select count(*) from gh_outbox where parked_at is not null";

fn verifies(seen: &Seen, key: &[u8]) -> bool {
    let mac = |text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes()
    };
    let time = seen.header("webhook-timestamp").expect("a time");
    let standard = mac(&format!("{}.{time}.{}", seen.id(), seen.text));
    let standard = format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(standard));
    let digit = |value: u8| char::from_digit(value.into(), 16).expect("a digit");
    let older: String =
        mac(&seen.text).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    seen.header("webhook-signature") == Some(&standard)
        && seen.header("x-gh-signature") == Some(&format!("sha256={older}"))
}

#[tokio::test]
async fn a_callback_carries_its_body_its_id_and_signatures_that_verify() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let job = told(&world, &receiver.url()).await;
    let running = Running::start(&world, settings(""));
    let seen = receiver.until(1).await.pop().expect("one");
    assert_eq!(seen.body()["job_id"], json!(job));
    assert_eq!(seen.path, "/hook?token=s3cret-in-the-query");
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("user-agent"), Some("GhostHands-Callback/1.0"));
    assert_eq!(seen.id(), world.text("select id::text from gh_outbox").await);
    assert_eq!(
        seen.header("x-gh-sequence"),
        Some(world.text("select seq::text from gh_outbox").await.as_str())
    );
    assert!(verifies(&seen, SECRET.as_bytes()), "{seen:?}");
    assert!(!verifies(
        &Seen { text: seen.text.replace("cancelled", "completed"), ..seen.clone() },
        SECRET.as_bytes()
    ));
    until(&world, 1, DELIVERED).await;
    running.stop().await;
}

#[tokio::test]
async fn a_secret_for_webhooks_goes_before_the_service_s() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    told(&world, &receiver.url()).await;
    let own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let key = base64::engine::general_purpose::STANDARD.decode(&own[6..]).expect("base64");
    let _running =
        Running::start(&world, Settings::new(Some(&own.into()), Some(&SECRET.into()), "", Reach::Anything));
    let seen = receiver.until(1).await.pop().expect("one");
    assert!(verifies(&seen, &key) && !verifies(&seen, SECRET.as_bytes()));
}

#[tokio::test]
async fn the_service_s_key_is_shown_to_listed_hosts_only() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    told(&world, &receiver.url()).await;
    let foreign = Running::start(&world, settings("valet.example, 127.0.0.1:1"));
    let seen = receiver.until(1).await.pop().expect("one");
    assert_eq!(seen.header("x-gh-service-key"), None);
    assert!(!format!("{seen:?}").contains(SECRET));
    foreign.stop().await;

    told(&world, &receiver.url()).await;
    let _listed = Running::start(&world, settings(&format!("valet.example, 127.0.0.1:{}", receiver.port)));
    let seen = receiver.until(2).await.pop().expect("another");
    assert_eq!(seen.header("x-gh-service-key"), Some(SECRET));
}

#[tokio::test]
async fn what_is_gone_is_parked_at_once_shown_and_redriven_under_its_old_id() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    receiver.answer(&[410], 200);
    let job = told(&world, &receiver.url()).await;
    told_again(&world, job).await;
    let running = Running::start(&world, settings(""));
    let seen = receiver.until(2).await;
    assert_ne!(seen[0].id(), seen[1].id(), "what was parked holds nothing back");
    until(&world, 1, DELIVERED).await;
    let said = world.say(&["callbacks", "ls"]).await;
    assert!(said.code == 0 && said.text.contains("410"), "{}", said.text);
    assert!(!said.text.contains("s3cret"), "{}", said.text);
    let (_, parked) = world.ask(&["callbacks", "ls"]).await;
    assert_eq!(
        (&parked[0]["id"], &parked[0]["tries"], &parked[0]["job_id"]),
        (&json!(seen[0].id()), &json!(1), &json!(job))
    );
    assert_eq!(world.ask(&["callbacks", "ls", "--state", "all"]).await.1.as_array().map(Vec::len), Some(2));

    let (code, said) = world.ask(&["callbacks", "redrive", "--parked", "--actor", "berta"]).await;
    assert_eq!((code, &said["redriven"]), (0, &json!([seen[0].id()])));
    running.bell.ring();
    let seen_again = receiver.until(3).await;
    assert_eq!((seen_again[2].id(), &seen_again[2].text), (seen[0].id(), &seen[0].text));
    until(&world, 2, DELIVERED).await;
    assert_eq!(world.text("select actor || ' ' || action from gh_audit").await, "berta redrive");
    assert_eq!(world.say(&["callbacks", "redrive", "--parked"]).await.code, 1, "nothing is left");
    assert_eq!(world.say(&["callbacks", "redrive"]).await.code, 2);
    assert_eq!(
        world.ask(&["callbacks", "redrive", seen[1].id()]).await.0,
        0,
        "what arrived can be sent again by name"
    );
    running.bell.ring();
    receiver.until(4).await;
}

#[tokio::test]
async fn a_refusal_is_no_last_word() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let refusals = [401, 403, 404, 400, 405, 409, 422, 451, 302];
    receiver.answer(&refusals, 200);
    for _ in refusals {
        told(&world, &receiver.url()).await;
    }
    let running = Running::start(&world, settings(""));
    receiver.until(refusals.len()).await;
    let waiting = world.say(&["callbacks", "ls", "--state", "all"]).await;
    assert!(!waiting.text.contains("s3cret"), "{}", waiting.text);
    until(&world, i64::try_from(refusals.len()).expect("few"), DELIVERED).await;
    assert_eq!(world.count(PARKED).await, 0);
    let seen = receiver.until(2 * refusals.len()).await;
    let ids: HashSet<&str> = seen.iter().map(Seen::id).collect();
    assert_eq!((seen.len(), ids.len()), (2 * refusals.len(), refusals.len()), "each once more, under its id");
    running.stop().await;
}

#[tokio::test]
async fn a_refusal_says_why_and_goes_on_for_a_day() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    receiver.answer(&[], 401);
    told(&world, &receiver.url()).await;
    let running = Running::start(&world, settings(""));
    until(&world, 1, "select count(*) from gh_outbox where last_error like '%401%GH_CALLBACK_KEY_HOSTS%' and parked_at is null").await;
    world
        .execute("update gh_outbox set since = now() - interval '23 hours', tries = 30, next_at = now()")
        .await;
    running.bell.ring();
    until(&world, 1, "select count(*) from gh_outbox where tries = 31 and parked_at is null and next_at > now() + interval '40 minutes'").await;
    world.execute("update gh_outbox set since = now() - interval '24 hours', next_at = now()").await;
    running.bell.ring();
    until(&world, 1, PARKED).await;
    assert!(
        world
            .text("select last_error from gh_outbox")
            .await
            .starts_with("given up after 24 hours: answered 401")
    );
    running.stop().await;
}

#[tokio::test]
async fn what_an_earlier_release_parked_at_its_first_refusal_goes_on_for_the_rest_of_its_day() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    for (error, since) in [
        ("answered 401 Unauthorized; GH_CALLBACK_KEY_HOSTS does not list it", "23 hours"),
        ("answered 404 Not Found", "1 minute"),
        ("answered 404 Not Found", "25 hours"),
        ("answered 410 Gone", "1 minute"),
        ("the address is not public", "1 minute"),
    ] {
        let job = told(&world, &receiver.url()).await;
        world.execute(&format!(
            "update gh_outbox set parked_at = now() - interval '30 seconds', tries = 1, last_error = '{error}', since = now() - interval '{since}' where job_id = '{job}'"
        )).await;
    }
    // One that is older news than what was told since stays where it is.
    let job = told(&world, &receiver.url()).await;
    told_again(&world, job).await;
    world.execute(&format!(
        "update gh_outbox set parked_at = case when seq = (select min(seq) from gh_outbox where job_id = '{job}') then now() end,
           delivered_at = case when seq > (select min(seq) from gh_outbox where job_id = '{job}') then now() end, tries = 1, last_error = 'answered 404 Not Found'
         where job_id = '{job}'"
    )).await;
    let running = Running::start(&world, settings(""));
    receiver.until(2).await;
    until(&world, 3, DELIVERED).await;
    assert_eq!(world.count(PARKED).await, 4);
    running.stop().await;
    assert_eq!(receiver.seen().len(), 2);
}

#[tokio::test]
async fn what_is_not_final_and_refused_for_long_keeps_the_end_of_its_job_from_nobody() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    receiver.answer(&[404], 200);
    let job = told(&world, &receiver.url()).await;
    told_again(&world, job).await;
    let first = format!("seq = (select min(seq) from gh_outbox where job_id = '{job}')");
    world.execute(&format!("update gh_outbox set event = 'needs_human' where {first}")).await;
    world.execute("update gh_outbox set since = now() - interval '11 minutes'").await;
    let running = Running::start(&world, settings(""));
    until(&world, 1, DELIVERED).await;
    let seen = receiver.until(2).await;
    assert_ne!(seen[0].id(), seen[1].id());
    assert_eq!(world.count(&format!("{PARKED} and {first} and last_error like 'overtaken%404%'")).await, 1);
    running.stop().await;
}

#[tokio::test]
async fn what_fails_is_sent_again_and_holds_back_what_comes_after_it() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    receiver.answer(&[503, 429], 204);
    let job = told(&world, &receiver.url()).await;
    told_again(&world, job).await;
    told_again(&world, job).await;
    let begun = Instant::now();
    let running = Running::start(&world, settings(""));
    let seen = receiver.until(5).await;
    let waited = begun.elapsed();
    let sequence: Vec<u64> = seen
        .iter()
        .map(|seen| seen.header("x-gh-sequence").expect("one").parse().expect("a number"))
        .collect();
    assert_eq!(sequence[0], sequence[1]);
    assert_eq!(sequence[1], sequence[2]);
    assert!(sequence[2] < sequence[3] && sequence[3] < sequence[4], "{sequence:?}");
    assert!(seen[..3].iter().all(|again| again.id() == seen[0].id() && again.text == seen[0].text));
    assert!(waited >= Duration::from_secs(4), "1 s, then 3 s: {waited:?}");
    until(&world, 3, DELIVERED).await;
    assert_eq!(world.count("select max(tries)::bigint from gh_outbox").await, 3);
    running.stop().await;
}

#[tokio::test]
async fn after_a_day_it_is_given_up() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    receiver.answer(&[], 500);
    told(&world, &receiver.url()).await;
    let running = Running::start(&world, settings(""));
    receiver.until(1).await;
    until(&world, 1, "select count(*) from gh_outbox where last_error like '%500%' and parked_at is null")
        .await;
    world.execute("update gh_outbox set since = now() - interval '23 hours 59 minutes 59.9 seconds', tries = 30, next_at = now()").await;
    running.bell.ring();
    receiver.until(2).await;
    until(&world, 1, PARKED).await;
    assert!(world.text("select last_error from gh_outbox").await.starts_with("given up after 24 hours"));
    let parked_after = receiver.seen().len();
    running.stop().await;
    assert_eq!(receiver.seen().len(), parked_after);
}

#[tokio::test]
async fn a_name_that_turns_into_an_address_of_our_own_is_refused_when_it_is_connected_to() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let names = Names::of(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        vec![IpAddr::from([127, 0, 0, 1])]
    });
    let public = Settings::new(None, Some(&SECRET.into()), "valet.example", Reach::Public).with_names(names);
    let name = format!("http://valet.example:{}/hook", receiver.port);
    told(&world, &name).await;
    told(&world, &receiver.url()).await; // written out
    told(&world, "file:///etc/passwd").await;
    let running = Running::start(&world, public.clone());
    until(&world, 3, PARKED).await;
    assert_eq!(receiver.seen().len(), 0);
    assert_eq!(asked.load(Ordering::Relaxed), 1, "it is asked once, and that answer is what counts");
    assert_eq!(world.count("select count(*) from gh_outbox where last_error like '%not public%'").await, 2);
    running.stop().await;
    // The same name, where private networks are allowed.
    world.execute("update gh_outbox set parked_at = null, next_at = now() where url like '%valet%'").await;
    let names = Names::of(|_| vec![IpAddr::from([127, 0, 0, 1])]);
    let _running = Running::start(&world, settings("").with_names(names));
    receiver.until(1).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (world, receiver, inner) = (World::new().await, Receiver::start().await, Receiver::start().await);
    receiver.redirect(&inner.url());
    told(&world, &receiver.url()).await;
    let running = Running::start(&world, settings(""));
    receiver.until(1).await;
    until(&world, 1, "select count(*) from gh_outbox where last_error like '%307%'").await;
    running.stop().await;
    assert_eq!(inner.seen().len(), 0);
}

#[tokio::test]
async fn what_was_sent_and_not_noted_is_sent_again_under_the_same_id() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    receiver.hold();
    told(&world, &receiver.url()).await;
    let first = Running::start(&world, settings(""));
    receiver.until(1).await;
    first.kill();
    receiver.release();
    assert_eq!(world.count(DELIVERED).await, 0);
    let second = Running::start(&world, settings(""));
    second.bell.ring();
    assert_eq!(receiver.seen().len(), 1, "it is the first one's for the time of its lease");
    world.execute("update gh_outbox set next_at = now()").await;
    second.bell.ring();
    let seen = receiver.until(2).await;
    assert_eq!((seen[0].id(), &seen[0].text), (seen[1].id(), &seen[1].text));
    until(&world, 1, DELIVERED).await;
    second.stop().await;
}

#[tokio::test]
async fn a_stop_waits_for_what_is_under_way_and_notes_it() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    receiver.hold();
    told(&world, &receiver.url()).await;
    let running = Running::start(&world, settings(""));
    receiver.until(1).await;
    running.stop.cancel();
    receiver.release();
    running.task.await.expect("it does not panic").expect("it ends in order");
    assert_eq!(world.count(DELIVERED).await, 1);
}

#[tokio::test]
async fn two_dispatchers_deliver_each_callback_once() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    for _ in 0..60 {
        told(&world, &receiver.url()).await;
    }
    let couriers = [Running::start(&world, settings("")), Running::start(&world, settings(""))];
    until(&world, 60, DELIVERED).await;
    for courier in couriers {
        courier.stop().await;
    }
    let seen = receiver.seen();
    let ids: HashSet<&str> = seen.iter().map(Seen::id).collect();
    assert_eq!((seen.len(), ids.len()), (60, 60));
}

#[tokio::test]
async fn a_host_that_does_not_answer_holds_up_no_other() {
    let (world, slow, fast) = (World::new().await, Receiver::start().await, Receiver::start().await);
    slow.hold();
    for _ in 0..40 {
        told(&world, &slow.url()).await;
    }
    for _ in 0..5 {
        told(&world, &fast.url()).await;
    }
    let running = Running::start(&world, settings(""));
    let until = Instant::now() + Duration::from_secs(8);
    while fast.seen().len() < 5 {
        assert!(Instant::now() < until, "{} of 5 arrived", fast.seen().len());
        sleep(Duration::from_millis(10)).await;
    }
    assert!(slow.seen().len() <= 8, "{}", slow.seen().len());
    running.kill();
}

#[tokio::test]
async fn the_program_delivers_and_its_log_holds_no_secret() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    receiver.answer(&[503], 200);
    let job = told(&world, &receiver.url()).await;
    told_again(&world, job).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_dispatcher"));
    command.env_clear().env("DATABASE_URL", &world.database.url).env("RUST_LOG", "debug");
    command.env("FLY_API_HOSTNAME", "http://127.0.0.1:1").env("FLY_API_TOKEN", "t");
    command.env("GH_RUNNER_IMAGE", IMAGE).env("GH_ENCRYPTION_KEY", KEY);
    command.env("GH_SERVICE_SECRET", SECRET).env("GH_ALLOW_PRIVATE_NET", "true");
    command.env("GH_CALLBACK_KEY_HOSTS", "127.0.0.1");
    let child = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let process = child.id();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output());
    let seen = receiver.until(3).await;
    assert_eq!(seen[0].header("x-gh-service-key"), Some(SECRET));
    until(&world, 2, DELIVERED).await;
    let stopped = Command::new("sh").args(["-c", &format!("kill {process}")]).status().expect("a shell");
    assert!(stopped.success());
    let output = output.await.expect("joined").expect("it ran");
    let log =
        String::from_utf8(output.stderr).expect("text") + &String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && log.contains("callback delivered"), "{log}");
    assert!(!log.contains("s3cret-in-the-query") && !log.contains(SECRET), "{log}");
}
