//! Carries out a Dockerfile's steps, each in a layer.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use xtask::dockerfile::{self, Stage, Step, expand};

use super::layers::{Layers, apart, quietly, store};

/// Debian's release that our images are made of.
const RELEASE: &str = "bookworm";
const MIRROR: &str = "http://deb.debian.org/debian";
/// What makes the base of the runner's image,
pub const BASE_FILE: &str = "infra/runner-base/Dockerfile";
/// and its name where no registry has it.
const BASE: &str = "ghosthands-runner-base";

/// What a stage has become.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Its files.
    pub layers: Layers,
    /// Which step made each layer.
    pub made_by: Vec<String>,
    /// The environment of what runs in it.
    pub environment: BTreeMap<String, String>,
    /// Who runs.
    pub user: String,
    /// Where.
    pub folder: String,
    /// What.
    pub program: Vec<String>,
    values: BTreeMap<String, String>,
    compiles: bool,
}

/// The image that a Dockerfile of the checkout makes.
pub fn file(path: &str) -> Result<Image> {
    let text = fs::read_to_string(xtask::workspace().join(path)).with_context(|| path.to_owned())?;
    build(&dockerfile::parse(&text).with_context(|| path.to_owned())?).with_context(|| path.to_owned())
}

/// The image that the last stage makes. Stages it does not need are left out.
fn build(stages: &[Stage]) -> Result<Image> {
    let last = stages.last().context("no stage")?;
    let mut done = BTreeMap::new();
    stage(last, stages, &mut done)
}

fn stage(stage: &Stage, all: &[Stage], done: &mut BTreeMap<String, Image>) -> Result<Image> {
    let mut image = from(&stage.from, all, done)?;
    image.made_by.resize(image.layers.folders().len(), format!("FROM {}", stage.from));
    for step in &stage.steps {
        match step {
            Step::Run(line) => {
                let line = expand(line, &image.values);
                eprintln!("+ RUN {line}");
                image.layers = image.run(&line)?;
                image.made_by.push(format!("RUN {line}"));
            }
            Step::Copy { from: None, sources, target } => {
                ensure!(sources == &["."], "COPY from the context copies all of it");
                image.layers = image.copy_context(&expand(target, &image.values))?;
                image.made_by.push(format!("COPY . {target}"));
            }
            Step::Copy { from: Some(name), sources, target } => {
                let source = named(name, all, done)?;
                image.layers = image.copy_from(&source, sources, target)?;
                image.made_by.push(format!("COPY {} {target}", sources.join(" ")));
            }
            Step::Argument(pairs) | Step::Environment(pairs) => {
                for (name, value) in pairs {
                    let value = expand(value, &image.values);
                    image.values.insert(name.clone(), value.clone());
                    if matches!(step, Step::Environment(_)) {
                        image.environment.insert(name.clone(), value);
                    }
                }
            }
            Step::User(user) => image.user.clone_from(user),
            Step::Folder(folder) => image.folder.clone_from(folder),
            Step::Program(program) => image.program.clone_from(program),
            Step::Note => {}
        }
    }
    Ok(image)
}

fn named(name: &str, all: &[Stage], done: &mut BTreeMap<String, Image>) -> Result<Image> {
    if let Some(image) = done.get(name) {
        return Ok(image.clone());
    }
    let found = all.iter().find(|stage| stage.name.as_deref() == Some(name));
    let image = stage(found.with_context(|| format!("no stage {name}"))?, all, done)?;
    done.insert(name.to_owned(), image.clone());
    Ok(image)
}

