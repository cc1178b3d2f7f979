//! Turns a command line that clap refused into a refusal in teof's own words.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};

use super::plain;
use crate::base::{Refusal, names, text};

/// What people mean by words that several groups have, or none; the likeliest first.
const OFTEN: [(&str, &str); 18] = [
    ("merge", "approve"),
    ("undo", "review revert"),
    ("revert", "review revert"),
    ("start", "run"),
    ("stop", "coordinator stop"),
    ("cancel", "coordinator cancel"),
    ("resume", "coordinator resume"),
    ("retry", "review retry"),
    ("reject", "review reject"),
    ("queue", "status"),
    ("jobs", "status"),
    ("config", "doctor --settings"),
    ("show", "review show"),
    ("show", "logs"),
    ("pause", "coordinator pause"),
    ("list", "status"),
    ("list", "task list"),
    ("diff", "review show --diff"),
];

/// The refusal for a command line that `tree` does not take.
pub fn refusal(error: &Error, tree: &mut Command) -> Refusal {
    let line = Line { words: std::env::args_os().skip(1).collect() };
    let path = path(tree, &line);
    let invalid = first(error, ContextKind::InvalidArg).unwrap_or_default();
    let shown = first(error, ContextKind::InvalidValue).unwrap_or_default();
    let usage = |message: String| Refusal::usage("usage", message);
    let refusal = match error.kind() {
        ErrorKind::InvalidSubcommand => return unknown_command(error, tree, &path, &line),
        ErrorKind::UnknownArgument if invalid.starts_with('-') => return unknown_flag(error, tree, &path, &line),
        ErrorKind::UnknownArgument => usage(format!("unexpected argument '{invalid}'")),
        ErrorKind::InvalidValue if shown.is_empty() => usage(format!("{invalid} needs a value")),
        ErrorKind::InvalidValue => unknown_value(error, &invalid, &shown, &line),
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map(|source| plain::value(&source.to_string()));
            bad_value(&invalid, &shown, why.unwrap_or_default(), &line)
        }
        ErrorKind::MissingRequiredArgument => {
            usage(format!("missing: {}", all(error, ContextKind::InvalidArg).join(", ")))
        }
        ErrorKind::ArgumentConflict => {
            let others = all(error, ContextKind::PriorArg).join(", ");
            match others == invalid || others.is_empty() {
                true => usage(format!("{invalid} is given more than once")),
                false => usage(format!("{} cannot be combined with {others}", invalid.replace(['[', ']'], ""))),
            }
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            usage(format!("no command follows `{path}`"))
        }
        ErrorKind::InvalidUtf8 => usage("an argument is not UTF-8 text".to_owned()),
        _ => {
            let rendered = error.render().to_string();
            let said: Vec<&str> = rendered.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
            usage(said.join(" ").trim_start_matches("error: ").to_owned())
        }
    };
    match refusal.next.is_empty() {
        true => refusal.next(format!("see how it is used: {path} --help")),
        false => refusal,
    }
}

fn unknown_command(error: &Error, tree: &mut Command, path: &str, line: &Line) -> Refusal {
    let word = first(error, ContextKind::InvalidSubcommand).unwrap_or_default();
    let group = find(tree, path);
    let known = group.get_subcommands().filter(|sub| !sub.is_hide_set()).map(Command::get_name);
    // Not clap's own suggestions, which are often of another meaning: `logs` for `login`.
    let mut meant: Vec<String> = names::meant(&word, known).into_iter().map(str::to_owned).collect();
    // `teof claim` may mean `teof bus claim`.
    if path == "teof" {
        let known = meant.first().cloned();
        let often = OFTEN.iter().filter(|(guess, _)| *guess == word).map(|(_, meant)| (*meant).to_owned());
        let often: Vec<String> = often.collect();
        let below = group.get_subcommands().flat_map(|group| {
            let name = group.get_name();
            let is_it = |sub: &&Command| sub.get_name() == word && !sub.is_hide_set();
            group.get_subcommands().filter(is_it).map(move |sub| format!("{name} {}", sub.get_name()))
        });
        meant = if often.is_empty() { below.chain(known).take(3).collect() } else { often };
    }
    let hint = match meant.as_slice() {
        [] => String::new(),
        meant => format!(" (did you mean {}?)", meant.join(" or ")),
    };
    let refusal = Refusal::usage("usage", format!("no such command: {path} {word}{hint}"));
    match meant.first().and_then(|meant| line.with(&word, meant)) {
        Some(fixed) => refusal.next(fixed),
        None => refusal.next(format!("see the commands: {path} --help")),
    }
}

