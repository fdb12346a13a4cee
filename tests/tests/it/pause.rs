//! What a running job asks of others: a person's help, and the manual of a form.

use e2e::demo::applicant::Applicant;
use e2e::{Part, sql};
use reqwest::Method;
use serde_json::{Value, json};

use crate::case::{Case, completed};

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_job_goes_on_with_the_code_a_person_sends_and_the_code_is_nowhere_in_clear() {
    let case = Case::new("&code=731946").await;
    case.until("the pause", "select 1 as n from gh_automation_jobs where id = '$job' and status = 'paused'")
        .await;
    let api = case.stack.api().expect("a client");
    let asked = api.job(&case.job).await.expect("the row");
    assert_eq!(asked["interaction_type"], "2fa", "{asked}");

    let body = json!({ "resolution_type": "code_entry", "resolution_data": { "code": "731946" } });
    let answer = api
        .request(Method::POST, &format!("/valet/resume/{}", case.job))
        .json(&body)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200, "{}", case.stack.log(Part::Api));
    case.until(
        "the end",
        "select 1 as n from gh_automation_jobs where id = '$job' and completed_at is not null",
    )
    .await;

    // The page's own address holds the code, as no real page's does; what the person sent is a value by itself.
    let clear = |text: &str| text.replace("code=731946", "").contains("731946");
    for table in ["gh_automation_jobs", "gh_job_events", "gh_job_resolutions", "gh_job_attempts"] {
        let query = format!("select t::text as row from {table} t");
        let rows: Vec<Value> = sql::rows(&case.stack.database_url(), &query).expect("rows");
        assert!(!rows.iter().any(|row| clear(&row.to_string())), "{table} holds the code: {rows:?}");
    }
    for part in [Part::Api, Part::Dispatcher, Part::Fly] {
        assert!(!clear(&case.stack.log(part)), "{part:?} logged the code");
    }
    completed(&case.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_job_learned_about_a_form_the_next_one_is_given() {
    let case = Case::new("").await;
    let learned = "select 1 as n from gh_automation_jobs j join gh_action_manuals m on m.id = j.manual_id where j.completed_at is not null";
    case.until("a manual of the first job", &format!("{learned} and j.id = '$job'")).await;
    let manuals: Vec<Value> =
        sql::rows(&case.stack.database_url(), "select t::text as row from gh_action_manuals t")
            .expect("rows");
    let applicant = Applicant::sample();
    for key in ["email", "phone", "last_name"] {
        let fact = applicant.user_data[key].as_str().expect("a fact");
        assert!(!format!("{manuals:?}").contains(fact), "the manual holds the candidate's {key}");
    }

    let second = case.again("second").await;
    let given = format!(
        "select 1 as n from gh_job_events e, gh_automation_jobs first
         where e.job_id = '{second}' and e.event_type = 'manual_found' and first.id = '$job' and e.metadata ->> 'manual_id' = first.manual_id::text"
    );
    case.until("the same manual given to the second job", &given).await;
    case.until(
        "its end",
        &format!("select 1 as n from gh_automation_jobs where id = '{second}' and status = 'completed'"),
    )
    .await;
    completed(&case.end().await);
}
