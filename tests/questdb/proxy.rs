//! Stands between the drain and a real server and does what a real one does not do on command.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use perpdeck::store::questdb::Conf;
use tokio::sync::watch;

use crate::server::QuestDb;

/// What becomes of rows that are sent; questions are always passed on.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// They are passed on.
    Pass,
    /// They are passed on, but the answer comes so much later.
    Slow(Duration),
    /// They are taken and never answered, nor passed on.
    Hang,
    /// They are taken and not answered; passed on only at [`Proxy::let_late_ones_in`].
    Late,
    /// They are passed on, and the answer is lost.
    LoseAnswer,
    /// Status 500.
    Broken,
    /// Status 400 for every request that holds this text; whether the line is named.
    Refuse(&'static str, bool),
}

struct Shared {
    server: String,
    mode: Mutex<Mode>,
    writes: AtomicUsize,
    held: AtomicUsize,
    let_in: watch::Sender<bool>,
    client: reqwest::Client,
}

/// The proxy; it ends with the test.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    _runtime: tokio::runtime::Runtime,
}

impl Proxy {
    /// In front of this server.
    pub fn before(server: &QuestDb) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let shared = Arc::new(Shared {
            server: server.conf().url(),
            mode: Mutex::new(Mode::Pass),
            writes: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            let_in: watch::channel(false).0,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        });
        let app = Router::new().fallback(relay).with_state(Arc::clone(&shared));
        let listener =
            runtime.block_on(tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { port, shared, _runtime: runtime }
    }

    pub fn conf(&self) -> Conf {
        Conf::parse(&format!("http::addr=127.0.0.1:{};", self.port)).unwrap()
    }

    pub fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
    }

    /// Requests with rows that came so far.
    pub fn writes(&self) -> usize {
        self.shared.writes.load(Ordering::SeqCst)
    }

    /// Requests that wait to come late.
    pub fn held(&self) -> usize {
        self.shared.held.load(Ordering::SeqCst)
    }

    /// Passes on what was held back, and waits until the server has it.
    pub fn let_late_ones_in(&self) {
        self.shared.let_in.send_replace(true);
        let give_up = std::time::Instant::now() + Duration::from_secs(60);
        while self.held() > 0 {
            assert!(std::time::Instant::now() < give_up);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

async fn relay(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let path = parts.uri.path_and_query().unwrap().to_string();
    let mut mode = Mode::Pass;
    if path.starts_with("/write") {
        shared.writes.fetch_add(1, Ordering::SeqCst);
        mode = shared.mode.lock().unwrap().clone();
    }
    let pass = || forward(Arc::clone(&shared), parts.method.clone(), path.clone(), parts.headers.clone(), body.clone());
    match mode {
        Mode::Pass => pass().await,
        Mode::Slow(by) => {
            let answer = pass().await;
            tokio::time::sleep(by).await;
            answer
        }
        Mode::Hang => std::future::pending().await,
        Mode::Late => {
            shared.held.fetch_add(1, Ordering::SeqCst);
            let (late, mut let_in) = (Arc::clone(&shared), shared.let_in.subscribe());
            let send = pass();
            // The one who sent it gives up, and with him this handler; the request does not.
            tokio::spawn(async move {
                let_in.wait_for(|open| *open).await.unwrap();
                let _ = send.await;
                late.held.fetch_sub(1, Ordering::SeqCst);
            });
            std::future::pending().await
        }
        Mode::LoseAnswer => {
            tokio::spawn(pass()).await.unwrap();
            std::future::pending().await
        }
        Mode::Broken => answer(500, r#"{"code":"internal error","message":"boom","errorId":"x-1"}"#),
        Mode::Refuse(text, named) => {
            let Some(at) = body.windows(text.len()).position(|window| window == text.as_bytes()) else {
                return pass().await;
            };
            // Bytes of decimals may look like line ends: the line that is named may be a wrong one.
            let line = body[..at].split(|byte| *byte == b'\n').count();
            let line = if named { format!(r#","line":{line}"#) } else { String::new() };
            let message = serde_json::Value::from(format!("no {text} here"));
            answer(400, &format!(r#"{{"code":"invalid","message":{message},"errorId":"x-2"{line}}}"#))
        }
    }
}

fn answer(status: u16, body: &str) -> Response<Body> {
    let response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    response.header("Content-Type", "application/json").body(Body::from(body.to_owned())).unwrap()
}

async fn forward(
    shared: Arc<Shared>,
    method: axum::http::Method,
    path: String,
    headers: axum::http::HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let url = format!("{}{path}", shared.server);
    let mut request = shared.client.request(method, url).body(body);
    for (name, value) in &headers {
        if !["host", "content-length", "connection", "expect"].contains(&name.as_str()) {
            request = request.header(name, value);
        }
    }
    match request.send().await {
        Ok(answer) => {
            let mut response = Response::builder().status(answer.status());
            if let Some(kind) = answer.headers().get("content-type") {
                response = response.header("content-type", kind);
            }
            response.body(Body::from(answer.bytes().await.unwrap_or_default())).unwrap()
        }
        // As when nobody is there: the connection ends without an answer.
        Err(error) => answer(502, &error.to_string()),
    }
}
