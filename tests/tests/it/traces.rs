//! One job's whole way, as a collector of OpenTelemetry is told it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use e2e::demo::applicant::Applicant;
use e2e::{Config, Part, Stack};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::{Value, json};
use site::Brand;
use tokio::time::{Instant, sleep};

/// How long the job may take, and its last span to arrive.
const LIMIT: Duration = Duration::from_mins(2);
/// What the model says, and no span may.
const MOTIVE: &str = "I like platforms that stay up.";

/// What was told, by the service that told it.
type Told = Arc<Mutex<Vec<(String, Span)>>>;

/// A collector, a model and a receiver of callbacks; its address.
async fn listen(told: Told) -> String {
    let collect = move |body: Bytes| {
        let request = ExportTraceServiceRequest::decode(body).expect("OTLP in protobuf");
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in request.resource_spans {
            let about = resource.resource.expect("a resource").attributes;
            let service = about.iter().find(|it| it.key == "service.name").expect("a service's name");
            let Some(Any::StringValue(service)) = service.value.clone().and_then(|it| it.value) else {
                panic!("{service:?}")
            };
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            told.extend(spans.map(|span| (service.clone(), span)));
        }
        async { StatusCode::OK }
    };
    let router = Router::new()
        .route("/v1/traces", post(collect))
        .route("/chat/completions", post(complete))
        .route("/callback", post(async || StatusCode::OK));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// A model that knows why.
async fn complete(Json(body): Json<Value>) -> Json<Value> {
    let prompt = body["messages"][1]["content"].as_str().unwrap_or_default();
    let fenced = prompt.split_once(">\n").and_then(|(_, rest)| rest.rsplit_once("\n</")).expect("a fence").0;
    let asked: Vec<Value> = serde_json::from_str(fenced).expect("questions");
    let answers = asked
        .iter()
        .map(|asked| json!({ "id": asked["id"], "kind": "text", "fact": "", "options": [], "text": MOTIVE }));
    let content = json!({ "answers": answers.collect::<Vec<_>>() }).to_string();
    let choice = json!({ "message": { "content": content }, "finish_reason": "stop" });
    let usage = json!({ "prompt_tokens": 900, "completion_tokens": 80 });
    Json(json!({ "id": "c-1", "choices": [choice], "usage": usage }))
}

/// What a span says of itself.
fn said(span: &Span) -> BTreeMap<&str, String> {
    let text = |value: &Any| match value {
        Any::StringValue(text) => text.clone(),
        Any::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let value = |it: &opentelemetry_proto::tonic::common::v1::AnyValue| {
        it.value.as_ref().map(text).unwrap_or_default()
    };
    span.attributes
        .iter()
        .map(|it| (it.key.as_str(), it.value.as_ref().map(value).unwrap_or_default()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_part_of_a_jobs_way_is_told_as_one_trace_that_names_no_person() {
    let told = Told::default();
    let url = listen(told.clone()).await;
    let collector = ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), url.clone());
    let model = [("OPENAI_API_KEY", "k"), ("GH_OPENAI_BASE_URL", url.as_str())];
    let model = model.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config {
        dispatcher: vec![collector.clone()],
        runner: model.into_iter().chain([collector]).collect(),
        ..Config::default()
    };
    let stack = Stack::start(config).await.expect("the stack starts");
    let mut applicant = Applicant::sample();
    applicant
        .qa_overrides
        .remove("Why do you want to work at Contoso?")
        .expect("a question left to the model");
    let body = json!({
        "user_id": uuid::Uuid::new_v4(),
        "job_type": "apply",
        "target_url": stack.site().form_url(Brand::Contoso, "traced"),
        "task_description": "Apply for this position",
        "callback_url": format!("{url}/callback"),
        "input_data": { "user_data": applicant.user_data, "qa_overrides": applicant.qa_overrides, "tier": "starter", "model": "gpt-4o-mini" },
        "metadata": { "resume_ref": { "download_url": stack.site().resume_url() } },
    });
    let job: uuid::Uuid =
        stack.api().expect("a client").create_job(&body).await.expect("a job").parse().expect("an id");

    let until = Instant::now() + LIMIT;
    let mut environment = BTreeMap::new();
    let names = |told: &Told| -> BTreeSet<String> {
        let told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().map(|(_, span)| format!("{} {:?}", span.name, said(span).get("gh.event"))).collect()
    };
    let last = "callback Some(\"completed\")";
    while !(names(&told).contains(last) && names(&told).contains("run None")) {
        if let Some(runner) = stack.runners().pop() {
            environment = runner.environment;
        }
        assert!(Instant::now() < until, "{:?}\n{}", names(&told), stack.log(Part::Dispatcher));
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(stack.site().accepted("traced").len(), 1, "the form was sent");
    assert_eq!(stack.stop().await, [], "a process was left behind");

    let told = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let one = |name: &str| {
        let mut found = told.iter().filter(|(_, span)| span.name == name);
        let (service, span) = found.next().unwrap_or_else(|| panic!("no span {name}"));
        assert_eq!(found.count(), 0, "{name} is told once");
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano && span.start_time_unix_nano > 0);
        (service.as_str(), span)
    };
    // A job nobody brought a trace along for has one of its own id.
    assert!(told.iter().all(|(_, span)| span.trace_id == job.as_bytes()), "all of it is one trace");
    let (enqueue, claim, run, submit) = (one("enqueue"), one("claim"), one("run"), one("submit"));
    assert_eq!(enqueue.1.parent_span_id, Vec::<u8>::new(), "it is the first");
    let mut callbacks: Vec<_> = told.iter().filter(|(_, span)| span.name == "callback").collect();
    callbacks.sort_by_key(|(_, span)| span.start_time_unix_nano);
    let callback = callbacks.last().map(|(service, span)| (service.as_str(), span)).expect("a callback");
    assert!(callbacks.iter().all(|(_, span)| span.parent_span_id == enqueue.1.span_id));
    for ((service, span), (expected, above)) in [
        (claim, ("dispatcher", enqueue.1)),
        (one("create"), ("dispatcher", claim.1)),
        (one("boot"), ("runner", claim.1)),
        (run, ("runner", claim.1)),
        (submit, ("runner", run.1)),
        (callback, ("dispatcher", enqueue.1)),
    ] {
        assert_eq!((service, &span.parent_span_id), (expected, &above.span_id), "{}", span.name);
    }
    let steps: Vec<&Span> = told.iter().map(|(_, span)| span).filter(|span| span.name == "step").collect();
    let step = |word: &str| {
        let found = steps.iter().find(|span| said(span)["gh.step"] == word);
        *found.unwrap_or_else(|| {
            panic!("no step {word} in {:?}", steps.iter().map(|span| said(span)).collect::<Vec<_>>())
        })
    };
    for word in ["initializing", "navigating", "analyzing_page", "uploading_resume", "reviewing"] {
        assert_eq!(step(word).parent_span_id, run.1.span_id, "{word}");
    }
    let (_, chat) = one("chat gpt-4o-mini");
    let during =
        steps.iter().find(|span| span.span_id == chat.parent_span_id).expect("it was asked during a step");
    assert!(chat.end_time_unix_nano <= during.end_time_unix_nano, "{during:?} {chat:?}");
    assert_eq!(step("extracting_results").parent_span_id, submit.1.span_id);
    assert_eq!(
        (said(chat)["gen_ai.usage.input_tokens"].as_str(), said(chat)["gen_ai.usage.output_tokens"].as_str()),
        ("900", "80")
    );
    assert_eq!(said(run.1)["gh.class"], "completed");
    let in_order = [enqueue.1, claim.1, one("boot").1, run.1, chat, submit.1, callback.1];
    assert!(in_order.is_sorted_by_key(|span| span.end_time_unix_nano.min(span.start_time_unix_nano)));

    // The machine was told where its part belongs.
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let traceparent = format!("00-{}-{}-01", job.simple(), hex(&claim.1.span_id));
    assert_eq!(environment.get("TRACEPARENT"), Some(&traceparent));

    let text = format!("{told:?}").to_lowercase();
    for personal in
        ["rivera", "415 555", "fabrikam", "linkedin.com", "platforms that stay up", "resume_url", "127.0.0.1"]
    {
        assert!(!text.contains(personal), "a span says {personal}");
    }
}
