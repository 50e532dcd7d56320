//! The real sources, over HTTP.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::{Client, header, redirect};

use crate::cloud::{
    Error, Result,
    functions::{SourceResponse, Sources},
    recording, resources,
    urlcode::encode,
};

/// How long one GET may take, from the first byte sent to the last received.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What one answer may hold, in bytes.
const MAX_BODY: usize = 32 << 20;
const USER_AGENT: &str = concat!("pumphouse/", env!("CARGO_PKG_VERSION"));

/// The sources of a function at their real addresses.
#[derive(Debug, Clone)]
pub struct Online {
    sources: BTreeMap<String, resources::Source>,
}

impl Online {
    /// The sources by name.
    pub fn new(sources: BTreeMap<String, resources::Source>) -> Self {
        Self { sources }
    }
}

#[async_trait]
impl Sources for Online {
    async fn get(&self, source: &str, params: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<SourceResponse> {
        let found = self.sources.get(source).ok_or_else(|| Error::not_found("source", source))?;
        get(&address(&found.url, params)?, headers).await
    }
}

/// A source's address with its parameters.
///
/// # Errors
/// [`Error::Invalid`] where a parameter of the address is not given.
pub fn address(url: &str, params: &[(&str, &str)]) -> Result<String> {
    recording::fill(url, |name| {
        params
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| encode(value))
            .ok_or_else(|| format!("the address {url} needs {{{name}}}, which the function does not give"))
    })
    .map_err(Error::Invalid)
}

/// One GET.
///
/// # Errors
/// [`Error::Unavailable`] where there is no answer within 10 s, [`Error::Failed`] for one of more than 32 MiB. A status
/// that says so is no error here.
pub async fn get(url: &str, headers: &[(&str, &str)]) -> Result<SourceResponse> {
    let mut request = client()?.get(url);
    for (name, value) in headers {
        // A value may be a key: no error shows it.
        let value = header::HeaderValue::from_str(value)
            .map_err(|_| Error::Invalid(format!("the header {name} cannot hold such a value: is a line end in it?")))?;
        request = request.header(*name, value);
    }
    let unavailable = |e: reqwest::Error| Error::Unavailable(format!("GET {url}: {}", in_words(&e.without_url())));
    let mut response = request.send().await.map_err(unavailable)?;
    let status = response.status().as_u16();
    let date = response
        .headers()
        .get(header::DATE)
        .and_then(|v| v.to_str().ok())
        .and_then(|text| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok());
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(Error::Failed(format!("GET {url}: the answer is larger than {} MiB", MAX_BODY >> 20)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(SourceResponse { status, date, body: Bytes::from(body) })
}

/// One client for all, made at the first need: reading the system's certificates takes a while.
fn client() -> Result<Client> {
    static CLIENT: Mutex<Option<Client>> = Mutex::new(None);
    let mut client = CLIENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(client) = client.as_ref() {
        return Ok(client.clone());
    }
    // Fails where there is one already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let fresh = Client::builder()
        .timeout(TIMEOUT)
        .user_agent(USER_AGENT)
        // A key in a header must not follow a redirect to somebody else.
        .redirect(redirect::Policy::custom(|attempt| {
            let here = attempt.previous().last().map(reqwest::Url::origin);
            if here.as_ref() != Some(&attempt.url().origin()) {
                attempt.stop()
            } else if attempt.previous().len() > 5 {
                attempt.error("more than 5 redirects")
            } else {
                attempt.follow()
            }
        }))
        .build()
        .map_err(|e| Error::Unavailable(format!("HTTPS cannot be set up: {}", in_words(&e))))?;
    *client = Some(fresh.clone());
    Ok(fresh)
}

/// An error with its causes.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Answers one request with `answer`, and gives what it was asked.
    async fn server(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut chunk = [0; 1024];
                let n = stream.read(&mut chunk).await.unwrap();
                asked.extend_from_slice(&chunk[..n]);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(asked).unwrap()
        });
        (url, task)
    }

    #[tokio::test]
    async fn a_get_fills_the_address_and_reads_the_date() {
        let (url, server) = server(
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        )
        .await;
        let source = resources::Source { url: format!("{url}/prices/{{pair}}/spot"), recording: None };
        let online = Online::new([("prices".to_owned(), source)].into());
        let answer = online.get("prices", &[("pair", "BTC/USD")], &[("x-key", "k")]).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"{}"[..]));
        assert_eq!(answer.date, Some("1994-11-06T08:49:37Z".parse().unwrap()));
        let asked = server.await.unwrap().to_lowercase();
        assert!(asked.starts_with("get /prices/btc%2fusd/spot http/1.1\r\n"), "{asked}");
        assert!(asked.contains("user-agent: pumphouse/") && asked.contains("x-key: k"), "{asked}");
    }

    #[tokio::test]
    async fn a_redirect_to_somebody_else_is_not_followed() {
        let (url, server) = server(
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert_eq!(get(&url, &[]).await.unwrap().status, 302);
        server.await.unwrap();
    }

    #[tokio::test]
    async fn no_answer_is_unavailable_and_says_where() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        drop(listener);
        let error = get(&url, &[]).await.unwrap_err();
        assert!(matches!(&error, Error::Unavailable(text) if text.contains(&url)), "{error:?}");
        assert!(matches!(get(&url, &[("x-key", "a\nb")]).await, Err(Error::Invalid(_))));
    }

    #[test]
    fn a_missing_parameter_is_named() {
        assert!(address("http://x/{pair}", &[]).unwrap_err().to_string().contains("{pair}"));
    }
}
