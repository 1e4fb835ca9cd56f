//! A client of the REST API, for scenarios: JSON in, JSON out, errors with what the API said.

use crate::wait::until;
use anyhow::{Context, Result, bail, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Longest time for one request, uploads apart.
const REQUEST: Duration = Duration::from_secs(40);
/// Uploads of images.
const UPLOAD: Duration = Duration::from_secs(600);
/// How long an API that does not answer (it was just killed) is asked again.
const AGAIN: Duration = Duration::from_secs(60);

/// Somebody who uses the API. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rest {
    base: String,
    client: reqwest::Client,
    username: String,
    password: String,
    token: Arc<RwLock<String>>,
}

impl Rest {
    /// A client that logs in when it first needs to. `base` is the API's URL.
    pub fn new(base: &str, username: &str, password: &str) -> Result<Self> {
        let client = reqwest::Client::builder().build().context("making an HTTP client")?;
        let (base, username, password) = (base.trim_end_matches('/').into(), username.into(), password.into());
        Ok(Self { base, client, username, password, token: Arc::default() })
    }

    /// The API's URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A token that holds for a quarter of an hour.
    pub async fn log_in(&self) -> Result<String> {
        let body = json!({"username": self.username, "password": self.password});
        let request = self.client.post(format!("{}/v1/auth/token", self.base)).json(&body).timeout(REQUEST);
        let answer: Value = request.send().await?.error_for_status()?.json().await?;
        let token = answer["access_token"].as_str().context("the API gave no token")?.to_owned();
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token.clone();
        Ok(token)
    }

    fn token(&self) -> String {
        self.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One request; a token that has ended is renewed once.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(StatusCode, Value)> {
        let url = format!("{}{path}", self.base);
        for attempt in 0..2 {
            let mut request = self.client.request(method.clone(), &url).bearer_auth(self.token()).timeout(REQUEST);
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = request.send().await.with_context(|| format!("{method} {path}"))?;
            if answer.status() == StatusCode::UNAUTHORIZED && attempt == 0 {
                self.log_in().await?;
                continue;
            }
            let status = answer.status();
            let text = answer.text().await?;
            return Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)));
        }
        bail!("{method} {path}: a new token was refused")
    }

    /// As [`Self::call`], asked again while the API or its database is away; an error for any answer but success.
    async fn must(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let (status, answer) = until(&format!("{method} {path}"), AGAIN, || async {
            match self.call(method.clone(), path, body).await {
                Ok((status, _)) if status.is_server_error() => Err(status.to_string()),
                Ok(answer) => Ok(answer),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await?;
        ensure!(status.is_success(), "{method} {path}: {status} {answer}");
        Ok(answer)
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.must(Method::GET, path, None).await
    }

    /// Makes something, or asks for something.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.must(Method::POST, path, Some(body)).await
    }

    /// Changes something.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.must(Method::PATCH, path, Some(body)).await
    }

    /// Deletes.
    pub async fn delete(&self, path: &str) -> Result<()> {
        self.must(Method::DELETE, path, None).await.map(drop)
    }

    /// Sends a file as a body.
    pub async fn upload(&self, path: &str, file: &Path) -> Result<Value> {
        self.log_in().await?;
        let opened = tokio::fs::File::open(file).await.with_context(|| format!("opening {}", file.display()))?;
        let body = reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::with_capacity(opened, 1 << 18));
        let request = self.client.put(format!("{}{path}", self.base)).bearer_auth(self.token()).timeout(UPLOAD);
        let request = request.header("content-type", "application/octet-stream").body(body);
        let answer = request.send().await?;
        let status = answer.status();
        let answer: Value = answer.json().await.unwrap_or(Value::Null);
        ensure!(status.is_success(), "PUT {path}: {status} {answer}");
        Ok(answer)
    }

    /// The first project of whoever is logged in.
    pub async fn project(&self) -> Result<String> {
        let projects = self.get("/v1/projects").await?;
        Ok(projects["items"][0]["id"].as_str().context("the account is in no project")?.to_owned())
    }

    /// Waits until what is at `path` satisfies `wanted`.
    pub async fn until(
        &self,
        path: &str,
        what: &str,
        bound: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        until(what, bound, || async {
            match self.call(Method::GET, path, None).await {
                Ok((_, seen)) if wanted(&seen) => Ok(seen),
                Ok((status, seen)) => Err(format!("{status} {seen}")),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await
    }
}

/// The text of a field.
pub fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no text at {pointer} of {value}"))
}
