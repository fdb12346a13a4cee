//! The agent in a real Chromium against pages of our own, judged by what their server received.

mod apart;
mod blocked;
mod candidate;
mod chromium;
mod command;
mod complaints;
mod egress;
mod fields;
mod forms;
mod helped;
mod injection;
mod learning;
mod mapping;
mod outcomes;
mod practice;
pub mod process;
mod reading;
mod repair;
mod resumes;
mod sending;
mod site;
mod stage;
mod steps;
mod storage;
mod told;
