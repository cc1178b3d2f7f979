//! Lists every setting with its default and description, for the `teof.toml` that `init` writes and for `doctor
//! --settings`.
//!
//! The descriptions are the doc comments in `settings/`, read at compile time, so that a setting is described in one
//! place.

use std::collections::HashMap;

use toml::{Table, Value};

use super::Settings;
use crate::base::Result;

const SOURCE: &str = concat!(
    include_str!("mod.rs"),
    include_str!("sections.rs"),
    include_str!("executor.rs"),
    include_str!("hooks.rs"),
    include_str!("limits.rs"),
    include_str!("sandbox.rs"),
    include_str!("work.rs")
);

/// One setting.
#[derive(Clone, Debug)]
pub struct Entry {
    pub section: String,
    pub key: String,
    /// As written in `teof.toml`.
    pub value: String,
    pub default: String,
    pub about: String,
}

/// Every setting, in the order of the file.
pub fn entries(settings: &Settings) -> Result<Vec<Entry>> {
    let (now, defaults) = (Table::try_from(settings)?, Table::try_from(Settings::default())?);
    let about = descriptions();
    let mut entries = Vec::new();
    for (section, keys) in &defaults {
        let Some(keys) = keys.as_table() else { continue };
        section_entries(section, keys, now.get(section), &about, &mut entries);
    }
    Ok(entries)
}

/// The settings of a section, then those of the sections inside it.
fn section_entries(section: &str, defaults: &Table, now: Option<&Value>, about: &Descriptions, found: &mut Vec<Entry>) {
    for (key, default) in defaults {
        let value = now.and_then(|keys| keys.get(key)).unwrap_or(default);
        if let Some(keys) = default.as_table() {
            section_entries(&format!("{section}.{key}"), keys, Some(value), about, found);
            continue;
        }
        found.push(Entry {
            section: section.to_owned(),
            key: key.clone(),
            value: shown(value),
            default: shown(default),
            about: about.get(&(section, key.as_str())).cloned().unwrap_or_default(),
        });
    }
}

/// A `teof.toml` with every setting as a comment with its default. `set` lists the settings (section, key, value as
/// TOML) that are active.
pub fn template(set: &[(&str, &str, &str)]) -> Result<String> {
    let mut out = String::from(
        "# Settings of teof. What stands here as a comment is the default: take away the '#' to change it.\n\
         # Flags and TEOF_<SECTION>_<KEY> win over this file; it wins over ~/.config/teof/config.toml.\n\
         # A change of what may run, touch or spend suspends the consent until: teof consent grant\n",
    );
    let mut section = String::new();
    // Settings that are only valid in a person's own file.
    let of_the_hub = |entry: &Entry| entry.section != "people";
    for entry in entries(&Settings::default())?.into_iter().filter(of_the_hub) {
        if entry.section != section {
            section.clone_from(&entry.section);
            out.push_str(&format!("\n[{section}]\n"));
        }
        if !entry.about.is_empty() {
            out.push_str(&format!("# {}\n", entry.about));
        }
        match set.iter().find(|(section, key, _)| (*section, *key) == (&entry.section, &entry.key)) {
            Some((_, key, value)) => out.push_str(&format!("{key} = {value}\n")),
            None => out.push_str(&format!("# {} = {}\n", entry.key, entry.default)),
        }
    }
    Ok(out)
}

fn shown(value: &Value) -> String {
    value.to_string()
}

type Descriptions = HashMap<(&'static str, &'static str), String>;

/// The doc comment of each field, by section and key.
fn descriptions() -> Descriptions {
    let sections = sections();
    let (mut found, mut within, mut about) = (HashMap::new(), "", String::new());
    for line in SOURCE.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            about = format!("{about} {text}").trim_start().to_owned();
        } else if let Some(name) = line.strip_prefix("pub struct ") {
            within = name.trim_end_matches(" {");
            about.clear();
        } else if let Some((key, _)) = line.strip_prefix("pub ").and_then(|field| field.split_once(':')) {
            if let Some(section) = sections.get(within) {
                found.insert((*section, key), std::mem::take(&mut about));
            }
        } else if !line.starts_with("#[") {
            about.clear();
        }
    }
    found
}

/// The section of each struct: the field of [`Settings`] that has it.
fn sections() -> HashMap<&'static str, &'static str> {
    let fields = SOURCE.split_once("pub struct Settings {").map_or("", |(_, rest)| rest);
    let fields = fields.split_once('}').map_or("", |(fields, _)| fields).lines();
    let fields = fields.filter_map(|line| line.trim().strip_prefix("pub ")?.trim_end_matches(',').split_once(": "));
    let inner = [("Container", "worker.docker"), ("Limits", "worker.limits"), ("Sandbox", "worker.sandbox")];
    fields.map(|(section, kind)| (kind, section)).chain(inner).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_stands_in_the_template_with_its_description_and_default() {
        let text = template(&[("git", "target", "\"main\"")]).unwrap();
        assert!(text.contains("\n[lock]\n# How long a command waits for a lock.\n# wait = \"5s\"\n"), "{text}");
        assert!(text.contains("\ntarget = \"main\"\n"), "{text}");
        let parsed: Settings = toml::from_str(&text).unwrap();
        assert_eq!(parsed.git.target, "main");
        // With every comment that sets something taken away it is the defaults.
        let live: String = text
            .lines()
            .filter(|line| !line.starts_with("# ") || line.contains(" = "))
            .map(|line| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n")
            .collect();
        let mut all: Settings = toml::from_str(&live).unwrap_or_else(|e| panic!("{e}\n{live}"));
        all.git.target.clear();
        assert_eq!(all, Settings::default());
        for entry in entries(&all).unwrap() {
            assert!(!entry.about.is_empty(), "{}.{} has no description", entry.section, entry.key);
        }
    }
}
