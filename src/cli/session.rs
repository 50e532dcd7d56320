//! One command's surroundings: settings, output, consent, and the way to a backend.

use std::io::{self, BufRead, IsTerminal, Write};

use super::{
    connect::{self, Connection},
    failure::{Failure, Result},
    out::{Out, note},
    signals::Deadly,
};
use crate::{
    backend::{Backend, Consent, Effect, Gate, Refusal, Strength, audit::Audit},
    config::Settings,
};

/// One command's surroundings.
#[derive(Debug, Clone)]
pub struct Session {
    /// The settings.
    pub settings: Settings,
    /// Where data goes.
    pub out: Out,
    /// `--yes`
    pub yes: bool,
    /// `--confirm NAME`
    pub confirm: Option<String>,
}

impl Session {
    /// The gate before every change.
    pub fn gate(&self) -> Gate {
        gate(&self.settings)
    }

    /// Opens the cloud.
    pub fn connect(&self) -> Result<Connection> {
        connect::open(&self.settings)
    }

    /// Opens the cloud for a command that reads.
    pub fn connect_to_read(&self) -> Result<Connection> {
        connect::open_to_read(&self.settings)
    }

    /// The confirmation that an effect deserves: from the command line, else from a person at the terminal.
    ///
    /// # Errors
    /// [`Failure::Refused`] where there is none, saying how to give it.
    pub fn consent(&self, backend: &Backend, effect: &Effect) -> Result<Consent> {
        backend.gate().check(effect.what, &effect.target)?;
        let consent = self.given(effect);
        if consent.is_err() {
            backend.gate().decline(effect)?;
        }
        consent
    }

    fn given(&self, effect: &Effect) -> Result<Consent> {
        match &effect.strength {
            Strength::Free => Ok(if self.yes { Consent::Yes } else { Consent::None }),
            Strength::Confirm => {
                if self.yes || self.confirm.as_deref() == Some(effect.target.as_str()) {
                    return Ok(Consent::Yes);
                }
                let answer = ask(&format!("{}. Go on? [y/N] ", effect.sentence));
                match answer.as_deref().map(str::trim) {
                    Some("y" | "Y" | "yes" | "Yes") => Ok(Consent::Yes),
                    Some(_) => Err(unconfirmed(&effect.sentence, "nothing is done")),
                    None => Err(unconfirmed(&effect.sentence, "--yes confirms it")),
                }
            }
            Strength::TypeName(name) => {
                if let Some(given) = &self.confirm {
                    if given == name {
                        return Ok(Consent::Name(given.clone()));
                    }
                    return Err(unconfirmed(&effect.sentence, &format!("--confirm {given} is not --confirm {name}")));
                }
                let answer = ask(&format!("{}.\nType {name} to go on: ", effect.sentence));
                match answer.as_deref().map(str::trim) {
                    Some(typed) if typed == name => Ok(Consent::Name(typed.to_owned())),
                    Some(_) => Err(unconfirmed(&effect.sentence, "nothing is done")),
                    None => Err(unconfirmed(&effect.sentence, &format!("--confirm {name} confirms it"))),
                }
            }
        }
    }
}

/// The gate that these settings ask for.
pub fn gate(settings: &Settings) -> Gate {
    let audit = Audit::new(settings.state_dir.value.join("audit.jsonl"));
    Gate::new(settings.read_only.value, connect::principal(), audit)
}

fn unconfirmed(sentence: &str, how: &str) -> Failure {
    Refusal::Unconfirmed(format!("{sentence}; {how}")).into()
}

/// Asks a person; none where nobody is there.
fn ask(question: &str) -> Option<String> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return None;
    }
    let mut lines = question.lines().peekable();
    while let Some(line) = lines.next() {
        if lines.peek().is_some() {
            note(line);
        } else {
            let mut err = io::stderr().lock();
            // `lines` takes no space from the end of the last one.
            write!(err, "{}", crate::text::clean(line)).and_then(|()| err.flush()).ok()?;
        }
    }
    let mut answer = String::new();
    let _deadly = Deadly::begin();
    io::stdin().lock().read_line(&mut answer).ok()?;
    Some(answer)
}
