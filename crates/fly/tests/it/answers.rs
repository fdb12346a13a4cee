//! Which failure leads to which next step: one row per answer.

use crate::fake::{Fake, Say, client};
use fly::{Cause, CreateMachine, Next, Shortage};
use std::time::Duration;

fn machine() -> CreateMachine {
    CreateMachine::new("gh-1", "img")
}

async fn after_create(fake: &Fake) -> fly::Error {
    let error = fake.client().create("app", &machine()).await.unwrap_err();
    assert_eq!(fake.asked().len(), 1, "a create is sent once, whatever comes of it");
    error
}

/// Fly's answers to a create, as `reference` §1.4 and §7 have them, and what follows from each.
fn rows() -> Vec<(u16, &'static str, Next)> {
    let back_off = Next::BackOff { retry_after: None };
    let full = Next::NextRegion(Shortage::Capacity);
    vec![
        (
            409,
            r#"{"error":"already_exists: unique machine name violation, machine ID 1857156b526dd8 already exists with name \"gh-1\""}"#,
            Next::Adopt("1857156b526dd8".to_owned()),
        ),
        (
            422,
            r#"{"error":"already_exists: unique machine name violation, machine ID abc already exists"}"#,
            Next::Adopt("abc".to_owned()),
        ),
        (409, r#"{"error":"already_exists: unique machine name violation"}"#, Next::UnknownOutcome),
        (409, r#"{"error":"something new"}"#, Next::UnknownOutcome),
        (408, r#"{"error":"deadline_exceeded: context deadline exceeded"}"#, Next::UnknownOutcome),
        (500, r#"{"error":"internal"}"#, Next::UnknownOutcome),
        (502, "<html>bad gateway</html>", Next::UnknownOutcome),
        (503, "", Next::UnknownOutcome),
        (503, r#"{"error":"region ams has no capacity"}"#, full.clone()),
        (422, r#"{"error":"no luck","status":"insufficient_capacity"}"#, full.clone()),
        (422, r#"{"error":"could not find a candidate host with room"}"#, full.clone()),
        (409, r#"{"error":"insufficient resources available to fulfill request"}"#, full.clone()),
        (409, r#"{"error":"aborted: no capacity"}"#, full.clone()),
        (412, r#"{"error":"x","status":"volume_placement_capacity"}"#, full.clone()),
        (422, r#"{"error":"failed to launch VM: region cdg has no capacity"}"#, full),
        (
            409,
            r#"{"error":"aborted: could not reserve resource for machine: insufficient memory available to fulfill request on the current host"}"#,
            Next::SameRegionAgain,
        ),
        (409, r#"{"error":"insufficient CPUs available to fulfill request"}"#, Next::SameRegionAgain),
        (422, r#"{"error":"governor policy blocked start"}"#, Next::SameRegionAgain),
        (
            503,
            r#"{"error":"deploys to this host are temporarily disabled, please try again later"}"#,
            Next::SameRegionAgain,
        ),
        (
            403,
            r#"{"error":"organization \"x\" is using 1970176 MB of memory in dfw which is over the allowed quota. please consider other regions"}"#,
            Next::NextRegion(Shortage::Quota),
        ),
        (
            422,
            r#"{"error":"To create more than 1 machine per app please add a payment method."}"#,
            Next::Breaker(Cause::Quota),
        ),
        (401, r#"{"error":"Authenticate: token validation error"}"#, Next::Breaker(Cause::Auth)),
        (401, r#"{"message":"Unauthorized"}"#, Next::Breaker(Cause::Auth)),
        (403, r#"{"error":"not yours"}"#, Next::Breaker(Cause::Auth)),
        (404, r#"{"error":"Could not find App \"app\""}"#, Next::Breaker(Cause::NoApp)),
        (404, "404 page not found", Next::Breaker(Cause::NoApp)),
        (404, r#"{"error":"internal: failed to get app: sql: no rows in result set"}"#, back_off.clone()),
        (404, r#"{"error":"failed to get manifest img: manifest unknown"}"#, Next::Breaker(Cause::BadImage)),
        (400, r#"{"error":"MANIFEST_UNKNOWN: manifest unknown"}"#, Next::Breaker(Cause::BadImage)),
        (
            400,
            r#"{"error":"invalid config.guest.memory_mb, minimum required 1024 MiB"}"#,
            Next::Breaker(Cause::BadConfig),
        ),
        (400, r#"{"error":"json: cannot unmarshal"}"#, Next::Definite),
        (422, r#"{"error":"some other refusal"}"#, Next::Definite),
        (429, "", back_off.clone()),
        (409, r#"{"error":"aborted: machine update failed due to concurrent update"}"#, back_off.clone()),
        (409, r#"{"error":"machine ID x lease currently held by y, expires at z"}"#, back_off),
        (200, "not json", Next::UnknownOutcome),
        (200, r#"{"name":"no id"}"#, Next::UnknownOutcome),
    ]
}

#[tokio::test]
async fn every_answer_to_a_create_leads_to_one_next_step() {
    for (status, body, next) in rows() {
        let fake = Fake::answering(status, body).await;
        let error = after_create(&fake).await;
        assert_eq!(error.next, next, "{status} {body}");
        assert_eq!(error.request_id.as_deref(), Some("01REQ-iad"));
        assert!(error.to_string().contains("01REQ-iad"), "{error}");
    }
}

#[tokio::test]
async fn a_connection_reset_after_the_request_was_sent_is_an_unknown_outcome() {
    let error = after_create(&Fake::saying(Say::Reset).await).await;
    assert_eq!(error.next, Next::UnknownOutcome);
    assert!(error.may_have_been_done());
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_unknown_outcome() {
    assert_eq!(after_create(&Fake::saying(Say::HalfBody).await).await.next, Next::UnknownOutcome);
}

#[tokio::test]
async fn a_timeout_is_an_unknown_outcome() {
    let fake = Fake::saying(Say::Silence).await;
    let impatient = client(fake.url(), Duration::from_millis(200));
    let error = impatient.create("app", &machine()).await.unwrap_err();
    assert_eq!(error.next, Next::UnknownOutcome);
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn a_connection_that_was_never_made_has_done_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&url, Duration::from_secs(2)).create("app", &machine()).await.unwrap_err();
    assert_eq!(error.next, Next::BackOff { retry_after: None });
    assert!(!error.may_have_been_done());
}

#[tokio::test]
async fn a_429_says_how_long_to_wait_where_fly_does() {
    let fake = Fake::saying(Say::Http(429, "retry-after: 7\r\n", String::new())).await;
    let next = Next::BackOff { retry_after: Some(Duration::from_secs(7)) };
    assert_eq!(after_create(&fake).await.next, next);
    assert_eq!(fake.client().get("app", "m").await.unwrap_err().next, next);
}

#[tokio::test]
async fn a_read_that_fails_on_the_way_may_simply_be_repeated() {
    for say in [
        Say::Reset,
        Say::HalfBody,
        Say::Http(500, "", String::new()),
        Say::Http(408, "", String::new()),
        Say::Http(200, "", "?".to_owned()),
    ] {
        let fake = Fake::saying(say).await;
        let error = fake.client().get("app", "m").await.unwrap_err();
        assert_eq!(error.next, Next::BackOff { retry_after: None });
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_because_the_token_is_for_fly_alone() {
    let elsewhere = Fake::answering(200, r#"{"id":"m"}"#).await;
    let location: &'static str = format!("location: {}/v1\r\n", elsewhere.url()).leak();
    let fake = Fake::saying(Say::Http(307, location, String::new())).await;
    assert_eq!(after_create(&fake).await.next, Next::Definite);
    assert!(elsewhere.asked().is_empty());
}
