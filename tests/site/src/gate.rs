//! A page that asks for a code before it shows the form.

use axum::Form;
use axum::extract::{Query, RawQuery};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::page::{escape, page};
use crate::trouble::Trouble;

const PASSED: &str = "northwind_code=passed";

/// The code a person was sent.
#[derive(Deserialize)]
pub(crate) struct Answer {
    #[serde(default)]
    otp: String,
}

/// The question, as long as the form is behind a code that this visitor has not typed.
pub(crate) fn ask(trouble: &Trouble, headers: &HeaderMap, query: Option<&str>) -> Option<Response> {
    trouble.code.as_ref()?;
    let passed =
        headers.get(header::COOKIE).and_then(|it| it.to_str().ok()).is_some_and(|it| it.contains(PASSED));
    (!passed).then(|| question(query, ""))
}

/// Takes the code: 303 to the form, or the question again with 422.
pub(crate) async fn answer(
    RawQuery(query): RawQuery,
    Query(trouble): Query<Trouble>,
    Form(answer): Form<Answer>,
) -> Response {
    if trouble.code != Some(answer.otp) {
        return (StatusCode::UNPROCESSABLE_ENTITY, question(query.as_deref(), "That is not the code."))
            .into_response();
    }
    let form = format!("/northwind/apply?{}", query.unwrap_or_default());
    ([(header::SET_COOKIE, format!("{PASSED}; Path=/; HttpOnly"))], Redirect::to(&form)).into_response()
}

fn question(query: Option<&str>, complaint: &str) -> Response {
    let action = escape(&format!("/northwind/code?{}", query.unwrap_or_default()));
    page(
        "northwind",
        "Northwind Traders",
        &format!(
            "<main><h1>Security check</h1><p>Enter the verification code we sent to your e-mail.</p><p>{complaint}</p>\
             <form method=\"post\" action=\"{action}\"><label>Verification code \
             <input name=\"otp\" autocomplete=\"one-time-code\" required></label><button>Verify</button></form></main>"
        ),
    )
}
