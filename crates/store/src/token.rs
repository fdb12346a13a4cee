//! One-time tokens: random, stored as a hash to compare with and sealed to be sent again.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Result;
use crate::seal::{SealError, Sealer};

/// A new token with its two stored forms.
pub(crate) struct Minted {
    pub(crate) token: SecretString,
    pub(crate) hash: Vec<u8>,
    pub(crate) sealed: Vec<u8>,
}

/// Makes a token of 32 random bytes for the attempt or pool machine `owner`.
pub(crate) fn mint(sealer: &Sealer, owner: Uuid) -> Result<Minted> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| SealError::Random)?;
    let token = SecretString::from(URL_SAFE_NO_PAD.encode(bytes));
    let sealed = sealer.seal(&belongs_to(owner), token.expose_secret().as_bytes())?;
    Ok(Minted { hash: hash(&token), sealed, token })
}

/// The token that was sealed for `owner`.
pub(crate) fn open(sealer: &Sealer, owner: Uuid, sealed: &[u8]) -> Result<SecretString> {
    let plain = sealer.open(&belongs_to(owner), sealed)?;
    Ok(String::from_utf8(plain).map_err(|_| SealError::Format)?.into())
}

/// What is stored of a token to compare with.
pub(crate) fn hash(token: &SecretString) -> Vec<u8> {
    Sha256::digest(token.expose_secret().as_bytes()).to_vec()
}

/// What the sealed token of `owner` is bound to.
pub(crate) fn belongs_to(owner: Uuid) -> Vec<u8> {
    format!("token:{owner}").into_bytes()
}
