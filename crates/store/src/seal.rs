//! AES-256-GCM for columns that must not be readable in the database.
//!
//! Layout, the one the old system's rows have too (contract section 10.6):
//! one version byte (1), two bytes key id (big endian), 12 bytes nonce, 16 bytes tag, ciphertext.
//! What a sealed value belongs to (its table and row) is bound to it as associated data, so it cannot be moved to another row.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

const VERSION: u8 = 1;
const HEADER: usize = 3;
const NONCE: usize = 12;
const TAG: usize = 16;

/// Why a value cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// `GH_ENCRYPTION_KEY` or one of the previous keys is malformed.
    #[error("the encryption key must be the base64 of 32 bytes, or 64 hex digits")]
    Key,
    /// The value is shorter than a sealed value can be, or of another version.
    #[error("the value is not a sealed value of version 1")]
    Format,
    /// The value was sealed with a key that is not here.
    #[error("the value was sealed with key {0}, which is not configured")]
    UnknownKey(u16),
    /// The value was changed, or belongs to another row.
    #[error("the sealed value does not open: it was changed, or belongs to another row")]
    Refused,
    /// The operating system gave no random bytes.
    #[error("no random bytes")]
    Random,
}

/// The keys in force: one seals, all open.
pub struct Sealer {
    current: u16,
    keys: Vec<(u16, Aes256Gcm)>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("current", &self.current).finish_non_exhaustive()
    }
}

impl Sealer {
    /// Seals with `key` under `id`.
    ///
    /// # Errors
    /// [`SealError::Key`].
    pub fn new(id: u16, key: &SecretString) -> Result<Self, SealError> {
        Ok(Self { current: id, keys: vec![(id, cipher(key)?)] })
    }

    /// Also opens what was sealed with an earlier key.
    ///
    /// # Errors
    /// [`SealError::Key`].
    pub fn with_previous(mut self, id: u16, key: &SecretString) -> Result<Self, SealError> {
        self.keys.push((id, cipher(key)?));
        Ok(self)
    }

    /// The number of the key that seals.
    pub const fn current(&self) -> u16 {
        self.current
    }

    /// Whether the current key sealed this.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        let [high, low] = self.current.to_be_bytes();
        sealed.starts_with(&[VERSION, high, low])
    }

    /// Seals `plain` so that it opens only together with `belongs_to`.
    ///
    /// # Errors
    /// [`SealError::Random`].
    pub fn seal(&self, belongs_to: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| SealError::Random)?;
        let cipher = &self.keys[0].1;
        let sealed = cipher
            .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: belongs_to })
            .map_err(|_| SealError::Refused)?;
        let (ciphertext, tag) = sealed.split_at(sealed.len() - TAG);
        let mut out = Vec::with_capacity(HEADER + NONCE + sealed.len());
        out.push(VERSION);
        out.extend_from_slice(&self.current.to_be_bytes());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(tag);
        out.extend_from_slice(ciphertext);
        Ok(out)
    }

    /// Opens what was sealed for `belongs_to`.
    ///
    /// # Errors
    /// [`SealError::Format`], [`SealError::UnknownKey`] or [`SealError::Refused`]; the value itself is never part of an error.
    pub fn open(&self, belongs_to: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        if sealed.len() < HEADER + NONCE + TAG || sealed[0] != VERSION {
            return Err(SealError::Format);
        }
        let id = u16::from_be_bytes([sealed[1], sealed[2]]);
        let (_, cipher) =
            self.keys.iter().find(|(known, _)| *known == id).ok_or(SealError::UnknownKey(id))?;
        let (nonce, rest) = sealed[HEADER..].split_at(NONCE);
        let (tag, ciphertext) = rest.split_at(TAG);
        let nonce = <[u8; NONCE]>::try_from(nonce).map_err(|_| SealError::Format)?;
        let joined = [ciphertext, tag].concat();
        cipher
            .decrypt(&Nonce::from(nonce), Payload { msg: &joined, aad: belongs_to })
            .map_err(|_| SealError::Refused)
    }
}

fn cipher(key: &SecretString) -> Result<Aes256Gcm, SealError> {
    let text = key.expose_secret().trim();
    let bytes = if text.len() == 64 { unhex(text) } else { STANDARD.decode(text).ok() };
    let bytes = bytes.ok_or(SealError::Key)?;
    Aes256Gcm::new_from_slice(&bytes).map_err(|_| SealError::Key)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key whose bytes count up from `first`.
    fn hex(first: u8) -> SecretString {
        let mut text = String::new();
        for byte in first..first + 32 {
            text.extend(
                [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).expect("a digit")),
            );
        }
        text.into()
    }

    fn sealer(id: u16, first: u8) -> Sealer {
        Sealer::new(id, &hex(first)).expect("a key of 64 hex digits")
    }

    #[test]
    fn rows_of_the_old_system_open() {
        for (id, first, sealed, plain) in [
            (
                1,
                0x00,
                "AQABuJ/sSV8FpO4X5pTAj1RAHkMNO/1YbtQ5p9a6pukLDMChBvkoZ/QTQn7XVMRZsAjaX9aYYb00eg==",
                r#"{"cookies":[],"origins":[]}"#,
            ),
            (258, 0x20, "AQECbySurPMwgJQeWwFlBeOVHmc3YbQBYJS6zEnk8ZeOlu4DVHLUD3g=", "pässwörd"),
        ] {
            let bytes = STANDARD.decode(sealed).expect("base64");
            assert_eq!(sealer(id, first).open(b"", &bytes).as_deref(), Ok(plain.as_bytes()));
        }
    }

    #[test]
    fn a_sealed_value_opens_only_for_its_own_row() {
        let keys = sealer(1, 0);
        let sealed = keys.seal(b"attempt:1", b"token").expect("sealed");
        assert_eq!(keys.open(b"attempt:1", &sealed).as_deref(), Ok(b"token".as_slice()));
        assert_eq!(keys.open(b"attempt:2", &sealed), Err(SealError::Refused));
        let mut changed = sealed.clone();
        *changed.last_mut().expect("not empty") ^= 1;
        assert_eq!(keys.open(b"attempt:1", &changed), Err(SealError::Refused));
        assert_eq!(keys.open(b"", b"short"), Err(SealError::Format));
    }

    #[test]
    fn after_a_rotation_both_keys_open_and_the_new_one_seals() {
        let old = sealer(1, 0).seal(b"x", b"before").expect("sealed");
        let keys = sealer(2, 0x20).with_previous(1, &hex(0)).expect("a key");
        assert_eq!(keys.open(b"x", &old).as_deref(), Ok(b"before".as_slice()));
        let new = keys.seal(b"x", b"after").expect("sealed");
        assert_eq!(sealer(1, 0).open(b"x", &new), Err(SealError::UnknownKey(2)));
    }

    #[test]
    fn a_short_key_is_refused() {
        assert!(matches!(Sealer::new(1, &"c2hvcnQ=".to_owned().into()), Err(SealError::Key)));
    }
}
