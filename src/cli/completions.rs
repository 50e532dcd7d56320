//! `completions` and `man`: what shells and manuals are told.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{
    Cli,
    failure::{Failure, Result},
    session::Session,
};

/// Prints a shell's completion script.
pub fn run(s: &Session, shell: Shell) -> Result {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pumphouse", &mut script);
    s.out.bytes(&script)
}

/// Prints the manual page.
pub fn man(s: &Session) -> Result {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(|e| Failure::output(&e))?;
    s.out.bytes(&page)
}
