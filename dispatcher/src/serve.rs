//! `dispatcher run`: everything a leading or waiting dispatcher consists of, put together.

use std::time::Duration;

use anyhow::Context as _;
use store::Db;
use tokio::net::TcpListener;

use crate::act::{Breaker, Engine, Regions, Suspects};
use crate::callbacks::Courier;
use crate::config::Config;
use crate::run::{Dispatcher, Signals};
use crate::tiers::Source;
use crate::{cron, health, wake};

/// Fly's slowest create calls measured took 2.5 s; a call that takes longer than this has an unknown outcome.
const FLY_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections of the actions. One more is the loop's own, one listens, and one is the callbacks'.
const CONNECTIONS: u32 = 3;

/// Dispatches until a signal.
///
/// # Errors
/// When the environment does not make a dispatcher.
pub async fn run() -> anyhow::Result<()> {
    boot::init_telemetry("dispatcher");
    let config = Config::from_env()
        .inspect_err(|error| tracing::error!(error = %boot::chain(error), "cannot start"))?;
    let stop = boot::shutdown()?;
    let db = Db::open(&config.database_url, "ghosthands-dispatcher", CONNECTIONS)?;
    let base_url = config.fly_url.parse().context("FLY_API_HOSTNAME is no address")?;
    // However many actions wait for a connection, the lease is renewed and jobs are taken.
    let own = Db::open(&config.database_url, "ghosthands-dispatcher", 1)?;
    let fly = fly::Client::new(fly::Config { base_url, token: config.fly_token, timeout: FLY_TIMEOUT })?;

    let signals = Signals::default();
    if let Some(port) = config.port {
        // Both families where there are two; Fly's private network is IPv6 only.
        let listener = match TcpListener::bind(("::", port)).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind(("0.0.0.0", port)).await.context("binding GH_DISPATCHER_PORT")?,
        };
        tokio::spawn(health::serve(listener, signals.pulse.clone(), signals.metrics.clone(), stop.clone()));
    }
    // Of its own, so that it can note what arrived while the rest is closed already.
    let courier = Courier::new(Db::open(&config.database_url, "ghosthands-callbacks", 1)?, config.callbacks)?;
    tokio::spawn(wake::listen(config.database_url, signals.clone(), wake::SILENCE, stop.clone()));
    tokio::spawn(wake::ping(db.clone(), stop.clone()));
    let _schedule = cron::start(&signals.bell, &signals.due).await.context("starting the schedule")?;

    let engine = Engine {
        db,
        fly,
        environment: config.environment,
        apps: config.apps,
        image: config.image,
        sealer: config.sealer,
        breaker: Breaker::default(),
        regions: Regions::default(),
        suspects: Suspects::default(),
        metrics: signals.metrics.clone(),
    };
    let holder = format!("{}-{}", std::process::id(), uuid::Uuid::new_v4());
    tracing::info!(holder, image = engine.image, "ready");
    let (bell, end) = (signals.bell.clone(), stop.clone());
    let dispatcher =
        Dispatcher::new(engine, own, Source::new(config.tiers_file, config.tiers), holder, signals);
    // A task of the runtime's like the ones it waits for: the thread that hears an answer goes on with it, instead of waking the one that started us.
    // Where one of the two hangs, both are to begin anew.
    let dispatching = tokio::spawn({
        let (stop, end) = (stop.clone(), end.clone());
        async move { dispatcher.run(stop).await.inspect_err(|_| end.cancel()) }
    });
    let telling = async { courier.run(bell, stop).await.inspect_err(|_| end.cancel()) };
    let (dispatched, told) = tokio::join!(dispatching, telling);
    boot::trace::flush().await;
    let ended = dispatched.context("the dispatcher's loop panicked")?.and(told);
    Ok(ended.inspect_err(|hung| tracing::error!(error = %hung, "ending"))?)
}
