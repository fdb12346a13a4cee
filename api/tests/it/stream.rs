//! `GET /jobs/{id}/events/stream`.

use std::time::Duration;

use api::server::Limits;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::harness::{Ask, Service, faults, stranger, user};

/// What is read of a stream.
struct Stream {
    response: Response,
    text: String,
}

/// One message: its id, its kind and what it says. A comment has none of them.
#[derive(Debug, PartialEq)]
struct Frame {
    id: Option<i64>,
    event: String,
    data: Value,
}

impl Stream {
    async fn open(service: &Service, job: &str, last: Option<i64>) -> Self {
        let mut request = service.as_service(Method::GET, &format!("/jobs/{job}/events/stream"));
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next message or comment; `None` at the end.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, rest)) = self.text.split_once("\n\n") {
                let (frame, rest) = (read(frame), rest.to_owned());
                self.text = rest;
                return Some(frame);
            }
            let chunk = tokio::time::timeout(Duration::from_secs(10), self.response.chunk());
            let chunk = chunk.await.expect("something within ten seconds").expect("a whole stream")?;
            self.text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }

    /// The next message, which must be an event, as its place and type.
    async fn event(&mut self) -> (i64, String) {
        let frame = self.next().await.expect("an event");
        assert_eq!(frame.event, "event", "{frame:?}");
        (frame.id.expect("its place"), frame.data["event_type"].as_str().expect("a type").to_owned())
    }

    /// The next message, which must be a state, as its status and message.
    async fn state(&mut self) -> (String, Value) {
        let frame = self.next().await.expect("a state");
        assert_eq!(frame.event, "state", "{frame:?}");
        (frame.data["status"].as_str().expect("a status").to_owned(), frame.data["status_message"].clone())
    }
}

fn read(text: &str) -> Frame {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    Frame {
        id: field("id:").map(|id| id.parse().expect("a number")),
        event: field("event:").unwrap_or_default().to_owned(),
        data: field("data:").map_or(Value::Null, |data| serde_json::from_str(data).expect("JSON")),
    }
}

fn happens(service: &Service, job: &str, event: &str) {
    service.sql(&format!(
        "insert into gh_job_events (job_id, event_type, metadata) values ('{job}', '{event}', '{{\"a\": \"x\\ny\"}}')"
    ));
}

fn becomes(service: &Service, job: &str, change: &str) {
    service.sql(&format!("update gh_automation_jobs set {change} where id = '{job}'"));
}

#[tokio::test]
async fn the_state_comes_first_and_then_what_happens() {
    let service = Service::start().await;
    let job = service.job(json!({})).await;
    happens(&service, &job, "before");
    let mut stream = Stream::open(&service, &job, None).await;
    let first = stream.next().await.expect("a state");
    assert_eq!((first.event.as_str(), first.id.is_some()), ("state", true));
    assert_eq!(first.data, service.get(&format!("/jobs/{job}/status")).await.body);

    happens(&service, &job, "thought");
    let event = stream.next().await.expect("an event");
    let listed = service.get(&format!("/jobs/{job}/events?event_type=thought")).await.body;
    assert_eq!((event.event.as_str(), &event.data), ("event", &listed["events"][0]));
    assert!(event.id > first.id);

    becomes(&service, &job, "status_message = 'Filling page 2'");
    assert_eq!(stream.state().await, ("pending".into(), "Filling page 2".into()));
}

#[tokio::test]
async fn a_client_that_comes_back_misses_nothing_and_hears_nothing_twice() {
    let service = Service::start().await;
    let job = service.job(json!({})).await;
    let mut stream = Stream::open(&service, &job, Some(0)).await;
    stream.state().await;
    happens(&service, &job, "a");
    let (place, _) = stream.event().await;
    drop(stream);
    for event in ["b", "c"] {
        happens(&service, &job, event);
    }
    let mut again = Stream::open(&service, &job, Some(place)).await;
    assert_eq!(
        again.next().await.expect("a state").id,
        Some(place),
        "a stream cut here goes on at the same place"
    );
    assert_eq!([again.event().await.1, again.event().await.1], ["b", "c"]);
    happens(&service, &job, "d");
    assert_eq!(again.event().await.1, "d");
}

#[tokio::test]
async fn more_events_than_one_look_takes_all_come_in_their_order() {
    let service = Service::start().await;
    let job = service.job(json!({})).await;
    service.sql(&format!(
        "insert into gh_job_events (job_id, event_type) select '{job}', n::text from generate_series(1, 450) n"
    ));
    let mut stream = Stream::open(&service, &job, Some(0)).await;
    stream.state().await;
    for n in 1..=450 {
        assert_eq!(stream.event().await.1, n.to_string());
    }
}

#[tokio::test]
async fn an_event_that_becomes_visible_after_a_younger_one_is_not_lost() {
    let service = Service::start().await;
    let job = service.job(json!({})).await;
    let mut stream = Stream::open(&service, &job, None).await;
    stream.state().await;
    // The places two transactions would have taken, in the order they end.
    for (place, event) in [(1001, "younger"), (1000, "older")] {
        service.sql(&format!(
            "insert into gh_job_events (job_id, event_type, seq) values ('{job}', '{event}', {place})"
        ));
        assert_eq!(stream.event().await, (place, event.to_owned()));
    }
}

