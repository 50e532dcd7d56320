//! pumphouse: see the library's documentation.

use std::process::ExitCode;

fn main() -> ExitCode {
    pumphouse::cli::main()
}
