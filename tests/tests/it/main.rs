//! The promises of docs/ARCHITECTURE.md, each on real processes, a real Postgres and a real Chromium.

mod demo;
mod kill;
mod postgres;
mod typescript;
mod up;