#[tokio::test]
async fn the_stream_ends_with_the_job_and_the_client_is_told_to_stay_away() {
    let service = Service::start().await;
    let job = service.job(json!({})).await;
    let mut stream = Stream::open(&service, &job, None).await;
    stream.state().await;
    becomes(&service, &job, "status = 'completed', status_message = 'Done'");
    let (place, kind) = stream.event().await;
    assert_eq!(kind, "status_change");
    assert_eq!(stream.state().await, ("completed".into(), "Done".into()));
    assert_eq!(stream.next().await, None);

    let path = format!("/jobs/{job}/events/stream");
    let back = |last: i64| service.as_service(Method::GET, &path).header("Last-Event-ID", last).send();
    assert_eq!(back(place).await.expect("an answer").status(), 204);
    // Who has not heard of the end yet is told, and so is who asks for the first time.
    assert_eq!(back(place - 1).await.expect("an answer").status(), 200);
    let mut late = Stream::open(&service, &job, None).await;
    assert_eq!(late.state().await.0, "completed");
    assert_eq!(late.next().await, None);
}

#[tokio::test]
async fn silence_is_broken_by_comments() {
    let service = Service::with(&[("GH_STREAM_HEARTBEAT_SECONDS", "1")], Limits::default()).await;
    let job = service.job(json!({})).await;
    let mut stream = Stream::open(&service, &job, None).await;
    stream.state().await;
    for _ in 0..2 {
        let nothing = Frame { id: None, event: String::new(), data: Value::Null };
        assert_eq!(stream.next().await, Some(nothing));
    }
}

#[tokio::test]
async fn a_heartbeat_of_the_runner_is_no_news() {
    let service = Service::start().await;
    let job = service.job(json!({})).await;
    let mut stream = Stream::open(&service, &job, None).await;
    stream.state().await;
    becomes(&service, &job, "last_heartbeat = now()");
    becomes(&service, &job, "status_message = 'Working'");
    assert_eq!(stream.state().await.1, "Working", "nothing came before it");
}

#[tokio::test]
async fn another_user_s_job_is_not_streamed() {
    let service = Service::start().await;
    let job = service.job(json!({})).await;
    let path = format!("/jobs/{job}/events/stream");
    assert_eq!(service.as_user(stranger(), Method::GET, &path).answer().await.status, 404);
    assert_eq!(service.request(Method::GET, &format!("/api/v1/gh{path}")).answer().await.status, 401);
    let own = service.as_user(user(), Method::GET, &path).send().await.expect("an answer");
    assert_eq!(own.status(), 200);
    assert_eq!(service.get("/jobs/nope/events/stream").await.status, 404);
}

#[tokio::test]
async fn a_place_that_is_none_is_refused() {
    let service = Service::start().await;
    let job = service.job(json!({})).await;
    for last in ["-1", "x", "99999999999999999999"] {
        let request = service.as_service(Method::GET, &format!("/jobs/{job}/events/stream"));
        let answer = request.header("Last-Event-ID", last).answer().await;
        assert_eq!(faults(&answer), [("Last-Event-ID", "invalid_type")]);
    }
}

#[tokio::test]
async fn a_stopping_service_ends_its_streams() {
    let service = Service::start().await;
    let job = service.job(json!({})).await;
    let mut stream = Stream::open(&service, &job, None).await;
    stream.state().await;
    drop(service);
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_user_has_ten_streams_at_once_and_no_other_user_feels_it() {
    let service = Service::start().await;
    let (own, foreign) = (service.job(json!({})).await, service.job(json!({ "user_id": stranger() })).await);
    let open =
        |user, job: &str| service.as_user(user, Method::GET, &format!("/jobs/{job}/events/stream")).send();
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push(open(user(), &own).await.expect("an answer"));
    }
    assert!(streams.iter().all(|stream| stream.status() == 200));
    let refused = service.as_user(user(), Method::GET, &format!("/jobs/{own}/events/stream")).answer().await;
    assert_eq!((refused.status.as_u16(), &refused.body["error"]), (429, &json!("rate_limit_exceeded")));
    assert_eq!(refused.headers["retry-after"], "5");
    assert_eq!(open(stranger(), &foreign).await.expect("an answer").status(), 200);
    assert_eq!(Stream::open(&service, &own, None).await.state().await.0, "pending", "nor does a service");
    streams.pop();
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while open(user(), &own).await.expect("an answer").status() != 200 {
        assert!(std::time::Instant::now() < until, "the place of a closed stream is not free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_an_event_says_cannot_pass_for_a_message_of_the_stream() {
    let service = Service::start().await;
    let job = service.job(json!({})).await;
    let mut stream = Stream::open(&service, &job, None).await;
    stream.state().await;
    let forged = "x\r\n\r\nid: 9\nevent: state\ndata: {}\n\n";
    service.sql(&format!(
        "insert into gh_job_events (job_id, event_type, message) values ('{job}', left(E'{}', 50), E'{0}')",
        forged.escape_default()
    ));
    let frame = stream.next().await.expect("an event");
    assert_eq!((frame.event.as_str(), frame.data["message"].as_str()), ("event", Some(forged)));
    happens(&service, &job, "after");
    assert_eq!(stream.event().await.1, "after");
}
