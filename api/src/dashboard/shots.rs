//! `/jobs/{id}/shots/{number}`: a job's screenshot, for those who signed in, wherever it lies.
//!
//! The bucket may be private: an address in it is signed for a minute when somebody looks. Files of this computer are read.
//! Only what lies under the job's own name is shown, whatever its row says.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use domain::id::JobId;
use serde_json::Value;
use store::jobs::{Job, Scope};

use super::failure::Failure;
use crate::app::App;

/// One picture as the page shows it.
pub struct Shot {
    /// Where it is fetched; `None` when it lies where we cannot read.
    pub link: Option<String>,
    /// Its name.
    pub name: String,
}

/// The screenshots of a job, in their order.
pub fn of_job(app: &App, id: JobId, job: &Job) -> Vec<Shot> {
    let shot = |(number, address): (usize, String)| {
        let name = address.rsplit('/').next().unwrap_or_default().to_owned();
        let link = match place(app, id, &address) {
            Some(_) => Some(format!("/jobs/{id}/shots/{number}")),
            None => address.starts_with("https://").then_some(address),
        };
        Shot { link, name }
    };
    addresses(job).into_iter().enumerate().map(shot).collect()
}

/// One of them.
pub async fn show(
    State(app): State<Arc<App>>,
    Path((id, number)): Path<(String, usize)>,
) -> Result<Response, Failure> {
    let id: JobId = id.parse().map_err(|_| Failure::NotFound)?;
    let job = store::jobs::get(&app.db, Scope::Everyone, id).await?.ok_or(Failure::NotFound)?;
    let address = addresses(&job).into_iter().nth(number).ok_or(Failure::NotFound)?;
    match place(&app, id, &address).ok_or(Failure::NotFound)? {
        Place::Bucket(object) => {
            let signed = match &app.storage {
                Some(storage) => storage.sign(&object).await,
                None => None,
            };
            signed.map(|url| Redirect::temporary(&url).into_response()).ok_or(Failure::NotFound)
        }
        Place::File { within, file } => {
            let picture = read(&within, &file).await.ok_or(Failure::NotFound)?;
            Ok(([(header::CONTENT_TYPE, "image/png")], picture).into_response())
        }
    }
}

/// Where a picture lies.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// An object of the bucket, by its key.
    Bucket(String),
    /// A file within the job's folder.
    File { within: PathBuf, file: PathBuf },
}

fn place(app: &App, id: JobId, address: &str) -> Option<Place> {
    if let Some(object) = app.storage.as_ref().and_then(|storage| storage.object(address)) {
        return is_of(id, object).then(|| Place::Bucket(object.to_owned()));
    }
    let within = app.artifacts.as_ref()?.join(format!("gh/jobs/{id}"));
    let file = FilePath::new(address);
    (file.starts_with(&within) && address.ends_with(".png"))
        .then(|| Place::File { within, file: file.to_owned() })
}

/// Whether a key names a picture of this job and nothing beside it.
fn is_of(id: JobId, object: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    object
        .strip_prefix(&format!("gh/jobs/{id}/"))
        .is_some_and(|name| name.ends_with(".png") && !name.contains("..") && name.chars().all(plain))
}

/// The file, if it is really there: no link leads out of the folder.
async fn read(within: &FilePath, file: &FilePath) -> Option<Vec<u8>> {
    let (within, file) =
        (tokio::fs::canonicalize(within).await.ok()?, tokio::fs::canonicalize(file).await.ok()?);
    if file.starts_with(within) { tokio::fs::read(file).await.ok() } else { None }
}

/// What the result says, else the row.
fn addresses(job: &Job) -> Vec<String> {
    let parse = |text: Option<&str>| {
        text.and_then(|text| serde_json::from_str::<Value>(text).ok()).unwrap_or_default()
    };
    let result = parse(job.result_data.as_ref().map(|data| data.0.get()));
    let row = parse(job.screenshot_urls.as_ref().map(|urls| urls.0.get()));
    let told = result["screenshots"].as_array().filter(|urls| !urls.is_empty()).or(row.as_array());
    let address = |url: &Value| url.as_str().or_else(|| url["url"].as_str()).map(ToOwned::to_owned);
    told.into_iter().flatten().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_jobs_own_pictures_are_signed() {
        let id: JobId = "00000000-0000-4000-8000-000000000001".parse().expect("an id");
        let of = |name: &str| is_of(id, &format!("gh/jobs/{id}/{name}"));
        assert!(of("final-1.png"));
        for name in ["../other/x.png", "a/b.png", "page.html", "x.png?download", "%2e%2e.png", ""] {
            assert!(!of(name), "{name}");
        }
        assert!(!is_of(id, "gh/jobs/00000000-0000-4000-8000-000000000002/final.png"));
    }
}
