//! The client VALET imports, tested by its own tests on a whole system: `clients/typescript`.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use e2e::{Config, Stack};

/// What the dispatcher signs callbacks with, and the client checks them by.
const WEBHOOK_SECRET: &str = "whsec_Z2hvc3RoYW5kcyBjYWxsYmFja3M=";

/// What npm says when it is run in the client's folder, with what it needs to find `stack`.
fn npm(stack: &Stack, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("npm");
    command
        .args(arguments)
        .current_dir(xtask::workspace().join("clients/typescript"))
        .envs(stack.exports())
        .env("GH_SITE_URL", stack.site().url())
        .env("GH_WEBHOOK_SECRET", WEBHOOK_SECRET);
    let output = command.output().context("running npm")?;
    let [said, complained] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    ensure!(
        output.status.success(),
        "npm {} ended with {}\n{said}\n{complained}",
        arguments.join(" "),
        output.status
    );
    Ok(said)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_passes_its_own_tests_on_a_whole_system() {
    for program in ["node", "npm"] {
        assert!(
            xtask::tools::on_path(program).is_some(),
            "{program} is missing: use `cargo xtask test`, or type: sudo apt-get install nodejs npm"
        );
    }
    let dispatcher = [("GH_WEBHOOK_SECRET", WEBHOOK_SECRET), ("GH_ALLOW_PRIVATE_NET", "true")];
    let dispatcher = dispatcher.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let stack = Stack::start(Config { dispatcher, ..Config::default() }).await.unwrap();
    let tested = tokio::task::block_in_place(|| {
        npm(&stack, &["ci", "--ignore-scripts", "--no-audit", "--no-fund"])?;
        npm(&stack, &["test"])
    });
    let left = stack.stop().await;
    let said = tested.unwrap();
    assert!(said.contains("skipped 0"), "a test was left out:\n{said}");
    assert_eq!(left, []);
}
