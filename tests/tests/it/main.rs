//! The promises of docs/ARCHITECTURE.md, each on real processes, a real Postgres and a real Chromium.

mod case;
mod chaos;
mod demo;
mod kill;
mod pause;
mod postgres;
mod prometheus;
mod rollback;
mod ship;
mod traces;
mod typescript;
mod up;
mod wizard;
