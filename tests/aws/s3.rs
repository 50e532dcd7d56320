//! A small S3 in memory, behind the scripted endpoint: objects, ranges, listings, uploads in parts.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::body::Bytes;
use md5::{Digest, Md5};

use crate::fake::{Answer, Asked, Fake};

#[derive(Default)]
pub struct State {
    pub objects: BTreeMap<String, Bytes>,
    /// By their ids: the key and the parts.
    pub uploads: BTreeMap<String, (String, BTreeMap<u32, Bytes>)>,
    begun: u32,
}

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct S3(Arc<Mutex<State>>);

impl S3 {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// An endpoint with one bucket, `b`; `first` may answer in its place.
    pub fn start(&self, first: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) -> Fake {
        let s3 = self.clone();
        Fake::start(move |asked| first(asked).unwrap_or_else(|| s3.answer(asked)))
    }

    pub fn answer(&self, asked: &Asked) -> Answer {
        let mut state = self.state();
        let param = |name: &str| asked.params.get(name).map(String::as_str);
        if asked.service == "sts" {
            return Answer::xml(crate::identity::CALLER);
        }
        let path = asked.path.strip_prefix("/b").unwrap_or_else(|| panic!("{}", asked.line()));
        let key = decoded(path.strip_prefix('/').unwrap_or_default());
        match (asked.method.as_str(), key.as_str()) {
            ("GET", "") if param("list-type").is_some() => state.list(&param),
            ("POST", _) if param("uploads").is_some() => {
                state.begun += 1;
                let id = format!("u{}", state.begun);
                state.uploads.insert(id.clone(), (key, BTreeMap::new()));
                Answer::xml(format!(
                    "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                ))
            }
            (method, _) if param("uploadId").is_some() => {
                let id = param("uploadId").unwrap();
                let Some((key, parts)) = state.uploads.get_mut(id) else {
                    return Answer::s3_error(404, "NoSuchUpload", "no such upload");
                };
                match method {
                    "PUT" => {
                        parts.insert(param("partNumber").unwrap().parse().unwrap(), asked.body.clone());
                        Answer::text(200, "text/xml", "").header("etag", &etag(&asked.body))
                    }
                    "GET" => {
                        let mut xml = String::from("<ListPartsResult><IsTruncated>false</IsTruncated>");
                        for (number, body) in parts {
                            let (tag, size) = (etag(body), body.len());
                            let _ = write!(
                                xml,
                                "<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag><Size>{size}</Size></Part>"
                            );
                        }
                        Answer::xml(xml + "</ListPartsResult>")
                    }
                    "POST" => {
                        let whole: Vec<u8> = parts.values().flat_map(|b| b.iter().copied()).collect();
                        let key = key.clone();
                        state.objects.insert(key, whole.into());
                        state.uploads.remove(id);
                        Answer::xml(
                            "<CompleteMultipartUploadResult><ETag>&quot;whole-2&quot;</ETag></CompleteMultipartUploadResult>",
                        )
                    }
                    _ => {
                        state.uploads.remove(id);
                        Answer::text(204, "text/xml", "")
                    }
                }
            }
            ("GET", "") if param("uploads").is_some() => {
                let mut xml = String::from("<ListMultipartUploadsResult>");
                for (id, (key, _)) in &state.uploads {
                    let _ = write!(xml, "<Upload><Key>{key}</Key><UploadId>{id}</UploadId></Upload>");
                }
                Answer::xml(xml + "</ListMultipartUploadsResult>")
            }
            ("PUT", _) => {
                let tag = etag(&asked.body);
                state.objects.insert(key, asked.body.clone());
                Answer::text(200, "text/xml", "").header("etag", &tag)
            }
            ("DELETE", _) => {
                state.objects.remove(&key);
                Answer::text(204, "text/xml", "")
            }
            ("GET" | "HEAD", _) => match state.objects.get(&key) {
                None => Answer::s3_error(404, "NoSuchKey", "The specified key does not exist."),
                Some(body) => content(asked, body),
            },
            _ => panic!("{}", asked.line()),
        }
    }
}

impl State {
    fn list<'a>(&self, param: &dyn Fn(&str) -> Option<&'a str>) -> Answer {
        let prefix = param("prefix").unwrap_or_default();
        let after = param("continuation-token").or(param("start-after")).unwrap_or_default();
        let limit: usize = param("max-keys").unwrap().parse().unwrap();
        let mut keys = self.objects.iter().filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after);
        let mut xml = String::from("<ListBucketResult><EncodingType>url</EncodingType>");
        let mut last = "";
        for (key, body) in keys.by_ref().take(limit) {
            let (tag, size) = (etag(body), body.len());
            let _ =
                write!(xml, "<Contents><Key>{}</Key><Size>{size}</Size><ETag>{tag}</ETag></Contents>", encoded(key));
            last = key;
        }
        let more = keys.next().is_some();
        let _ = write!(xml, "<IsTruncated>{more}</IsTruncated>");
        if more {
            let _ = write!(xml, "<NextContinuationToken>{last}</NextContinuationToken>");
        }
        Answer::xml(xml + "</ListBucketResult>")
    }
}

fn content(asked: &Asked, body: &Bytes) -> Answer {
    let header = |name: &str| asked.headers.get(name).map(|v| v.to_str().unwrap().to_owned());
    let tag = etag(body);
    if header("if-match").is_some_and(|wanted| wanted != tag) {
        return Answer::s3_error(412, "PreconditionFailed", "it has changed");
    }
    let Some(range) = header("range") else {
        return Answer::text(200, "text/plain", body.clone()).header("etag", &tag);
    };
    let (from, to) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
    if from >= body.len() {
        return Answer::s3_error(416, "InvalidRange", "The requested range is not satisfiable");
    }
    let to = to.min(body.len() - 1);
    Answer::text(206, "text/plain", body.slice(from..=to))
        .header("etag", &tag)
        .header("content-range", &format!("bytes {from}-{to}/{}", body.len()))
}

pub fn etag(body: &[u8]) -> String {
    let digest = hex::encode(Md5::digest(body));
    format!("\"{digest}\"")
}

/// As S3 encodes keys in its answers: a space is a plus sign.
fn encoded(key: &str) -> String {
    pumphouse::cloud::urlcode::encode(key).replace("%20", "+").replace("%2F", "/")
}

/// As S3 decodes a path: a plus sign is one.
fn decoded(path: &str) -> String {
    pumphouse::cloud::urlcode::decode(&path.replace('+', "%2B"))
}
