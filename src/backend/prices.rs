//! What things cost, as far as that can be told beforehand: estimates, from rates that are settings.

use crate::cloud::{
    jobs::JobRun,
    queries::{QueryResult, Service},
};

/// Rates in US dollars: AWS's own in most regions, unless they are set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// A data processing unit for an hour (AWS Glue).
    pub glue_dpu_hour_usd: f64,
    /// A terabyte that a query reads (Amazon Athena).
    pub athena_tb_usd: f64,
}

impl Default for Prices {
    fn default() -> Self {
        Self { glue_dpu_hour_usd: 0.44, athena_tb_usd: 5.0 }
    }
}

const MB: u64 = 1 << 20;
const TB: f64 = (1_u64 << 40) as f64;
/// The least that a query is billed for.
const LEAST_MB: u64 = 10;
/// The least that a run is billed for, in seconds; ten minutes before Glue 2.0.
const LEAST_SECONDS: u64 = 60;
const LEAST_SECONDS_ONCE: u64 = 600;

impl Prices {
    /// What a run has cost so far, about; none where nothing is known of what it used.
    pub fn run(&self, run: &JobRun) -> Option<f64> {
        Some(dpu_seconds(run)? / 3_600.0 * self.glue_dpu_hour_usd)
    }

    /// What a query has cost, about; none where no service executed it.
    pub fn query(&self, result: &QueryResult) -> Option<f64> {
        Some(self.scanned(result.scanned_bytes, result.service.as_ref()?))
    }

    /// What it costs that a service has read so many bytes: whole megabytes, and ten at the least.
    pub fn scanned(&self, bytes: u64, service: &Service) -> f64 {
        // What only looks into the catalog, and a result that was there already, costs nothing.
        if bytes == 0 || service.reused {
            return 0.0;
        }
        let billed = bytes.div_ceil(MB).max(LEAST_MB).saturating_mul(MB);
        billed as f64 / TB * self.athena_tb_usd
    }
}

/// Data processing units times seconds: as they were counted, else as many as the run was given for as long as it worked.
fn dpu_seconds(run: &JobRun) -> Option<f64> {
    if let Some(counted) = run.dpu_seconds {
        return Some(counted);
    }
    let capacity = &run.capacity;
    let workers = || Some(dpu(capacity.worker_type.as_deref()?)? * f64::from(capacity.workers?));
    let dpu = workers().or(capacity.max_dpu)?;
    let early = capacity.glue_version.as_deref().is_some_and(|v| v.starts_with("0.") || v.starts_with("1."));
    let least = if early { LEAST_SECONDS_ONCE } else { LEAST_SECONDS };
    Some(dpu * run.execution_seconds?.max(least) as f64)
}

/// The data processing units of a worker: `G.1X` has one, `G.025X` a quarter.
fn dpu(worker_type: &str) -> Option<f64> {
    if worker_type == "Standard" {
        return Some(1.0);
    }
    let size = worker_type.split_once('.')?.1.strip_suffix('X')?;
    if size == "025" {
        return Some(0.25);
    }
    size.parse().ok()
}

/// An estimate as a person reads it: `~$0.04`; small ones with more digits.
pub fn usd(amount: f64) -> String {
    match amount {
        a if a <= 0.0 => "$0".to_owned(),
        a if a < 0.0001 => "<$0.0001".to_owned(),
        a if a < 0.1 => format!("~${a:.4}"),
        a => format!("~${a:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cloud::jobs::{Capacity, JobRunState};

    fn run(worker: Option<&str>, workers: Option<u32>, seconds: Option<u64>, counted: Option<f64>) -> JobRun {
        JobRun {
            id: "jr_1".into(),
            job: "j".into(),
            state: JobRunState::Succeeded,
            trigger: String::new(),
            started: jiff::Timestamp::UNIX_EPOCH,
            ended: None,
            rows_in: None,
            rows_out: None,
            files_in: None,
            bytes_in: None,
            error: None,
            log_stream: String::new(),
            log_group: None,
            error_log_group: None,
            capacity: Capacity { worker_type: worker.map(str::to_owned), workers, ..Capacity::default() },
            execution_seconds: seconds,
            dpu_seconds: counted,
            arguments: BTreeMap::new(),
        }
    }

    #[test]
    fn a_run_costs_what_it_used() {
        let prices = Prices::default();
        let cost = |r: &JobRun| prices.run(r).map(usd);
        assert_eq!(cost(&run(Some("G.2X"), Some(10), Some(1_800), None)).as_deref(), Some("~$4.40"));
        assert_eq!(cost(&run(Some("G.1X"), Some(2), Some(5), None)).as_deref(), Some("~$0.0147"), "a minute at least");
        assert_eq!(cost(&run(Some("G.1X"), Some(2), Some(5), Some(7_200.0))).as_deref(), Some("~$0.88"));
        assert_eq!(cost(&run(Some("G.025X"), Some(2), Some(3_600), None)).as_deref(), Some("~$0.22"));
        assert_eq!(cost(&run(None, None, Some(60), None)), None);
        assert_eq!(cost(&run(Some("G.1X"), Some(2), None, None)), None);
    }

    #[test]
    fn a_query_costs_ten_megabytes_at_least() {
        let prices = Prices { athena_tb_usd: 5.0, ..Prices::default() };
        let service = Service::default();
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(close(prices.scanned(1, &service), 5.0 * 10.0 / 1_048_576.0));
        assert!(close(prices.scanned(10 * MB + 1, &service), 5.0 * 11.0 / 1_048_576.0));
        assert!(close(prices.scanned(1 << 40, &service), 5.0));
        assert!(close(prices.scanned(0, &service), 0.0));
        assert!(close(prices.scanned(1 << 40, &Service { reused: true, ..service }), 0.0));
        assert_eq!(prices.query(&QueryResult { scanned_bytes: 1, ..QueryResult::default() }), None);
        assert_eq!([usd(0.0), usd(0.000_01), usd(0.000_05 * 3.0)], ["$0", "<$0.0001", "~$0.0002"].map(str::to_owned));
    }
}
