//! An application that was sent is not sent again, whichever entrance asks.

use serde_json::{Value, json};

use crate::harness::{Answer, Service, job, user};

fn apply(task: &str) -> Value {
    json!({
        "valet_task_id": task, "valet_user_id": user(), "target_url": "https://jobs.example/1",
        "resume": { "storage_path": format!("{}/r.pdf", user()) },
        "profile": { "first_name": "Ada", "last_name": "Lovelace", "email": "ada@a.example" },
    })
}

/// A job of a task that ended as `code`; its permit says `outcome`.
async fn ended(service: &Service, task: &str, outcome: &str) -> String {
    let id = service.job(json!({ "valet_task_id": task })).await;
    service.sql(&format!(
        "insert into gh_permits (job_id, effect, attempt_id, fence, outcome) values ('{id}', 'submit', gen_random_uuid(), 1, '{outcome}');
         update gh_automation_jobs set status = 'failed', error_code = 'x', completed_at = now() where id = '{id}'"
    ));
    id
}

fn names(answer: &Answer, earlier: &str) {
    assert_eq!(answer.status, 409, "{answer:?}");
    assert_eq!(answer.body["error"], "application_already_sent");
    assert_eq!(answer.body["existing_job_id"], earlier);
    assert_eq!(answer.body["existing_status"], "failed");
    assert!(answer.body["message"].as_str().is_some_and(|message| message.contains(earlier)));
}

#[tokio::test]
async fn every_entrance_refuses_an_application_that_was_sent_or_may_have_been() {
    let service = Service::start().await;
    for outcome in ["submitted", "unknown"] {
        let task = format!("task-{outcome}");
        let first = ended(&service, &task, outcome).await;
        let before = service.rows("select count(*) as n from gh_automation_jobs");
        names(&service.post("/jobs", &job(json!({ "valet_task_id": task }))).await, &first);
        names(&service.post("/jobs", &job(json!({ "metadata": { "valet_task_id": task } }))).await, &first);
        names(&service.post("/jobs", &job(json!({ "metadata": { "retryOf": first } }))).await, &first);

        let applied = service.post("/valet/apply", &apply(&task)).await;
        names(&applied, &first);
        assert_eq!((&applied.body["job_id"], &applied.body["duplicate"]), (&json!(first), &json!(true)));
        assert_eq!(applied.body["valet_task_id"], task);

        let item = |more: Value| {
            let mut item = job(more);
            item.as_object_mut().expect("an object").remove("user_id");
            item
        };
        let batch =
            json!({ "user_id": user(), "jobs": [item(json!({})), item(json!({ "valet_task_id": task }))] });
        let answer = service.post("/jobs/batch", &batch).await;
        names(&answer, &first);
        assert_eq!(
            (&answer.body["errors"][0]["index"], &answer.body["errors"][1]),
            (&json!(1), &Value::Null)
        );
        assert_eq!(
            service.rows("select count(*) as n from gh_automation_jobs"),
            before,
            "nothing was written"
        );
    }
}

#[tokio::test]
async fn an_application_that_was_surely_not_sent_or_lives_may_be_asked_for_again() {
    let service = Service::start().await;
    ended(&service, "refused", "not_submitted").await;
    assert_eq!(service.post("/valet/apply", &apply("refused")).await.status, 201);
    assert_eq!(service.post("/valet/apply", &apply("lives")).await.status, 201);
    let second = service.post("/valet/apply", &apply("lives")).await;
    assert_eq!(
        (second.status.as_u16(), &second.body["status"]),
        (201, &json!("pending")),
        "it waits for the first"
    );
}

#[tokio::test]
async fn a_repeated_key_is_answered_as_one_also_when_the_application_was_sent() {
    let service = Service::start().await;
    let body = job(json!({ "valet_task_id": "t", "idempotency_key": "k" }));
    let first = service.post("/jobs", &body).await.body["id"].as_str().expect("an id").to_owned();
    service.sql(&format!(
        "update gh_automation_jobs set status = 'completed', completed_at = now() where id = '{first}'"
    ));
    let again = service.post("/jobs", &body).await;
    assert_eq!((again.status.as_u16(), &again.body["error"]), (409, &json!("duplicate_idempotency_key")));
    assert_eq!(again.body["existing_job_id"], first);
}

#[tokio::test]
async fn another_user_s_task_of_the_same_name_is_another_application() {
    let service = Service::start().await;
    ended(&service, "t", "submitted").await;
    let other = json!({ "valet_task_id": "t", "user_id": crate::harness::stranger() });
    assert_eq!(service.post("/jobs", &job(other)).await.status, 201);
}
