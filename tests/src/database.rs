//! A database per test, from one cluster per test program.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::folder::scratch;
use crate::postgres::{Durability, Postgres};

/// What every database of this program is copied from.
const TEMPLATE: &str = "template_of_tests";

struct Cluster {
    server: Mutex<Postgres>,
    made: AtomicU32,
}

/// The password of `gh_runner` in these databases.
pub const RUNNER_PASSWORD: &str = "runner's secret";

/// One database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its address, for the superuser.
    pub url: String,
    name: String,
}

impl Database {
    /// The address for another role.
    pub fn url_as(&self, role: &str, password: &str) -> String {
        lock(&cluster_of_this_program().server).url_as(role, password, &self.name)
    }

    /// Stops the server under it the fast way and starts it again. Every test of the program feels it.
    ///
    /// # Panics
    /// When it does not start again.
    pub fn restart_server(&self) {
        let mut server = lock(&cluster_of_this_program().server);
        server.stop();
        server.resume().expect("Postgres starts again");
    }
}

/// A new database with our tables, beside a runtime that goes on meanwhile.
///
/// # Panics
/// As [`fresh`].
pub async fn fresh_beside() -> Database {
    tokio::task::spawn_blocking(fresh).await.expect("a database")
}

/// A new database with our tables, copied from a template that is migrated once per program. Not to be called on a runtime.
///
/// # Panics
/// When Postgres is not installed or does not start: a test can do nothing else.
pub fn fresh() -> Database {
    static PREPARED: Mutex<bool> = Mutex::new(false);
    let cluster = cluster_of_this_program();
    let mut prepared = PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*prepared {
        let template = lock(&cluster.server).create_database(TEMPLATE).expect("a template database");
        migrate(template);
        *prepared = true;
    }
    drop(prepared);
    let name = format!("test_{}", cluster.made.fetch_add(1, Ordering::Relaxed));
    let server = lock(&cluster.server);
    crate::sql::execute(&server.url("postgres"), &format!("create database {name} template {TEMPLATE}"))
        .expect("a copy of the template");
    Database { url: server.url(&name), name }
}

fn migrate(url: String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let migrated = runtime.block_on(store::migrate(&url.into(), Some(&RUNNER_PASSWORD.into())));
    migrated.expect("the migrations apply");
}

/// A new database with nothing in it, for tests of the migrations themselves.
///
/// # Panics
/// As [`fresh`].
pub fn empty() -> Database {
    let cluster = cluster_of_this_program();
    let name = format!("test_{}", cluster.made.fetch_add(1, Ordering::Relaxed));
    let url = lock(&cluster.server).create_database(&name).expect("an empty database");
    Database { url, name }
}

fn cluster_of_this_program() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        // Statics are never dropped: the server dies with this process, its folder is removed then.
        let folder: PathBuf = scratch().expect("a folder").keep();
        let server =
            Postgres::start(&folder.join("postgres"), Durability::Memory).expect("a private Postgres");
        remove_when_dead(&folder);
        Cluster { server: Mutex::new(server), made: AtomicU32::new(0) }
    })
}

/// A shell that waits for this program's end and clears up after it.
fn remove_when_dead(folder: &std::path::Path) {
    let script = "while kill -0 \"$1\" 2>/dev/null; do sleep 1; done; sleep 2; rm -rf \"$2\"";
    let spawned = std::process::Command::new("/bin/sh")
        .args(["-c", script, "sh", &std::process::id().to_string()])
        .arg(folder)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
    drop(spawned); // it ends after us; nobody waits for it
}

fn lock(server: &Mutex<Postgres>) -> std::sync::MutexGuard<'_, Postgres> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}
