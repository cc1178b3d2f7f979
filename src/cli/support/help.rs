//! Arranges help: commands grouped by what a person does, examples before the flags, rare flags at the end.
//!
//! A command writes its examples into `after_help`, under `Examples:`, and puts rare flags under [`MORE`]. Examples are
//! for pasting: their lines stay whole, however narrow the terminal is. Only a command line that asks for help, or is
//! wrong, comes here.

use std::fmt::Write as _;

use clap::Command;
use clap::builder::{Resettable, StyledStr};

use super::terminal::style;
use crate::base::env;

/// The heading of flags that few people need.
pub const MORE: &str = "More options";

/// Every command of the top level, by what a person is doing.
pub const GROUPS: [(&str, &[&str]); 6] = [
    ("Get started", &["init", "quickstart", "guide"]),
    (
        "Work",
        &["session-boot", "task", "import", "plan", "bus", "consensus", "session", "seat", "agent", "hook", "mcp"],
    ),
    (
        "Run unattended",
        &[
            "do",
            "run",
            "top",
            "web",
            "status",
            "logs",
            "consent",
            "coordinator",
            "conductor",
            "foreman",
            "service",
            "notify",
        ],
    ),
    ("Review", &["review", "approve"]),
    (
        "Inspect",
        &[
            "report",
            "dashboard",
            "manager-report",
            "scan",
            "receipts",
            "verify",
            "links",
            "worktree",
            "export",
            "schema",
        ],
    ),
    ("Maintain", &["check", "doctor", "preflight", "trust", "operator", "completions", "man", "version"]),
];

/// Columns of the names of commands.
const NAMES: usize = 16;
/// On a narrower terminal summaries go on below the name.
const NARROW: usize = 50;

const ABOVE_USAGE: &str = "{about-with-newline}\n";
const FROM_USAGE: &str = "{usage-heading} {usage}\n\n{all-args}{after-help}";
const TAIL: &str =
    "One command's flags and examples: teof <COMMAND> --help\nEvery command on one page: teof guide commands";

/// The whole tree with its help arranged; `words` is the command line, which names the command that is looked at.
pub fn arrange(root: Command, words: &[&str]) -> Command {
    let header = *root.get_styles().get_header();
    let literal = *root.get_styles().get_literal();
    let columns = columns();
    let is_narrow = columns.is_some_and(|columns| columns < NARROW);
    let mut list = String::new();
    for (heading, names) in GROUPS {
        let _ = writeln!(list, "{header}{heading}:{header:#}");
        for name in names {
            let command = root.find_subcommand(name).filter(|command| !command.is_hide_set());
            let about = command.and_then(|command| command.get_about().map(ToString::to_string));
            if let Some(about) = about {
                let line = format!("  {literal}{name}{literal:#}{:width$}{about}", "", width = NAMES - name.len());
                list.push_str(&style::wrap(&line, columns, if is_narrow { 2 } else { NAMES }));
                list.push('\n');
            }
        }
        list.push('\n');
    }
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{{before-help}}{header}Options:{header:#}\n{{options}}{{after-help}}"
    );
    root.mut_subcommands(|command| below(command, words))
        .help_template(StyledStr::from(template))
        .before_help(StyledStr::from(list.trim_end().to_owned()))
        .after_help(TAIL)
}

/// How wide the terminal is, as clap finds it: help is wrapped to that.
fn columns() -> Option<usize> {
    style::columns().or_else(|| env::var("COLUMNS")?.parse().ok()).map(|columns| columns.min(100))
}

/// An example: its command whole, and above it what it is for where both do not fit one line.
fn example(line: &str, columns: Option<usize>) -> String {
    match (line.split_once("  # "), columns) {
        (Some((command, what)), Some(columns)) if line.len() > columns => {
            let what = style::wrap(what.trim_start(), Some(columns.saturating_sub(4)), 0);
            let what: String = what.lines().map(|line| format!("  # {line}\n")).collect();
            what + command.trim_end()
        }
        _ => line.to_owned(),
    }
}

fn below(command: Command, words: &[&str]) -> Command {
    let header = *command.get_styles().get_header();
    let examples = command.get_after_help().map(ToString::to_string);
    let long = command.get_long_about().map(ToString::to_string);
    let is_named = words.contains(&command.get_name());
    let mut above = ABOVE_USAGE.to_owned();
    let mut command = command.long_about(Resettable::<StyledStr>::Reset).after_help(Resettable::<StyledStr>::Reset);
    if let Some(examples) = examples {
        let lines = examples.trim_start_matches("Examples:").trim_start_matches('\n');
        let lines = lines.lines().map(|line| example(line, columns())).collect::<Vec<_>>().join("\n");
        // What stands in the template itself is not wrapped.
        above += &format!("{header}Examples:{header:#}\n{lines}\n\n");
    }
    command = command.help_template(StyledStr::from(above + FROM_USAGE));
    if let Some(long) = long.filter(|_| is_named) {
        // What only a program needs stands at the end.
        let (people, json) = long.split_once("With --json:").unwrap_or((&long, ""));
        command = command.about(people.trim().to_owned());
        if !json.is_empty() {
            let end = format!("{header}With --json:{header:#}\n  {}", json.trim());
            command = command.after_help(StyledStr::from(end));
        }
    }
    command.mut_subcommands(|command| below(command, words))
}
