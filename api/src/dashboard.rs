//! The dashboard at `/`: pages for ops and finance, made here, with no build step and no script of their own.
//!
//! Whoever knows the service key may look and change; whoever knows `GH_DASHBOARD_READ_KEY` may look. Users of the Supabase project
//! may too, when the project gave them a role (`app_metadata.role`): `ops` looks and changes, `finance` looks.
//! A page refreshes its live part by asking for itself (htmx); charts ask for their numbers (uPlot).

mod alerts;
mod assets;
mod changes;
mod charts;
mod costs;
mod failure;
mod form;
mod job;
mod jobs;
mod machines;
mod overview;
mod page;
mod people;
mod session;
mod shots;
mod sign_in;
mod tiers;
mod why;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::app::App;
pub(crate) use people::People;
pub(crate) use session::Keys;

/// The paths of the dashboard.
pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let inside = Router::new()
        .route("/", get(overview::show))
        .route("/jobs", get(jobs::show).post(changes::many))
        .route("/jobs/{id}", get(job::show).post(changes::one))
        .route("/jobs/{id}/shots/{number}", get(shots::show))
        .route("/machines", get(machines::show))
        .route("/tiers", get(tiers::show))
        .route("/costs", get(costs::show))
        .route("/costs/download", get(costs::download))
        .route("/alerts", get(alerts::show))
        .route("/charts/{name}", get(charts::series))
        .route("/sign-out", post(sign_in::leave))
        .layer(from_fn_with_state(app.clone(), session::require));
    Router::new()
        .route("/sign-in", get(sign_in::show).post(sign_in::enter))
        .route("/session", get(sign_in::check))
        .route("/assets/{file}", get(assets::serve))
        .merge(inside)
}
