//! Listening: the layers that every request passes, and the two servers.

use crate::agent_link::authority::Authority;
use crate::agent_link::hub::Hub;
use crate::agent_link::intake::Intake;
use crate::agent_link::{self, server_config};
use crate::auth::Credentials;
use crate::auth::password::Hasher;
use crate::config::Config;
use crate::problem::{Kind, Problem, REQUEST, RequestContext};
use crate::service::image_store::ImageStore;
use crate::{App, openapi, service};
use anyhow::Context;
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use iroko_store::Store;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_swagger_ui::SwaggerUi;
use uuid::Uuid;

/// Largest JSON body.
const BODY_MAX_BYTES: usize = 256 * 1024;
/// Longest request, uploads apart.
const REQUEST_MAX: Duration = Duration::from_secs(30);
/// How long running requests may take to finish when the process ends.
const DRAIN: Duration = Duration::from_secs(10);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What [`serve`] listens on, once it does.
#[derive(Debug)]
pub struct Listening {
    /// The application, for tests.
    pub app: App,
    /// REST API.
    pub rest: SocketAddr,
    /// Agent link.
    pub agents: SocketAddr,
    /// Ends after `shutdown`, when running requests are done.
    pub task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

/// Sets everything up and listens until `shutdown`.
pub async fn serve(config: Config, store: Store, shutdown: CancellationToken) -> anyhow::Result<Listening> {
    let app = application(config, store, shutdown.clone()).await?;
    let rest = listener(app.config.listen, "listen")?;
    let agents = listener(app.config.agent_link.listen, "agent_link.listen")?;
    let (rest_at, agents_at) = (rest.local_addr()?, agents.local_addr()?);
    let tls = server_config(&app.authority, &app.config.agent_link.names)?;
    let handle = Handle::new();
    let (rest_router, agent_router) = (rest_router(app.clone()), agent_router(app.clone()));
    let rest = axum_server::from_tcp(rest)?
        .handle(handle.clone())
        .serve(rest_router.into_make_service_with_connect_info::<SocketAddr>());
    let tls = RustlsConfig::from_config(Arc::new(tls));
    let agents =
        axum_server::from_tcp_rustls(agents, tls)?.handle(handle.clone()).serve(agent_router.into_make_service());
    let task = tokio::spawn(async move {
        tokio::spawn(async move {
            shutdown.cancelled().await;
            handle.graceful_shutdown(Some(DRAIN));
        });
        tokio::try_join!(rest, agents).context("serving")?;
        Ok(())
    });
    tracing::info!(rest = %rest_at, agents = %agents_at, "listening");
    Ok(Listening { app, rest: rest_at, agents: agents_at, task })
}

async fn application(config: Config, store: Store, shutdown: CancellationToken) -> anyhow::Result<App> {
    std::fs::create_dir_all(&config.state_dir)
        .with_context(|| format!("making state_dir {}", config.state_dir.display()))?;
    store.migrate().await.context("bringing the database up to this release")?;
    let images = ImageStore::open(config.state_dir.join("images")).context("opening the image store (state_dir)")?;
    let known: HashSet<Uuid> =
        iroko_store::image::image_ids(&mut *store.connection().await?).await?.into_iter().collect();
    images.sweep(&known).await.context("sweeping the image store")?;
    let app = App {
        credentials: Arc::new(Credentials::load(&config.auth, &config.state_dir, &store).await?),
        passwords: Arc::new(Hasher::start(config.auth.password_threads, config.auth.password_queue)?),
        images: Arc::new(images),
        authority: Arc::new(Authority::load(&config.state_dir)?),
        certificates: Arc::default(),
        hub: Hub::start(store.clone(), shutdown.clone()).await.context("reading the outbox")?,
        reports: Intake::spawn(store.clone()),
        config: Arc::new(config),
        store,
    };
    service::account::bootstrap(&app, &app.config.bootstrap).await?;
    service::upkeep::spawn(app.clone(), shutdown);
    Ok(app)
}

fn listener(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| format!("listening on {address} ({key})"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The REST API with its documents and layers.
pub fn rest_router(app: App) -> Router {
    let (router, document) = openapi::build();
    let metrics = metrics();
    let router = router
        .with_state(app)
        .merge(SwaggerUi::new("/docs").url("/openapi.json", document))
        .route(
            "/metrics",
            axum::routing::get(move || {
                let text = metrics.render();
                async move { text }
            }),
        )
        .fallback(|| async { Problem::new(Kind::NotFound) })
        .method_not_allowed_fallback(|| async { Problem::new(Kind::MethodNotAllowed) });
    layered(router.layer(DefaultBodyLimit::max(BODY_MAX_BYTES)).layer(from_fn(bounded)))
}

fn agent_router(app: App) -> Router {
    layered(agent_link::routes::router(app))
}

/// One recorder per process; tests that start several servers share it.
fn metrics() -> PrometheusHandle {
    static METRICS: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();
    let make = || {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed; /metrics stays empty");
        }
        handle
    };
    METRICS.get_or_init(make).clone()
}

fn layered(router: Router) -> Router {
    router.layer(CatchPanicLayer::custom(panicked)).layer(from_fn(in_context))
}

fn panicked(cause: Box<dyn std::any::Any + Send>) -> Response {
    let text = cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
    tracing::error!(cause = text.unwrap_or("unknown"), request_id = %crate::problem::request_id(), "a handler panicked");
    Problem::new(Kind::Internal).into_response()
}

/// Bounds the time of every request but uploads, which are bounded by their own silence.
async fn bounded(request: Request, next: Next) -> Response {
    if request.method() == axum::http::Method::PUT {
        return next.run(request).await;
    }
    match tokio::time::timeout(REQUEST_MAX, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Kind::Timeout).into_response(),
    }
}

/// Gives each request its id and language, counts it, and sets the headers every answer has.
async fn in_context(request: Request, next: Next) -> Response {
    let context = RequestContext { id: request_id(&request), french: prefers_french(&request) };
    let id = context.id.clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let began = Instant::now();
    let mut response = REQUEST.scope(context, next.run(request)).await;
    let labels = [("method", method.to_string()), ("route", route), ("status", response.status().as_u16().to_string())];
    metrics::counter!("iroko_http_requests_total", &labels).increment(1);
    metrics::histogram!("iroko_http_request_seconds", &labels[..2]).record(began.elapsed().as_secs_f64());
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The caller's own id where it is short and plain, else a new one.
fn request_id(request: &Request) -> String {
    let sent = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let plain =
        sent.filter(|id| (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    plain.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// True where the first language that is English or French in `Accept-Language`, by weight, is French.
fn prefers_french(request: &Request) -> bool {
    let header = request.headers().get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let weighed = header.split(',').filter_map(|part| {
        let (language, parameters) = part.trim().split_once(';').unwrap_or((part.trim(), ""));
        let weight = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>).ok()?;
        let primary = language.split('-').next().unwrap_or("").to_ascii_lowercase();
        matches!(primary.as_str(), "fr" | "en").then_some((primary == "fr", weight))
    });
    let best = weighed.fold((false, 0.0), |best, next| if next.1 > best.1 { next } else { best });
    best.0
}
