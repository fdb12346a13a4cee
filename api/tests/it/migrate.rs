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
