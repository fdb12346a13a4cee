//! The private Postgres itself: kept data, closed doors, and no server left behind.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use e2e::postgres::{Durability, Postgres};
use e2e::{folder, leftovers, process, programs, sql};
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    n: i64,
}

fn start(folder: &Path) -> Postgres {
    Postgres::start(&folder.join("postgres"), Durability::Memory).expect("Postgres starts")
}

#[test]
fn data_survives_a_stop_and_a_crash_and_the_address_stays() {
    let folder = folder::scratch().unwrap();
    let mut postgres = start(folder.path());
    let url = postgres.create_database("kept").unwrap();
    sql::execute(&url, "create table t (n bigint); insert into t values (1)").unwrap();

    postgres.stop();
    assert!(sql::execute(&url, "select 1").is_err(), "a stopped server must not answer");
    postgres.resume().unwrap();
    sql::execute(&url, "insert into t values (2)").unwrap();
    postgres.crash();
    postgres.resume().unwrap();

    let rows: Vec<Row> = sql::rows(&url, "select n from t order by n").unwrap();
    assert_eq!(rows.iter().map(|row| row.n).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_wrong_password_is_refused() {
    let folder = folder::scratch().unwrap();
    let postgres = start(folder.path());
    assert!(sql::execute(&postgres.url_as("postgres", "wrong", "postgres"), "select 1").is_err());
    sql::execute(&postgres.url("postgres"), "select 1").unwrap();
}

#[test]
fn statements_are_all_done_or_none() {
    let folder = folder::scratch().unwrap();
    let postgres = start(folder.path());
    let url = postgres.url("postgres");
    let error = sql::execute(&url, "create table half (n int); select 1/0").unwrap_err();
    assert!(error.to_string().contains("division by zero"), "{error}");
    let rows: Vec<Row> =
        sql::rows(&url, "select count(*) as n from pg_class where relname = 'half'").unwrap();
    assert_eq!(rows[0].n, 0);
}

#[test]
fn killing_the_owner_leaves_no_server() {
    let place = folder::scratch().unwrap();
    let mut command = Command::new(programs::path("stack").unwrap());
    command.args(["with-postgres", "--", "sh", "-c", "echo up; cat"]).env("TMPDIR", place.path());
    let mut owner = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = std::io::BufReader::new(owner.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert_eq!(line, "up\n");
    let servers = || leftovers::find("nothing carries this", place.path());
    assert!(!servers().is_empty());

    owner.kill().unwrap();
    owner.wait().unwrap();

    let until = Instant::now() + Duration::from_secs(10);
    while !servers().is_empty() {
        assert!(Instant::now() < until, "{:?}", servers());
        process::pause();
    }
}
