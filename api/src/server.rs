//! Listening: the two servers, and what stands behind them.

use crate::config::Config;
use crate::service::image_store::ImageStore;
use crate::{App, metrics, openapi, service};
use anyhow::Context;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum_server::tls_rustls::RustlsConfig;
use axum_server::{Handle, Server};
use futures::future::{Either, ready};
use iroko_agent_hub::{AgentHub, server_config};
use iroko_daemon::private;
use iroko_identity::service::{account, upkeep};
use iroko_identity::{Identity, IdentityConfig, layers};
use iroko_store::Store;
use iroko_web::connection::ConnectionConfig;
use iroko_web::connection::Door;
use iroko_web::problem::{Plain, Problem};
use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use utoipa_swagger_ui::SwaggerUi;
use uuid::Uuid;

/// Largest JSON body.
const BODY_MAX_BYTES: usize = 256 * 1024;
/// Requests at the same time on one connection of HTTP/2.
const STREAMS_MAX: u32 = 100;
/// A connection of HTTP/2 is asked for a sign of life so often, and may take so long to give one.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections of those who read the metrics.
const SCRAPERS: ConnectionConfig = ConnectionConfig { most: 32, most_per_address: 16, head_timeout_s: 10 };
/// How long running requests may take to finish when the process ends.
const DRAIN: Duration = Duration::from_secs(10);

/// What [`serve`] listens on, once it does.
#[derive(Debug)]
pub struct Listening {
    /// The application, for tests.
    pub app: App,
    /// REST API.
    pub rest: SocketAddr,
    /// Agent link.
    pub agents: SocketAddr,
    /// Metrics, where they are configured.
    pub metrics: Option<SocketAddr>,
    /// Ends after `shutdown`, when running requests are done.
    pub task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

/// Sets everything up and listens until `shutdown`.
pub async fn serve(config: Config, store: Store, shutdown: CancellationToken) -> anyhow::Result<Listening> {
    // Before anything counts.
    metrics::recorder();
    let app = application(config, store, shutdown.clone()).await?;
    let rest = listener(app.config.listen, "listen")?;
    let agents = listener(app.config.agent_link.listen, "agent_link.listen")?;
    let scraped = app.config.metrics_listen.map(|address| listener(address, "metrics_listen")).transpose()?;
    let (rest_at, agents_at) = (rest.local_addr()?, agents.local_addr()?);
    let metrics_at = scraped.as_ref().map(TcpListener::local_addr).transpose()?;
    let tls = server_config(app.agents.authority(), &app.config.agent_link.names)?;
    let handle = Handle::new();
    let (rest_router, agent_router) = (rest_router(app.clone()), agent_router(app.clone()));
    let trusted = &app.config.auth.trusted_proxies;
    let (of_rest, of_agents) = (&app.config.connection, &app.config.agent_link.connection);
    let rest = axum_server::from_tcp(rest)?.acceptor(Door::new("rest", of_rest, trusted)).handle(handle.clone());
    let rest = patient(rest, of_rest).serve(rest_router.into_make_service_with_connect_info::<SocketAddr>());
    let tls = RustlsConfig::from_config(Arc::new(tls));
    let agents = axum_server::from_tcp_rustls(agents, tls)?.handle(handle.clone());
    let agents = agents.map(|tls| tls.acceptor(Door::new("agents", of_agents, trusted)));
    let agents = patient(agents, of_agents).serve(agent_router.into_make_service());
    let scraped = scraped.map(|listener| serve_metrics(listener, app.clone(), handle.clone())).transpose()?;
    let scraped = async { scraped.map_or_else(|| Either::Left(ready(Ok(()))), Either::Right).await };
    let task = tokio::spawn(async move {
        tokio::spawn(async move {
            shutdown.cancelled().await;
            handle.graceful_shutdown(Some(DRAIN));
        });
        tokio::try_join!(rest, agents, scraped).context("serving")?;
        Ok(())
    });
    tracing::info!(rest = %rest_at, agents = %agents_at, metrics = ?metrics_at, "listening");
    Ok(Listening { app, rest: rest_at, agents: agents_at, metrics: metrics_at, task })
}

/// Serves the metrics, to few at the same time.
fn serve_metrics(
    listener: TcpListener,
    app: App,
    handle: Handle<SocketAddr>,
) -> anyhow::Result<impl Future<Output = std::io::Result<()>> + Send> {
    let door = Door::new("metrics", &SCRAPERS, &[]);
    let server = patient(axum_server::from_tcp(listener)?.acceptor(door).handle(handle), &SCRAPERS);
    Ok(server.serve(metrics::router(app).into_make_service()))
}

/// Bounds how long a client may take to ask, and how much it may ask at the same time on one connection.
fn patient<A>(mut server: Server<SocketAddr, A>, config: &ConnectionConfig) -> Server<SocketAddr, A> {
    let builder = server.http_builder();
    builder.http1().header_read_timeout(Duration::from_secs(config.head_timeout_s));
    let mut http2 = builder.http2();
    // A peer that is gone without a word is noticed; a stream of one that does not read holds no more than a window.
    http2.keep_alive_interval(PING_EVERY).keep_alive_timeout(PING_TIMEOUT).max_concurrent_streams(STREAMS_MAX);
    server
}

async fn application(config: Config, store: Store, shutdown: CancellationToken) -> anyhow::Result<App> {
    private::directory(&config.state_dir)
        .and_then(|()| private::tighten(&config.state_dir))
        .with_context(|| format!("making state_dir {}", config.state_dir.display()))?;
    store.migrate().await.context("bringing the database up to this release")?;
    let images = ImageStore::open(config.state_dir.join("images")).context("opening the image store (state_dir)")?;
    let known: HashSet<Uuid> =
        iroko_store::image::image_ids(&mut *store.connection().await?).await?.into_iter().collect();
    images.sweep(&known).await.context("sweeping the image store")?;
    let identity = IdentityConfig { auth: config.auth.clone(), rate: config.rate };
    let images = Arc::new(images);
    let link = config.agent_link.clone();
    let agents = AgentHub::start(link, &config.state_dir, store.clone(), images.clone(), shutdown.clone()).await?;
    let app = App {
        identity: Identity::load(identity, &config.state_dir, store.clone()).await?,
        images,
        agents,
        audit: Arc::new(service::audit::AuditLog::load(&config.state_dir, &config.audit_log_name)?),
        streams: service::event::Streams::new(config.event),
        shutdown: shutdown.clone(),
        config: Arc::new(config),
        store,
    };
    account::bootstrap(&app.identity, &app.config.bootstrap).await?;
    service::event::spawn(app.store.clone(), app.streams.clone(), shutdown.clone());
    upkeep::spawn(app.identity.clone(), shutdown.clone());
    service::audit::spawn(app.clone(), shutdown);
    Ok(app)
}

fn listener(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| format!("listening on {address} ({key})"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The REST API with its documents and layers.
pub fn rest_router(app: App) -> Router {
    let (identity, nouns, document) = openapi::build();
    let operations = iroko_web::openapi::operations(&document);
    let router = identity
        .with_state(app.identity.clone())
        .merge(nouns.with_state(app.clone()))
        .merge(SwaggerUi::new("/docs").url("/openapi.json", document))
        .fallback(|| async { Problem::new(Plain::NotFound) })
        .method_not_allowed_fallback(|| async { Problem::new(Plain::MethodNotAllowed) });
    layers::rest(router.layer(DefaultBodyLimit::max(BODY_MAX_BYTES)), &app.identity, operations)
}

fn agent_router(app: App) -> Router {
    iroko_web::layers::agents(iroko_agent_hub::router(app.agents))
}
