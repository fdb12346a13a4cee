//! `GET /jobs/{id}`: the whole job.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use store::jobs::{self, Job};
use url::Url;

use crate::app::App;
use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::JobPath;
use crate::openapi;

/// Answers with every column of the job.
#[utoipa::path(
    get,
    path = "/jobs/{id}",
    tag = "jobs",
    params(
        ("id" = Uuid, Path, description = "The job"),
    ),
    responses(
        (status = 200, description = "The whole job", body = Job),
        openapi::Guarded,
        openapi::OfOne,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn get_job(
    State(app): State<Arc<App>>,
    caller: Caller,
    JobPath(id): JobPath,
) -> ApiResult<Json<Job>> {
    let job = jobs::get(&app.db, caller.scope(), id).await?;
    job.map(|job| Json(shown_to(caller, job))).ok_or_else(|| ApiError::not_found("Job not found"))
}

/// The job without what its owner must not read: VALET puts the service key into the callback's query.
pub(super) fn shown_to(caller: Caller, mut job: Job) -> Job {
    if caller == Caller::Service {
        return job;
    }
    job.callback_url = job.callback_url.map(|url| without_token(&url));
    job
}

/// The address without its query and its password; what is no address is not shown at all.
fn without_token(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return String::new() };
    url.set_query(None);
    // Fails only for addresses that cannot have one.
    let _ = url.set_password(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::without_token;

    #[test]
    fn a_callback_is_shown_without_its_secrets() {
        assert_eq!(
            without_token("https://u:p@valet.example/hook?token=secret"),
            "https://u@valet.example/hook"
        );
        assert_eq!(without_token("token=secret"), "");
    }
}
