//! Decides which settings a grant of consent covers.
//!
//! A grant covers what may run, what it may touch and spend, where work comes from and where results go. Polling,
//! waiting and bookkeeping are not covered: editing those keeps the consent valid. A setting that is not listed here,
//! known or unknown, is covered.

use toml::{Table, Value};

use super::Settings;
use crate::base::digest;

/// Section and key of the settings that may change under a grant.
pub const NOT_COVERED: [(&str, &str); 29] = [
    ("coordinator", "min_free_disk"),
    ("coordinator", "poll_max"),
    ("coordinator", "poll_min"),
    ("coordinator", "queue"),
    ("coordinator", "record"),
    ("coordinator", "record_every"),
    ("coordinator", "retry_first"),
    ("coordinator", "retry_later"),
    ("coordinator", "stop_within"),
    ("git", "fetch_timeout"),
    ("git", "sign_timeout"),
    ("hooks", "claim"),
    ("hooks", "danger"),
    ("hooks", "denied"),
    ("hooks", "refuse_on_error"),
    ("hooks", "remind"),
    ("lock", "wait"),
    ("log", "format"),
    ("log", "keep"),
    ("log", "rotate_at"),
    ("log", "seal_at"),
    ("log", "to"),
    ("review", "lease"),
    ("session", "pool"),
    ("session", "pool_stale"),
    ("sources", "settle"),
    ("worker", "lease"),
    ("worktrees", "keep"),
    ("worktrees", "keep_for"),
];

/// The SHA-256 of the covered settings of a `teof.toml`; `None` when it sets none. Comments, order and default values
/// make no difference.
pub fn digest(bytes: &[u8]) -> Option<String> {
    let Ok(mut table) = String::from_utf8_lossy(bytes).parse::<Table>() else {
        // An unreadable file must not get the digest of a readable one.
        return Some(digest::sha256(bytes));
    };
    let defaults = Table::try_from(Settings::default()).unwrap_or_default();
    for (section, keys) in &mut table {
        let Value::Table(keys) = keys else { continue };
        let default = defaults.get(section);
        keys.retain(|key, value| {
            let is_default = default.and_then(|keys| keys.get(key)) == Some(value);
            !is_default && !NOT_COVERED.iter().any(|(of, name)| section == of && key == *name)
        });
    }
    table.retain(|_, value| value.as_table().is_none_or(|keys| !keys.is_empty()));
    (!table.is_empty()).then(|| digest::sha256(sorted(&Value::Table(table)).to_string().as_bytes()))
}

/// The same value with the keys of every table in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Table(table) => {
            let mut keys: Vec<_> = table.iter().collect();
            keys.sort_by_key(|(key, _)| *key);
            Value::Table(keys.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_covers_what_may_run_and_not_how_long_teof_waits() {
        let base = "[commands]\nallow = [\"cargo test*\"]\n[roles.coder]\nagent = \"claude\"\n";
        let granted = digest(base.as_bytes());
        let same = [
            format!("# a comment\n{base}"),
            format!("{base}[coordinator]\npoll_min = \"1s\"\n"),
            format!("{base}[guard]\ndiff_limit = 400\n[lock]\nwait = \"9s\"\n"),
            "[roles.coder]\nagent = \"claude\"\n[commands]\nallow = [\"cargo test*\"]\n".to_owned(),
        ];
        for text in same {
            assert_eq!(digest(text.as_bytes()), granted, "{text}");
        }
        let other = [
            "[commands]\nallow = [\"*\"]\n[roles.coder]\nagent = \"claude\"\n".to_owned(),
            base.replace("claude", "codex"),
            format!("{base}[guard]\ndiff_limit = 4000\n"),
            format!("{base}[coordinator]\nconcurrency = 9\n"),
            format!("{base}[coordinator]\nunknown = 9\n"),
            format!("{base}[[routing]]\nup_to = 2\n"),
            format!("{base}[worker"),
        ];
        for text in other {
            assert_ne!(digest(text.as_bytes()), granted, "{text}");
        }
        assert_eq!((digest(b""), digest(b"[lock]\nwait = \"9s\"\n")), (None, None));
    }

    #[test]
    fn every_setting_that_a_grant_leaves_out_exists() {
        let defaults = Table::try_from(Settings::default()).unwrap();
        for (section, key) in NOT_COVERED {
            assert!(defaults[section].get(key).is_some(), "{section}.{key}");
        }
    }
}
