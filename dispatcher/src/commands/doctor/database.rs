//! The checks of the database: reachable, of this version, unhurt, and heard.

use std::time::Duration;

use chrono::{DateTime, Utc};
use dispatcher::config::Config;
use secrecy::{ExposeSecret, SecretString};
use store::Db;
use store::listen::{Listener, notify};
use store::ops::health;
use tokio::time::timeout;

use super::check::{Check, Health, chain};
use super::fleet;
use crate::commands::settings::Settings;

/// How long a notice to ourselves may take.
const ECHO: Duration = Duration::from_secs(3);
/// How far the clocks may be apart.
const SKEW_MS: i64 = 2_000;
/// Without these, jobs are not heard of, or a stale writer is not refused.
const TRIGGERS: [(&str, &str); 4] = [
    ("gh_automation_jobs", "gh_automation_jobs_notify"),
    ("gh_automation_jobs", "gh_automation_jobs_defaults"),
    ("gh_automation_jobs", "gh_automation_jobs_guard"),
    ("gh_job_attempts", "gh_job_attempts_ended"),
];
/// Without these, a job may have two attempts, or the claim reads every row; and whether each must be unique.
const INDEXES: [(&str, bool); 3] =
    [("gh_one_live_attempt", true), ("gh_jobs_claim", false), ("gh_live_attempts", false)];
const POOLER: &str = "a transaction-mode pooler (Supabase: port 6543) loses notices and prepared statements: use the direct address or session mode (port 5432), then ask again";
const MIGRATE: &str = "run `api migrate` of this version";

/// Checks the database.
pub async fn checks(settings: &Settings, config: Option<&Config>) -> Vec<Check> {
    let (url, db) = match settings.database_url().and_then(|url| Ok((url, settings.db()?))) {
        Ok(opened) => opened,
        Err(error) => {
            return vec![Check::fail(
                "database",
                format!("{error:#}"),
                "set DATABASE_URL to a direct or session-mode address",
            )];
        }
    };
    let asked = local_now();
    let theirs = match db.ping().await {
        Ok(theirs) => theirs,
        Err(error) => return vec![out_of_reach(&error)],
    };
    let answered = local_now();
    let mut checks = vec![Check::ok("database", "reachable"), clock(asked, theirs, answered)];
    let listen = listen(&db, url).await;
    let heard = listen.health == Health::Ok;
    checks.push(listen);
    if !heard {
        return checks; // behind such a pooler any statement may fail, and would only mislead
    }
    checks.push(migrations(&db).await);
    checks.push(triggers(&db).await);
    checks.push(indexes(&db).await);
    checks.push(runner_role(&db).await);
    checks.extend(fleet::checks(&db).await);
    if let Some(config) = config {
        checks.push(key(&db, config).await);
    }
    db.close().await;
    checks
}

fn out_of_reach(error: &store::Error) -> Check {
    let says = chain(error);
    // Another client's statement of the same name: connections are shared between statements.
    let remedy = if says.contains("prepared statement") {
        POOLER
    } else {
        "is the server up, and may this computer reach it?"
    };
    Check::fail("database", says, remedy)
}

#[expect(clippy::disallowed_methods, reason = "this clock is what is compared with the database's")]
fn local_now() -> DateTime<Utc> {
    Utc::now()
}

fn clock(asked: DateTime<Utc>, theirs: DateTime<Utc>, answered: DateTime<Utc>) -> Check {
    // Whatever the answer took, the true difference is not larger than this says by more than half of it.
    let middle = asked + (answered - asked) / 2;
    let skew = (theirs - middle).num_milliseconds();
    let says = format!(
        "the database's clock is {} ms {} ours",
        skew.abs(),
        if skew < 0 { "behind" } else { "ahead of" }
    );
    if skew.abs() > SKEW_MS {
        return Check::warn(
            "clock",
            says,
            "leases and deadlines use the database's clock only, but logs will not match: check NTP",
        );
    }
    Check::ok("clock", says)
}

pub(super) fn unread(name: &str, error: &store::Error) -> Check {
    Check::fail(name, chain(error), MIGRATE)
}

