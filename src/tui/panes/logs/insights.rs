//! Queries of CloudWatch Logs Insights over the group that is open.

use jiff::{SignedDuration, Timestamp};

use super::LogsPane;
use crate::{
    cloud::logs::{InsightsQuery, InsightsResult},
    text,
    tui::{
        data::{Data, Loaded, Request, bytes, count},
        panes::{Cx, Intent},
    },
};

/// What the prompt begins with.
const EXAMPLE: &str = "insights fields @timestamp, @message | sort @timestamp desc | limit 50";
/// Rows that a result shows at most.
const ROWS: usize = 1_000;
/// Columns of a value, so that one long message does not push everything else away; the last field has all it needs.
const WIDEST: usize = 40;

impl LogsPane {
    /// Begins a command line with a query.
    pub(super) fn prompt(&mut self, cx: &mut Cx) {
        match self.group {
            Some(_) => cx.intents.push(Intent::Type(EXAMPLE.to_owned())),
            None => cx.tell("no log group is open: Enter reads the selected one"),
        }
    }

    /// Asks about what is shown, at least the last hour.
    pub(super) fn ask_insights(&mut self, query: &str, cx: &mut Cx) {
        let Some(group) = self.group.clone() else {
            cx.tell("no log group is open: Enter reads the selected one");
            return;
        };
        let first = self.lines.with(self.lines.numbers().start, |time, _| time);
        let first = first.and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(cx.now);
        let hour = cx.now.checked_sub(SignedDuration::from_hours(1)).unwrap_or(cx.now);
        let query = InsightsQuery {
            query: query.to_owned(),
            groups: vec![group],
            since: first.min(hour),
            until: cx.now,
            limit: ROWS,
        };
        self.insights.ask();
        cx.tell("querying …; x or Ctrl-C stops it");
        cx.load(Request::Insights(query));
    }

    pub(super) fn cancel_insights(&mut self, cx: &mut Cx) {
        if self.insights.loading {
            self.insights = Loaded::default();
            let nothing =
                InsightsQuery { query: String::new(), groups: Vec::new(), since: cx.now, until: cx.now, limit: 0 };
            cx.intents.push(Intent::Cancel(Request::Insights(nothing).slot()));
            cx.tell("the query is stopped");
        } else {
            cx.tell("no query runs");
        }
    }

    pub(super) fn answered(&mut self, query: &InsightsQuery, result: Result<Data, String>, cx: &mut Cx) {
        if !self.insights.loading {
            return;
        }
        match result {
            Ok(Data::Insights(result)) => {
                cx.show(query.query.clone(), page(&result));
                self.insights.answer(Ok(result));
            }
            Ok(_) => {}
            Err(error) => {
                cx.intents.push(Intent::Fail(error.clone()));
                self.insights.answer(Err(error));
            }
        }
    }
}

/// The result as lines: what it read, then its rows under their fields.
fn page(result: &InsightsResult) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{} rows; {} of {} events matched, {} scanned, about ${:.4}",
            count(result.rows.len() as u64),
            count(result.records_matched),
            count(result.records_scanned),
            bytes(result.bytes_scanned),
            result.cost_usd()
        ),
        String::new(),
    ];
    let clean = |value: Option<&str>| text::clean(value.unwrap_or("-").trim_end()).into_owned();
    let widths: Vec<usize> = (0..result.columns.len())
        .map(|at| {
            let values = result.rows.iter().filter_map(|row| row.get(at)).map(|value| clean(value.as_deref()));
            let widest = values.map(|value| text::width(&value)).max().unwrap_or(0);
            widest.max(result.columns.get(at).map_or(0, |name| text::width(name))).min(WIDEST)
        })
        .collect();
    let row = |cells: Vec<String>| {
        let last = cells.len().saturating_sub(1);
        let fitted = cells.iter().zip(&widths).enumerate();
        let fitted = fitted.map(|(at, (cell, width))| if at == last { cell.clone() } else { text::fit(cell, *width) });
        fitted.collect::<Vec<_>>().join("  ")
    };
    lines.push(row(result.columns.iter().map(|name| clean(Some(name))).collect()));
    lines.extend(result.rows.iter().map(|values| row(values.iter().map(|value| clean(value.as_deref())).collect())));
    lines
}
