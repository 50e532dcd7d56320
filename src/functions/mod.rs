//! The handlers of the shipped pipelines' functions: the same code on every cloud, in terms of the ports alone.
//!
//! A handler takes its context and an event in AWS's shape. It reads and changes things with the context's permit, which
//! allows what the function's grants in pipeline.toml name.

pub mod bls_quest;
pub mod covid_etl;
pub mod crypto_stream;
pub mod dataops;
mod files;
pub mod water_quality;

use crate::cloud::functions::Handler;

const HANDLERS: &[(&str, Handler)] = &[
    ("bls_quest::fetch_population", bls_quest::fetch_population),
    ("bls_quest::report", bls_quest::report),
    ("bls_quest::sync", bls_quest::sync),
    ("covid_etl::load_daily", covid_etl::load_daily),
    ("crypto_stream::alert_on_price", crypto_stream::alert_on_price),
    ("crypto_stream::fetch_prices", crypto_stream::fetch_prices),
    ("crypto_stream::query_prices", crypto_stream::query_prices),
    ("dataops::start_crawler", dataops::start_crawler),
    ("dataops::start_job", dataops::start_job),
    ("dataops::start_job_again", dataops::start_job_again),
    ("water_quality::alert_on_turbidity", water_quality::alert_on_turbidity),
    ("water_quality::count", water_quality::count),
];

/// Finds a handler by the name that a pipeline.toml gives: `crypto_stream::fetch_prices`.
pub fn find(name: &str) -> Option<Handler> {
    HANDLERS.iter().find(|(n, _)| *n == name).map(|(_, handler)| *handler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_handler_is_found_by_its_name() {
        assert!(HANDLERS.is_sorted_by_key(|(name, _)| name));
        assert!(HANDLERS.iter().all(|(name, _)| find(name).is_some()));
        assert!(find("crypto_stream::nothing").is_none());
    }
}
