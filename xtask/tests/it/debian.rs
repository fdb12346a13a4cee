//! What `cargo xtask test` takes from Debian without installing it.

use std::fs;

use crate::archive::{self, Archive};

#[test]
fn a_service_is_unpacked_and_neither_installed_nor_enabled_nor_started() {
    if !archive::possible() {
        eprintln!("left out: without apt-get and dpkg there is no package to unpack");
        return;
    }
    let (archive, folder) = (Archive::new(), tempfile::tempdir().expect("a folder"));
    let ran = folder.path().join("ran");
    archive.put(
        "poolerd",
        "1.0-1",
        "adduser, libone1 (>= 1.2), libtwo-3|libother, libjs-pages",
        |contents| {
            fs::create_dir_all(contents.join("usr/sbin")).expect("a folder");
            fs::write(contents.join("usr/sbin/poolerd"), "the program").expect("written");
            let script = format!(
                "#!/bin/sh\n# Where a package of Debian's enables and starts its service.\ntouch {}\n",
                ran.display()
            );
            archive::executable(&contents.join("DEBIAN/postinst"), &script);
        },
    );
    let root = archive.root();
    assert!(root.apt(&["update"]).status.success());
    let unpacked = folder.path().join("unpacked");
    let libraries = xtask::debian::unpack(&mut root.command(), "poolerd", &unpacked).expect("unpacked");
    assert_eq!(libraries, ["libone1", "libtwo-3"]);
    assert_eq!(fs::read_to_string(unpacked.join("usr/sbin/poolerd")).expect("there"), "the program");
    assert_eq!(root.version("poolerd"), None, "it was installed");
    assert!(!ran.exists(), "its script ran");
    let error = xtask::debian::unpack(&mut root.command(), "nobody", &unpacked).expect_err("no such package");
    assert!(error.to_string().contains("Unable to locate package nobody"), "{error:#}");
}
