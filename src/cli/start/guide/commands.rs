//! The reference of every command, made from the command tree.

use std::fmt::Write as _;

use clap::{Arg, Command};

const PREFACE: &str = include_str!("preface.md");

/// The whole command tree as Markdown.
pub fn reference(mut root: Command) -> String {
    root.build();
    let mut out = format!("{}\n", PREFACE.trim_end());
    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        describe(command, &format!("teof {}", command.get_name()), 2, &mut out);
    }
    out
}

/// Flags of every command that writes, described once in the preface.
const SHARED: [&str; 4] = ["epoch", "allow_stale_session", "session_max_age", "request_id"];

fn describe(command: &Command, path: &str, level: usize, out: &mut String) {
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let _ = write!(out, "\n{} {path}\n\n{}\n", "#".repeat(level), about.trim());
    if let Some(examples) = command.get_after_help().map(ToString::to_string) {
        let lines = examples.lines().skip(1).map(str::trim);
        let _ = write!(out, "\n```sh\n{}\n```\n", lines.collect::<Vec<_>>().join("\n"));
    }
    let arguments: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set() && !argument.is_global_set() && argument.get_id() != "help")
        .collect();
    let is_shared = |argument: &&Arg| SHARED.contains(&argument.get_id().as_str());
    let writes = arguments.iter().filter(|argument| is_shared(argument)).count() > 1;
    let (shared, arguments): (Vec<&Arg>, Vec<&Arg>) =
        arguments.into_iter().partition(|argument| writes && is_shared(argument));
    if !arguments.is_empty() {
        out.push_str("\n| argument | |\n|---|---|\n");
    }
    for argument in arguments {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = if defaults.is_empty() || !argument.get_action().takes_values() {
            String::new()
        } else {
            format!(" (default: `{}`)", defaults.join(","))
        };
        let _ =
            writeln!(out, "| `{}` | {}{default} |", spelling(argument), help.replace('\n', " ").replace('|', "\\|"));
    }
    if writes {
        let names: Vec<String> = shared.iter().map(|argument| format!("`{}`", spelling(argument))).collect();
        let _ = writeln!(out, "\nFlags that writing commands share: {}.", names.join(", "));
    }
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        describe(sub, &format!("{path} {}", sub.get_name()), level + 1, out);
    }
}

/// `--task TASK`, `TASK`, `--json`
fn spelling(argument: &Arg) -> String {
    let values: Vec<String> =
        argument.get_value_names().unwrap_or_default().iter().map(|name| format!("<{name}>")).collect();
    let value = if argument.get_action().takes_values() { values.join(" ") } else { String::new() };
    match argument.get_long() {
        Some(long) => format!("--{long} {value}").trim_end().to_owned(),
        None => value,
    }
}