async fn migrations(db: &Db) -> Check {
    let found = match health::migrations(db).await {
        Ok(found) => found,
        Err(error) => return unread("migrations", &error),
    };
    if !found.missing.is_empty() {
        return Check::fail("migrations", format!("missing: {}", found.missing.join(", ")), MIGRATE);
    }
    if !found.changed.is_empty() {
        let says = format!("applied with another text: {}", found.changed.join(", "));
        return Check::fail(
            "migrations",
            says,
            "this program and the database are not of one history: deploy the one that fits",
        );
    }
    if !found.newer.is_empty() {
        let says = format!("the database is newer than this program: {}", found.newer.join(", "));
        return Check::warn("migrations", says, "deploy the current version");
    }
    Check::ok("migrations", format!("all {} applied", found.applied))
}

/// Sends a notice to ourselves, because a transaction-mode pooler takes LISTEN and delivers nothing.
async fn listen(db: &Db, url: &SecretString) -> Check {
    let channel = format!("gh_doctor_{}", uuid::Uuid::new_v4().simple());
    let heard = timeout(ECHO, async {
        let mut listener = Listener::open(url, "ghosthands-doctor", &[&channel]).await?;
        notify(db, &channel).await?;
        listener.next().await
    });
    let pooled =
        if url.expose_secret().contains(":6543") { "this address has port 6543, which is one: " } else { "" };
    let remedy = format!("{pooled}{POOLER}");
    match heard.await {
        Ok(Ok(Some(_))) => Check::ok("listen", "a notice to ourselves came back"),
        Ok(Ok(None)) => Check::fail("listen", "the listening connection was closed", remedy),
        Ok(Err(error)) => Check::fail("listen", chain(&error), remedy),
        Err(_) => Check::fail(
            "listen",
            format!("a notice to ourselves did not come back in {} s", ECHO.as_secs()),
            remedy,
        ),
    }
}

async fn triggers(db: &Db) -> Check {
    match health::missing_triggers(db, &TRIGGERS).await {
        Ok(missing) if missing.is_empty() => {
            Check::ok("triggers", format!("all {} there and enabled", TRIGGERS.len()))
        }
        Ok(missing) => {
            let says = format!("missing or disabled: {}", missing.join(", "));
            Check::fail(
                "triggers",
                says,
                "make it again as migrations/0003 does, or `alter table … enable trigger …`",
            )
        }
        Err(error) => unread("triggers", &error),
    }
}

async fn indexes(db: &Db) -> Check {
    match health::broken_indexes(db, &INDEXES).await {
        Ok(broken) if broken.is_empty() => {
            Check::ok("indexes", format!("all {} there and valid", INDEXES.len()))
        }
        Ok(broken) => {
            let said: Vec<String> = broken.iter().map(|(name, what)| format!("{name} is {what}")).collect();
            Check::fail(
                "indexes",
                said.join(", "),
                "make it again as migrations/0001 and 0002 do; `reindex index concurrently` when not valid",
            )
        }
        Err(error) => unread("indexes", &error),
    }
}

async fn runner_role(db: &Db) -> Check {
    let role = match health::runner_role(db).await {
        Ok(Some(role)) => role,
        Ok(None) => return Check::fail("runner role", "there is no role gh_runner", MIGRATE),
        Err(error) => return unread("runner role", &error),
    };
    if role.above_rules {
        return Check::fail(
            "runner role",
            "gh_runner stands above all rules",
            "alter role gh_runner nosuperuser nobypassrls",
        );
    }
    if !role.tables.is_empty() {
        let says = format!("gh_runner may touch tables: {}", role.tables.join(", "));
        return Check::fail(
            "runner role",
            says,
            "revoke all on these from gh_runner and public: a runner may only call its functions",
        );
    }
    if !role.can_login {
        return Check::fail(
            "runner role",
            "gh_runner cannot log in: no runner can start its job",
            "run `api migrate` with GH_RUNNER_DB_PASSWORD",
        );
    }
    Check::ok("runner role", "gh_runner logs in and touches no table")
}

async fn key(db: &Db, config: &Config) -> Check {
    match health::newest_token(db, &config.sealer).await {
        Ok(Some(at)) => {
            Check::ok("key", format!("opens the token of the newest attempt, of {}", at.format("%F %T UTC")))
        }
        Ok(None) => Check::ok("key", "well-formed; there is no attempt to try it on"),
        Err(error @ store::Error::Seal(_)) => Check::fail(
            "key",
            chain(&error),
            "GH_ENCRYPTION_KEY is another one than the dispatcher's: give the old one as GH_ENCRYPTION_KEY_PREVIOUS",
        ),
        Err(error) => unread("key", &error),
    }
}
