//! `api migrate`.

use std::process::Command;

use serde_json::Value;

fn migrate(url: &str) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_api"));
    command.arg("migrate").env_clear().env("DATABASE_URL", url).output().expect("the binary was built")
}

#[test]
fn migrating_twice_is_the_same_as_once() {
    let database = e2e::database::empty();
    let tables = || -> Vec<Value> {
        let query = "select table_name, column_name from information_schema.columns where table_schema = 'public' order by 1, 2";
        e2e::sql::rows(&database.url, query).expect("the query is right")
    };
    let first = migrate(&database.url);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let before = tables();
    assert!(before.len() > 100);
    assert!(migrate(&database.url).status.success());
    assert_eq!(tables(), before);
}

#[test]
fn without_an_address_it_says_which_setting_is_missing() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_api")).arg("migrate").env_clear().output().expect("it was built");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("DATABASE_URL"));
}

/// What `pg_dump` writes of a database, but for the key it makes up each time and the numbers that sequences have given out.
fn dump(url: &str) -> Vec<String> {
    let program = xtask::tools::postgres().expect("Postgres is installed").join("pg_dump");
    let output = Command::new(program).args(["--dbname", url]).output().expect("pg_dump runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let kept = text.lines().filter(|line| !line.contains("restrict ") && !line.contains("setval("));
    kept.map(str::to_owned).collect()
}

/// The first line in which two dumps differ.
fn change(before: &[String], after: &[String]) -> Option<String> {
    let end = String::from("(the end)");
    let lines = before.len().max(after.len());
    let line = |dump: &[String], at: usize| dump.get(at).unwrap_or(&end).clone();
    (0..lines).map(|at| (line(before, at), line(after, at))).find(|(old, new)| old != new).map(|(_, new)| new)
}

/// A migration that this build does not have, as sqlx notes it down.
fn applied(version: i64, success: bool) -> String {
    format!(
        "create table of_another_release_{version} (id int);
         insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values ({version}, 'of another release', {success}, '\\x00', 1)"
    )
}

#[test]
fn a_database_that_is_one_or_more_releases_ahead_is_left_as_it_is() {
    let database = e2e::database::fresh();
    for version in [9_000, 9_001] {
        e2e::sql::execute(&database.url, &applied(version, true)).expect("the later release");
        let before = dump(&database.url);
        let output = migrate(&database.url);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(said.contains(&format!("{version} of another release")), "{said}");
        assert_eq!(change(&before, &dump(&database.url)), None);
    }
}

#[test]
fn a_database_of_another_history_is_refused_and_left_as_it_is() {
    let newest = store::MIGRATOR.iter().map(|migration| migration.version).max().expect("some");
    // Between two of ours: 0008 to 0099 are nobody's.
    let between = store::MIGRATOR.iter().map(|migration| migration.version).filter(|version| *version < 100);
    let between = between.max().expect("some") + 1;
    for (what, other, complaint) in [
        (
            "an unknown one below our newest",
            applied(between, true),
            format!("{between:04} of another release"),
        ),
        (
            "an unknown one below our newest, and later ones",
            applied(between, true) + ";" + &applied(9_000, true),
            format!("{between:04} of another release"),
        ),
        (
            "a later one without one of ours",
            applied(9_000, true) + &format!("; delete from _sqlx_migrations where version = {newest}"),
            format!("{newest:04}"),
        ),
        (
            "another text of one of ours",
            applied(9_000, true) + "; update _sqlx_migrations set checksum = '\\x00' where version = 7",
            "migration 7 was previously applied but has been modified".to_owned(),
        ),
        ("a later one that failed", applied(9_000, false), "9000".to_owned()),
    ] {
        let database = e2e::database::fresh();
        e2e::sql::execute(&database.url, &other).expect("the other release");
        let before = dump(&database.url);
        let output = migrate(&database.url);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{what} is taken");
        assert!(said.contains(&complaint), "{what}: {said}");
        assert_eq!(change(&before, &dump(&database.url)), None, "{what}");
    }
}
