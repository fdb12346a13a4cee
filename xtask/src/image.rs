//! `cargo xtask image`: the steps of our Dockerfiles where there is no Docker, the size of each layer, and a trial.
//!
//! Needs root and debootstrap. Images of registries are replaced by what they are made of (see [`build`]); everything else
//! is read from the Dockerfiles. Layers are kept in `target/image`, so that only what changed is made again.

mod build;
mod dockerfile;
mod layers;
mod trial;

use std::fs;

use anyhow::{Context as _, Result, ensure};

/// A million bytes, as disks and registries count.
const MB: f64 = 1e6;
/// What the stripped program of the runner may weigh.
const RUNNER_BYTES: u64 = 20_000_000;

/// Carries out the Dockerfiles' steps without Docker, says what each layer weighs, and tries the images; needs root.
#[derive(clap::Args)]
pub struct Arguments {
    /// Build, and do not run the demo with the images.
    #[arg(long)]
    no_trial: bool,
}

/// Builds both images, then tries them.
pub fn run(arguments: &Arguments) -> Result<()> {
    fs::create_dir_all(layers::store().join("empty"))?;
    let (api, runner) = (make("api")?, make("runner")?);
    if arguments.no_trial {
        return Ok(());
    }
    trial::run(&api, &runner)
}

/// Builds an image and checks what must be true of it.
fn make(name: &str) -> Result<build::Image> {
    let file = format!("Dockerfile.{name}");
    let text = fs::read_to_string(xtask::workspace().join(&file))?;
    let image = build::build(&dockerfile::parse(&text).context(file.clone())?).context(file.clone())?;
    ensure!(image.user != "0" && image.user != "root", "{file} leaves its program to root");
    ensure!(image.program.first().is_some_and(|word| word.starts_with('/')), "{file} names no program");
    report(&file, &image)?;
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
