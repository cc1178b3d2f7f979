//! The environment of a supervised process: a short allow-list.
//!
//! Tokens, agents' variables, git's location variables and the supervisor's own are not on the list, so a new one
//! cannot leak by being forgotten.

use crate::base::env;

/// What build tools, shells and version control need to find themselves.
const PASSED: [&str; 17] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "GOPATH",
    "JAVA_HOME",
    "SSL_CERT_FILE",
];

/// This process's variables that a child may see: the standing list, `LC_*`, and those named in `also`.
pub fn allowed(also: &[String]) -> Vec<(String, String)> {
    let standing = PASSED.iter().copied().chain(also.iter().map(String::as_str));
    let mut passed: Vec<_> = standing.filter_map(|name| Some((name.to_owned(), value(name)?))).collect();
    passed.extend(env::vars_with_prefix("LC_"));
    passed
}

fn value(name: &str) -> Option<String> {
    if name == env::PATH { env::safe_path() } else { env::var(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_variables_are_passed_on() {
        let names: Vec<_> = allowed(&["CARGO_MANIFEST_DIR".to_owned()]).into_iter().map(|(name, _)| name).collect();
        assert!(names.contains(&"PATH".to_owned()));
        assert!(names.contains(&"CARGO_MANIFEST_DIR".to_owned()), "named by the caller");
        assert!(!names.contains(&"CARGO_PKG_NAME".to_owned()), "set by cargo, named by nobody");
    }
}
