//! The endpoints, one file each, named `<verb>_<resource>`; a file holds two where one answers for both.

pub mod cancel_job;
pub mod create_batch;
pub mod create_job;
pub mod create_valet_application;
pub mod create_valet_task;
pub mod delete_user_sessions;
pub mod deregister_workers;
pub mod get_health;
pub mod get_job;
pub mod get_job_status;
pub mod get_system;
pub mod get_user_usage;
pub mod get_valet_status;
pub mod get_version;
pub mod list_job_events;
pub mod list_jobs;
pub mod list_models;
pub mod list_scaling;
pub mod list_user_sessions;
pub mod monitoring;
pub mod resume_valet_job;
pub mod retry_job;
pub mod sessions;
pub mod stream_job;
