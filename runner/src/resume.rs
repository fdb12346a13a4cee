//! Fetches the candidate's résumé from where the job says it is, and checks that it is one.

mod folder;

use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::net::has_web_scheme;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use self::folder::Folder;
pub use self::folder::Stored;
use crate::net::{self, Reach};

/// The contract's limit.
const LARGEST: usize = 10 * 1024 * 1024;
/// How many redirects are followed, each checked anew.
const HOPS: usize = 5;
/// The contract's time limit.
const FETCH: Duration = Duration::from_secs(30);

/// Where a résumé is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResumeSource {
    /// An address.
    Url(String),
    /// An object of the storage bucket `resumes`.
    Storage(Stored),
    /// An object of the S3 bucket.
    S3(Stored),
    /// A file of this machine.
    File(PathBuf),
}

/// What is needed to fetch one.
#[derive(Clone, Debug, Default)]
pub struct ResumeAccess {
    /// Supabase project and key.
    pub supabase: Option<(String, SecretString)>,
    /// S3 bucket and region.
    pub s3: Option<(String, String)>,
    /// The only folder files may be read from; none means no files.
    pub folder: Option<PathBuf>,
    /// Whether any file may be read: development, and `runner fill`.
    pub any_file: bool,
    /// Which addresses may be fetched.
    pub reach: Reach,
}

/// A résumé in memory.
#[derive(Clone, Debug)]
pub struct Resume {
    /// Its file name.
    pub name: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// Why there is no résumé.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// It cannot be fetched.
    #[error("the resume could not be fetched: {0}")]
    Fetch(String),
    /// It may not be read from there.
    #[error("the resume may not be read from there: {0}")]
    Forbidden(String),
    /// It is empty, too large, or no document.
    #[error("the resume is not usable: {0}")]
    Unusable(&'static str),
}

impl ResumeSource {
    /// The source a job names: `resume_ref` of the row, of its metadata, of its input, then `resume_path`.
    pub fn of_job(job: &Value) -> Option<Self> {
        let owner = job["user_id"].as_str().and_then(|id| id.parse().ok());
        let stored = |field, key: &str| Stored { owner, field, key: key.to_owned() };
        let references = [
            (&job["resume_ref"], "resume_ref.storage_path", "resume_ref.s3_key"),
            (
                &job["metadata"]["resume_ref"],
                "metadata.resume_ref.storage_path",
                "metadata.resume_ref.s3_key",
            ),
            (
                &job["input_data"]["resume_ref"],
                "input_data.resume_ref.storage_path",
                "input_data.resume_ref.s3_key",
            ),
        ];
        let of_reference = |(reference, path, s3): (&Value, &'static str, &'static str)| {
            let text = |name: &str| reference[name].as_str().filter(|text| !text.is_empty());
            text("storage_path")
                .map(|key| Self::Storage(stored(path, key)))
                .or_else(|| text("download_url").map(|url| Self::Url(url.to_owned())))
                .or_else(|| text("s3_key").map(|key| Self::S3(stored(s3, key))))
        };
        references.into_iter().find_map(of_reference).or_else(|| {
            let path = job["input_data"]["resume_path"].as_str().filter(|path| !path.trim().is_empty())?;
            Some(match path {
                url if has_web_scheme(url) => Self::Url(url.to_owned()),
                file if file.starts_with("file://") => Self::File(file.trim_start_matches("file://").into()),
                file if file.starts_with('/') => Self::File(file.into()),
                key => Self::Storage(stored("input_data.resume_path", key)),
            })
        })
    }

