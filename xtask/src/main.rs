//! `cargo xtask`: everything one does with this repository, in one command each.

mod bench;
mod build;
mod chaos;
mod ci;
mod demo;
mod deny;
mod fly_smoke;
mod image;
mod layers;
mod lint;
mod setup;
mod shots;
mod test;
mod up;

use std::process::ExitCode;

use clap::Parser;
use xtask::arguments;

/// Everything one does with this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    Demo(arguments::Demo),
    Up(arguments::Up),
    Bench(arguments::Bench),
    Chaos(arguments::Chaos),
    FlySmoke(arguments::FlySmoke),
    /// Builds everything and passes all tests, on a bare computer too.
    Test(test::Arguments),
    /// What CI runs: lint, then test.
    Ci,
    /// Checks formatting, dependencies and clippy's opinion.
    Lint,
    /// Checks licences, sources and who may use which crate; installs cargo-deny below target/ the first time.
    Deny,
    /// Installs Postgres and Chromium where they are missing, or says exactly what to type.
    Setup,
    Image(image::Arguments),
    /// Photographs every page of the dashboard into target/shots.
    Shots,
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Demo(arguments) => demo::run(&arguments),
        Task::Up(_) => up::run(),
        Task::Bench(_) => bench::run(),
        Task::Chaos(_) => chaos::run(),
        Task::FlySmoke(_) => fly_smoke::run(),
        Task::Test(arguments) => test::run(&arguments),
        Task::Ci => ci::run(),
        Task::Lint => lint::run(),
        Task::Deny => deny::run(),
        Task::Setup => setup::report(),
        Task::Image(arguments) => image::run(&arguments),
        Task::Shots => shots::run(),
    };
    done.map_or_else(
        |error| {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}
