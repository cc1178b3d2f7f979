//! The secrets of files that a run was given, such as `.env`: their values are known, so they are found whatever they
//! look like.
//!
//! Kept in this process alone, and never written.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::RwLock;

use aho_corasick::{AhoCorasick, MatchKind};

/// What a hit is called.
const KIND: &str = "copied-secret";
/// Shorter values are words that stand in every text.
const SHORTEST: usize = 6;
/// Parts of the names whose values are secrets.
const NAMES: [&str; 8] = ["TOKEN", "SECRET", "PASS", "KEY", "CREDENTIAL", "AUTH", "DSN", "PRIVATE"];

/// The values, and what finds them.
static KNOWN: RwLock<Option<(BTreeSet<String>, AhoCorasick)>> = RwLock::new(None);

/// Learns the values of `NAME=value` lines whose names say that they are secret.
pub fn learn(text: &str) {
    let found: BTreeSet<String> = text.lines().filter_map(secret).map(str::to_owned).collect();
    if found.is_empty() {
        return;
    }
    let Ok(mut known) = KNOWN.write() else { return };
    let old = known.take().map(|(values, _)| values).unwrap_or_default();
    let values: BTreeSet<String> = old.into_iter().chain(found).collect();
    // One value may begin with another: the longest is hidden whole.
    let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&values);
    *known = finder.ok().map(|finder| (values, finder));
}

fn secret(line: &str) -> Option<&str> {
    let line = line.trim();
    let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let name = name.trim().to_uppercase();
    let value = value.trim();
    let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.split(quote).next());
    // Without quotes, a comment may follow.
    let value = quoted.unwrap_or_else(|| value.split(" #").next().unwrap_or_default().trim_end());
    (NAMES.iter().any(|part| name.contains(part)) && value.len() >= SHORTEST).then_some(value)
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
        learn("# comment\nPORT=3000123\nexport DB_PASSWORD=\"quartz-lamp\"\nAPI_KEY = ab\n");
        learn("STRIPE_KEY=amber-road # of ann\nAPP_TOKEN='two \" words' # not for tests\nLONG_KEY=amber-road-2\n");
        assert_eq!(redact("with amber-road-2"), "with [redacted:copied-secret]");
        assert_eq!(redact("amber-road: two \" words"), "[redacted:copied-secret]: [redacted:copied-secret]");
        assert_eq!(redact("login: quartz-lamp, port 3000123"), "login: [redacted:copied-secret], port 3000123");
    }
}
