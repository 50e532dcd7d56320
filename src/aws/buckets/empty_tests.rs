//! Emptying against a scripted endpoint.

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
};

use super::*;
use crate::aws::Options;
use fake::{Answer, Asked, Fake};

#[path = "../../../tests/support/fake.rs"]
#[allow(dead_code, missing_docs, clippy::all, clippy::pedantic, reason = "the tests' own, of which a part is used")]
mod fake;

fn aws(fake: &Fake) -> Aws {
    Aws::open(Options {
        region: Some("eu-west-1".into()),
        endpoint_url: Some(fake.url()),
        credentials: Some(aws_credential_types::Credentials::new("test", "test", None, None, "test")),
        ..Options::default()
    })
}

fn listing(from: usize, to: usize, more: bool) -> String {
    let mut xml = format!("<ListVersionsResult><EncodingType>url</EncodingType><IsTruncated>{more}</IsTruncated>");
    for n in from..to {
        let kind = if n % 7 == 0 { "DeleteMarker" } else { "Version" };
        let _ =
            write!(xml, "<{kind}><Key>a+b%2F{n}</Key><VersionId>v{n}</VersionId><IsLatest>true</IsLatest></{kind}>");
    }
    if more {
        let _ =
            write!(xml, "<NextKeyMarker>a+b%2F{}</NextKeyMarker><NextVersionIdMarker>v1</NextVersionIdMarker>", to - 1);
    }
    xml + "</ListVersionsResult>"
}

/// 1,500 versions on two pages, one upload; `refused` says what S3 says of the deletes.
fn script(refused: &'static str) -> impl Fn(&Asked) -> Answer + Send + Sync {
    move |asked| {
        let has = |name: &str| asked.params.contains_key(name);
        match asked.method.as_str() {
            "GET" if has("versions") => Answer::xml(match asked.params.get("key-marker").map(String::as_str) {
                None => listing(0, 1000, true),
                Some("a b/999") => listing(1000, 1500, false),
                Some(other) => panic!("{other}"),
            }),
            "POST" if has("delete") => Answer::xml(format!("<DeleteResult>{refused}</DeleteResult>")),
            "GET" if has("uploads") => Answer::xml(
                "<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>\
                 <Upload><Key>half%2Bdone</Key><UploadId>u1</UploadId></Upload></ListMultipartUploadsResult>",
            ),
            "DELETE" if has("uploadId") => Answer::text(204, "text/xml", ""),
            _ => panic!("{}", asked.line()),
        }
    }
}

#[tokio::test]
async fn every_version_marker_and_upload_goes() {
    let fake = Fake::start(script(""));
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    let gone = aws(&fake).empty_bucket("b", move |n| seen.lock().unwrap().push(n)).await;
    assert_eq!(gone, Ok(1500));
    assert_eq!(*told.lock().unwrap(), [1000, 1500]);
    let asked = fake.asked();
    let deletes: Vec<_> = asked.iter().filter(|a| a.params.contains_key("delete")).collect();
    assert_eq!(deletes.len(), 2);
    let body = String::from_utf8_lossy(&deletes[0].body);
    assert!(body.contains("<Key>a b/999</Key>") && body.contains("<VersionId>v7</VersionId>"), "{body}");
    assert!(body.contains("<Quiet>true</Quiet>"));
    assert!(asked.last().unwrap().line().starts_with("s3 DELETE /b/half%2Bdone?uploadId=u1"), "{:?}", fake.lines());
}

#[tokio::test]
async fn what_could_not_be_deleted_is_told() {
    let fake =
        Fake::start(script("<Error><Key>a b/1</Key><Code>InternalError</Code><Message>try again</Message></Error>"));
    let Err(Error::Failed(why)) = aws(&fake).empty_bucket("b", |_| ()).await else { panic!("it failed") };
    assert!(why.contains("2 objects of b stayed") && why.contains("a b/1: InternalError"), "{why}");
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let fake = Fake::start(script("<Error><Key>a b/1</Key><Code>AccessDenied</Code><Message>no</Message></Error>"));
    let denied = aws(&fake).empty_bucket("b", |_| ()).await.unwrap_err();
    assert!(matches!(denied, Error::AccessDenied { action, .. } if action == "s3:DeleteObjectVersion"));
}

#[tokio::test]
async fn an_empty_bucket_stays_one() {
    let fake = Fake::start(|asked| {
        let kind = if asked.params.contains_key("versions") { "Versions" } else { "MultipartUploads" };
        Answer::xml(format!("<List{kind}Result/>"))
    });
    assert_eq!(aws(&fake).empty_bucket("b", |_| panic!("nothing to tell")).await, Ok(0));
}
