//! Serves the shipped handlers to AWS Lambda (`provided.al2023`): one executable for all, the function's settings choose.

use std::{io::Write, process::ExitCode, sync::Arc};

use pumphouse::{aws::lambda, functions, http::Online};

fn main() -> ExitCode {
    let setup = lambda::Setup { handlers: functions::find, sources: |all| Arc::new(Online::new(all)) };
    match lambda::serve(setup) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "bootstrap: {error}");
            ExitCode::FAILURE
        }
    }
}
