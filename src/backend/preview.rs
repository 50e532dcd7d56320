//! A look into an object: text, JSON, CSV and Parquet, without reading more of it than a screen or two needs. A build
//! without the embedded cloud has no reader of Parquet and shows such a file's bytes.

use bytes::Bytes;
use serde_json::Value;

use super::{Backend, Result as BackendResult};
use crate::cloud::{Error, buckets::Object};

/// Bytes of a text that are read.
const TEXT_BYTES: u64 = 256 * 1024;
/// The largest Parquet file that is read whole. Its index stands at its end.
const PARQUET_BYTES: u64 = 64 * 1024 * 1024;
/// Rows of a table.
const ROWS: usize = 500;

/// A look into an object. Text is as it came: it may hold anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preview {
    /// Lines of text; JSON documents are laid out.
    Text {
        /// The lines.
        lines: Vec<String>,
        /// Whether there is more than that.
        truncated: bool,
    },
    /// Rows of a CSV or Parquet file.
    Table {
        /// Column names.
        columns: Vec<String>,
        /// Rows, as text.
        rows: Vec<Vec<String>>,
        /// Rows in the whole file, where that is known.
        total: Option<u64>,
        /// Whether there is more than that.
        truncated: bool,
    },
    /// Something else: its first bytes in hexadecimal digits and as ASCII.
    Binary {
        /// 16 bytes a line.
        lines: Vec<String>,
    },
}

impl Backend {
    /// A look into the object `key`.
    pub async fn preview(&self, bucket: &str, key: &str, version: Option<&str>) -> BackendResult<(Object, Preview)> {
        let object = self.cloud.buckets.head(bucket, key, version).await?;
        let parquet = has_extension(key, "parquet");
        let wanted = if parquet && object.size <= PARQUET_BYTES { object.size } else { TEXT_BYTES.min(object.size) };
        let content = self.cloud.buckets.get(bucket, key, version, Some(0..wanted)).await?;
        let size = object.size;
        let key = key.to_owned();
        let preview = tokio::task::spawn_blocking(move || preview(&key, content.body, size))
            .await
            .map_err(|e| Error::failed(format!("the preview failed: {e}")))??;
        Ok((object, preview))
    }
}

