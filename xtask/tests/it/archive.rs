//! A Debian archive of a few small packages, and roots that apt installs them into: nothing of this computer is changed,
//! and nobody needs to be root.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The archive. Like Debian's it has one version of each package.
pub struct Archive(TempDir);

impl Archive {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// Puts `version` of an empty package there; whatever it had of it is dropped.
    pub fn publish(&self, package: &str, version: &str) {
        self.put(package, version, "", |_| {});
    }

    /// The same for one with dependencies, to whose folder `fill` adds files and scripts.
    pub fn put(&self, package: &str, version: &str, depends: &str, fill: impl FnOnce(&Path)) {
        let contents = self.0.path().join("contents").join(package);
        fs::create_dir_all(contents.join("DEBIAN")).expect("a folder");
        let depends = if depends.is_empty() { String::new() } else { format!("Depends: {depends}\n") };
        let control = format!(
            "Package: {package}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <nobody@test>\n{depends}Description: none\n"
        );
        fs::write(contents.join("DEBIAN/control"), &control).expect("written");
        fill(&contents);
        let file = format!("{package}.deb");
        let path = self.0.path().join(&file);
        run(Command::new("dpkg-deb").args(["-Znone", "--build"]).arg(&contents).arg(&path));
        let sum = String::from_utf8(run(Command::new("sha256sum").arg(&path)).stdout).expect("a sum");
        let size = fs::metadata(&path).expect("built").len();
        let entry = format!("{control}Filename: ./{file}\nSize: {size}\nSHA256: {}\n\n", &sum[..64]);
        fs::write(self.0.path().join(format!("{package}.entry")), entry).expect("written");
        let mut entries: Vec<PathBuf> = fs::read_dir(self.0.path())
            .expect("a folder")
            .filter_map(|entry| {
                Some(entry.ok()?.path()).filter(|path| path.extension().is_some_and(|end| end == "entry"))
            })
            .collect();
        entries.sort();
        let index: String = entries.iter().map(|path| fs::read_to_string(path).expect("a text")).collect();
        fs::write(self.0.path().join("Packages"), index).expect("written");
    }

    /// An empty root whose only source is this archive.
    pub fn root(&self) -> Root {
        let root = tempfile::tempdir().expect("a folder");
        for folder in [
            "etc/apt/preferences.d",
            "var/lib/apt/lists/partial",
            "var/lib/dpkg/updates",
            "var/lib/dpkg/info",
            "var/cache/apt/archives/partial",
            "var/log/apt",
        ] {
            fs::create_dir_all(root.path().join(folder)).expect("a folder");
        }
        fs::write(root.path().join("var/lib/dpkg/status"), "").expect("written");
        let source = format!("deb [trusted=yes] file:{} ./\n", self.0.path().display());
        fs::write(root.path().join("etc/apt/sources.list"), source).expect("written");
        let folder = root.path().display();
        // apt reads nothing of this computer's settings: those of `Dir` are read after this file.
        let settings = format!(
            "Dir \"{folder}\";\nDir::State::status \"{folder}/var/lib/dpkg/status\";\nAPT::Sandbox::User \"\";\n\
             DPkg::Options {{ \"--root={folder}\"; \"--log=/dev/null\"; \"--force-not-root,bad-path,unsafe-io\"; }};\n"
        );
        fs::write(root.path().join("apt.conf"), settings).expect("written");
        Root(root)
    }
}

/// Where packages are installed.
pub struct Root(TempDir);

impl Root {
    /// `apt-get` for this root.
    pub fn command(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.env("APT_CONFIG", self.0.path().join("apt.conf")).env("LC_ALL", "C");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    /// Runs one command of apt; its words are those after `apt-get`.
    pub fn apt(&self, words: &[&str]) -> Output {
        self.command().args(words).output().expect("apt-get runs")
    }

    /// Which version of a package is installed.
    pub fn version(&self, package: &str) -> Option<String> {
        let folder = self.0.path().join("var/lib/dpkg");
        let mut command = Command::new("dpkg-query");
        command.arg("--admindir").arg(folder).args(["--show", "--showformat=${Version}", package]);
        let output = command.output().expect("dpkg-query runs");
        output.status.success().then(|| String::from_utf8(output.stdout).expect("a version"))
    }
}

/// Whether this computer has what an archive is made with.
pub fn possible() -> bool {
    let there = |name| Path::new("/usr/bin").join(name).is_file();
    ["apt-get", "dpkg-deb", "dpkg-query", "sha256sum"].into_iter().all(there)
}

/// Writes a script.
pub fn executable(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("executable");
}

fn run(command: &mut Command) -> Output {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