    /// Fetches it.
    ///
    /// # Errors
    /// When it cannot or may not be fetched, or is no document of at most 10 MiB.
    pub async fn fetch(&self, access: &ResumeAccess) -> Result<Resume, ResumeError> {
        let (name, content) = match self {
            Self::File(path) => read_file(path, access).await?,
            Self::Url(url) => {
                let address = url::Url::parse(url).map_err(|error| ResumeError::Fetch(error.to_string()))?;
                (last_segment(url), download(address, None, access).await?)
            }
            Self::Storage(stored) => {
                let (url, secret) = access
                    .supabase
                    .as_ref()
                    .ok_or_else(|| ResumeError::Fetch("no storage is configured".into()))?;
                let (address, folder) = stored.address(url)?;
                (last_segment(&stored.key), download(address, Some((&folder, secret)), access).await?)
            }
            Self::S3(stored) => {
                let (bucket, region) = access
                    .s3
                    .as_ref()
                    .ok_or_else(|| ResumeError::Fetch("no S3 bucket is configured".into()))?;
                let address = stored.open_address(&format!("https://{bucket}.s3.{region}.amazonaws.com/"))?;
                (last_segment(&stored.key), download(address, None, access).await?)
            }
        };
        let extension = kind(&content)?;
        let known = Path::new(&name).extension().is_some_and(|it| it.eq_ignore_ascii_case(extension));
        let name = if known { name } else { format!("{}.{extension}", stem(&name)) };
        Ok(Resume { name, content })
    }
}

async fn read_file(path: &Path, access: &ResumeAccess) -> Result<(String, Vec<u8>), ResumeError> {
    let fetch = |error: std::io::Error| ResumeError::Fetch(error.to_string());
    let real = tokio::fs::canonicalize(path).await.map_err(fetch)?;
    let inside = match &access.folder {
        Some(folder) => real.starts_with(tokio::fs::canonicalize(folder).await.map_err(fetch)?),
        None => false,
    };
    if !inside && !access.any_file {
        return Err(ResumeError::Forbidden("a file outside the resume folder".into()));
    }
    let length = tokio::fs::metadata(&real).await.map_err(fetch)?.len();
    if length > LARGEST as u64 {
        return Err(ResumeError::Unusable("it is larger than 10 MiB"));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((name, tokio::fs::read(&real).await.map_err(fetch)?))
}

/// Fetches an address and what it redirects to; with the storage's key nothing but what lies in `folder`.
async fn download(
    mut address: url::Url,
    key: Option<(&Folder, &SecretString)>,
    access: &ResumeAccess,
) -> Result<Vec<u8>, ResumeError> {
    for _ in 0..=HOPS {
        if key.is_some_and(|(folder, _)| !folder.covers(&address)) {
            return Err(ResumeError::Forbidden(
                "the storage sends elsewhere than to the user's folder".into(),
            ));
        }
        let mut answer = get(&address, key.map(|(_, secret)| secret), access).await?;
        let status = answer.status();
        let target = answer
            .headers()
            .get("location")
            .and_then(|it| it.to_str().ok())
            .filter(|_| status.is_redirection());
        if let Some(target) = target {
            address = address.join(target).map_err(|error| ResumeError::Fetch(error.to_string()))?;
            continue;
        }
        if !status.is_success() {
            return Err(ResumeError::Fetch(format!("the server answered {}", status.as_u16())));
        }
        let mut content = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(unreachable)? {
            if content.len() + part.len() > LARGEST {
                return Err(ResumeError::Unusable("it is larger than 10 MiB"));
            }
            content.extend_from_slice(&part);
        }
        return Ok(content);
    }
    Err(ResumeError::Fetch("it redirects too often".into()))
}

/// One request. Our own storage, which gets its key, is trusted; any other address is checked, and what was checked is dialled.
async fn get(
    address: &url::Url,
    secret: Option<&SecretString>,
    access: &ResumeAccess,
) -> Result<reqwest::Response, ResumeError> {
    let mut client = reqwest::Client::builder().timeout(FETCH).redirect(reqwest::redirect::Policy::none());
    if secret.is_none() {
        let checked = net::check(address, access.reach)
            .await
            .map_err(|error| ResumeError::Forbidden(error.to_string()))?;
        client = client.resolve_to_addrs(address.host_str().unwrap_or_default(), &checked);
    }
    let mut request = client.build().map_err(unreachable)?.get(address.clone());
    if let Some(secret) = secret {
        request = request.bearer_auth(secret.expose_secret()).header("apikey", secret.expose_secret());
    }
    request.send().await.map_err(unreachable)
}

/// Without the address: a signed one is a secret.
fn unreachable(error: reqwest::Error) -> ResumeError {
    ResumeError::Fetch(error.without_url().to_string())
}

/// The kind of document, by its first bytes: names lie.
fn kind(content: &[u8]) -> Result<&'static str, ResumeError> {
    match content {
        [] => Err(ResumeError::Unusable("it is empty")),
        [b'%', b'P', b'D', b'F', ..] => Ok("pdf"),
        [b'P', b'K', 3, 4, ..] => Ok("docx"),
        [0xD0, 0xCF, 0x11, 0xE0, ..] => Ok("doc"),
        _ => Err(ResumeError::Unusable("it is neither PDF nor Word")),
    }
}

fn last_segment(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let name: String = path
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|it| !it.is_control() && *it != '%')
        .collect();
    if name.is_empty() { "resume".into() } else { name }
}

fn stem(name: &str) -> String {
    Path::new(name).file_stem().map_or_else(|| "resume".into(), |it| it.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_row_names_the_resume_in_the_contracts_order() {
        let stored = |field, key: &str| Stored { owner: None, field, key: key.into() };
        let job = json!({"resume_ref": {"storage_path": "u/r.pdf"}, "input_data": {"resume_path": "https://x.test/a.pdf"}});
        let named = ResumeSource::Storage(stored("resume_ref.storage_path", "u/r.pdf"));
        assert_eq!(ResumeSource::of_job(&job), Some(named));
        let job = json!({"resume_ref": null, "metadata": {"resume_ref": {"s3_key": "k.pdf"}}});
        let named = ResumeSource::S3(stored("metadata.resume_ref.s3_key", "k.pdf"));
        assert_eq!(ResumeSource::of_job(&job), Some(named));
        let job = json!({"input_data": {"resume_path": "https://x.test/a.pdf"}});
        assert_eq!(ResumeSource::of_job(&job), Some(ResumeSource::Url("https://x.test/a.pdf".into())));
        assert_eq!(ResumeSource::of_job(&json!({"input_data": {}})), None);
    }

    #[tokio::test]
    async fn a_file_outside_the_resume_folder_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("cv.pdf"), b"%PDF-1.4").expect("a file");
        let access = ResumeAccess { folder: Some(folder.path().into()), ..ResumeAccess::default() };
        let inside = ResumeSource::File(folder.path().join("cv.pdf")).fetch(&access).await;
        assert_eq!(inside.expect("a resume").name, "cv.pdf");
        let outside = ResumeSource::File("/etc/hostname".into()).fetch(&access).await;
        assert!(matches!(outside, Err(ResumeError::Forbidden(_))));
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link.pdf")).expect("a link");
        let linked = ResumeSource::File(folder.path().join("link.pdf")).fetch(&access).await;
        assert!(matches!(linked, Err(ResumeError::Forbidden(_))));
    }

    #[test]
    fn a_document_is_known_by_its_content() {
        assert_eq!(kind(b"%PDF-1.7").expect("pdf"), "pdf");
        assert!(kind(b"<html>").is_err());
        assert!(kind(b"").is_err());
    }
}
