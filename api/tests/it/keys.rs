//! `api keys rotate`.

use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde_json::json;
use store::seal::{SealError, Sealer};

use crate::harness::{ENCRYPTION_KEY, Service, user};

/// 32 bytes from 0x20 on.
const NEW_KEY: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
/// What the old system sealed with the first key, number 1 (contract section 10.6).
const SESSION: &str = "AQABuJ/sSV8FpO4X5pTAj1RAHkMNO/1YbtQ5p9a6pukLDMChBvkoZ/QTQn7XVMRZsAjaX9aYYb00eg==";

fn rotate(service: &Service) -> Output {
    Command::new(env!("CARGO_BIN_EXE_api"))
        .args(["keys", "rotate"])
        .env_clear()
        .envs([
            ("DATABASE_URL", service.database.as_str()),
            ("GH_ENCRYPTION_KEY", NEW_KEY),
            ("GH_ENCRYPTION_KEY_ID", "2"),
            ("GH_ENCRYPTION_KEY_PREVIOUS", ENCRYPTION_KEY),
            ("GH_ENCRYPTION_KEY_PREVIOUS_ID", "1"),
        ])
        .output()
        .expect("the binary was built")
}

#[tokio::test]
async fn after_a_rotation_the_new_key_alone_opens_everything_and_what_nobody_opens_is_kept() {
    let service = Service::start().await;
    let sealer = |id, key: &str| Sealer::new(id, &SecretString::from(key.to_owned())).expect("a key");
    let (old, new) = (sealer(1, ENCRYPTION_KEY), sealer(2, NEW_KEY));
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let attempt = uuid::Uuid::now_v7();
    let token = old.seal(format!("token:{attempt}").as_bytes(), b"the token").expect("sealed");
    let lost = sealer(7, NEW_KEY).seal(b"", b"x").expect("sealed");
    service.job(json!({})).await;
    service.sql(&format!(
        "insert into gh_job_attempts (id, job_id, user_id, no, tier, state, token_hash, token_sealed, boot_deadline)
        select '{attempt}', id, user_id, 1, 'free', 'running', '\\x00', '\\x{}', now() from gh_automation_jobs;
        insert into gh_browser_sessions (user_id, domain, session_data, encryption_key_id) values ('{user}', 'a.example', '{SESSION}', '1');
        insert into gh_user_credentials (user_id, platform, credential_type, encrypted_data, encryption_key_id)
        values ('{user}', 'lever', 'password', '\\x{}', '1'), ('{user}', 'other', 'password', '\\x{}', '7')",
        hex(&token),
        hex(&old.seal(b"", "pässwörd".as_bytes()).expect("sealed")),
        hex(&lost),
        user = user(),
    ));
    let before =
        service.rows("select encrypted_data::text from gh_user_credentials where platform = 'other'");
    for (run, again) in [(1, "0 sealed again"), (2, "0 sealed again")] {
        let output = rotate(&service);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "one value does not open: {said}");
        assert!(said.contains("sealed with key 7, which is not configured; it is left as it is"), "{said}");
        assert_eq!(
            said.contains("gh_job_attempts.token_sealed: 1 sealed again with key 2"),
            run == 1,
            "{said}"
        );
        assert_eq!(said.matches(again).count(), if run == 1 { 1 } else { 4 }, "{said}");
    }
    assert_eq!(
        service.rows("select encrypted_data::text from gh_user_credentials where platform = 'other'"),
        before
    );

    let unhex = |text: &serde_json::Value| {
        let text = text.as_str().expect("text").trim_start_matches("\\x").to_owned();
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex"))
            .collect::<Vec<_>>()
    };
    let row = &service.rows("select a.token_sealed::text as token, s.id as session_id, s.session_data, s.encryption_key_id, c.id as credential_id,
            c.encrypted_data::text as credential, c.encryption_key_id as of_credential
        from gh_job_attempts a, gh_browser_sessions s, gh_user_credentials c where c.platform = 'lever'")[0];
    let text = |name: &str| row[name].as_str().expect("text").to_owned();
    assert_eq!([text("encryption_key_id"), text("of_credential")], ["2", "2"]);
    assert_eq!(
        new.open(format!("token:{attempt}").as_bytes(), &unhex(&row["token"])).as_deref(),
        Ok(&b"the token"[..])
    );
    let session = STANDARD.decode(text("session_data")).expect("base64");
    let bound = format!("gh_browser_sessions.session_data:{}", text("session_id"));
    assert_eq!(new.open(bound.as_bytes(), &session).as_deref(), Ok(&br#"{"cookies":[],"origins":[]}"#[..]));
    let bound = format!("gh_user_credentials.encrypted_data:{}", text("credential_id"));
    let credential = unhex(&row["credential"]);
    assert_eq!(new.open(bound.as_bytes(), &credential).as_deref(), Ok("pässwörd".as_bytes()));
    assert_eq!(new.open(b"", &credential), Err(SealError::Refused), "from now on it belongs to its row");
    assert_eq!(old.open(bound.as_bytes(), &credential), Err(SealError::UnknownKey(2)));
}
