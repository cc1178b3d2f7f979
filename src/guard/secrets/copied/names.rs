//! Tells which values of a settings file are secrets: by their names, and by what they look like.
//!
//! Names are compared by whole words: `AUTHOR` is no `AUTH`, and `keywords` no `key`.

use super::super::assignment::{KEY_OF, looks_random, words};

/// What a name says of its value, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Not a secret.
    Ordinary,
    /// A secret if it looks random.
    Key,
    /// A secret unless it looks like a word.
    Likely,
    /// A secret unless it is a stand-in or a well-known word.
    Secret,
}

/// Shorter values are words that stand in every text.
const SHORTEST: usize = 6;
/// Shorter numbers are counts and ports.
const SHORTEST_NUMBER: usize = 8;

/// Words of names that are clear.
const SECRET: [&str; 6] = ["password", "passwords", "passwd", "passphrase", "secret", "secrets"];
/// Words that are clear at the end of a longer one too: `PGPASSWORD`.
const SECRET_END: [&str; 3] = ["password", "passwd", "passphrase"];
const LIKELY: [&str; 7] = ["apikey", "apikeys", "credential", "credentials", "dsn", "pass", "pwd"];
/// A key after one of these is no secret.
const PUBLIC_KEY_OF: [&str; 9] =
    ["cache", "foreign", "index", "partition", "primary", "public", "row", "sort", "unique"];
/// Last words of names whose values describe a secret, or a person.
const DESCRIBES: [&str; 36] = [
    "algorithm",
    "author",
    "authors",
    "email",
    "enabled",
    "endpoint",
    "expires",
    "expiry",
    "field",
    "file",
    "format",
    "hash",
    "header",
    "host",
    "id",
    "issuer",
    "keyword",
    "keywords",
    "length",
    "method",
    "name",
    "namespace",
    "path",
    "policy",
    "port",
    "prefix",
    "provider",
    "region",
    "sha256",
    "ttl",
    "type",
    "uri",
    "url",
    "user",
    "username",
    "version",
];

/// Values that stand in every text, whatever their name: words, and users of local databases.
const ORDINARY: [&str; 28] = [
    "bearer",
    "default",
    "development",
    "disabled",
    "docker",
    "elastic",
    "enabled",
    "include",
    "localhost",
    "mariadb",
    "minioadmin",
    "mongodb",
    "optional",
    "password",
    "postgres",
    "postgresql",
    "private",
    "production",
    "public",
    "rabbitmq",
    "redacted",
    "required",
    "same-origin",
    "secret",
    "strict",
    "string",
    "testing",
    "undefined",
];

/// Parts of values that somebody is to replace, without their `-` and `_`.
const STAND_INS: [&str; 6] = ["changeme", "example", "insertyour", "placeholder", "replaceme", "yourown"];

/// What a name says of its value; `above` is what the names above it say.
pub fn weight(name: &str, above: Weight) -> Weight {
    let words = words(name.as_bytes());
    let words: Vec<&str> = words.iter().map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit())).collect();
    let (last, before) = match words.as_slice() {
        [] => return above,
        [.., before, last] => (*last, *before),
        [last] => (*last, ""),
    };
    let is_key = matches!(last, "key" | "keys");
    // The words lose their digits, which `sha256` has.
    if DESCRIBES.iter().any(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()) == last)
        || (is_key && PUBLIC_KEY_OF.contains(&before))
    {
        return Weight::Ordinary;
    }
    let is_secret =
        |word: &&str| SECRET.contains(word) || *word == "token" || SECRET_END.iter().any(|end| word.ends_with(end));
    let own = if words.iter().any(is_secret) {
        Weight::Secret
    } else if words.iter().any(|word| LIKELY.contains(word)) || (is_key && KEY_OF.contains(&before)) {
        Weight::Likely
    } else if (is_key && !before.is_empty()) || matches!(last, "tokens" | "auth") {
        Weight::Key
    } else {
        Weight::Ordinary
    };
    own.max(above)
}

