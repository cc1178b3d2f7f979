//! Reads the settings again, and says which of them changed.
//!
//! A settings file that cannot be read changes nothing. One whose changes a person's grant covers changes nothing
//! either until a person grants it: what may run unattended must not change by a commit.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::base::{Result, text};
use crate::guard::{secrets, trust};
use crate::hub::Hub;
use crate::hub::settings::Settings;

/// The longest value that is shown, in characters.
const VALUE: usize = 60;

/// What reading the settings again came to.
pub enum Read {
    Same,
    /// The hub with the new settings, and what changed.
    Changed(Box<Hub>, Vec<String>),
    /// A person must grant these changes first.
    NotGranted(Vec<String>),
}

/// Reads the settings on disk and compares them with those of `old`.
///
/// # Errors
/// When they cannot be read; the old settings stay in force.
pub fn read(old: &Hub) -> Result<Read> {
    let fresh = Hub::find(Some(&old.root), old.clock)?;
    let changed = changes(old.settings()?, fresh.settings()?);
    if changed.is_empty() {
        return Ok(Read::Same);
    }
    Ok(if trust::are_settings_granted(&fresh)? {
        Read::Changed(Box::new(fresh), changed)
    } else {
        Read::NotGranted(changed)
    })
}

/// Each changed setting: `coordinator.concurrency: 3 → 5`.
fn changes(old: &Settings, new: &Settings) -> Vec<String> {
    let (old, new) = (flat(old), flat(new));
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    changed.map(|name| format!("{name}: {} → {}", shown(old.get(name)), shown(new.get(name)))).collect()
}

/// Section and key of every setting. What describes agents and notifications is one value: their keys may hold what
/// should not be shown.
fn flat(settings: &Settings) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for (section, value) in Table::try_from(settings).unwrap_or_default() {
        match value {
            Value::Table(keys) => {
                found.extend(keys.into_iter().map(|(key, value)| (format!("{section}.{key}"), value)))
            }
            value => drop(found.insert(section, value)),
        }
    }
    found
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(Value::Table(_)) => "set".to_owned(),
        Some(Value::Array(items)) if items.iter().any(Value::is_table) => text::counted(items.len() as u64, "entry"),
        Some(value) => text::clip(&text::safe(&secrets::redact(&value.to_string())), VALUE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_settings_are_named_with_both_values_and_without_secrets() {
        let old: Settings = toml::from_str("[agents.a]\nset = {KEY = \"s3cret\"}\n").unwrap();
        let new = "[coordinator]\nconcurrency = 5\npoll_min = \"1m\"\n[agents.a]\nset = {KEY = \"t0psecret\"}\n\
                   [agents.b]\n[[routing]]\nup_to = 3\n";
        let new: Settings = toml::from_str(new).unwrap();
        let expected = [
            "agents.a: set → set",
            "agents.b: none → set",
            "coordinator.concurrency: 3 → 5",
            "coordinator.poll_min: \"30s\" → \"1m\"",
            "routing: [] → 1 entry",
        ];
        assert_eq!(changes(&old, &new), expected);
        assert!(changes(&old, &old).is_empty());
    }
}
