//! The service put together: what its handlers share, and which path leads where.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::Html;
use axum::routing::get;
use domain::net::Reach;
use store::Db;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use store::seal::{SealError, Sealer};

use crate::addresses::{self, Addresses};
use crate::auth::{self, Auth};
use crate::build::Build;
use crate::config::Config;
use crate::error::ApiError;
use crate::fleet_metrics::FleetMetrics;
use crate::headers::{self, Origins};
use crate::metrics::Metrics;
use crate::monitoring::{Storage, TotalsCache};
use crate::openapi::{self, ApiDoc};
use crate::places::Places;
use crate::token::Verifier;
use crate::{costs, dashboard, reference, routes as at, trace};

/// The largest body taken: a full batch of fifty long profiles fits.
const MAX_BODY: usize = 2 * 1024 * 1024;

/// What the handlers share.
pub struct App {
    pub(crate) db: Db,
    pub(crate) auth: Auth,
    pub(crate) origins: Origins,
    pub(crate) build: Build,
    pub(crate) metrics: Metrics,
    pub(crate) reach: Reach,
    pub(crate) request_timeout: Duration,
    pub(crate) stream_heartbeat: Duration,
    pub(crate) sealer: Option<Sealer>,
    pub(crate) totals: TotalsCache,
    pub(crate) dashboard: dashboard::Keys,
    pub(crate) fleet: FleetMetrics,
    pub(crate) addresses: Addresses,
    pub(crate) places: Places,
    pub(crate) storage: Option<Storage>,
    pub(crate) people: Option<dashboard::People>,
    pub(crate) artifacts: Option<std::path::PathBuf>,
}

impl App {
    /// The service over this database.
    ///
    /// # Errors
    /// When the encryption key is not a key.
    pub fn new(db: Db, config: &Config) -> Result<Self, SealError> {
        Ok(Self {
            db,
            auth: Auth::new(config.service_keys(), Verifier::new(config.jwt_secret(), config.jwks())),
            origins: Origins::new(config.cors_origin()),
            build: config.build(),
            metrics: Metrics::default(),
            reach: config.reach(),
            request_timeout: Duration::from_secs(30),
            stream_heartbeat: config.stream_heartbeat(),
            sealer: config.sealer()?,
            totals: TotalsCache::default(),
            dashboard: config.dashboard_keys(),
            fleet: FleetMetrics::default(),
            addresses: Addresses::new(config.is_behind_fly()),
            places: Places::default(),
            storage: config.storage(),
            people: config.people(),
            artifacts: config.artifacts(),
        })
    }
}

/// Every path of the service.
pub fn router(app: Arc<App>) -> Router {
    let (routes, description) = described(&app).split_for_parts();
    let page = Arc::<str>::from(reference::page(&description));
    let description = Arc::<str>::from(openapi::text(&description));
    let json = [(header::CONTENT_TYPE, "application/json")];
    routes
        .route("/openapi.json", get(move || std::future::ready((json, Body::from(description.to_string())))))
        .route("/docs", get(move || std::future::ready(Html(page.to_string()))))
        .merge(dashboard::router(&app))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(app.clone(), addresses::limit))
        .layer(from_fn_with_state(app.clone(), trace::follow))
        .layer(from_fn_with_state(app.clone(), headers::dress))
        .with_state(app)
}

/// The description of every path: `docs/openapi.json`.
///
/// # Errors
/// When the service cannot be put together, which needs no database.
pub fn description() -> Result<String, store::Error> {
    let nowhere = Db::open(&"postgres://nobody@localhost/none".to_owned().into(), "ghosthands-api", 1)?;
    let app = App::new(nowhere, &Config::default())?;
    Ok(openapi::text(described(&Arc::new(app)).get_openapi()))
}

/// Every path with its description.
fn described(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let jobs = OpenApiRouter::new()
        .routes(routes!(at::create_job::create_job, at::list_jobs::list_jobs))
        .routes(routes!(at::create_batch::create_batch))
        .routes(routes!(at::get_job::get_job))
        .routes(routes!(at::get_job_status::get_job_status))
        .routes(routes!(at::list_job_events::list_job_events))
        .routes(routes!(at::stream_job::stream_job))
        .routes(routes!(at::cancel_job::cancel_job))
        .routes(routes!(at::retry_job::retry_job))
        .routes(routes!(at::create_valet_application::create_valet_application))
        .routes(routes!(at::create_valet_task::create_valet_task))
        .routes(routes!(at::get_valet_status::get_valet_status))
        .routes(routes!(at::resume_valet_job::resume_valet_job))
        .routes(routes!(at::deregister_workers::deregister_workers))
        .routes(routes!(
            at::list_user_sessions::list_user_sessions,
            at::delete_user_sessions::delete_user_sessions
        ))
        .routes(routes!(at::delete_user_sessions::delete_user_session))
        .routes(routes!(at::sessions::list_sessions, at::sessions::delete_sessions))
        .routes(routes!(at::get_user_usage::get_user_usage))
        .routes(routes!(costs::get_costs::get_costs))
        .routes(routes!(costs::get_job_cost::get_job_cost))
        .fallback(no_route)
        .layer(from_fn_with_state(app.clone(), auth::require_caller));
    let guarded = OpenApiRouter::new()
        .routes(routes!(at::monitoring::get_metrics_json))
        .routes(routes!(at::monitoring::list_alerts))
        .routes(routes!(at::monitoring::list_workers))
        .routes(routes!(at::list_scaling::list_scaling))
        .routes(routes!(at::monitoring::get_dashboard))
        .layer(from_fn_with_state(app.clone(), auth::require_caller));
    let open = OpenApiRouter::with_openapi(ApiDoc::openapi())
        .routes(routes!(at::get_health::get_health))
        .routes(routes!(at::get_version::get_version))
        .routes(routes!(at::get_system::get_system))
        .routes(routes!(at::monitoring::get_monitoring_health))
        .routes(routes!(at::monitoring::get_metrics))
        .nest("/api/v1/gh", OpenApiRouter::new().routes(routes!(at::list_models::list_models)));
    open.merge(guarded).nest("/api/v1/gh", jobs)
}

async fn no_route() -> ApiError {
    ApiError::not_found("Route not found")
}

async fn no_method() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This path does not take that method")
}
