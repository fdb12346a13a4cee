//! The commands, as people run them: the built program against a real Postgres and a local Fly.

mod callbacks;
mod control;
mod doctor;
mod fleet;
mod lists;
mod scale;
mod stop;
mod tiers;
mod why;
mod world;
