//! The secrets of files that a run was given, such as `.env`: their values are known, so they are found whatever they
//! look like.
//!
//! Kept in this process alone, and never written.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::RwLock;

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::Value;

use crate::base::{Result, files};
use crate::hub::Hub;
use crate::hub::worktrees::setup;

/// What a hit is called.
const KIND: &str = "copied-secret";
/// Shorter values are words that stand in every text.
const SHORTEST: usize = 6;
/// Larger files are not looked through, in bytes; nor are more files of one folder.
const MAX_SIZE: u64 = 64 * 1024;
const MAX_IN_FOLDER: usize = 10_000;
/// Parts of the names whose values are secrets.
const NAMES: [&str; 8] = ["TOKEN", "SECRET", "PASS", "KEY", "CREDENTIAL", "AUTH", "DSN", "PRIVATE"];

/// Values that stand in every text, whatever their name.
const ORDINARY: [&str; 14] = [
    "default",
    "development",
    "disabled",
    "enabled",
    "example",
    "localhost",
    "optional",
    "password",
    "private",
    "production",
    "public",
    "required",
    "secret",
    "undefined",
];

/// The values, and what finds them.
static KNOWN: RwLock<Option<(BTreeSet<String>, AhoCorasick)>> = RwLock::new(None);

/// Learns the secrets of a text: values whose names say that they are secret, and the passwords in URLs.
/// It reads `NAME=value` lines, and JSON, YAML and TOML as the file's name says.
pub fn learn(name: &str, text: &str) {
    let mut found: BTreeSet<String> = text.lines().filter_map(line).collect();
    if let Some(document) = document(name, text) {
        values(&document, false, &mut found);
    }
    found.extend(passwords(text));
    found.retain(|value| value.len() >= SHORTEST && !is_ordinary(value));
    if found.is_empty() {
        return;
    }
    let Ok(mut known) = KNOWN.write() else { return };
    if known.as_ref().is_some_and(|(values, _)| found.is_subset(values)) {
        return;
    }
    let old = known.take().map(|(values, _)| values).unwrap_or_default();
    let values: BTreeSet<String> = old.into_iter().chain(found).collect();
    // One value may begin with another: the longest is hidden whole.
    let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&values);
    *known = finder.ok().map(|finder| (values, finder));
}

/// Learns the secrets of these files, and of all files in these folders; no link is followed.
pub fn learn_files(paths: impl IntoIterator<Item = PathBuf>) {
    for path in paths.into_iter().flat_map(files_below) {
        if let Ok(Some(bytes)) = files::read(&path, MAX_SIZE) {
            learn(&path.to_string_lossy(), &String::from_utf8_lossy(&bytes));
        }
    }
}

/// Learns the secrets of the files that worktrees get copies of, before what was printed there becomes a receipt.
///
/// # Errors
/// When it cannot be told which files these are.
pub fn learn_copied(hub: &Hub) -> Result<()> {
    learn_files(setup::originals(hub)?);
    Ok(())
}

/// The file, or the files in the folder.
fn files_below(path: PathBuf) -> Vec<PathBuf> {
    let (mut files, mut open) = (Vec::new(), vec![path]);
    while let Some(path) = open.pop().filter(|_| files.len() < MAX_IN_FOLDER) {
        match std::fs::symlink_metadata(&path).map(|found| found.file_type()) {
            Ok(kind) if kind.is_file() => files.push(path),
            Ok(kind) if kind.is_dir() => {
                open.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
            }
            _ => {}
        }
    }
    files
}

/// The secret in a `NAME=value` line.
fn line(line: &str) -> Option<String> {
    let line = line.trim();
    let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let value = value.trim();
    let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.split(quote).next());
    // Without quotes, a comment may follow.
    let value = quoted.unwrap_or_else(|| value.split(" #").next().unwrap_or_default().trim_end());
    (is_secret_name(name)).then(|| value.to_owned())
}

/// A file of settings, as its name says what it is.
fn document(name: &str, text: &str) -> Option<Value> {
    let end = name.rsplit_once('.').map(|(_, end)| end.to_lowercase()).unwrap_or_default();
    match end.as_str() {
        "json" => serde_json::from_str(text).ok(),
        "toml" => toml::from_str(text).ok(),
        "yml" | "yaml" => {
            let mut options = serde_saphyr::Options::default();
            let mut budget = serde_saphyr::Budget::default();
            // So that no alias makes it grow.
            budget.max_aliases = 100;
            budget.max_depth = 64;
            options.budget = Some(budget);
            serde_saphyr::from_str_with_options(text, options).ok()
        }
        _ => None,
    }
}

/// The secrets in a document; `is_named`: below a name that says so.
fn values(value: &Value, is_named: bool, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if is_named => {
            found.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| values(item, is_named, found)),
        Value::Object(map) => {
            map.iter().for_each(|(name, value)| values(value, is_named || is_secret_name(name), found))
        }
        _ => {}
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_uppercase();
    NAMES.iter().any(|part| name.contains(part))
}

/// The passwords of `scheme://user:password@host`.
fn passwords(text: &str) -> impl Iterator<Item = String> {
    text.split("://").skip(1).filter_map(|rest| {
        let authority = rest.split(|c: char| c.is_whitespace() || "/?#\"'".contains(c)).next()?;
        let (user, _host) = authority.rsplit_once('@')?;
        Some(user.split_once(':')?.1.to_owned())
    })
}

fn is_ordinary(value: &str) -> bool {
    ORDINARY.contains(&value.to_lowercase().as_str())
}

pub(super) fn find(bytes: &[u8]) -> Vec<(&'static str, Range<usize>)> {
    let Ok(known) = KNOWN.read() else { return Vec::new() };
    let Some((_, finder)) = known.as_ref() else { return Vec::new() };
    finder.find_iter(bytes).map(|hit| (KIND, hit.range())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::redact;
    use super::*;

    #[test]
    fn values_with_secret_names_are_found_in_any_text() {
        learn(".env", "# comment\nPORT=3000123\nexport DB_PASSWORD=\"quartz-lamp\"\nAPI_KEY = ab\n");
        learn(
            ".env",
            "STRIPE_KEY=amber-road # of ann\nAPP_TOKEN='two \" words' # not for tests\nLONG_KEY=amber-road-2\n",
        );
        assert_eq!(redact("with amber-road-2"), "with [redacted:copied-secret]");
        assert_eq!(redact("amber-road: two \" words"), "[redacted:copied-secret]: [redacted:copied-secret]");
        assert_eq!(redact("login: quartz-lamp, port 3000123"), "login: [redacted:copied-secret], port 3000123");
    }

    #[test]
    fn values_of_json_yaml_and_toml_files_are_found_and_ordinary_words_are_not() {
        let json = r#"{"db": {"password": "velvet-oak", "host": "localhost", "auth": true}, "secrets": {"one": "copper-fern"},
            "token": "enabled", "url": "postgres://ann:maple-dusk@db.example/app"}"#;
        learn("config/local.json", json);
        learn("a.yaml", "db:\n  password: tulip-stone # dev\n  keys: [linen-moss]\n");
        learn("b.toml", "[db]\nlogin = { password = \"cedar-bell\" }\nhost = \"intranet\"\n");
        for secret in ["velvet-oak", "copper-fern", "maple-dusk", "tulip-stone", "linen-moss", "cedar-bell"] {
            assert_eq!(redact(&format!("it is {secret}.")), "it is [redacted:copied-secret].", "{secret}");
        }
        let text = "localhost is enabled: true, on the intranet, for ann";
        assert_eq!(redact(text), text);
    }
}
