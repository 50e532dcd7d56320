//! Dashboards: what their charts show, read from databases and metrics.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use serde::Serialize;
use serde_json::Value;

use super::{Backend, Result};
use crate::cloud::{
    Error,
    postgres::Rows,
    resources::{Chart, ChartSource, Graph, Properties},
};

/// Points of a line at most.
const MOST_POINTS: usize = 20_000;

/// A dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dashboard {
    /// Its name.
    pub name: String,
    /// The pipeline it belongs to.
    pub pipeline: String,
    /// Its charts.
    pub charts: Vec<Chart>,
}

/// A line of a chart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// What it shows.
    pub name: String,
    /// Its points, oldest first.
    pub points: Vec<(Timestamp, f64)>,
}

/// What a chart shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drawn {
    /// Its title.
    pub title: String,
    /// Its lines.
    pub lines: Vec<Line>,
    /// Why there are none.
    pub error: Option<String>,
}

impl Backend {
    /// The dashboards of the deployed pipelines, by name.
    pub async fn dashboards(&self) -> Result<Vec<Dashboard>> {
        let mut all = Vec::new();
        for pipeline in self.list_pipelines().await? {
            let Some(graph) = self.status(&pipeline.name).await?.and_then(|stack| stack.graph) else { continue };
            all.extend(of_graph(&graph));
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Reads what the charts of a dashboard show. A chart that cannot be read says why, and the others are there.
    pub async fn draw(&self, dashboard: &Dashboard) -> Vec<Drawn> {
        let charts = dashboard.charts.iter().map(async |chart| {
            let (lines, error) = match self.lines(chart).await {
                Ok(lines) => (lines, None),
                Err(error) => (Vec::new(), Some(error.to_string())),
            };
            Drawn { title: chart.title.clone(), lines, error }
        });
        futures::future::join_all(charts).await
    }

    /// Reads what the charts of the dashboard with this name show.
    ///
    /// # Errors
    /// Where there is none, or the stacks cannot be read.
    pub async fn draw_named(&self, name: &str) -> Result<Vec<Drawn>> {
        let found = self.dashboards().await?.into_iter().find(|d| d.name == name);
        let dashboard = found.ok_or_else(|| Error::not_found("dashboard", name))?;
        Ok(self.draw(&dashboard).await)
    }

    async fn lines(&self, chart: &Chart) -> crate::cloud::Result<Vec<Line>> {
        match &chart.source {
            ChartSource::Query { postgres, sql } => {
                of_rows(&self.cloud.postgres.query(postgres, sql, MOST_POINTS).await?)
            }
            ChartSource::Metrics(metrics) => {
                let mut found = self.cloud.alerts.samples(metrics, MOST_POINTS).await?;
                let line = |metric: &String| Line {
                    name: metric.rsplit_once('/').map_or(metric.as_str(), |(_, name)| name).to_owned(),
                    points: found.remove(metric).unwrap_or_default().iter().map(|s| (s.time, s.value)).collect(),
                };
                Ok(metrics.iter().map(line).collect())
            }
        }
    }
}

fn of_graph(graph: &Graph) -> impl Iterator<Item = Dashboard> {
    graph.resources.iter().filter_map(|resource| match &resource.properties {
        Properties::Dashboard(dashboard) => Some(Dashboard {
            name: resource.physical_name.clone(),
            pipeline: graph.pipeline.clone(),
            charts: dashboard.charts.clone(),
        }),
        _ => None,
    })
}

/// A query's rows as lines: the first column is the time, each other one a line. What is null has no point.
fn of_rows(rows: &Rows) -> crate::cloud::Result<Vec<Line>> {
    let wrong = |why: String| Error::Failed(format!("the chart's query {why}"));
    let (Some(first), true) = (rows.columns.first(), rows.columns.len() > 1) else {
        return Err(wrong("gives one column: the first is a date or a time, and each other one a line".into()));
    };
    let mut lines: Vec<Line> =
        rows.columns.iter().skip(1).map(|c| Line { name: c.name.clone(), points: Vec::new() }).collect();
    for row in &rows.rows {
        let cell = row.first().unwrap_or(&Value::Null);
        let Some(time) = time(cell) else {
            return Err(wrong(format!("gives {cell} in {:?}, which is no date and no time", first.name)));
        };
        for (line, cell) in lines.iter_mut().zip(row.iter().skip(1)) {
            let number = match cell {
                Value::Null => continue,
                Value::Number(n) => n.as_f64(),
                // A number that JSON would round.
                Value::String(text) => text.parse().ok().filter(|n: &f64| n.is_finite()),
                _ => None,
            };
            let number = number.ok_or_else(|| wrong(format!("gives {cell} in {:?}, which is no number", line.name)))?;
            line.points.push((time, number));
        }
    }
    for line in &mut lines {
        line.points.sort_by_key(|(time, _)| *time);
    }
    Ok(lines)
}

/// A date or a time as PostgreSQL prints it; without a zone it is UTC.
fn time(cell: &Value) -> Option<Timestamp> {
    let text = cell.as_str()?;
    let utc = |t: DateTime| t.to_zoned(TimeZone::UTC).ok().map(|z| z.timestamp());
    if text.len() == 10 {
        return text.parse::<Date>().ok().and_then(|d| utc(d.to_datetime(jiff::civil::Time::midnight())));
    }
    text.parse::<Timestamp>().ok().or_else(|| text.parse::<DateTime>().ok().and_then(utc))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cloud::catalog::Column;

    fn rows(columns: &[&str], rows: Value) -> Rows {
        let columns = columns.iter().map(|c| Column { name: (*c).to_owned(), kind: "x".into() }).collect();
        Rows { columns, rows: serde_json::from_value(rows).unwrap(), ..Rows::default() }
    }

    #[test]
    fn each_column_after_the_first_is_a_line() {
        let found = of_rows(&rows(
            &["day", "cases", "deaths"],
            json!([["2020-01-02", 3, null], ["2020-01-01", "12345678901234567890", 1.5]]),
        ))
        .unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (first, second) = (at("2020-01-01T00:00:00Z"), at("2020-01-02T00:00:00Z"));
        assert_eq!(found[0].points, [(first, 12_345_678_901_234_567_890.0), (second, 3.0)]);
        assert_eq!((found[1].name.as_str(), found[1].points.as_slice()), ("deaths", &[(first, 1.5)][..]));
        for text in ["2020-01-01 00:00:00", "2020-01-01 01:00:00+01"] {
            assert_eq!(time(&json!(text)), Some(first), "{text}");
        }
    }

    #[test]
    fn what_is_no_chart_says_why() {
        for (found, why) in [
            (rows(&["day"], json!([])), "one column"),
            (rows(&["day", "n"], json!([["soon", 1]])), "no date and no time"),
            (rows(&["day", "n"], json!([["2020-01-01", "many"]])), "\"many\" in \"n\", which is no number"),
        ] {
            let error = of_rows(&found).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
