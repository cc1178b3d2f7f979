//! Decides which commands may run: commands that a person approved with their plan, commands on the allow-list of a
//! trusted `teof.toml`, and its set-up commands for worktrees.

use toml::Table;

use crate::base::{Refusal, Result, text};
use crate::guard::trust;
use crate::hub::Hub;
use crate::model::command::Command;

/// The commands that may run now. Read it again before each spawn.
#[derive(Clone, Debug, Default)]
pub struct TrustedCommands {
    approvals: Vec<trust::Approval>,
    /// `[commands] allow` and `default` of a trusted `teof.toml`; empty for an untrusted one.
    allow: Vec<String>,
    default: Vec<String>,
    /// `[worktrees] setup` of a trusted `teof.toml`.
    setup: Vec<String>,
    settings_trusted: bool,
}

/// Reads what is trusted. The allow-list comes from the same bytes whose digest was compared, and only from
/// `teof.toml`: neither the environment nor the user's own settings extend it.
pub fn trusted(hub: &Hub) -> Result<TrustedCommands> {
    let trusted = trust::read(hub)?;
    let mut found = TrustedCommands { approvals: trusted.approvals, ..TrustedCommands::default() };
    let Some(grant) = trusted.grant else { return Ok(found) };
    let (bytes, digest) = trust::settings_file(hub)?;
    if grant.settings_sha256 != digest {
        return Ok(found);
    }
    found.settings_trusted = true;
    let table = String::from_utf8_lossy(&bytes).parse::<Table>().unwrap_or_default();
    let list = |section: &str, key: &str| -> Vec<String> {
        let items = table.get(section).and_then(|section| section.get(key)).and_then(|list| list.as_array());
        items.into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    found.allow = list("commands", "allow");
    found.default = list("commands", "default");
    found.setup = list("worktrees", "setup");
    Ok(found)
}

impl TrustedCommands {
    /// The patterns of the trusted settings, for people to see.
    pub fn allow_list(&self) -> &[String] {
        &self.allow
    }

    /// Whether a person approved exactly the current commands of this plan.
    pub fn is_approved(&self, plan_id: &str, digest: &str) -> bool {
        self.approvals.iter().any(|approval| approval.plan_id == plan_id && approval.digest == digest)
    }

    /// Whether the trusted settings cover the command: one of `[commands] default`, or matched by
    /// `[commands] allow`. A command that sets environment variables is never covered, because they
    /// can turn it into any other.
    pub fn covers(&self, command: &Command) -> bool {
        let line = command.to_string();
        command.env.is_empty()
            && (self.default.contains(&line) || self.allow.iter().any(|pattern| line_matches(pattern, &line)))
    }

    /// Refuses (exit 6, `commands.untrusted`) unless the trusted settings contain exactly this line as worktree
    /// set-up. Lines from the environment or the user's own settings were not granted.
    pub fn require_setup(&self, line: &str) -> Result<()> {
        if self.setup.iter().any(|own| own == line) {
            return Ok(());
        }
        let line = text::clip(line, 200);
        Err(Refusal::unattended("commands.untrusted", format!("set-up command not trusted: {line}"))
            .because("it is not in [worktrees] setup of a teof.toml that a person granted on this machine")
            .next("add it there, check it, then: teof consent grant")
            .with("command", line)
            .into())
    }

    /// Refuses (exit 6, `commands.untrusted`) unless every command is approved with its plan or covered. `plan` is
    /// the plan's id and the digest of its commands, if they come from a plan.
    pub fn require(&self, plan: Option<(&str, &str)>, commands: &[Command]) -> Result<()> {
        if plan.is_some_and(|(id, digest)| self.is_approved(id, digest)) {
            return Ok(());
        }
        let Some(command) = commands.iter().find(|command| !self.covers(command)) else { return Ok(()) };
        let why = match self.settings_trusted {
            true => "no person approved these exact commands, and [commands] allow in teof.toml does not match",
            false => "no person approved these exact commands, and teof.toml is not trusted on this machine",
        };
        let line = text::clip(&command.to_string(), 200);
        let refusal = Refusal::unattended("commands.untrusted", format!("command not trusted: {line}")).because(why);
        Err(match plan {
            Some((id, _)) => refusal.next(format!("check and approve them: teof plan approve {id}")),
            None => refusal.next("add a pattern to [commands] allow in teof.toml, then: teof consent grant"),
        }
        .with("command", line)
        .into())
    }
}

/// Characters that `*` does not match: each could start another command in a shell.
const SHELL: &str = ";&|<>()$`\n\r\\!{}";

/// Whether a pattern matches a complete command line. `*` matches any characters except those of [`SHELL`], so that
/// `cargo test*` does not cover `cargo test; curl …`. Everything else is literal.
fn line_matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    if !pattern.contains('*') {
        return rest.is_empty();
    }
    let mut parts: Vec<&str> = parts.collect();
    let last = parts.pop().unwrap_or_default();
    // The leftmost match is enough: it leaves the most text for the rest, and a `*` that would have to cross a
    // character of SHELL here would have to with any later match, too.
    for part in parts {
        let Some(at) = rest.find(part).filter(|at| is_plain(&rest[..*at])) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.strip_suffix(last).is_some_and(is_plain)
}

fn is_plain(text: &str) -> bool {
    !text.contains(|c| SHELL.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;

    #[test]
    fn a_pattern_does_not_let_a_second_command_in() {
        let cases = [
            ("cargo test", "cargo test", true),
            ("cargo test", "cargo test --lib", false),
            ("cargo test*", "cargo test --lib 'a b'", true),
            ("cargo test*", "cargo test; curl x", false),
            ("cargo test*", "cargo test\ncurl x", false),
            ("cargo * --lib", "cargo test -p x --lib", true),
            ("cargo * --lib", "cargo test $(x) --lib", false),
            ("make test | tee log", "make test | tee log", true),
            ("make * | tee *", "make all | tee log", true),
            ("make * | tee *", "make all | sh | tee log", false),
            ("*", "anything at all", true),
            ("*", "a && b", false),
            ("a*a", "a", false),
            ("", "", true),
            ("a**b", "a x b", true),
        ];
        for (pattern, line, wanted) in cases {
            assert_eq!(line_matches(pattern, line), wanted, "{pattern:?} {line:?}");
        }
    }

    #[test]
    fn commands_run_when_approved_or_covered_and_not_otherwise() {
        let command = |text: &str| Command::parse(&serde_json::from_str(text).unwrap()).unwrap();
        let at = Stamp::from_unix(0);
        let trusted = TrustedCommands {
            approvals: vec![trust::Approval {
                plan_id: "p".into(),
                digest: "d".into(),
                by: "me".into(),
                at,
                recognised: Default::default(),
            }],
            allow: vec!["cargo *".into()],
            default: vec!["make check && make lint".into()],
            setup: vec!["npm ci".into()],
            settings_trusted: true,
        };
        let fine = [command(r#"["cargo", "test"]"#), command(r#""make check && make lint""#)];
        assert!(trusted.require(None, &fine).is_ok());
        assert!(trusted.require(Some(("p", "other")), &fine).is_ok());
        assert!(trusted.require_setup("npm ci").is_ok() && trusted.require_setup("cargo test").is_err());
        assert!(trusted.require(None, &[command(r#""npm ci""#)]).is_err(), "a set-up is no work");
        for bad in [r#""rm -rf x""#, r#"{"cmd": "cargo test", "env": {"RUSTC": "./evil"}}"#, r#""cargo test; x""#] {
            let commands = [fine[0].clone(), command(bad)];
            assert!(trusted.require(Some(("p", "d")), &commands).is_ok(), "approved: {bad}");
            for plan in [None, Some(("p", "other")), Some(("q", "d"))] {
                let error = trusted.require(plan, &commands).unwrap_err();
                let refusal = Refusal::of(&error).unwrap();
                assert_eq!((refusal.code, refusal.exit as u8), ("commands.untrusted", 6), "{bad}");
            }
        }
    }
}
