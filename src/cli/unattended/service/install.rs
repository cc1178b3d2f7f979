//! `teof service install`

use std::fs;
use std::process::ExitCode;

use serde_json::json;

use super::definition::{Definition, Kind};
use crate::base::{Refusal, Result, digest, files, text};
use crate::cli::App;
use crate::guard::operator;

/// Write the service definition to where the service manager finds it
///
/// Starts nothing; prints the commands that do. A file that somebody changed is not replaced without --force.
///
/// With --json: {name, path, written, next}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof service install --user")]
pub struct Args {
    #[command(flatten)]
    kind: Kind,
    /// Replace a file that somebody changed
    #[arg(long)]
    force: bool,
}

/// Before the digest of the rest, by which a changed file is recognised.
const MARK: &str = "made by teof service; sha256 of the rest: ";

pub fn run(args: &Args, app: &App) -> Result<ExitCode> {
    operator::require("install a service")?;
    let definition = args.kind.define(app)?;
    let Definition { path, name, .. } = &definition;
    let marked = marked(&definition);
    let old = match fs::symlink_metadata(path) {
        Ok(_) => Some(files::read(path, files::MAX_DOCUMENT)?.unwrap_or_default()),
        Err(_) => None,
    };
    let is_same = old.as_deref() == Some(marked.as_bytes());
    if let Some(old) = old.filter(|old| !is_own(old) && !args.force) {
        let bytes = old.len();
        return Err(Refusal::guard("service.changed", format!("{} was changed since teof wrote it", path.display()))
            .because(format!("or something else wrote it ({bytes} bytes); it would be replaced"))
            .next(format!("compare: teof service unit{} | diff {} -", flags(&definition), shown(&definition)))
            .next(format!("replace it: teof service install{} --force", flags(&definition)))
            .into());
    }
    if !is_same {
        files::create_parent(path).and_then(|()| files::replace(path, marked.as_bytes())).map_err(|e| {
            let needs_root =
                !definition.is_user && Refusal::of(&e).is_some_and(|refusal| refusal.code == "disk.read_only");
            match needs_root {
                true => needs_administrator(&definition).into(),
                false => e,
            }
        })?;
    }
    let next = next(&definition);
    app.result(&json!({"name": name, "path": path, "written": !is_same, "next": next}), || {
        let what = if is_same { "Already installed:" } else { "Wrote" };
        let lines = next.iter().map(|(command, what)| format!("  {command}  # {what}"));
        format!("{what} {}\nNext:\n{}", text::safe(&path.display().to_string()), lines.collect::<Vec<_>>().join("\n"))
    });
    Ok(ExitCode::SUCCESS)
}

fn needs_administrator(definition: &Definition) -> Refusal {
    Refusal::guard("service.permission", format!("only an administrator may write {}", definition.path.display()))
        .because("a service of the machine belongs to root")
        .next(format!("as an administrator: teof service unit{} | sudo tee {}", flags(definition), shown(definition)))
        .next("or a service of your account: teof service install --user")
}

fn shown(definition: &Definition) -> String {
    text::shell_word(&definition.path.display().to_string())
}

/// The flags that define the same service.
fn flags(definition: &Definition) -> String {
    let launchd = definition.is_launchd && !cfg!(target_os = "macos");
    let flags = [(definition.is_user, " --user"), (launchd, " --launchd")];
    flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).collect()
}

/// The command that starts it.
pub(super) fn start(definition: &Definition) -> String {
    let name = &definition.name;
    match (definition.is_launchd, definition.is_user) {
        (true, true) => format!("launchctl bootstrap gui/$(id -u) {}", shown(definition)),
        (true, false) => format!("launchctl bootstrap system {}", shown(definition)),
        (false, true) => format!("systemctl --user enable --now {name}"),
        (false, false) => format!("sudo systemctl enable --now {name}"),
    }
}

/// The commands that start it, each with what it does.
fn next(definition: &Definition) -> Vec<(String, &'static str)> {
    let name = &definition.name;
    if definition.is_launchd {
        return vec![(start(definition), "start it, now and at each login")];
    }
    let (systemctl, journal) = match definition.is_user {
        true => ("systemctl --user", "journalctl --user -u"),
        false => ("sudo systemctl", "journalctl -u"),
    };
    let mut next = vec![
        (format!("{systemctl} daemon-reload"), "let systemd read it"),
        (start(definition), "start it, now and at each start of the machine"),
    ];
    if definition.is_user {
        next.push(("loginctl enable-linger".to_owned(), "keep it running while you are logged out"));
    }
    next.push((format!("{journal} {name} -f"), "follow its log"));
    next.push(("teof service health".to_owned(), "check it"));
    next
}

/// The definition with a comment that tells whether somebody changed it since.
fn marked(definition: &Definition) -> String {
    let (text, sha256) = (&definition.text, digest::sha256(definition.text.as_bytes()));
    match definition.is_launchd {
        // A comment may not come before the declaration.
        true => format!("{text}<!-- {MARK}{sha256} -->\n"),
        false => format!("# {MARK}{sha256}\n{text}"),
    }
}

/// Whether a file is as this command wrote it.
fn is_own(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mark = |line: &str| Some(line.split_once(MARK)?.1.trim_end_matches(" -->").to_owned());
    let first = text.split_once('\n').and_then(|(line, rest)| Some((mark(line)?, rest)));
    let last = || text.trim_end().rsplit_once('\n').and_then(|(rest, line)| Some((mark(line)?, rest)));
    let found = first.map(|(sha256, rest)| (sha256, rest.to_owned()));
    let found = found.or_else(|| last().map(|(sha256, rest)| (sha256, format!("{rest}\n"))));
    found.is_some_and(|(sha256, rest)| digest::sha256(rest.as_bytes()) == sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_that_nobody_changed_is_recognised() {
        for is_launchd in [false, true] {
            let definition = Definition {
                name: "a".into(),
                path: "/a".into(),
                text: "one\ntwo\n".into(),
                is_launchd,
                is_user: true,
            };
            let text = marked(&definition);
            assert!(is_own(text.as_bytes()), "{text}");
            assert!(!is_own(text.replace("two", "three").as_bytes()));
        }
        assert!(!is_own(b"one\ntwo\n") && !is_own(b""));
    }
}
