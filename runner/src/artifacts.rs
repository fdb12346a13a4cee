//! Where pictures and snapshots of pages go: a local folder, or a bucket of Supabase Storage.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

/// The bucket of the contract.
const BUCKET: &str = "screenshots";
const UPLOAD: Duration = Duration::from_secs(20);

/// A place for a job's files.
#[derive(Clone, Debug)]
pub enum Artifacts {
    /// Nowhere: they are dropped.
    Nowhere,
    /// A local folder, laid out like the bucket.
    Folder(PathBuf),
    /// Files directly in this folder.
    Flat(PathBuf),
    /// Supabase Storage.
    Supabase {
        /// The project's address.
        url: String,
        /// The key with write access.
        key: SecretString,
        /// The client that uploads.
        http: reqwest::Client,
    },
}

/// Why a file could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The folder cannot be written.
    #[error("the folder could not be written: {0}")]
    Folder(#[from] std::io::Error),
    /// The bucket did not take it.
    #[error("the bucket could not be reached: {0}")]
    Upload(#[from] reqwest::Error),
    /// The bucket refused it.
    #[error("the bucket answered {0}")]
    Refused(u16),
}

impl Artifacts {
    /// Reads `SUPABASE_URL` with `SUPABASE_SERVICE_KEY`, else `GH_ARTIFACTS_DIR`, through `lookup`.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ArtifactError> {
        let given = |name: &str| lookup(name).filter(|value| !value.is_empty());
        if let (Some(url), Some(key)) = (given("SUPABASE_URL"), given("SUPABASE_SERVICE_KEY")) {
            let http = reqwest::Client::builder().timeout(UPLOAD).build()?;
            return Ok(Self::Supabase { url: url.trim_end_matches('/').to_owned(), key: key.into(), http });
        }
        Ok(given("GH_ARTIFACTS_DIR").map_or(Self::Nowhere, |folder| Self::Folder(folder.into())))
    }

    /// Stores a picture (`.png`) or a text (anything else) as `gh/jobs/{job}/{name}` and returns where it is.
    ///
    /// A page's HTML is stored as plain text: nobody's browser is to run it from our bucket.
    ///
    /// # Errors
    /// When it could not be stored.
    pub async fn store(
        &self,
        job: &str,
        name: &str,
        content: &[u8],
    ) -> Result<Option<String>, ArtifactError> {
        let key = format!("gh/jobs/{job}/{name}");
        let kind = if name.ends_with(".png") { "image/png" } else { "text/plain; charset=utf-8" };
        match self {
            Self::Nowhere => Ok(None),
            Self::Folder(folder) => write(&folder.join(&key), content).await.map(Some),
            Self::Flat(folder) => write(&folder.join(name), content).await.map(Some),
            Self::Supabase { url, key: secret, http } => {
                let request = http
                    .post(format!("{url}/storage/v1/object/{BUCKET}/{key}"))
                    .bearer_auth(secret.expose_secret())
                    .header("apikey", secret.expose_secret())
                    .header("content-type", kind)
                    .header("x-upsert", "true")
                    .body(content.to_vec());
                let answer = request.send().await.map_err(reqwest::Error::without_url)?;
                if !answer.status().is_success() {
                    return Err(ArtifactError::Refused(answer.status().as_u16()));
                }
                Ok(Some(format!("{url}/storage/v1/object/public/{BUCKET}/{key}")))
            }
        }
    }
}

async fn write(path: &Path, content: &[u8]) -> Result<String, ArtifactError> {
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    tokio::fs::write(path, content).await?;
    Ok(path.display().to_string())
}
