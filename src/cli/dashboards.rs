//! `dashboards`: what their charts show, as numbers. The console draws them.

use std::collections::BTreeMap;

use clap::Subcommand;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;

use super::{
    failure::{Failure, Result},
    input, names,
    out::{Cell, Column, note},
    session::Session,
};
use crate::{
    backend::{
        Backend,
        dashboards::{Dashboard, Drawn},
    },
    config::Format,
};

/// What to do with dashboards.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the dashboards
    List,
    /// Print what the charts of a dashboard show
    Show {
        /// Its name, or PIPELINE/NAME
        name: String,
        /// From this day on
        #[arg(long, value_name = "DATE", value_parser = input::date)]
        from: Option<Date>,
        /// Up to this day
        #[arg(long, value_name = "DATE", value_parser = input::date)]
        to: Option<Date>,
    },
}

const DASHBOARDS: [Column<Dashboard>; 3] = [
    ("dashboard", |d| Cell::text(&d.name)),
    ("pipeline", |d| Cell::text(&d.pipeline)),
    ("charts", |d| Cell::text(d.charts.iter().map(|c| c.title.as_str()).collect::<Vec<_>>().join(", "))),
];

#[derive(Serialize)]
struct Document<'a> {
    name: &'a str,
    pipeline: &'a str,
    charts: &'a [Drawn],
}

impl Command {
    /// Does it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        let all = backend.dashboards().await?;
        let (name, from, to) = match self {
            Self::List => return s.out.list(&all, &DASHBOARDS, "no dashboards"),
            Self::Show { name, from, to } => (name, from, to),
        };
        let own = |d: &&Dashboard| match name.split_once('/') {
            Some((pipeline, short)) => {
                d.pipeline == pipeline && d.name == format!("{}-{short}", backend.stack_name(pipeline))
            }
            None => d.name == name,
        };
        let Some(dashboard) = all.iter().find(own) else {
            let known: Vec<String> = all.iter().map(|d| d.name.clone()).collect();
            return Err(Failure::Failed(names::unknown("dashboard", &name, &known)));
        };
        let mut charts = backend.draw(dashboard).await;
        let day = |time: &Timestamp| time.to_zoned(TimeZone::UTC).date();
        let within = |time: &Timestamp| from.is_none_or(|f| day(time) >= f) && to.is_none_or(|t| day(time) <= t);
        for line in charts.iter_mut().flat_map(|c| &mut c.lines) {
            line.points.retain(|(time, _)| within(time));
        }
        print(s, dashboard, &charts)?;
        let failed = charts.iter().find_map(|c| Some((c.title.as_str(), c.error.as_deref()?)));
        failed.map_or(Ok(()), |(title, why)| Err(Failure::failed(format!("{title}: {why}"))))
    }
}

fn print(s: &Session, dashboard: &Dashboard, charts: &[Drawn]) -> Result {
    if s.out.format == Format::Json {
        return s.out.json(&Document { name: &dashboard.name, pipeline: &dashboard.pipeline, charts });
    }
    if s.out.format == Format::Csv {
        let titles = ["chart", "line", "time", "value"].map(str::to_owned);
        let rows = charts.iter().flat_map(|chart| {
            chart.lines.iter().flat_map(move |line| {
                line.points.iter().map(move |(time, value)| {
                    vec![Cell::text(&chart.title), Cell::text(&line.name), Cell::Time(*time), Cell::Number(*value)]
                })
            })
        });
        return s.out.rows(&titles, rows);
    }
    for chart in charts {
        note(&chart.title);
        let titles = [vec!["time".to_owned()], chart.lines.iter().map(|l| l.name.clone()).collect()].concat();
        let mut rows: BTreeMap<Timestamp, Vec<Cell>> = BTreeMap::new();
        for (n, line) in chart.lines.iter().enumerate() {
            for (time, value) in &line.points {
                let row = rows.entry(*time).or_insert_with(|| chart.lines.iter().map(|_| Cell::None).collect());
                if let Some(cell) = row.get_mut(n) {
                    *cell = Cell::Number(*value);
                }
            }
        }
        s.out.rows(&titles, rows.into_iter().map(|(time, row)| [vec![Cell::Time(time)], row].concat()))?;
    }
    Ok(())
}
