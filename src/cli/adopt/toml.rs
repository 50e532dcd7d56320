//! The pipeline.toml of an adopted directory.

use super::{Found, Layout};

/// Its text.
pub fn write(name: &str, dir: &str, binary: &str, layout: &Layout, found: &[Found]) -> String {
    let mut lines = vec![
        format!("name = {}", quoted(name)),
        "description = \"Deployed by Terraform\"".to_owned(),
        String::new(),
        "[deploy]".to_owned(),
        "engine = \"terraform\"".to_owned(),
        format!("dir = {}", quoted(dir)),
    ];
    for (key, files) in [("var_files", &layout.var_files), ("backend_config", &layout.backend_config)] {
        if !files.is_empty() {
            lines.push(format!("{key} = {}", list(files)));
        }
    }
    if layout.workspaces {
        lines.push("workspace = \"{env}\"".to_owned());
    }
    if binary != "terraform" {
        lines.push(format!("binary = {}", quoted(binary)));
    }
    for found in found {
        lines.extend([String::new(), format!("[env.{}]", found.env)]);
        if let Some(region) = &found.region {
            lines.push(format!("region = {}", quoted(region)));
        }
        if matches!(found.env.as_str(), "prod" | "production" | "live" | "main") {
            lines.push("protected = true # deploy and destroy ask for the stack's name".to_owned());
        }
        if !found.existing.is_empty() {
            lines.extend([String::new(), format!("[env.{}.existing]", found.env)]);
        }
        lines.extend(found.existing.iter().map(|(kind, names)| format!("{} = {}", kind.key(), list(names))));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(texts: &[String]) -> String {
    let all: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    let line = format!("[{}]", all.join(", "));
    if line.len() <= 100 { line } else { format!("[\n  {},\n]", all.join(",\n  ")) }
}