/// What stands for an image of a registry here: Debian is made by debootstrap, and Rust's image is that and our toolchain.
fn from(name: &str, all: &[Stage], done: &mut BTreeMap<String, Image>) -> Result<Image> {
    if all.iter().any(|stage| stage.name.as_deref() == Some(name)) {
        return named(name, all, done);
    }
    if name == BASE {
        return file(BASE_FILE);
    }
    let mut image = Image { folder: "/".into(), user: "0".into(), ..Image::default() };
    image
        .environment
        .insert("PATH".into(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into());
    if name == "scratch" {
        image.environment.clear();
        return Ok(image);
    }
    image.layers = debian()?;
    if name == format!("debian:{RELEASE}-slim") {
        return Ok(image);
    }
    let version = name.strip_prefix("rust:").and_then(|tail| tail.strip_suffix(&format!("-slim-{RELEASE}")));
    let Some(version) = version else { bail!("{name}: no way to make this image here") };
    let ours = String::from_utf8(Command::new("rustc").arg("--version").output()?.stdout)?;
    ensure!(ours.starts_with(&format!("rustc {version}.")), "{name} is wanted, and here is {ours}");
    image.compiles = true;
    image.environment.insert("CARGO_HOME".into(), "/usr/local/cargo".into());
    let path = "/usr/local/cargo/bin:/usr/local/toolchain/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    image.environment.insert("PATH".into(), path.into());
    image.layers = image.run(
        "apt-get update && apt-get install --yes --no-install-recommends ca-certificates gcc libc6-dev && mkdir -p /usr/local/toolchain",
    )?;
    Ok(image)
}

/// Debian's smallest system, without documentation, as its slim images are.
fn debian() -> Result<Layers> {
    Layers::default().with(&[b"debootstrap", RELEASE.as_bytes()], |folder| {
        eprintln!("+ debootstrap {RELEASE}");
        let mut command = Command::new("debootstrap");
        command.args(["--variant=minbase", RELEASE]).arg(folder).arg(MIRROR);
        quietly(&mut command, "debootstrap (apt-get install debootstrap; it needs root)")?;
        let sources = format!(
            "deb {MIRROR} {RELEASE} main\ndeb {MIRROR} {RELEASE}-updates main\ndeb http://deb.debian.org/debian-security {RELEASE}-security main\n"
        );
        fs::write(folder.join("etc/apt/sources.list"), sources)?;
        let slim = "path-exclude /usr/share/doc/*\npath-exclude /usr/share/man/*\npath-exclude /usr/share/locale/*\npath-exclude /usr/share/info/*\npath-include /usr/share/doc/*/copyright\n";
        fs::write(folder.join("etc/dpkg/dpkg.cfg.d/docker"), slim)?;
        let clean = "cd \"$1\" && rm -rf var/cache/apt/* var/lib/apt/lists/* var/log/* usr/share/man/* usr/share/locale/* usr/share/info/* \
                     && find usr/share/doc -type f ! -name copyright -delete && find usr/share/doc -type l -delete";
        quietly(Command::new("sh").args(["-eu", "-c", clean, "sh"]).arg(folder), "leaving documentation out")
    })
}

impl Image {
    /// What `line` changes, run by the shell as the image's user.
    fn run(&self, line: &str) -> Result<Layers> {
        let mut input = vec![line.as_bytes(), self.user.as_bytes(), self.folder.as_bytes()];
        let pairs: Vec<String> =
            self.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        input.extend(pairs.iter().map(String::as_bytes));
        self.layers.with(&input, |upper| {
            let mut command = self.enter(upper)?;
            command.args(["/bin/sh", "-c", line]);
            ensure!(command.status()?.success(), "RUN {line} failed");
            Ok(())
        })
    }

    fn copy_from(&self, source: &Self, sources: &[String], target: &str) -> Result<Layers> {
        let from = source.layers.mount_options(None);
        // What is copied counts, and not how it came to be: the same list of dependencies keeps the layers above it.
        let sum = source.pack(&from, sources)?;
        self.layers.with(&[&sum, sources.join(" ").as_bytes(), target.as_bytes()], |upper| {
            let script = "
                mkdir -p \"$1.from\"; mount -t overlay overlay -o \"$2\" \"$1.from\"
                target=$1$3; from=$1.from; shift 3
                for path in \"$@\"; do
                    if [ -d \"$from$path\" ]; then mkdir -p \"$target\"; cp -a \"$from$path/.\" \"$target\"
                    else case $target in */) mkdir -p \"$target\" ;; *) mkdir -p \"$(dirname \"$target\")\" ;; esac
                        cp -a \"$from$path\" \"$target\"; fi
                done";
            let target = absolute(&self.folder, target);
            let sources = sources.iter().map(String::as_str);
            let upper = upper.to_str().context("a path that is no text")?;
            let mut command = apart(script, [upper, &from, &target].into_iter().chain(sources));
            let done = quietly(&mut command, &format!("COPY to {target}"));
            let _ = fs::remove_dir(format!("{upper}.from"));
            done
        })
    }

    /// An archive of files of this image, without their times.
    fn pack(&self, options: &str, sources: &[String]) -> Result<Vec<u8>> {
        let root = store().join(format!("from-{}", std::process::id()));
        fs::create_dir_all(&root)?;
        let script = "mount -t overlay overlay -o \"$2\" \"$1\"; cd \"$1\"; shift 2
            exec tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - \"$@\"";
        let root = root.to_str().context("a path that is no text")?.to_owned();
        let sources = sources.iter().map(|path| path.trim_start_matches('/'));
        let output = apart(script, [root.as_str(), options].into_iter().chain(sources)).output()?;
        let _ = fs::remove_dir(&root);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "COPY after {:?}: {complaint}", self.made_by.last());
        Ok(output.stdout)
    }

    /// Everything that .dockerignore leaves, which is a list of names that begin with an exclamation mark.
    fn copy_context(&self, target: &str) -> Result<Layers> {
        let ignored = fs::read_to_string(xtask::workspace().join(".dockerignore"))?;
        let names: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
        let pack = |output: &str, names: &[&str]| {
            let mut command = Command::new("tar");
            command.args([
                "--sort=name",
                "--owner=0",
                "--group=0",
                "--numeric-owner",
                "--exclude=node_modules",
                "-cf",
                output,
            ]);
            command.args(names).current_dir(xtask::workspace());
            command
        };
        // Times are left out of the sum, as Docker leaves them out.
        let sum = pack("-", &names).arg("--mtime=@0").output()?.stdout;
        let target = absolute(&self.folder, target);
        self.layers.with(&[&sum, target.as_bytes()], |upper| {
            let archive = upper.with_extension("tar");
            let path = archive.to_str().context("a path that is no text")?;
            quietly(&mut pack(path, &names), "packing the context")?;
            let into = PathBuf::from(format!("{}{target}", upper.display()));
            fs::create_dir_all(&into)?;
            quietly(Command::new("tar").args(["-xf", path, "-C"]).arg(&into), "unpacking the context")?;
            Ok(fs::remove_file(&archive)?)
        })
    }

    /// A command to which a program and its arguments are still to be added; it runs inside, as the image says, and
    /// what it writes lands in `upper`.
    fn enter(&self, upper: &Path) -> Result<Command> {
        let root = store().join(format!("root-{}", std::process::id()));
        fs::create_dir_all(&root)?;
        // The computer may reach registries by names and certificates of its own: they are lent, and stay in no layer.
        let script = "
            root=$1; mount -t overlay overlay -o \"$2\" \"$root\"; toolchain=$3; user=$4; folder=$5; pairs=$6; shift 6
            mkdir -p \"$root/proc\" \"$root/dev\" \"$root/etc\" \"$root$folder\"
            mount --rbind /dev \"$root/dev\"; mount -t proc proc \"$root/proc\"
            for file in /etc/resolv.conf /etc/hosts; do touch \"$root$file\"; mount --bind $file \"$root$file\"; done
            if [ -d \"$root/usr/local/toolchain\" ]; then
                mount --bind \"$toolchain\" \"$root/usr/local/toolchain\"; mount -t tmpfs tmpfs \"$root/run\"
                cp /etc/ssl/certs/ca-certificates.crt \"$root/run/\"
            fi
            exec /usr/bin/env -i $pairs /usr/sbin/chroot --userspec=\"$user\" \"$root\" /usr/bin/env --chdir=\"$folder\" \"$@\"";
        let mut pairs: Vec<String> =
            self.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut toolchain = String::new();
        if self.compiles {
            let output = Command::new("rustc").args(["--print", "sysroot"]).output()?.stdout;
            toolchain = String::from_utf8(output)?.trim().to_owned();
            pairs.extend(
                ["CARGO_TERM_COLOR=never", "CARGO_HTTP_CAINFO=/run/ca-certificates.crt"].map(str::to_owned),
            );
        }
        let options = self.layers.mount_options(Some(upper));
        let root = root.to_str().context("a path that is no text")?.to_owned();
        Ok(apart(script, [&root, &options, &toolchain, &self.user, &self.folder, &pairs.join(" ")]))
    }
}

fn absolute(folder: &str, path: &str) -> String {
    if path == "." {
        return folder.to_owned();
    }
    if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", folder.trim_end_matches('/')) }
}
