//! Reads the settings from their files and the environment, layer by layer.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::sections::{People, Require};
use super::{Settings, check};
use crate::base::{Refusal, Result, env, files, names, text};
use crate::hub::paths;

/// Limits on one seat or worker that protect the others: read only from the hub's `teof.toml`, never from the caller's
/// environment or user file.
pub(super) const GUARD_TERMS: [(&str, &str); 12] = [
    ("claims", "agent_window"),
    ("hooks", "claim"),
    ("hooks", "danger"),
    ("hooks", "denied"),
    ("hooks", "refuse_on_error"),
    ("review", "auto"),
    ("review", "auto_confidence"),
    ("session", "max_age"),
    ("worker", "executor"),
    ("worker", "docker"),
    ("worker", "limits"),
    ("worker", "sandbox"),
];

/// The sections of the file that `init` writes, in its order.
const SECTIONS: [&str; 19] = [
    "session",
    "lock",
    "claims",
    "log",
    "git",
    "sources",
    "coordinator",
    "worker",
    "worker.docker",
    "worker.limits",
    "worker.sandbox",
    "guard",
    "hooks",
    "commands",
    "worktrees",
    "agent_sessions",
    "pipeline",
    "budget",
    "review",
];

/// Reads all layers. A missing file is an empty layer; an unknown key is refused.
pub(in crate::hub) fn load(root: &Path) -> Result<Settings> {
    let mut layers = Vec::new();
    for (path, of_hub) in [(user_file(), false), (Some(root.join(paths::SETTINGS)), true)] {
        let Some(path) = path else { continue };
        if let Some(mut table) = read_table(&path)? {
            let whence = path.display().to_string();
            match of_hub {
                true if table.contains_key("people") => return Err(peoples_own(&whence).into()),
                true => {}
                false => drop_guard_terms(&mut table, &whence),
            }
            layers.push((whence, table));
        }
    }
    let mut from_env = environment()?;
    drop_guard_terms(&mut from_env, "the environment");
    if !from_env.is_empty() {
        layers.push(("the TEOF_* environment".to_owned(), from_env));
    }
    let mut merged = Table::new();
    layers.iter().for_each(|(_, table)| merge(&mut merged, table.clone()));
    if merged.is_empty() {
        return Ok(Settings::default());
    }
    match merged.try_into() {
        Ok(settings) => match check::check(&settings) {
            Ok(()) => Ok(settings),
            Err(why) => Err(invalid(&layers_named(&layers), &why).into()),
        },
        // One of them is invalid: report which.
        Err(e) => {
            layers.iter().try_for_each(|(whence, table)| readable(whence, table))?;
            Err(e.into())
        }
    }
}

/// Removes guard limits from a layer that must not set them.
fn drop_guard_terms(table: &mut Table, whence: &str) {
    for (section, key) in GUARD_TERMS {
        let found = table.get_mut(section).and_then(Value::as_table_mut).and_then(|keys| keys.remove(key));
        if found.is_some() {
            tracing::debug!("ignoring {section}.{key} in {whence}: only the hub's {} sets it", paths::SETTINGS);
        }
    }
}

/// Whether the person's settings require a terminal or a token for decisions of people: `[people] require`.
///
/// The account's own file is read in addition to the one that the environment names, so that a caller cannot avoid
/// it.
pub fn requires_terminal() -> Result<bool> {
    let of_account = env::account().map(|account| account.home.join(".config").join(USER_FILE));
    for path in [user_file(), of_account].into_iter().flatten() {
        let table = read_table(&path)?.unwrap_or_default();
        let people = table.get("people").cloned().map(Value::try_into::<People>).transpose();
        let people = people.map_err(|e| invalid(&path.display().to_string(), &e.to_string()))?;
        if people.is_some_and(|people| people.require == Require::Terminal) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `TEOF_<SECTION>_<KEY>` for every known key, parsed with the type of the default.
fn environment() -> Result<Table> {
    let mut found = Table::new();
    // Most processes set none, and building the table of defaults is slow.
    let mut set = env::vars_with_prefix("TEOF_");
    set.retain(|(name, text)| !text.is_empty() && !env::NOT_SETTINGS.contains(&name.as_str()));
    if set.is_empty() {
        return Ok(found);
    }
    for (section, keys) in Table::try_from(Settings::default())? {
        let Some(keys) = keys.as_table() else { continue };
        for (key, default) in keys {
            let name = format!("TEOF_{}_{}", section.to_uppercase(), key.to_uppercase());
            let Some((_, text)) = set.iter().find(|(known, _)| *known == name) else { continue };
            let value = match default {
                Value::String(_) | Value::Table(_) => Value::String(text.clone()),
                Value::Array(_) => {
                    Value::Array(text.split(',').map(|item| Value::String(item.trim().into())).collect())
                }
                _ => format!("v = {text}")
                    .parse::<Table>()
                    .ok()
                    .and_then(|mut table| table.remove("v"))
                    .ok_or_else(|| invalid(&name, &format!("{text:?} is not a {}", default.type_str())))?,
            };
            let keys = found.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(keys) = keys {
                keys.insert(key.clone(), value);
            }
        }
    }
    Ok(found)
}

/// Relative to the person's configuration folder.
const USER_FILE: &str = "teof/config.toml";

/// The person's own settings file.
pub fn user_file() -> Option<PathBuf> {
    let folder = env::var(env::XDG_CONFIG_HOME)
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var("HOME")?).join(".config")))?;
    Some(folder.join(USER_FILE))
}