fn unknown_flag(error: &Error, tree: &mut Command, path: &str, line: &Line) -> Refusal {
    let flag = first(error, ContextKind::InvalidArg).unwrap_or_default();
    let command = find(tree, path);
    let known: Vec<&str> =
        command.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(|arg| arg.get_long()).collect();
    let meant = names::meant(flag.trim_start_matches('-'), known).first().map(|name| format!("--{name}"));
    let meant = meant.or_else(|| first(error, ContextKind::SuggestedArg));
    let hint = meant.as_ref().map_or_else(String::new, |meant| format!(" (did you mean {meant}?)"));
    let is_number = flag.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
    let message = if is_number { format!("unexpected number: {flag}") } else { format!("no such flag: {flag}{hint}") };
    let refusal = Refusal::usage("usage", message);
    let refusal = match meant.and_then(|meant| line.with(&flag, &meant)) {
        Some(fixed) => refusal.next(fixed),
        None => refusal,
    };
    refusal.next(format!("see the flags: {path} --help"))
}

fn unknown_value(error: &Error, argument: &str, value: &str, line: &Line) -> Refusal {
    bad_value(argument, value, choices(error), line)
}

/// A value that is not allowed, and why; a word of `why` that is near it was probably meant.
fn bad_value(argument: &str, value: &str, why: String, line: &Line) -> Refusal {
    let choices = why.rsplit_once(": ").map_or(why.as_str(), |(_, choices)| choices);
    let words = choices
        .split(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c)))
        .filter(|word| word.len() > 1 && *word != value);
    let meant = names::meant(value, words);
    let hint = names::did_you_mean(value, meant.first().copied());
    let refusal = Refusal::usage("usage", format!("invalid value '{value}' for {argument}{hint}"));
    let fixed = meant.first().and_then(|meant| line.with(value, meant));
    let refusal = if why.is_empty() { refusal } else { refusal.because(why.clone()) };
    match fixed {
        Some(fixed) => refusal.next(fixed),
        None => refusal,
    }
}

/// `it is one of: low, medium, high`
fn choices(error: &Error) -> String {
    match all(error, ContextKind::ValidValue).as_slice() {
        [] => String::new(),
        known => format!("it must be one of: {}", known.join(", ")),
    }
}

/// The command that was called, as far as it is known: `teof bus claim`.
fn path(tree: &Command, line: &Line) -> String {
    let (mut path, mut command) = ("teof".to_owned(), tree);
    for word in line.words.iter().filter_map(|word| word.to_str()) {
        if let Some(below) = command.find_subcommand(word) {
            path = format!("{path} {}", below.get_name());
            command = below;
        }
    }
    path
}

fn find<'a>(tree: &'a mut Command, path: &str) -> &'a Command {
    tree.build();
    path.split(' ').skip(1).fold(tree, |command, name| command.find_subcommand(name).unwrap_or(command))
}

fn first(error: &Error, kind: ContextKind) -> Option<String> {
    all(error, kind).into_iter().next()
}

fn all(error: &Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(one)) => vec![one.clone()],
        Some(ContextValue::Strings(all)) => all.clone(),
        Some(ContextValue::StyledStr(one)) => vec![one.to_string()],
        Some(ContextValue::StyledStrs(all)) => all.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

/// The command line as it was given, without the program.
struct Line {
    words: Vec<OsString>,
}

impl Line {
    /// The command line with `meant` in the place of `word`, for a shell; `None` where that is not certain.
    fn with(&self, word: &str, meant: &str) -> Option<String> {
        let words: Option<Vec<&str>> = self.words.iter().map(|word| word.to_str()).collect();
        let words = words?;
        let replaced = |given: &str| match given.strip_prefix(word) {
            Some("") => Some(meant.to_owned()),
            Some(value) if value.starts_with('=') && word.starts_with('-') => Some(format!("{meant}{value}")),
            _ => None,
        };
        let mut places = words.iter().enumerate().filter_map(|(at, given)| Some((at, replaced(given)?)));
        let (at, replacement) = places.next().filter(|_| words.len() < 20)?;
        if places.next().is_some() {
            return None;
        }
        let shown = words.iter().enumerate().map(|(n, given)| match n == at {
            // More than one word where a command of a group was meant.
            true if !word.starts_with('-') => replacement.clone(),
            true => text::shell_word(&replacement),
            false => text::shell_word(given),
        });
        Some(format!("teof {}", shown.collect::<Vec<_>>().join(" ")))
    }
}
