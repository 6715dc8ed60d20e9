//! The HTTP side: connections, routes, limits, and a stop that lets answers finish.

use super::{
    ServeError, Tally,
    answer::{self, Answer, Body, Form},
    script::Script,
    select::{Asked, Choice, Player},
};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// The most bytes of a request that are read. A conversation is some megabytes at worst; one that
/// never ends must not fill the memory.
const MAX_REQUEST_BYTES: usize = 32 << 20;
/// How long a client may take to send its headers, so that idle connections do not pile up.
const HEADER_TIMEOUT: Duration = Duration::from_mins(1);
/// How long answers under way may take after a stop.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// How long the first half of a cut body has to reach the client before the connection closes.
const CUT_PAUSE: Duration = Duration::from_millis(20);
/// How long to wait when a connection cannot be accepted, for example for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type ResponseBody = UnsyncBoxBody<Bytes, io::Error>;

/// The scripted server. Each one is independent of the others.
#[derive(Clone, Copy, Debug)]
pub struct ScriptServer;

/// A server that runs. Dropping it stops the server at once.
#[derive(Debug)]
pub struct ServerHandle {
    player: Arc<Player>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl ScriptServer {
    /// Starts to play `script` on `address`, in the background of the current runtime. Port 0 takes
    /// a free port. Returns the base address, such as `http://127.0.0.1:41234/v1`, which is what a
    /// client wants as `OPENAI_BASE_URL`.
    ///
    /// # Errors
    ///
    /// Returns a [`ServeError`] if the address cannot be listened on.
    pub async fn start(
        script: Script,
        address: SocketAddr,
    ) -> Result<(String, ServerHandle), ServeError> {
        let listen_error = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let player = Arc::new(Player::new(script));
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&player), stopped));
        let url = format!("http://{address}/v1");
        Ok((url, ServerHandle { player, address, stop, accepting }))
    }
}

impl ServerHandle {
    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns how often each entry was asked so far.
    pub fn tally(&self) -> Tally {
        self.player.tally()
    }

    /// Stops the server: no new connections, answers under way are finished, hanging ones are cut.
    /// Returns how often each entry was asked.
    pub async fn stop(mut self) -> Tally {
        self.stop.send_replace(true);
        // The task ends by itself within the grace; if it panicked there is nothing to wait for.
        (&mut self.accepting).await.ok();
        self.player.tally()
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, player: Arc<Player>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = wait_for_stop(&mut stopped) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&player), stopped.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    // What is left after the grace is aborted when the set is dropped.
    tokio::time::timeout(STOP_GRACE, finished).await.ok();
}

async fn connection(stream: TcpStream, player: Arc<Player>, stopped: watch::Receiver<bool>) {
    // Answers are small and wait for nothing.
    stream.set_nodelay(true).ok();
    let service = service_fn(|request| {
        let (player, stopped) = (Arc::clone(&player), stopped.clone());
        async move { respond(request, &player, stopped).await }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let mut stopped = stopped.clone();
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = wait_for_stop(&mut stopped) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    // A client that goes away, or a fault that cuts, is no news.
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Waits until the server is told to stop, or is dropped.
async fn wait_for_stop(stopped: &mut watch::Receiver<bool>) {
    stopped.wait_for(|stopped| *stopped).await.ok();
}

async fn respond(
    request: Request<Incoming>,
    player: &Player,
    mut stopped: watch::Receiver<bool>,
) -> Result<Response<ResponseBody>, io::Error> {
    let answer = route(request, player).await;
    if answer.body == Body::Never {
        wait_for_stop(&mut stopped).await;
        // The error closes the connection without an answer.
        return Err(io::Error::other("the server stops"));
    }
    if !answer.delay.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(answer.delay) => {}
            () = wait_for_stop(&mut stopped) => {}
        }
    }
    Ok(http_response(answer))
}

async fn route(request: Request<Incoming>, player: &Player) -> Answer {
    let path = request.uri().path();
    let path = path.strip_prefix("/v1").unwrap_or(path).to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/models") => models(player.script()),
        (&Method::POST, "/chat/completions") => complete(request, player).await,
        (_, "/models" | "/chat/completions") => {
            Answer::error(405, "method_not_allowed", "this path wants another method")
        }
        _ => Answer::error(
            404,
            "unknown_path",
            &format!("no `{path}` here; there are `/v1/chat/completions` and `/v1/models`"),
        ),
    }
}

fn models(script: &Script) -> Answer {
    let models = script
        .models
        .iter()
        .map(|name| json!({"id": name, "object": "model", "created": 0, "owned_by": "playpen"}));
    Answer::json(200, &json!({"object": "list", "data": models.collect::<Vec<_>>()}))
}

async fn complete(request: Request<Incoming>, player: &Player) -> Answer {
    let (parts, body) = request.into_parts();
    let bytes = match Limited::new(body, MAX_REQUEST_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            let message = format!("failed to read at most {MAX_REQUEST_BYTES} bytes: {error}");
            return Answer::error(413, "request_too_large", &message);
        }
    };
    let (form, asked) = match read_request(&parts.headers, &bytes) {
        Ok(read) => read,
        Err(message) => return Answer::error(400, "invalid_request", &message),
    };
    match player.choose(&asked) {
        Ok(Choice { entry, fault, reply }) => {
            tracing::debug!(entry = entry.name, ?asked.stage, asked.turn, ?fault, "scripted answer");
            answer::answer(&form, &asked, reply, fault)
        }
        Err(miss) => answer::miss(player.script(), &asked, &miss),
    }
}

fn read_request(headers: &HeaderMap, bytes: &[u8]) -> Result<(Form, Asked), String> {
    let body: Value =
        serde_json::from_slice(bytes).map_err(|error| format!("the body is not JSON: {error}"))?;
    let messages = body.get("messages").and_then(Value::as_array);
    let messages = messages.ok_or("`messages` is missing or not an array")?;
    let model = body.get("model").and_then(Value::as_str).ok_or("`model` is missing")?;
    let header = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let flag = |path: &str| body.pointer(path).and_then(Value::as_bool).unwrap_or(false);
    let form = Form {
        model: model.to_owned(),
        stream: flag("/stream"),
        include_usage: flag("/stream_options/include_usage"),
        n_prompt_bytes: messages.iter().map(|message| message.to_string().len()).sum(),
    };
    Ok((form, Asked::new(header, messages)))
}

fn http_response(answer: Answer) -> Response<ResponseBody> {
    let mut response = Response::new(match answer.body {
        Body::Whole(bytes) => whole(bytes),
        Body::Cut(bytes) => return cut_response(answer.content_type, &bytes),
        Body::Never => whole(Bytes::new()),
    });
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    if let Some(value) = answer.retry_after.and_then(|text| HeaderValue::from_str(&text).ok()) {
        headers.insert(RETRY_AFTER, value);
    }
    response
}

fn whole(bytes: Bytes) -> ResponseBody {
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// Returns a response that announces all of `bytes`, sends half of it and breaks off.
fn cut_response(content_type: &'static str, bytes: &Bytes) -> Response<ResponseBody> {
    let half = bytes.slice(..bytes.len() / 2);
    let parts = stream::unfold(Some(half), |half| async move {
        match half {
            Some(half) if !half.is_empty() => Some((Ok(Frame::data(half)), Some(Bytes::new()))),
            Some(_) => {
                tokio::time::sleep(CUT_PAUSE).await;
                Some((Err(io::Error::other("scripted cut")), None))
            }
            None => None,
        }
    });
    let mut response = Response::new(StreamBody::new(parts).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CONTENT_LENGTH, bytes.len().into());
    response
}
