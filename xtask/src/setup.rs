//! `cargo xtask setup`: Postgres and Chromium, installed where they are missing.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use xtask::{debian, tools};

use crate::build;

/// How this computer installs software.
enum Installer {
    /// apt, with the words that make us root in front of it.
    Apt(Vec<&'static str>),
    /// Homebrew.
    Brew,
}

/// Installs what is missing; does nothing, and says nothing, when nothing is.
///
/// # Errors
/// With the commands to type, when we may not install.
pub fn run() -> Result<()> {
    let (postgres, chromium) = (tools::postgres().is_none(), tools::chromium().is_none());
    if !postgres && !chromium {
        return Ok(());
    }
    for (missing, variable) in [(postgres, "PG_BIN"), (chromium, "GH_CHROMIUM")] {
        if missing && std::env::var_os(variable).is_some_and(|value| !value.is_empty()) {
            bail!("{variable} is set in the environment, but what it names is not there");
        }
    }
    match installer() {
        Some(Installer::Apt(root)) => apt(&root, postgres, chromium)?,
        Some(Installer::Brew) => brew(postgres, chromium)?,
        None => bail!("{}", instructions(postgres, chromium)),
    }
    if tools::postgres().is_none() || tools::chromium().is_none() {
        bail!("installed, but still not found\n{}", instructions(postgres, chromium));
    }
    Ok(())
}

/// Programs that only tests need, with the package that has each for apt and for Homebrew.
const FOR_TESTS: [(&str, &str, &str); 10] = [
    ("node", "nodejs", "node"),
    ("npm", "npm", "node"),
    ("pgbouncer", "pgbouncer", "pgbouncer"),
    // Loads the alerts' rules and scrapes the services; 23 MB to download.
    ("promtool", "prometheus", "prometheus"),
    // Opens the cost files as finance does; 90 MB to download, 276 MB on the disk.
    ("soffice", "libreoffice-calc-nogui", "libreoffice"),
    // Reads compose.yaml; the client alone, without an engine.
    ("docker-compose", "docker-compose", "docker-compose"),
    // What the documents' commands are typed with.
    ("curl", "curl", "curl"),
    ("jq", "jq", "jq"),
    ("shellcheck", "shellcheck", "shellcheck"),
    // Beside the headless shell, which `run` prefers: the runner works with either.
    ("chromium", "chromium", "chromium"),
];

/// Packages of [`FOR_TESTS`] with a service that nobody asked for: we take their programs only.
const SERVICES: [&str; 2] = ["pgbouncer", "prometheus"];

/// As [`run`], and what the tests need beyond that.
///
/// # Errors
/// As [`run`].
pub fn run_for_tests() -> Result<()> {
    run()?;
    let there = |program: &str| {
        tools::program(program).is_some() || (program == "chromium" && tools::full_chromium().is_some())
    };
    let missing: Vec<_> = FOR_TESTS.into_iter().filter(|(program, ..)| !there(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let installer = installer();
    if let Some(Installer::Brew) = installer {
        let formulas = missing.iter().map(|(.., formula)| formula);
        build::run(Command::new("brew").arg("install").args(formulas))?;
    } else {
        let root = match &installer {
            Some(Installer::Apt(root)) => Some(root.as_slice()),
            _ => None,
        };
        from_debian(root, missing.iter().map(|(_, package, _)| *package))?;
    }
    match FOR_TESTS.into_iter().find(|(program, ..)| !there(program)) {
        Some((program, package, _)) => bail!("{package} is installed, but {program} is not found"),
        None => Ok(()),
    }
}

/// Installs packages as root, or says what to type; those with a service are unpacked, and only their libraries installed.
fn from_debian<'a>(root: Option<&[&str]>, packages: impl Iterator<Item = &'a str>) -> Result<()> {
    let (services, packages): (Vec<&str>, Vec<&str>) =
        packages.partition(|package| SERVICES.contains(package));
    let mut packages: Vec<String> = packages.into_iter().map(str::to_owned).collect();
    if let Some(root) = root {
        install(root, &["apt-get", "update", "-q"])?;
    }
    for package in services {
        eprintln!("unpacking {package} into {}", debian::folder().display());
        packages.extend(debian::unpack(&mut Command::new("apt-get"), package, &debian::folder())?);
    }
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    match root {
        _ if packages.is_empty() => Ok(()),
        Some(root) => {
            let words = ["apt-get", "install", "-qy", "--no-install-recommends"];
            install(root, &[&words[..], &packages].concat())
        }
        None => bail!(
            "programs that the tests need are missing; please type: sudo apt-get install {}",
            packages.join(" ")
        ),
    }
}

/// As [`run`], and says what is used.
pub fn report() -> Result<()> {
    run()?;
    for program in [tools::postgres(), tools::chromium()].iter().flatten() {
        println!("{}", program.display());
    }
    Ok(())
}

fn installer() -> Option<Installer> {
    if tools::on_path("apt-get").is_some() {
        if is_root() {
            return Some(Installer::Apt(Vec::new()));
        }
        // -n: where sudo would ask for a password, the person types the command, not we.
        let mut sudo = Command::new("sudo");
        return sudo
            .args(["-n", "true"])
            .output()
            .is_ok_and(|output| output.status.success())
            .then(|| Installer::Apt(vec!["sudo", "-n"]));
    }
    tools::on_path("brew").map(|_| Installer::Brew)
}

fn apt(root: &[&str], postgres: bool, chromium: bool) -> Result<()> {
    install(root, &["apt-get", "update", "-q"])?;
    if postgres {
        // Debian's package would make and start a server of its own; we only want the programs.
        let settings = Path::new("/etc/postgresql-common/createcluster.conf");
        if !settings.exists() {
            let write = "mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf";
            install(root, &["sh", "-c", write])?;
        }
        install(root, &["apt-get", "install", "-qy", "--no-install-recommends", "postgresql"])?;
    }
    if chromium {
        // The sandbox package is for kernels that refuse user namespaces to ordinary users.
        let with = ["chromium-sandbox", "fonts-liberation"];
        let words = |browser| {
            [&["apt-get", "install", "-qy", "--no-install-recommends", browser], &with[..]].concat()
        };
        if install(root, &words("chromium-headless-shell")).is_err() {
            install(root, &words("chromium"))?;
        }
    }
    Ok(())
}

fn brew(postgres: bool, chromium: bool) -> Result<()> {
    if postgres {
        build::run(Command::new("brew").args(["install", "postgresql@17"]))?;
    }
    if chromium {
        build::run(Command::new("brew").args(["install", "--cask", "google-chrome"]))?;
    }
    Ok(())
}

/// Runs one command as root, without questions.
fn install(root: &[&str], words: &[&str]) -> Result<()> {
    let line: Vec<&str> =
        root.iter().chain(&["env", "DEBIAN_FRONTEND=noninteractive"]).chain(words).copied().collect();
    let (program, arguments) = line.split_first().context("an empty command")?;
    // Output goes to stderr: `demo --json` owns stdout.
    build::run(Command::new(program).args(arguments).stdout(std::io::stderr()))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn instructions(postgres: bool, chromium: bool) -> String {
    let mut text = String::from("these programs are missing, and we may not install them; please type:\n");
    let debian = cfg!(target_os = "linux");
    for (missing, on_debian, on_mac, variable) in [
        (
            postgres,
            "sudo apt-get install postgresql",
            "brew install postgresql@17",
            "PG_BIN to the folder with initdb and postgres",
        ),
        (
            chromium,
            "sudo apt-get install chromium",
            "brew install --cask google-chrome",
            "GH_CHROMIUM to the browser",
        ),
    ] {
        if missing {
            let command = if debian { on_debian } else { on_mac };
            let _ = writeln!(text, "  {command}\n  (or, if it is installed elsewhere, set {variable})");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_for_the_tests_has_no_service() {
        for (_, package, _) in FOR_TESTS.iter().filter(|(_, package, _)| !SERVICES.contains(package)) {
            let output = Command::new("dpkg-query").args(["--listfiles", package]).output();
            let Some(output) = output.ok().filter(|output| output.status.success()) else {
                eprintln!("{package} is not looked at: it is not installed as a package here");
                continue;
            };
            let files = String::from_utf8_lossy(&output.stdout).into_owned();
            let service =
                files.lines().find(|file| file.contains("/systemd/system/") || file.contains("/init.d/"));
            assert_eq!(service, None, "{package} would be enabled at boot: add it to SERVICES");
        }
    }
}
