//! Finds the programs that the repository's own configuration makes git run: filters, drivers, helpers.
//!
//! A worker's program can write `.git/config` and thus choose them, so teof's git runs none of them unless a person
//! trusted exactly these. Each is overridden by the person's own configuration, or by a harmless value. Hooks,
//! fsmonitor and the like are off for every call ([`crate::hub::git`]).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::base::{Result, digest};

/// A setting of a configuration. Of those that [`named`] returns each names a program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting {
    /// As git prints it: section and last part in lower case.
    pub key: String,
    pub value: String,
}

/// The replacement passed to git.
pub(super) type Override = (String, String);

/// The settings that name programs: section, last part, and a harmless value.
const KNOWN: [(&str, &str, &str); 24] = [
    ("filter", "clean", ""),
    ("filter", "smudge", ""),
    ("filter", "process", ""),
    ("filter", "required", "false"),
    // A failing driver gives a conflict; an empty one would silently keep one side.
    ("merge", "driver", "false"),
    ("diff", "external", "true"),
    ("diff", "command", "true"),
    ("diff", "textconv", "cat"),
    ("core", "sshcommand", "ssh"),
    ("core", "gitproxy", ""),
    ("core", "askpass", ""),
    ("core", "alternaterefscommand", "true"),
    ("remote", "uploadpack", "git-upload-pack"),
    ("remote", "receivepack", "git-receive-pack"),
    ("remote", "vcs", "none"),
    ("credential", "helper", ""),
    ("gpg", "program", "gpg"),
    ("gpg", "defaultkeycommand", ""),
    ("lfs", "path", ""),
    ("lfs", "clean", ""),
    ("lfs", "smudge", ""),
    ("lfs", "standalonetransferagent", ""),
    ("gc", "recentobjectshook", "true"),
    // Hooks by name, which core.hooksPath does not turn off.
    ("hook", "command", "true"),
];

/// A repository's configuration: its files, and a function that lists every setting with its scope as git sees it:
/// `scope NUL key LF value NUL`.
pub(super) struct Config<'a> {
    pub files: Vec<PathBuf>,
    pub list: &'a dyn Fn() -> Result<String>,
}

/// The programs that a configuration names, including those of included files.
///
/// # Errors
/// When git cannot read the configuration.
pub(super) fn named(config: &Config<'_>) -> Result<Vec<Setting>> {
    Ok(read(config)?.0.into_iter().map(|(program, _)| program).collect())
}

/// The digest that a person trusts for these programs.
pub fn digest(programs: &[Setting]) -> String {
    let lines: BTreeSet<String> =
        programs.iter().map(|program| format!("{}={}\0", program.key, program.value)).collect();
    digest::sha256(lines.into_iter().collect::<String>().as_bytes())
}

/// The overrides that keep git from running them.
///
/// # Errors
/// As [`named`].
pub(super) fn overrides(config: &Config<'_>) -> Result<Vec<Override>> {
    let (programs, trusted) = read(config)?;
    let mut found = Vec::new();
    for (Setting { key, .. }, harmless) in programs {
        let own = trusted.iter().rev().find(|(name, _)| *name == key).map(|(_, value)| value.as_str());
        found.push((key, own.unwrap_or(harmless).to_owned()));
    }
    // A list: an empty value resets it, then the person's own helpers follow.
    if found.iter().any(|(key, _)| is_helper(key)) {
        found.retain(|(key, _)| !is_helper(key));
        found.push(("credential.helper".to_owned(), String::new()));
        found.extend(trusted.iter().filter(|(key, value)| is_helper(key) && !value.is_empty()).cloned());
    }
    found.dedup();
    Ok(found)
}

fn is_helper(key: &str) -> bool {
    key.starts_with("credential.") && key.ends_with(".helper")
}

/// The harmless value for a setting that names a program.
fn harmless(key: &str) -> Option<&'static str> {
    let (section, _) = key.split_once('.')?;
    let (_, last) = key.rsplit_once('.')?;
    let known = KNOWN.iter().find(|(of, name, _)| *of == section && *name == last)?;
    Some(match key {
        "gpg.x509.program" => "gpgsm",
        "gpg.ssh.program" => "ssh-keygen",
        _ => known.2,
    })
}

type Found = (Vec<(Setting, &'static str)>, Vec<Override>);

/// The repository's settings that name programs, and all settings of the person and the machine.
fn read(config: &Config<'_>) -> Result<Found> {
    if !may_name_programs(&config.files) {
        return Ok(Found::default());
    }
    let (mut programs, mut trusted) = (Vec::new(), Vec::new());
    for (is_own, setting) in parse(&(config.list)()?) {
        match harmless(&setting.key) {
            _ if !is_own => trusted.push((setting.key, setting.value)),
            Some(harmless) => programs.push((setting, harmless)),
            None => {}
        }
    }
    Ok((programs, trusted))
}

/// The settings of the repository itself, those of the files that it includes too.
///
/// # Errors
/// When git cannot read the configuration.
pub(super) fn own(config: &Config<'_>) -> Result<Vec<Setting>> {
    let listed = (config.list)()?;
    Ok(parse(&listed).filter_map(|(is_own, setting)| is_own.then_some(setting)).collect())
}

/// Every setting, and whether it is the repository's own: not the person's or the machine's.
fn parse(listed: &str) -> impl Iterator<Item = (bool, Setting)> {
    let mut parts = listed.split('\0');
    std::iter::from_fn(move || {
        let (scope, entry) = (parts.next()?, parts.next()?);
        // A key without a value stands for "true".
        let (key, value) = entry.split_once('\n').unwrap_or((entry, "true"));
        let setting = Setting { key: key.to_owned(), value: value.to_owned() };
        Some((!matches!(scope, "system" | "global"), setting))
    })
}

/// Whether the repository's configuration files contain a word that any such setting needs. Most do not, and then git
/// is not called.
fn may_name_programs(files: &[PathBuf]) -> bool {
    let words = || KNOWN.iter().map(|(_, name, _)| *name).chain(["include"]);
    files.iter().any(|file| {
        let text = match fs::read(file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).to_lowercase(),
            Err(_) => return is_there(file),
        };
        words().any(|word| text.contains(word))
    })
}

fn is_there(file: &Path) -> bool {
    fs::symlink_metadata(file).is_ok()
}
