//! The region that pipelines name for their environment: `[env.dev] region` holds for every command that is about them.

use super::connect::known_handler;
use crate::{
    config::{Origin, Setting, Settings},
    spec::{self, Location},
};

/// Takes the region from the pipelines that lie in a folder, where nobody has chosen another: that of the pipeline that
/// the command names, else the one that all agree on. Pipelines that are built in name none: nobody here has written them.
pub fn choose(settings: &mut Settings, arguments: &[String]) {
    if settings.local.value || settings.region.value.is_some() {
        return;
    }
    let env = settings.env.value.as_str();
    let mut named: Vec<(String, String)> = Vec::new();
    for location in spec::pipelines(settings.pipelines.value.as_deref()).unwrap_or_default() {
        // What is wrong with it is said by whoever needs it.
        let (Location::Folder(_), Ok(pipeline)) = (&location, spec::load(&location, &known_handler)) else { continue };
        if let Some(region) = pipeline.env(env).and_then(|e| e.region.clone()) {
            named.push((pipeline.name, region));
        }
    }
    let meant = |name: &str| arguments.iter().any(|a| a.split('/').next() == Some(name));
    let agreed = |named: &[(String, String)]| named.windows(2).all(|two| two[0].1 == two[1].1);
    let found = match named.iter().find(|(name, _)| meant(name)) {
        Some(found) => Some(found),
        None if agreed(&named) => named.first(),
        None => None,
    };
    if let Some((pipeline, region)) = found {
        let origin = Origin::Pipeline(format!("[env.{env}] of {pipeline}"));
        settings.region = Setting { value: Some(region.clone()), origin };
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::config::Flags;

    fn chosen(
        folder: &Path,
        flags: Flags,
        env: &dyn Fn(&str) -> Option<String>,
        arguments: &[&str],
    ) -> (String, String) {
        let flags = Flags { pipelines: Some(folder.to_owned()), ..flags };
        let mut settings = Settings::load(&flags, env).unwrap();
        choose(&mut settings, &arguments.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
        (settings.region.value.unwrap_or_default(), settings.region.origin.to_string())
    }

    #[test]
    fn a_region_that_is_written_is_obeyed_behind_what_was_chosen_for_the_command() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, region: &str| {
            fs::create_dir_all(dir.path().join(name)).unwrap();
            let text = format!("name = \"{name}\"\n[env.dev]\nregion = \"{region}\"\n[env.prod]\n[bucket.b]\n");
            fs::write(dir.path().join(name).join("pipeline.toml"), text).unwrap();
        };
        let home = dir.path().join("home").display().to_string();
        let none = |name: &str| (name == "HOME").then(|| home.clone());
        let ask = |arguments: &[&str]| chosen(dir.path(), Flags::default(), &none, arguments);
        assert_eq!(ask(&["buckets", "list"]), (String::new(), "default".to_owned()), "no pipeline is there");

        write("one-lake", "eu-central-1");
        let of_one = ("eu-central-1".to_owned(), "[env.dev] of one-lake".to_owned());
        assert_eq!(ask(&["deploy", "one-lake"]), of_one);
        assert_eq!(ask(&["buckets", "list"]), of_one, "all agree");

        write("two-lake", "us-west-2");
        assert_eq!(ask(&["invoke", "two-lake/f"]).0, "us-west-2");
        assert_eq!(ask(&["deploy", "one-lake"]), of_one);
        assert_eq!(ask(&["buckets", "list"]).0, "", "they differ: as the AWS CLI chooses");

        let flag = Flags { region: Some("eu-north-1".into()), ..Flags::default() };
        assert_eq!(chosen(dir.path(), flag, &none, &["deploy", "one-lake"]), ("eu-north-1".into(), "--region".into()));
        let variable = |name: &str| if name == "AWS_REGION" { Some("eu-south-1".into()) } else { none(name) };
        let from = chosen(dir.path(), Flags::default(), &variable, &["deploy", "one-lake"]);
        assert_eq!(from, ("eu-south-1".into(), "$AWS_REGION".into()));
        let prod = Flags { env: Some("prod".into()), ..Flags::default() };
        assert_eq!(chosen(dir.path(), prod, &none, &["deploy", "one-lake"]).0, "", "prod names none");
        let local = Flags { local: true, ..Flags::default() };
        assert_eq!(chosen(dir.path(), local, &none, &["deploy", "one-lake"]).0, "");
    }
}