fn read_table(path: &Path) -> Result<Option<Table>> {
    let Some(bytes) = files::read(path, files::MAX_DOCUMENT)? else { return Ok(None) };
    let text = String::from_utf8(bytes).map_err(|_| invalid(&path.display().to_string(), "the file is not UTF-8"))?;
    let values = without_comments(&text);
    if sets_nothing(&values) {
        return Ok(Some(Table::new()));
    }
    // The error of the whole text names the right line.
    let parsed = values.parse().or_else(|_: toml::de::Error| text.parse());
    parsed.map(Some).map_err(|e: toml::de::Error| {
        let why = e.to_string();
        match twice(&text, &why) {
            Some((header, line)) => {
                Refusal::usage("settings.invalid", format!("invalid settings in {}", path.display()))
                    .because(format!("{header} is there twice, the first time in line {line}"))
                    .next(format!("put the keys of the second {header} under the first; then check it: teof doctor"))
            }
            None => invalid(&path.display().to_string(), &why),
        }
        .into()
    })
}

/// The header of a table that stands twice, such as one that `init` wrote and one that a person added, and the line of
/// the first.
fn twice(text: &str, why: &str) -> Option<(String, usize)> {
    let header = why.lines().find_map(|line| line.split_once(" | ").map(|(_, quoted)| quoted.trim()))?;
    let is_header = why.contains("duplicate key") && header.starts_with('[') && header.ends_with(']');
    let mut lines = text.lines().enumerate().filter(|(_, line)| is_header && line.starts_with(header));
    let first = lines.next()?.0;
    lines.next().map(|_| (text::clip(header, 200), first + 1))
}

/// The text without its comments and empty lines. `teof init` writes a file that is mostly comments, each command reads
/// it, and the parser takes as long for a comment as for a value.
fn without_comments(text: &str) -> Cow<'_, str> {
    let mut kept = String::new();
    for line in text.split_inclusive('\n') {
        if !matches!(line.trim_ascii_start().bytes().next(), None | Some(b'#')) {
            kept.push_str(line);
        }
    }
    // Inside a multi-line string they would be text.
    if kept.contains("\"\"\"") || kept.contains("'''") { text.into() } else { kept.into() }
}

/// Whether a text without comments has only section headers of `init`, in its order. It sets nothing and needs no parser.
fn sets_nothing(text: &str) -> bool {
    let mut sections = SECTIONS.iter();
    text.lines().all(|line| section(line).is_some_and(|found| sections.any(|known| *known == found)))
}

/// The section whose header a line is.
fn section(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.strip_suffix(']')
}

/// Names all layers, for an error of their combination.
fn layers_named(layers: &[(String, Table)]) -> String {
    layers.iter().map(|(whence, _)| whence.as_str()).collect::<Vec<_>>().join(" or ")
}

fn readable(whence: &str, table: &Table) -> Result<()> {
    match table.clone().try_into::<Settings>() {
        Ok(_) => Ok(()),
        Err(e) => Err(invalid(whence, &e.to_string()).into()),
    }
}

/// Only a person's own settings may set this: any commit can change the hub's file.
fn peoples_own(whence: &str) -> Refusal {
    Refusal::usage("settings.invalid", format!("invalid settings in {whence}"))
        .because("[people] is allowed only in a person's own settings")
        .next("move it to ~/.config/teof/config.toml")
}

fn invalid(whence: &str, why: &str) -> Refusal {
    // It quotes the line, which can be of any length.
    let lines: Vec<String> = why.trim().lines().map(|line| text::clip(line, 200)).collect();
    let why = unknown_key(why).unwrap_or_else(|| lines.join("\n"));
    Refusal::usage("settings.invalid", format!("invalid settings in {whence}"))
        .because(why)
        .next("check again after editing: teof doctor")
        .next("list all settings with types and defaults: teof doctor --settings")
}

