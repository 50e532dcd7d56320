//! Listing a bucket: pages, prefixes, folders, versions.
//!
//! Keys compare by their bytes, which is SQLite's own order of text, so that a listing is a walk along an index that
//! jumps over each folded prefix, however many keys lie behind it.

use rusqlite::{Connection, Row, params};

use super::{clock::timestamp, store::sql};
use crate::cloud::{
    Error, Result,
    buckets::{ListObjects, Object, ObjectPage},
};

/// What a row is made of, for [`object`].
pub(crate) const COLUMNS: &str = "key, size, etag, modified, version, content_type, latest, delete_marker";

const DEFAULT_LIMIT: usize = 1_000;

/// One page of the objects in `bucket`.
pub(crate) fn page(connection: &Connection, bucket: &str, request: &ListObjects) -> Result<ObjectPage> {
    let limit = if request.limit == 0 { DEFAULT_LIMIT } else { request.limit };
    let mut page = ObjectPage::default();
    let Some(mut start) = start(request) else { return Ok(page) };
    let mut statement = connection.prepare_cached(&statement(request.versions)).map_err(sql)?;
    'seek: loop {
        let mut rows = statement.query(params![bucket, start]).map_err(sql)?;
        while let Some(row) = rows.next().map_err(sql)? {
            let key = row.get_ref(0).map_err(sql)?.as_str().map_err(Error::storage)?;
            let Some(rest) = key.strip_prefix(request.prefix.as_str()) else { return Ok(page) };
            // All versions of a key stay on one page: `next` is a key.
            let more_of_the_same = page.objects.last().is_some_and(|o| o.key == key);
            if page.prefixes.len() + page.objects.len() >= limit && !more_of_the_same {
                page.next = last(&page);
                return Ok(page);
            }
            if let Some(folded) = request.delimiter.and_then(|d| fold(&request.prefix, rest, d)) {
                let Some(behind) = successor(&folded) else {
                    page.prefixes.push(folded);
                    return Ok(page);
                };
                start = behind;
                page.prefixes.push(folded);
                continue 'seek;
            }
            page.objects.push(object(row).map_err(sql)?);
        }
        return Ok(page);
    }
}

/// An object from a row of [`COLUMNS`].
pub(crate) fn object(row: &Row<'_>) -> rusqlite::Result<Object> {
    let version: String = row.get(4)?;
    Ok(Object {
        key: row.get(0)?,
        size: row.get(1)?,
        etag: row.get(2)?,
        modified: Some(timestamp(row.get(3)?)),
        version: (version != super::buckets::NO_VERSION).then_some(version),
        content_type: row.get(5)?,
        latest: row.get(6)?,
        delete_marker: row.get(7)?,
    })
}

fn statement(versions: bool) -> String {
    if versions {
        format!(
            "select {COLUMNS} from objects indexed by objects_by_key where bucket = ?1 and key >= ?2 \
             order by key, seq desc"
        )
    } else {
        format!(
            "select {COLUMNS} from objects indexed by objects_latest where bucket = ?1 and key >= ?2 and latest = 1 \
             and delete_marker = 0 order by key"
        )
    }
}

/// The first key that the request may show; none where there can be none.
fn start(request: &ListObjects) -> Option<String> {
    let prefix = request.prefix.as_str();
    let Some(after) = request.after.as_deref() else { return Some(prefix.to_owned()) };
    if after < prefix {
        return Some(prefix.to_owned());
    }
    let folded = after.strip_prefix(prefix).and_then(|rest| fold(prefix, rest, request.delimiter?));
    if folded.as_deref() == Some(after) {
        return successor(after);
    }
    // The least text that is greater than `after`.
    Some(format!("{after}\0"))
}

/// The greater of the last object and the last prefix.
fn last(page: &ObjectPage) -> Option<String> {
    let object = page.objects.last().map(|o| o.key.as_str());
    let prefix = page.prefixes.last().map(String::as_str);
    object.max(prefix).map(str::to_owned)
}

fn fold(prefix: &str, rest: &str, delimiter: char) -> Option<String> {
    let at = rest.find(delimiter)?;
    rest.get(..at + delimiter.len_utf8()).map(|head| format!("{prefix}{head}"))
}