/// A look into the first bytes, or all, of an object of `size` bytes.
#[cfg_attr(not(feature = "local"), allow(clippy::unnecessary_wraps, reason = "only a Parquet file can be damaged"))]
fn preview(key: &str, body: Bytes, size: u64) -> Result<Preview, Error> {
    let whole = body.len() as u64 == size;
    #[cfg(feature = "local")]
    if body.starts_with(b"PAR1") && whole {
        return parquet(body);
    }
    if body.iter().take(4096).any(|&b| b == 0) {
        return Ok(binary(&body));
    }
    if has_extension(key, "csv") || has_extension(key, "tsv") {
        return Ok(csv(&body, if has_extension(key, "tsv") { b'\t' } else { b',' }, !whole));
    }
    let text = String::from_utf8_lossy(&body);
    if whole
        && has_extension(key, "json")
        && let Ok(document @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str::<Value>(&text)
        && let Ok(laid_out) = serde_json::to_string_pretty(&document)
    {
        return Ok(Preview::Text { lines: laid_out.lines().map(str::to_owned).collect(), truncated: false });
    }
    Ok(Preview::Text { lines: text.lines().map(str::to_owned).collect(), truncated: !whole })
}

fn has_extension(key: &str, extension: &str) -> bool {
    key.rsplit_once('.').is_some_and(|(_, e)| e.eq_ignore_ascii_case(extension))
}

fn csv(body: &[u8], delimiter: u8, cut: bool) -> Preview {
    // A line that was cut in its middle is left out.
    let body = if cut { body.iter().rposition(|&b| b == b'\n').map_or(body, |end| &body[..end]) } else { body };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(body);
    let text = |record: &csv::ByteRecord| record.iter().map(|f| String::from_utf8_lossy(f).into_owned()).collect();
    let columns = reader.byte_headers().map(text).unwrap_or_default();
    let mut rows: Vec<Vec<String>> =
        reader.byte_records().map_while(|r| r.ok().map(|r| text(&r))).take(ROWS + 1).collect();
    let truncated = cut || rows.len() > ROWS;
    rows.truncate(ROWS);
    Preview::Table { columns, rows, total: None, truncated }
}

fn binary(body: &[u8]) -> Preview {
    let lines = body
        .chunks(16)
        .take(64)
        .enumerate()
        .map(|(i, chunk)| {
            let digits: Vec<String> = chunk.iter().map(|b| format!("{b:02x}")).collect();
            let ascii: String =
                chunk.iter().map(|&b| if b.is_ascii_graphic() || b == b' ' { b as char } else { '.' }).collect();
            format!("{:08x}  {:<47}  {ascii}", i * 16, digits.join(" "))
        })
        .collect();
    Preview::Binary { lines }
}

#[cfg(feature = "local")]
fn parquet(body: Bytes) -> Result<Preview, Error> {
    use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    let damaged = |e: &dyn std::fmt::Display| Error::Invalid(format!("this Parquet file cannot be read: {e}"));
    let builder = ParquetRecordBatchReaderBuilder::try_new(body).map_err(|e| damaged(&e))?;
    let total = u64::try_from(builder.metadata().file_metadata().num_rows()).ok();
    let columns: Vec<String> = builder.schema().fields().iter().map(|f| f.name().clone()).collect();
    let reader = builder.with_limit(ROWS).with_batch_size(ROWS).build().map_err(|e| damaged(&e))?;
    let options = FormatOptions::default().with_null("null");
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|e| damaged(&e))?;
        let formatters = batch
            .columns()
            .iter()
            .map(|c| ArrayFormatter::try_new(c.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| damaged(&e))?;
        rows.extend((0..batch.num_rows()).map(|row| formatters.iter().map(|f| f.value(row).to_string()).collect()));
    }
    let truncated = total.is_some_and(|t| t > rows.len() as u64);
    Ok(Preview::Table { columns, rows, total, truncated })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(key: &str, body: &[u8]) -> Preview {
        preview(key, Bytes::copy_from_slice(body), body.len() as u64).unwrap()
    }

    #[test]
    fn json_is_laid_out_and_json_lines_stay_lines() {
        let Preview::Text { lines, .. } = look("a.json", b"{\"a\":[1,2]}") else { panic!("text") };
        assert_eq!(lines, ["{", "  \"a\": [", "    1,", "    2", "  ]", "}"]);
        let Preview::Text { lines, .. } = look("a.json", b"{\"a\":1}\n{\"a\":2}\n") else { panic!("text") };
        assert_eq!(lines, ["{\"a\":1}", "{\"a\":2}"]);
    }

    #[test]
    fn csv_is_a_table_and_a_cut_line_is_left_out() {
        let preview = preview("a.CSV", Bytes::from_static(b"a,b\n1,2\n3,"), 100).unwrap();
        let rows = vec![vec!["1".to_owned(), "2".to_owned()]];
        assert_eq!(
            preview,
            Preview::Table { columns: vec!["a".into(), "b".into()], rows, total: None, truncated: true }
        );
    }

    #[test]
    fn what_is_no_text_is_shown_as_bytes() {
        let Preview::Binary { lines } = look("a.txt", b"\x00\x01AB") else { panic!("binary") };
        assert_eq!(lines, ["00000000  00 01 41 42                                      ..AB"]);
        assert!(matches!(look("a.txt", b"\xff\xfe plain"), Preview::Text { .. }));
        assert_eq!(look("empty", b""), Preview::Text { lines: vec![], truncated: false });
    }

    #[test]
    #[cfg(feature = "local")]
    fn a_damaged_parquet_file_is_an_error() {
        assert!(preview("a.parquet", Bytes::from_static(b"PAR1 is not enough"), 18).is_err());
    }
}
