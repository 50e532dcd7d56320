//! Without a command, the console opens.

use std::{
    future::Future,
    io::{self, IsTerminal},
};

use super::{
    connect,
    driver::Slot,
    failure::{Failure, Result},
    out::note,
    session::Session,
};
use crate::{
    aws::profiles::Profiles,
    backend::{self, Backend},
    config::{Origin, Setting, Settings},
    tui,
};

/// Opens the console on the cloud that the settings name.
pub fn run(s: &Session) -> Result {
    terminal()?;
    let runtime = super::runtime()?;
    let result = runtime.block_on(show(&s.settings, |_| async {}));
    runtime.shutdown_timeout(super::GRACE);
    result
}

/// Refuses to open the console where there is no terminal.
pub fn terminal() -> Result {
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage("the console needs a terminal; `pumphouse --help` lists the commands that do not"))
}

/// Shows the console; `then` is done once the cloud is open. The cloud is opened while the first frame is drawn. While
/// the console is open, this process drives the embedded cloud, unless another one does; while it is suspended, another
/// one may.
pub async fn show<T, F>(settings: &Settings, then: T) -> Result
where
    T: Fn(Backend) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let driver = Slot::default();
    let connect = |switch: &tui::Switch| {
        let (settings, driver, then) = (switched(settings, switch), driver.clone(), then.clone());
        async move {
            let opened = tokio::task::spawn_blocking(move || connect::open(&settings)).await;
            let connection = opened.map_err(|e| told(&Failure::failed(e)))?.map_err(|e| told(&e))?;
            driver.start(&connection);
            tokio::spawn(then(connection.backend.clone()));
            Ok(connection.backend)
        }
    };
    let (leaving, back) = (driver.clone(), driver.clone());
    let absence = tui::Absence {
        leave: Box::new(move || {
            let driver = leaving.clone();
            Box::pin(async move { driver.pause().await })
        }),
        back: Box::new(move || back.resume()),
    };
    let result = tui::run(connect, options(settings), absence).await;
    for wrong in driver.stop().await {
        note(&wrong);
    }
    result.map_err(|e| Failure::failed(format!("the console: {e}")))
}

/// How the console starts.
fn options(settings: &Settings) -> tui::Options {
    let default = tui::Options::default();
    tui::Options {
        theme: settings.theme.value.clone().unwrap_or(default.theme),
        ascii: settings.ascii.value,
        mouse: settings.mouse.value,
        cloud: if settings.local.value { "local" } else { "aws" }.into(),
        env: settings.env.value.clone(),
        read_only: settings.read_only.value,
        profiles: if settings.local.value { Vec::new() } else { Profiles::read().names() },
    }
}

/// The settings with what was named inside the console.
fn switched(settings: &Settings, switch: &tui::Switch) -> Settings {
    let named = |setting: &mut Setting<Option<String>>, name: &Option<String>, command| {
        if let Some(name) = name {
            *setting = Setting { value: Some(name.clone()), origin: Origin::Flag(command) };
        }
    };
    let mut settings = settings.clone();
    if switch.profile.is_some() {
        // The role was to be assumed from the profile that there was.
        settings.role_arn = Setting { value: None, origin: Origin::Default };
    }
    named(&mut settings.profile, &switch.profile, ":profile");
    named(&mut settings.region, &switch.region, ":region");
    named(&mut settings.role_arn, &switch.role, ":role");
    settings
}

fn told(failure: &Failure) -> backend::Error {
    backend::Error::Usage(failure.message().unwrap_or_default().to_owned())
}
