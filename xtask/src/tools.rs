//! Finds the programs we do not build: the Postgres server and Chromium.

use std::path::{Path, PathBuf};

/// Browsers in the order we prefer them; the headless shell starts fastest and needs least memory.
const BROWSERS: [&str; 5] =
    ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Where macOS keeps its browsers.
const MAC_BROWSERS: [&str; 2] = [
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// The folder with `initdb`, `postgres` and `psql`: `PG_BIN`, else the newest installed, else what `PATH` has.
pub fn postgres() -> Option<PathBuf> {
    if let Some(folder) = variable("PG_BIN") {
        return Some(folder).filter(|folder| has_postgres(folder));
    }
    newest("/usr/lib/postgresql", "")
        .or_else(|| newest("/usr", "pgsql-"))
        .or_else(|| newest("/opt/homebrew/opt", "postgresql@"))
        .or_else(|| newest("/usr/local/opt", "postgresql@"))
        .or_else(|| {
            let initdb = std::fs::canonicalize(on_path("initdb")?).ok()?;
            initdb.parent().map(Path::to_path_buf).filter(|folder| has_postgres(folder))
        })
}

/// The browser: `GH_CHROMIUM`, else the first installed one.
pub fn chromium() -> Option<PathBuf> {
    if let Some(program) = variable("GH_CHROMIUM") {
        return Some(program).filter(|program| program.is_file());
    }
    BROWSERS
        .iter()
        .find_map(|name| on_path(name))
        .or_else(|| MAC_BROWSERS.iter().map(PathBuf::from).find(|program| program.is_file()))
}

/// A full browser: what most people have, and what shows a window.
pub fn full_chromium() -> Option<PathBuf> {
    BROWSERS[1..].iter().find_map(|name| on_path(name))
}

/// The first program of this name in `PATH`.
pub fn on_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// A program in `PATH`, where Debian keeps its daemons, or among those that were only unpacked.
pub fn program(name: &str) -> Option<PathBuf> {
    let unpacked = crate::debian::folder().join("usr");
    let folders = ["/usr/sbin".into(), unpacked.join("bin"), unpacked.join("sbin")];
    on_path(name).or_else(|| {
        folders.iter().map(|folder: &PathBuf| folder.join(name)).find(|program| program.is_file())
    })
}

/// The `bin` folder of the highest version among the folders `prefix` + version in `parent`.
fn newest(parent: &str, prefix: &str) -> Option<PathBuf> {
    std::fs::read_dir(parent)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let version: f64 = entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, folder)| has_postgres(folder))
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, folder)| folder)
}

fn has_postgres(folder: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file())
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