/// The least text that is greater than each text that begins with `prefix`; none where there is no such text.
pub(crate) fn successor(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // Stepping a range of characters steps over the surrogates' gap.
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::local::{
        buckets::{NewObject, insert_object},
        testing,
    };

    /// What a page must be, by looking at every key.
    fn model(keys: &BTreeSet<String>, request: &ListObjects) -> (Vec<String>, Vec<String>, bool) {
        let mut entries: BTreeSet<(String, bool)> = BTreeSet::new();
        for key in keys.iter().filter(|k| k.starts_with(&request.prefix)) {
            let rest = &key[request.prefix.len()..];
            let entry = match request.delimiter.and_then(|d| rest.find(d).map(|at| at + d.len_utf8())) {
                Some(end) => (format!("{}{}", request.prefix, &rest[..end]), true),
                None => (key.clone(), false),
            };
            let after = request.after.as_deref();
            // A prefix is behind `after` when a key in it is, unless `after` is that prefix.
            if after.is_none_or(|a| key.as_str() > a && !(entry.1 && entry.0 == a)) {
                entries.insert(entry);
            }
        }
        let limit = if request.limit == 0 { 1_000 } else { request.limit };
        let more = entries.len() > limit;
        let (folded, plain): (Vec<_>, Vec<_>) = entries.into_iter().take(limit).partition(|e| e.1);
        (folded.into_iter().map(|e| e.0).collect(), plain.into_iter().map(|e| e.0).collect(), more)
    }

    fn key() -> impl Strategy<Value = String> {
        prop::collection::vec(
            prop::sample::select(vec!['a', 'b', '/', '-', '0', 'ü', '\u{10ffff}', '\u{d7ff}', ' ']),
            1..6,
        )
        .prop_map(|c| c.into_iter().collect())
    }

    fn put(t: &rusqlite::Transaction<'_>, key: &str) -> Result<i64> {
        insert_object(t, 1, NewObject { bucket: "b", key, blob: "x", size: 1, etag: "e", content_type: None })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn a_listing_is_what_looking_at_every_key_gives(
            keys in prop::collection::btree_set(key(), 0..40),
            prefix in prop_oneof![Just(String::new()), key()],
            after in prop::option::of(key()),
            delimiter in prop::option::of(prop::sample::select(vec!['/', '-', '\u{10ffff}'])),
            limit in 0_usize..8,
        ) {
            let (_dir, local) = testing::local();
            testing::deploy(&local, &[testing::bucket("b", false)]);
            local.inner.store.write_now(|t| keys.iter().try_for_each(|k| put(t, k).map(drop))).unwrap();
            let mut request = ListObjects { prefix, delimiter, after, limit, versions: false, token: None };
            for _ in 0..=keys.len() {
                let got = local.inner.store.read_now(|c| page(c, "b", &request)).unwrap();
                let (prefixes, plain, more) = model(&keys, &request);
                prop_assert_eq!(&got.prefixes, &prefixes);
                prop_assert_eq!(got.objects.iter().map(|o| o.key.clone()).collect::<Vec<_>>(), plain);
                prop_assert_eq!(got.next.is_some(), more);
                let Some(next) = got.next else { return Ok(()) };
                prop_assert_ne!(request.after.replace(next), request.after.clone());
            }
            prop_assert!(false, "the pages have no end");
        }
    }

    #[test]
    fn a_folder_of_many_keys_is_jumped_over() {
        let (_dir, local) = testing::local();
        testing::deploy(&local, &[testing::bucket("b", false)]);
        local
            .inner
            .store
            .write_now(|t| {
                (0..20_000).try_for_each(|n| put(t, &format!("day={:02}/{n:06}", n % 20)).map(drop))?;
                put(t, "zz").map(drop)
            })
            .unwrap();
        let request = ListObjects { delimiter: Some('/'), ..ListObjects::default() };
        let page = local.inner.store.read_now(|c| page(c, "b", &request)).unwrap();
        assert_eq!((page.prefixes.len(), page.objects.len()), (20, 1));
        // Each jump is a seek in the index.
        let plan: String = local
            .inner
            .store
            .read_now(|c| {
                c.query_row(&format!("explain query plan {}", statement(false)), params!["b", ""], |r| r.get(3))
                    .map_err(sql)
            })
            .unwrap();
        assert!(plan.contains("USING INDEX objects_latest (bucket=? AND key>?)"), "{plan}");
    }

    #[test]
    fn versions_of_a_key_stay_together_newest_first() {
        let (_dir, local) = testing::local();
        testing::deploy(&local, &[testing::bucket("b", true)]);
        local.inner.store.write_now(|t| ["a", "a", "a", "c"].iter().try_for_each(|k| put(t, k).map(drop))).unwrap();
        let mut request = ListObjects { versions: true, limit: 1, ..ListObjects::default() };
        let first = local.inner.store.read_now(|c| page(c, "b", &request)).unwrap();
        assert_eq!(first.objects.iter().map(|o| o.latest).collect::<Vec<_>>(), [true, false, false]);
        request.after = first.next;
        let second = local.inner.store.read_now(|c| page(c, "b", &request)).unwrap();
        assert_eq!(second.objects[0].key, "c");
        assert_eq!(second.next, None);
    }
}