/// Whether a value is a secret, by the weight of its name.
pub fn is_secret(weight: Weight, value: &str) -> bool {
    if value.len() < SHORTEST || is_stand_in(value) {
        return false;
    }
    let has = |is: fn(&u8) -> bool| value.bytes().any(|byte| is(&byte));
    match weight {
        Weight::Ordinary => false,
        Weight::Key => looks_random(value.as_bytes()),
        Weight::Likely => {
            has(u8::is_ascii_alphabetic) && (has(u8::is_ascii_digit) || is_mixed(value)) && !value.contains(' ')
        }
        Weight::Secret => value.len() >= SHORTEST_NUMBER || !value.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// Whether capital letters follow small ones, as in no word.
fn is_mixed(value: &str) -> bool {
    value.as_bytes().windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
}

/// A well-known word, a reference to a value that is elsewhere, or something that is to be replaced.
fn is_stand_in(value: &str) -> bool {
    let lower = value.to_lowercase();
    let plain: String = lower.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).collect();
    let is_variable = |name: &str| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    ORDINARY.contains(&lower.as_str())
        || STAND_INS.iter().any(|part| plain.contains(part))
        || plain.starts_with("your")
        || plain.starts_with("xxx")
        || plain.chars().skip(1).all(|c| plain.starts_with(c))
        || ["${", "$(", "{{"].iter().any(|reference| value.contains(reference))
        || (value.starts_with('<') && value.ends_with('>'))
        || value.strip_prefix('$').is_some_and(is_variable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_by_whole_words() {
        for (name, wanted) in [
            ("DB_PASSWORD", Weight::Secret),
            ("PGPASSWORD2", Weight::Secret),
            ("clientSecret", Weight::Secret),
            ("//registry.example/:_authToken", Weight::Secret),
            ("DB_PASS", Weight::Likely),
            ("apiKey", Weight::Likely),
            ("private-key", Weight::Likely),
            ("STRIPE_KEY", Weight::Key),
            ("auth", Weight::Key),
            ("GIT_AUTHOR_NAME", Weight::Ordinary),
            ("author", Weight::Ordinary),
            ("keywords", Weight::Ordinary),
            ("primary_key", Weight::Ordinary),
            ("foreignKeys", Weight::Ordinary),
            ("public.key", Weight::Ordinary),
            ("key", Weight::Ordinary),
            ("token_url", Weight::Ordinary),
            ("password_sha256", Weight::Ordinary),
            ("passenger", Weight::Ordinary),
            ("tokenizer", Weight::Ordinary),
        ] {
            assert_eq!(weight(name, Weight::Ordinary), wanted, "{name}");
        }
        assert_eq!(weight("db", Weight::Secret), Weight::Secret);
        assert_eq!(weight("name", Weight::Secret), Weight::Ordinary);
    }

    #[test]
    fn words_numbers_and_stand_ins_are_no_secrets() {
        for value in [
            "${DB_PASS}",
            "$(pass show db)",
            "<your password>",
            "{{ vault.db }}",
            "$DB_PASSWORD",
            "xxxxxxxx",
            "change-me-please",
            "changeme1",
            "your-token-here",
            "********",
            "postgres",
            "short",
            "100000",
        ] {
            assert!(!is_secret(Weight::Secret, value), "{value}");
        }
        for value in ["user_id", "webpack", "Ann Miller", "all-tests"] {
            assert!(!is_secret(Weight::Likely, value) && !is_secret(Weight::Key, value), "{value}");
        }
        for value in ["quartz-lamp", "$2b$10$abcdef", "two words"] {
            assert!(is_secret(Weight::Secret, value), "{value}");
        }
        for value in ["sommer19", "tulipStone"] {
            assert!(is_secret(Weight::Likely, value), "{value}");
        }
        assert!(is_secret(Weight::Key, "q7Rk2Zp9Xw4Tn8Vb3Lm6"));
    }
}
