//! `cargo xtask image`: the steps of our Dockerfiles where there is no Docker, the size of each layer, and a trial.
//!
//! Needs root and debootstrap. Images of registries are replaced by what they are made of (see [`build`]); everything else
//! is read from the Dockerfiles. Layers are kept in `target/image`, so that only what changed is made again.

mod build;
mod layers;
mod trial;

use std::fs;

use anyhow::{Result, ensure};

/// A million bytes, as disks and registries count.
const MB: f64 = 1e6;
/// What the stripped program of the runner may weigh.
const RUNNER_BYTES: u64 = 20_000_000;

/// Carries out the Dockerfiles' steps without Docker, says what each layer weighs, and tries the images; needs root.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only this one, and no demo; without a name the api and the runner, which is built from the base.
    name: Option<Name>,
    /// Build, and do not run the demo with the images.
    #[arg(long)]
    no_trial: bool,
}

/// An image of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    Api,
    Base,
    Runner,
}

impl Name {
    fn file(self) -> &'static str {
        match self {
            Self::Api => "Dockerfile.api",
            Self::Base => build::BASE_FILE,
            Self::Runner => "Dockerfile.runner",
        }
    }
}

/// Builds the images, then tries them.
pub fn run(arguments: &Arguments) -> Result<()> {
    fs::create_dir_all(layers::store().join("empty"))?;
    if let Some(name) = arguments.name {
        return make(name).map(drop);
    }
    let (api, runner) = (make(Name::Api)?, make(Name::Runner)?);
    if arguments.no_trial {
        return Ok(());
    }
    trial::run(&api, &runner)
}

/// Builds an image and checks what must be true of it.
fn make(name: Name) -> Result<build::Image> {
    let file = name.file();
    let image = build::file(file)?;
    // The base has no program: it is not run.
    if name != Name::Base {
        ensure!(image.user != "0" && image.user != "root", "{file} leaves its program to root");
        ensure!(image.program.first().is_some_and(|word| word.starts_with('/')), "{file} names no program");
    }
    report(file, &image)?;
    for compiler in ["usr/bin/gcc", "usr/bin/cc", "usr/local/cargo", "usr/local/toolchain"] {
        let found = image.layers.folders().iter().any(|layer| layer.join(compiler).exists());
        ensure!(!found, "{file} ships {compiler}");
    }
    Ok(image)
}

/// What each layer weighs, as rows of the table in docs/DEPLOY.md.
fn report(file: &str, image: &build::Image) -> Result<()> {
    println!("\n{file}: user {}, {:?}\n\n| layer | MB |\n|---|---|", image.user, image.program);
    let mut total = 0;
    for (folder, step) in image.layers.folders().iter().zip(&image.made_by) {
        let bytes = layers::bytes(folder)?;
        total += bytes;
        let step: String = step.chars().take(90).collect();
        println!("| `{step}` | {:.1} |", megabytes(bytes));
    }
    println!("| all | {:.1} |\n", megabytes(total));
    for program in ["api", "dispatcher", "runner"] {
        let path = format!("usr/local/bin/{program}");
        for file in image.layers.folders().iter().map(|layer| layer.join(&path)) {
            let Ok(data) = fs::metadata(&file) else { continue };
            println!("{program}: {} bytes", data.len());
            ensure!(
                program != "runner" || data.len() <= RUNNER_BYTES,
                "the runner weighs more than {RUNNER_BYTES}"
            );
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a size for people, to a tenth of a megabyte")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / MB
}
