//! Tries the images: the demo, with the api, the dispatcher and the runner of the images in place of those built beside us.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::build::Image;
use crate::{build, setup};

/// Enters an image and becomes its program, with the environment it was given. The root cannot be written to.
const ENTER: &str = r#"#!/bin/sh
# Runs PROGRAM of the image, as its user.
exec unshare --mount -- sh -eu -c '
    root=$(mktemp -d); mount -t tmpfs tmpfs "$root"; mkdir "$root/image"
    mount -t overlay overlay -o "LAYERS" "$root/image"
    for file in /etc/resolv.conf /etc/hosts; do [ ! -e "$root/image$file" ] || mount --bind $file "$root/image$file"; done
    exec /usr/bin/env PATH="PATH_INSIDE" /usr/sbin/chroot --userspec=USER "$root/image" PROGRAM "$@"' sh "$@"
"#;

/// The same for the runner: process 1 of its own process tree, a root it can write to, and the folder for screenshots.
const ENTER_ALONE: &str = r#"#!/bin/sh
# Runs PROGRAM of the image, as its user and as process 1.
exec unshare --mount --pid --fork --kill-child -- sh -eu -c '
    root=$(mktemp -d); mount -t tmpfs tmpfs "$root"; mkdir "$root/image" "$root/upper" "$root/work"
    mount -t overlay overlay -o "LAYERS,upperdir=$root/upper,workdir=$root/work" "$root/image"
    mount -t proc proc "$root/image/proc"; mount --rbind /dev "$root/image/dev"
    for file in /etc/resolv.conf /etc/hosts; do touch "$root/image$file"; mount --bind $file "$root/image$file"; done
    if [ -n "${GH_ARTIFACTS_DIR:-}" ]; then
        chmod 1777 "$GH_ARTIFACTS_DIR"; mkdir -p "$root/image$GH_ARTIFACTS_DIR"
        mount --bind "$GH_ARTIFACTS_DIR" "$root/image$GH_ARTIFACTS_DIR"
    fi
    # Not only a chroot: whoever is in one may make no user namespace, and Chromium has its sandbox made of them.
    cd "$root/image"; pivot_root . .; umount -l .; cd HOME_INSIDE
    exec /usr/bin/env HOME=HOME_INSIDE TMPDIR=/tmp PATH="PATH_INSIDE" /usr/sbin/chroot --userspec=USER:USER --skip-chdir / PROGRAM "$@"' sh "$@"
"#;

/// Runs the demo with the programs of both images.
pub fn run(api: &Image, runner: &Image) -> Result<()> {
    setup::run()?;
    let release = (!cfg!(debug_assertions)).then_some("--release");
    build::cargo(["build", "--package", "e2e", "--package", "local", "--bins"].into_iter().chain(release))?;
    let folder = xtask::workspace().join("target/image/bin");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    for name in ["stack", "local-fly"] {
        let built = build::program(name)?;
        fs::hard_link(&built, folder.join(name)).with_context(|| format!("linking {}", built.display()))?;
    }
    for name in ["api", "dispatcher"] {
        write(&folder.join(name), ENTER, api, &format!("/usr/local/bin/{name}"))?;
    }
    write(&folder.join("runner"), ENTER_ALONE, runner, "/usr/local/bin/runner")?;
    build::run(Command::new(folder.join("stack")).args(["demo", "--json"]))
}

fn write(path: &Path, script: &str, image: &Image, program: &str) -> Result<()> {
    let inside = image.environment.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
    let script = script
        .replace("LAYERS", &image.layers.mount_options(None))
        .replace("HOME_INSIDE", &image.folder)
        .replace("PATH_INSIDE", inside)
        .replace("USER", &image.user)
        .replace("PROGRAM", program);
    fs::write(path, script)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}
