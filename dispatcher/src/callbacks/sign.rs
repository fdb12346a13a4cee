//! Signatures by which a receiver knows that a callback is ours and was not changed.
//!
//! `webhook-signature` is that of <https://www.standardwebhooks.com>: over id, time and body, so that an old one cannot be played
//! again as a new one. `X-GH-Signature` is the older form, over the body alone.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;

/// What marks a key as base64, in the standard's libraries.
const PREFIX: &str = "whsec_";

/// Holds the key.
#[derive(Clone, Debug)]
pub(super) struct Signer(SecretSlice<u8>);

impl Signer {
    /// Signs with `secret`: `whsec_` and base64, or its bytes as they are.
    pub(super) fn new(secret: &SecretString) -> Self {
        let text = secret.expose_secret();
        let decoded = text.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
        Self(decoded.unwrap_or_else(|| text.as_bytes().to_vec()).into())
    }

    /// `v1,` and the base64 of the signature over `id.time.body`.
    pub(super) fn standard(&self, id: &str, time: u64, body: &str) -> String {
        format!("v1,{}", STANDARD.encode(self.mac(&[id, ".", &time.to_string(), ".", body])))
    }

    /// `sha256=` and the digits of the signature over the body.
    pub(super) fn older(&self, body: &str) -> String {
        self.mac(&[body]).iter().fold("sha256=".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    fn mac(&self, parts: &[&str]) -> Vec<u8> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).expect("HMAC takes keys of every length");
        for part in parts {
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_standard_s_own_example() {
        // From the test vectors of the standard's reference libraries.
        let signer = Signer::new(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into());
        let signed =
            signer.standard("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn the_older_signature_is_that_of_the_rfc() {
        // RFC 4231, test case 2.
        let signer = Signer::new(&"Jefe".into());
        assert_eq!(
            signer.older("what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert!(!format!("{signer:?}").contains("Jefe"));
    }
}
