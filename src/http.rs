//! The real sources, over HTTP.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use reqwest::{Client, Method, Response, header, redirect};

use crate::cloud::{
    Error, Result, recording, resources,
    sources::{SourceHead, SourceResponse, SourceStream, Sources},
    urlcode::encode,
};

/// How long the beginning of an answer may be waited for.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may pause.
const PAUSE: Duration = Duration::from_secs(10);
/// How long the whole of it may take.
const WHOLE: Duration = Duration::from_mins(15);
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

    fn find(&self, source: &str) -> Result<&resources::Source> {
        self.sources.get(source).ok_or_else(|| Error::not_found("source", source))
    }
}

#[async_trait]
impl Sources for Online {
    async fn get(&self, source: &str, params: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<SourceResponse> {
        get(self.find(source)?, params, headers).await
    }

    async fn open(&self, source: &str, params: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<SourceStream> {
        open(self.find(source)?, params, headers).await
    }

    async fn head(&self, source: &str, params: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<SourceHead> {
        head(self.find(source)?, params, headers).await
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

/// The headers of a request: the source's own, and over them those of the function.
///
/// # Errors
/// [`Error::Invalid`] for what no header can hold. A value may be a key: no error shows it.
fn header_map(own: &BTreeMap<String, String>, more: &[(&str, &str)]) -> Result<header::HeaderMap> {
    let mut map = header::HeaderMap::new();
    for (name, value) in own.iter().map(|(n, v)| (n.as_str(), v.as_str())).chain(more.iter().copied()) {
        let shown = header::HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Error::Invalid(format!("{name:?} is no name for a header")))?;
        let value = header::HeaderValue::from_str(value)
            .map_err(|_| Error::Invalid(format!("the header {name} cannot hold such a value: is a line end in it?")))?;
        map.insert(shown, value);
    }
    Ok(map)
}

/// One GET of a source, with a content that is read as it comes.
///
/// # Errors
/// [`Error::Unavailable`] where there is no answer within 10 s. A status that says so is no error here.
pub async fn open(
    source: &resources::Source,
    params: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> Result<SourceStream> {
    let response = answer(Method::GET, source, params, headers).await?;
    let head = head_of(&response);
    let state = Body { url: head.url.clone(), status: head.status, size: head.size, seen: 0, response };
    let body = stream::try_unfold(state, |mut body| async move {
        let chunk = tokio::time::timeout(PAUSE, body.response.chunk())
            .await
            .map_err(|_| body.broke_off(&format!("nothing came for {} s", PAUSE.as_secs())))?
            .map_err(|e| body.broke_off(&in_words(&e.without_url())))?;
        match chunk {
            Some(chunk) => {
                body.seen += chunk.len() as u64;
                Ok(Some((chunk, body)))
            }
            None => match body.size {
                Some(size) if size != body.seen && body.status == 200 => {
                    Err(body.broke_off(&format!("{} of {size} bytes came", body.seen)))
                }
                _ => Ok(None),
            },
        }
    });
    Ok(SourceStream { head, body: body.boxed() })
}

/// What a source tells of a document without its content: the answer to a HEAD, or, where the source does not know that,
/// the beginning of that to a GET.
///
/// # Errors
/// As [`open`].
pub async fn head(source: &resources::Source, params: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<SourceHead> {
    let head = head_of(&answer(Method::HEAD, source, params, headers).await?);
    if !matches!(head.status, 400 | 403 | 405 | 501) {
        return Ok(head);
    }
    Ok(head_of(&answer(Method::GET, source, params, headers).await?))
}

/// One GET of a source, whole.
///
/// # Errors
/// As [`open`], and where the answer breaks off or is larger than 32 MiB.
pub async fn get(
    source: &resources::Source,
    params: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> Result<SourceResponse> {
    open(source, params, headers).await?.whole().await
}

/// A content that comes.
struct Body {
    url: String,
    status: u16,
    size: Option<u64>,
    seen: u64,
    response: Response,
}

impl Body {
    fn broke_off(&self, why: &str) -> Error {
        Error::Unavailable(format!("GET {}: the answer broke off: {why}", self.url))
    }
}

async fn answer(
    method: Method,
    source: &resources::Source,
    params: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> Result<Response> {
    let url = address(&source.url, params)?;
    let request = client()?.request(method.clone(), &url).headers(header_map(&source.headers, headers)?);
    let unavailable = |why: String| Error::Unavailable(format!("{method} {url}: {why}"));
    match tokio::time::timeout(TIMEOUT, request.send()).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => Err(unavailable(in_words(&error.without_url()))),
        Err(_) => Err(unavailable(format!("no answer within {} s", TIMEOUT.as_secs()))),
    }
}

fn head_of(response: &Response) -> SourceHead {
    let text = |name: header::HeaderName| response.headers().get(name).and_then(|v| v.to_str().ok());
    let time = |name| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text(name)?).ok();
    SourceHead {
        url: response.url().to_string(),
        status: response.status().as_u16(),
        date: time(header::DATE),
        etag: text(header::ETAG).map(str::to_owned),
        modified: time(header::LAST_MODIFIED),
        size: text(header::CONTENT_LENGTH).and_then(|n| n.parse().ok()),
        content_type: text(header::CONTENT_TYPE).map(str::to_owned),
    }
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
        .timeout(WHOLE)
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

    fn at(url: &str) -> resources::Source {
        resources::Source { url: url.to_owned(), ..resources::Source::default() }
    }

    #[tokio::test]
    async fn a_get_fills_the_address_and_reads_the_date() {
        let (url, server) = server(
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        )
        .await;
        let source = resources::Source { url: format!("{url}/prices/{{pair}}/spot"), ..resources::Source::default() };
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
        assert_eq!(get(&at(&url), &[], &[]).await.unwrap().status, 302);
        server.await.unwrap();
    }

    #[tokio::test]
    async fn no_answer_is_unavailable_and_says_where() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        drop(listener);
        let error = get(&at(&url), &[], &[]).await.unwrap_err();
        assert!(matches!(&error, Error::Unavailable(text) if text.contains(&url)), "{error:?}");
        assert!(matches!(get(&at(&url), &[], &[("x-key", "a\nb")]).await, Err(Error::Invalid(_))));
    }

    #[tokio::test]
    async fn the_source_s_own_headers_go_with_it_and_the_function_s_go_before_them() {
        let (url, server) = server(
            "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 3\r\n\
                    Connection: close\r\n\r\n",
        )
        .await;
        let own = [("User-Agent".to_owned(), "me@example.com".to_owned()), ("x-key".to_owned(), "mine".to_owned())];
        let source = resources::Source { headers: own.into(), ..at(&url) };
        let told = head(&source, &[], &[("X-Key", "k")]).await.unwrap();
        assert_eq!((told.status, told.etag.as_deref(), told.size), (200, Some("\"a\""), Some(3)));
        assert_eq!(told.modified, Some("1994-11-06T08:49:37Z".parse().unwrap()));
        let asked = server.await.unwrap().to_lowercase();
        assert!(asked.starts_with("head / http/1.1") && asked.contains("user-agent: me@example.com"), "{asked}");
        assert!(asked.contains("x-key: k") && !asked.contains("mine") && !asked.contains("pumphouse/"), "{asked}");
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_no_answer() {
        let (url, _server) = server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhalf").await;
        let opened = open(&at(&url), &[], &[]).await.unwrap();
        let error = opened.whole().await.unwrap_err();
        assert!(matches!(&error, Error::Unavailable(text) if text.contains("broke off")), "{error:?}");
    }

    #[test]
    fn a_missing_parameter_is_named() {
        assert!(address("http://x/{pair}", &[]).unwrap_err().to_string().contains("{pair}"));
    }
}
