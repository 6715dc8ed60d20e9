//! The scripted server over real HTTP, and the reading of scripts.

mod http;
mod parse;
mod select;

use super::{NoFiles, Script, ScriptServer, ServerHandle};
use serde_json::{Value, json};

/// Plays a script that needs no files.
async fn start(script: &str) -> (String, ServerHandle) {
    let script = Script::parse("test.yaml", script, &NoFiles).expect("a valid script");
    ScriptServer::start(script, "127.0.0.1:0".parse().expect("an address"))
        .await
        .expect("a free port")
}

fn http() -> reqwest::Client {
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client")
}

/// Posts `body` with `headers`; returns status and text.
async fn post(url: &str, headers: &[(&'static str, &str)], body: String) -> (u16, String) {
    let mut request = http().post(format!("{url}/chat/completions")).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.text().await.expect("a whole body"))
}

/// Asks with a conversation of `texts`, alternating between user and assistant, and returns the text
/// of the answer, or the error's message.
async fn ask(url: &str, headers: &[(&'static str, &str)], texts: &[&str]) -> String {
    let roles = ["user", "assistant"].iter().cycle();
    let messages: Vec<Value> = texts
        .iter()
        .zip(roles)
        .map(|(text, role)| json!({"role": role, "content": text}))
        .collect();
    let (status, body) =
        post(url, headers, json!({"model": "m", "messages": messages}).to_string()).await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let message = body.pointer("/choices/0/message/content").or(body.pointer("/error/message"));
    let text = message.and_then(Value::as_str).expect("a text or an error");
    if status == 200 { text.to_owned() } else { format!("{status}: {text}") }
}