/// What to write in place of a key that no setting has: ``unknown field `whait`, expected `wait` in `lock` ``.
fn unknown_key(why: &str) -> Option<String> {
    let (_, rest) = why.split_once("unknown field `")?;
    let (key, rest) = rest.split_once('`')?;
    let (expected, section) = rest.rsplit_once("in `").map_or((rest, ""), |(expected, end)| (expected, end));
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let section = section.split('`').next().filter(|section| !section.is_empty());
    let place = section.map_or_else(String::new, |section| format!(" in [{section}]"));
    let known_here = text::clip(&known.join(", "), 300);
    Some(format!("unknown setting {key}{place}{}\nknown: {known_here}", names::did_you_mean(key, known)))
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::hub::settings::{Claims, Coordinator, Session};

    #[test]
    fn leaving_out_comments_changes_no_value() {
        let text = "# a\n[lock]\n  # b = 1\nwait = \"1s # c\" # d\n\t#\nlist = [\n  # e\n  \"#f\",\n]\n# last";
        assert_eq!(without_comments(text).parse::<Table>().unwrap(), text.parse::<Table>().unwrap());
        assert!(!without_comments(text).contains("# e"));
        let several = "text = \"\"\"\n# not a comment\n\"\"\"\n";
        assert_eq!(without_comments(several), several);
    }

    #[test]
    fn a_file_that_sets_nothing_is_told_without_a_parser() {
        let written = super::super::template::template(&[]).unwrap();
        let headers: Vec<_> = written.lines().filter_map(section).collect();
        assert_eq!(headers, SECTIONS);
        assert!(sets_nothing(&without_comments(&written)) && sets_nothing("") && sets_nothing(" [git]\n[review]\n"));
        for other in ["[git]\nbranch = \"x\"\n", "[typo]\n", "[lock]\n[git]\n[lock]\n", "[[git]]\n", "[git] # x\n", "x"]
        {
            assert!(!sets_nothing(other), "{other}");
        }
        let parsed: Settings = written.parse::<Table>().unwrap().try_into().unwrap();
        assert_eq!(parsed, Settings::default());
        check::check(&parsed).unwrap();
    }

    #[test]
    fn the_file_wins_over_the_defaults_and_unknown_keys_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("teof.toml");
        std::fs::write(&file, "[lock]\nwait = \"9s\"\n").unwrap();
        let settings = load(dir.path()).unwrap();
        assert_eq!(settings.lock.wait, Duration::from_secs(9));
        assert_eq!(settings.coordinator, Coordinator::default());
        for (text, why) in [
            ("[lock]\nwhait = 1", "whait"),
            ("# a\n\n# b\nwait = = 1\n", "line 4"),
            ("[lock]\nwait = \"soon\"", "soon"),
            ("[lock", "TOML"),
            ("[worker]\nsandbox = \"on\"\n[worker.sandbox]\n", "duplicate key"),
            ("[lock]\nwait = \"9s\"\n[git]\n[lock]\n", "[lock] is there twice, the first time in line 1"),
            ("[coordinator]\nconcurrency = -1", "-1"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = load(dir.path()).unwrap_err();
            assert!(Refusal::of(&error).unwrap().reason.as_ref().unwrap().contains(why), "{text}: {error:?}");
        }
    }

    #[test]
    fn only_the_hub_sets_the_terms_of_guards() {
        let text = "[claims]\nagent_window = \"1s\"\n[session]\nmax_age = \"9d\"\npool_stale = \"1h\"\n";
        let mut table: Table = text.parse().unwrap();
        drop_guard_terms(&mut table, "a user's file");
        let settings: Settings = table.try_into().unwrap();
        assert_eq!(settings.claims, Claims::default());
        assert_eq!(settings.session.max_age, Session::default().max_age);
        assert_eq!(settings.session.pool_stale, Duration::from_secs(3600));
    }

    #[test]
    fn no_work_changes_what_work_is_taken_from() {
        let mut settings = Settings::default();
        settings.sources.queue_folder = "ops/queue/".into();
        settings.guard.denied = vec!["/secret/".into()];
        let denied = settings.guardrails().denied;
        assert_eq!(denied, ["/secret/", "/vault/10_features/03_planned/", "/ops/queue/*.md"]);
        settings.sources.queue = false;
        assert_eq!(settings.guardrails().denied.len(), 2, "a folder that nothing is taken from is like any other");
    }
}
