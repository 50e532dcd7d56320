//! Keeping a bucket in step with the published directory.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    index::{self, Files, Known},
    listing, put_if_changed, small, unless,
};
use crate::cloud::{
    Error, Result,
    buckets::{ListObjects, Object},
    functions::{Context, HandlerFuture},
};

const SOURCE: &str = "bls";
/// The parameter of the directory's address: empty, it is the listing.
const FILE: &str = "file";

/// Keeps the bucket in step with the directory: uploads what is new or has changed, deletes what the directory no longer
/// has, and writes `index.html`, a page of links.
///
/// Environment: `BUCKET_DATA`. Source: `bls`, a published directory. Answer: `{"files": 12, "uploaded": 1, "deleted": 0}`.
/// A file whose entity tag, or else size and time, are what they were is not read; of any other, the content decides.
/// Nothing is deleted before every file was read, nor because of a listing that failed, broke off or names nothing.
pub fn sync(ctx: Context, _event: Value) -> HandlerFuture {
    Box::pin(async move {
        let bucket = ctx.env("BUCKET_DATA")?;
        let names = names(&ctx).await?;
        let known = small(&ctx, bucket, index::KEY).await?.map_or_else(Files::new, |page| index::read(&page));
        let there = objects(&ctx, bucket).await?;
        let mut files = Files::new();
        let mut uploaded = 0;
        for name in names {
            let (file, fresh) = keep(&ctx, bucket, &name, known.get(&name), there.get(&name)).await?;
            uploaded += u64::from(fresh);
            files.insert(name, file);
        }
        let gone: Vec<&String> = there.keys().filter(|k| *k != index::KEY && !files.contains_key(*k)).collect();
        for key in &gone {
            ctx.log.line(&format!("{key}: the source no longer has it: deleted"));
            ctx.cloud.buckets.delete(&ctx.permit, bucket, key, None).await?;
        }
        let page = index::page("Files of the Bureau of Labor Statistics: productivity", &files)?;
        put_if_changed(&ctx, bucket, index::KEY, page, "text/html; charset=utf-8").await?;
        ctx.log.line(&format!("{} files: {uploaded} uploaded, {} deleted", files.len(), gone.len()));
        Ok(json!({"files": files.len(), "uploaded": uploaded, "deleted": gone.len()}))
    })
}

/// The names of the files that the directory lists.
async fn names(ctx: &Context) -> Result<Vec<String>> {
    let listing = ctx.sources.open(SOURCE, &[(FILE, "")], &[]).await?;
    let (url, status) = (listing.head.url.clone(), listing.head.status);
    let html = listing.head.content_type.as_deref().is_none_or(|kind| kind.to_ascii_lowercase().contains("html"));
    if status != 200 {
        return Err(Error::Failed(format!("the listing {url} answered with status {status}: nothing was changed")));
    }
    if !html {
        return Err(Error::Failed(format!("the listing {url} is no HTML: nothing was changed")));
    }
    let mut names = listing::files(&listing.whole().await?.body, &url)?;
    if let Some(at) = names.iter().position(|name| name == index::KEY) {
        ctx.log.line(&format!("{}: is left out, since the bucket has its own", index::KEY));
        names.remove(at);
    }
    Ok(names)
}

/// What the bucket holds, by key.
async fn objects(ctx: &Context, bucket: &str) -> Result<BTreeMap<String, Object>> {
    let mut found = BTreeMap::new();
    let mut request = ListObjects::default();
    loop {
        let page = ctx.cloud.buckets.objects(bucket, &request).await?;
        found.extend(page.objects.into_iter().map(|object| (object.key.clone(), object)));
        match page.next {
            Some(next) => (request.after, request.token) = (Some(next), page.token),
            None => return Ok(found),
        }
    }
}

/// Sees to one file; what is known of it then, and whether it was uploaded.
async fn keep(
    ctx: &Context,
    bucket: &str,
    name: &str,
    known: Option<&Known>,
    there: Option<&Object>,
) -> Result<(Known, bool)> {
    let params = [(FILE, name)];
    let failed = |status| Error::Failed(format!("{name}: the source answered with status {status}"));
    // What is known counts only of the object that it was written of.
    let known = known.filter(|known| there.is_some_and(|object| object.etag == known.object));
    if let Some(known) = known {
        let told = ctx.sources.head(SOURCE, &params, &[]).await?;
        if told.status != 200 {
            return Err(failed(told.status));
        }
        if known.is(&told) {
            return Ok((known.clone(), false));
        }
    }
    let file = ctx.sources.open(SOURCE, &params, &[]).await?;
    let head = file.head;
    if head.status != 200 {
        return Err(failed(head.status));
    }
    let how = unless(
        there.map(|object| object.etag.as_str()),
        known.map(|known| known.sha256.as_str()),
        head.content_type.as_deref(),
    );
    let put = ctx.cloud.buckets.put_stream(&ctx.permit, bucket, name, file.body, &how).await?;
    let fresh = put.object.is_some();
    ctx.log.line(&match (fresh, there) {
        (true, None) => format!("{name}: new, {} bytes", put.size),
        (true, Some(_)) => format!("{name}: changed, {} bytes", put.size),
        (false, _) => format!("{name}: the same content"),
    });
    let object = put.object.map(|o| o.etag).or_else(|| there.map(|o| o.etag.clone())).unwrap_or_default();
    let known = Known { size: put.size, sha256: put.sha256, object, etag: head.etag, modified: head.modified };
    Ok((known, fresh))
}
