//! Reads the secrets of one settings file: `NAME=value` lines, JSON, YAML and TOML, and the passwords in URLs.

use std::collections::BTreeSet;

use serde_json::Value;

use super::names::{self, Weight};

/// The secrets of a file; its name tells its format.
pub fn secrets(name: &str, text: &str) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = text.lines().filter_map(line).collect();
    if let Some(document) = document(name, text) {
        collect(&document, Weight::Ordinary, &mut found);
    }
    found.extend(passwords(text).filter(|value| names::is_secret(Weight::Secret, value)));
    found
}

/// The secret in a `NAME=value` line.
fn line(line: &str) -> Option<String> {
    let line = line.trim();
    let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    if name.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '\'')) {
        return None;
    }
    let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.split(quote).next());
    // Without quotes, a comment may follow.
    let value = quoted.unwrap_or_else(|| value.split(" #").next().unwrap_or_default().trim_end());
    names::is_secret(names::weight(name, Weight::Ordinary), value).then(|| value.to_owned())
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

/// The secrets in a document; `weight`: what the names above say.
fn collect(value: &Value, weight: Weight, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if names::is_secret(weight, text) => {
            found.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, weight, found)),
        Value::Object(map) => map.iter().for_each(|(name, value)| collect(value, names::weight(name, weight), found)),
        _ => {}
    }
}

/// The passwords of `scheme://user:password@host`.
fn passwords(text: &str) -> impl Iterator<Item = String> {
    text.split("://").skip(1).filter_map(|rest| {
        let authority = rest.split(|c: char| c.is_whitespace() || "/?#\"'".contains(c)).next()?;
        let (user, _host) = authority.rsplit_once('@')?;
        Some(user.split_once(':')?.1.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Vec<String> {
        secrets(name, text).into_iter().collect()
    }

    #[test]
    fn lines_name_secrets() {
        let text = "# comment\nPORT=3000123\nexport DB_PASSWORD=\"quartz-lamp\"\nAPI_KEY = ab\nSTRIPE_KEY=user-profile\n\
            B_TOKEN=amber-road # of ann\nA_TOKEN='two \" words' # not for tests\nGIT_AUTHOR_NAME=Ann Miller\n";
        assert_eq!(read(".env", text), ["amber-road", "quartz-lamp", "two \" words"]);
    }

    #[test]
    fn documents_name_secrets_and_ordinary_words_are_none() {
        let json = r#"{"db": {"password": "velvet-oak", "host": "localhost", "auth": true}, "secrets": {"one": "copper-fern"},
            "token": "enabled", "url": "postgres://ann:maple-dusk@db.example/app", "keywords": ["webpack"],
            "local": "postgres://ann:${DB_PASS}@db.example/app", "run": "TOKEN=some-words npm test"}"#;
        assert_eq!(read("config/local.json", json), ["copper-fern", "maple-dusk", "velvet-oak"]);
        let yaml = "db:\n  password: tulip-stone # dev\n  primary_key: user_id\n  secrets: [linen-moss]\n";
        assert_eq!(read("a.yaml", yaml), ["linen-moss", "tulip-stone"]);
        let toml = "[db]\nlogin = { password = \"cedar-bell\" }\nhost = \"intranet\"\n";
        assert_eq!(read("b.toml", toml), ["cedar-bell"]);
    }
}
