//! Putting a run's files into their place, in place of those that earlier runs of the job wrote.

use std::collections::HashSet;

use rusqlite::{Transaction, params};

use super::{run::Run, write::Output};
use crate::{
    cloud::Result,
    local::{
        buckets::{self, NewObject},
        sql::files::after_prefix,
        store::sql,
    },
};

/// What became of a run's files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Placed {
    /// Objects of earlier runs that they took the place of.
    pub(super) replaced: usize,
    /// Whether just these contents were there already: then nothing was written.
    pub(super) same: bool,
}

impl Run {
    /// Makes objects of the files below `prefix`; where the run has read everything, in place of all earlier ones.
    pub(super) fn place(
        &self,
        t: &Transaction<'_>,
        now: i64,
        (bucket, prefix, content_type): (&str, &str, &str),
        outputs: &[Output],
        everything: bool,
    ) -> Result<Placed> {
        let earlier = if everything { self.earlier(t, bucket, prefix)? } else { Vec::new() };
        let folder = |key: &str| key.rfind('/').map_or(0, |slash| slash + 1);
        let mut before: Vec<(&str, &str)> =
            earlier.iter().map(|(key, etag)| (key.get(..folder(key)).unwrap_or_default(), etag.as_str())).collect();
        let mut after: Vec<(&str, &str)> =
            outputs.iter().map(|o| (o.partition.prefix.as_str(), o.etag.as_str())).collect();
        before.sort_unstable();
        after.sort_unstable();
        if !after.is_empty() && before == after {
            let wall = jiff::Timestamp::now().as_millisecond();
            let mut drop = t.prepare_cached("insert or ignore into garbage values (?1, ?2)").map_err(sql)?;
            outputs.iter().try_for_each(|o| drop.execute(params![o.blob, wall]).map(|_| ()).map_err(sql))?;
            return Ok(Placed { replaced: 0, same: true });
        }
        for (key, _) in &earlier {
            buckets::delete_object(t, now, bucket, key, None)?;
        }
        for output in outputs {
            let object = NewObject {
                bucket,
                key: &output.key,
                blob: &output.blob,
                size: output.size,
                etag: &output.etag,
                content_type: Some(content_type),
            };
            buckets::insert_object(t, now, object)?;
        }
        Ok(Placed { replaced: earlier.len(), same: false })
    }

    /// The objects below a prefix that earlier runs of this job wrote, with their entity tags.
    fn earlier(&self, t: &Transaction<'_>, bucket: &str, prefix: &str) -> Result<Vec<(String, String)>> {
        let runs: HashSet<String> = t
            .prepare_cached("select id from job_runs where job = ?1")
            .and_then(|mut s| s.query_map([&self.job], |r| r.get(0))?.collect())
            .map_err(sql)?;
        let objects: Vec<(String, String)> = t
            .prepare_cached(
                "select key, etag from objects where bucket = ?1 and key >= ?2 and (?3 is null or key < ?3) \
                 and latest = 1 and delete_marker = 0",
            )
            .and_then(|mut s| {
                s.query_map(params![bucket, prefix, after_prefix(prefix)], |r| Ok((r.get(0)?, r.get(1)?)))?.collect()
            })
            .map_err(sql)?;
        Ok(objects.into_iter().filter(|(key, _)| written_by(key).is_some_and(|run| runs.contains(run))).collect())
    }
}

/// The run that wrote the object with this key, `.../part-00000-jr_….snappy.parquet`.
fn written_by(key: &str) -> Option<&str> {
    let name = key.rsplit('/').next()?.strip_prefix("part-")?.split_once('-')?.1;
    name.strip_suffix(".snappy.parquet").or_else(|| name.strip_suffix(".jsonl"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_tells_which_run_wrote_it() {
        assert_eq!(written_by("prices/base=BTC/part-00000-jr_1.snappy.parquet"), Some("jr_1"));
        assert_eq!(written_by("part-00000-jr_1.snappy.parquet"), Some("jr_1"));
        assert_eq!(written_by("rejects/part-00000-jr_1.jsonl"), Some("jr_1"));
        assert_eq!(written_by("prices/part-jr_1.csv"), None);
    }
}
