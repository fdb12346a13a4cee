//! The only folder whose files the storage's key is sent for: the one of the job's user.

use domain::id::UserId;
use domain::storage_key;
use url::Url;

use super::ResumeError;

/// A file that a job names by a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The job's user; none when the job does not say.
    pub(super) owner: Option<UserId>,
    /// Which field of the job names it.
    pub(super) field: &'static str,
    /// Its key in the bucket.
    pub(super) key: String,
}

impl Stored {
    /// Its address below the user's folder.
    pub(super) fn address(&self, storage: &str) -> Result<(Url, Folder), ResumeError> {
        let owner = self.owner.ok_or_else(|| self.refusal("the job does not say whose it is"))?;
        let bucket = root(storage, &["storage", "v1", "object", "resumes"])?;
        let folder = Folder::below(bucket, &owner.to_string())?;
        let address = self.placed(&folder, &owner.to_string())?;
        Ok((address, folder))
    }

    /// Its address in a bucket that is open to everybody.
    pub(super) fn open_address(&self, bucket: &str) -> Result<Url, ResumeError> {
        self.placed(&Folder(root(bucket, &[])?), "")
    }

    /// Built by its parts, then compared: a parser drops and resolves what a text still holds.
    fn placed(&self, folder: &Folder, owner: &str) -> Result<Url, ResumeError> {
        storage_key::check(&self.key).map_err(|fault| self.refusal(&format!("the key {fault}")))?;
        let outside = || self.refusal("it does not lie in the folder of the job's user");
        let rest = match owner {
            "" => self.key.as_str(),
            owner => {
                self.key.strip_prefix(owner).and_then(|rest| rest.strip_prefix('/')).ok_or_else(outside)?
            }
        };
        let mut built = folder.0.clone();
        built.path_segments_mut().map_err(|()| outside())?.pop_if_empty().extend(rest.split('/'));
        let address = Url::parse(built.as_str()).map_err(|_| outside())?;
        if folder.covers(&address) { Ok(address) } else { Err(outside()) }
    }

    fn refusal(&self, why: &str) -> ResumeError {
        ResumeError::Forbidden(format!("{}: {why}", self.field))
    }
}

/// An address that ends with `/`, and all below it.
#[derive(Clone, Debug)]
pub(super) struct Folder(Url);

impl Folder {
    fn below(mut parent: Url, name: &str) -> Result<Self, ResumeError> {
        parent.path_segments_mut().map_err(|()| unusable())?.pop_if_empty().extend([name, ""]);
        Ok(Self(parent))
    }

    /// Whether an address lies in it, by every reading of it.
    pub(super) fn covers(&self, address: &Url) -> bool {
        let is_bare = address.query().is_none()
            && address.fragment().is_none()
            && address.username() == self.0.username()
            && address.password() == self.0.password();
        let below = address.path().strip_prefix(self.0.path());
        address.origin() == self.0.origin()
            && is_bare
            && below.is_some_and(|rest| storage_key::check_path(rest).is_ok())
    }
}

fn root(address: &str, path: &[&str]) -> Result<Url, ResumeError> {
    let mut address = Url::parse(address).map_err(|_| unusable())?;
    address.set_query(None);
    address.set_fragment(None);
    address.path_segments_mut().map_err(|()| unusable())?.pop_if_empty().extend(path).push("");
    Ok(address)
}

fn unusable() -> ResumeError {
    ResumeError::Fetch("the storage has no usable address".into())
}
