//! Asks a person at a terminal about a set-up: shows the proposal on one screen, and takes Enter for yes.

use std::io::{self, Write};

use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::ask;
use crate::guard::operator::{self, Recognised};
use crate::ops::setup::init::Options;

/// The most seats that one call makes.
pub(super) const MOST_WORKERS: u64 = 64;

/// Whether somebody can be asked: a person at a terminal who did not ask for JSON.
pub fn can_ask(app: &App) -> bool {
    ask::is_possible(app) && operator::require("answer").is_ok_and(|found| found == Recognised::Terminal)
}

/// Shows the proposal and returns what the person accepts.
///
/// # Errors
/// `init.declined` when they decline.
pub fn confirm(mut options: Options, has_settings: bool) -> Result<Options> {
    loop {
        tell(&format!("teof will set this up:\n{}\n", summary(&options, has_settings).join("\n")));
        match line("Set it up? [Y]es, [e]dit, [n]o:")?.to_lowercase().as_str() {
            "" | "y" | "yes" => return Ok(options),
            "e" | "edit" => options = edit(options)?,
            "n" | "no" | "q" => {
                return Err(Refusal::guard("init.declined", "nothing was set up")
                    .because("you answered no")
                    .next("set up with other values: teof init --help")
                    .into());
            }
            _ => tell("Answer y, e or n."),
        }
    }
}

/// The set-up in a few lines.
pub fn summary(options: &Options, has_settings: bool) -> Vec<String> {
    let list = |items: &[String], none: &str| match items.is_empty() {
        true => none.to_owned(),
        false => text::safe(&items.join("; ")),
    };
    let place = match (options.dedicated, &options.hub) {
        (true, _) => "own branch teof/record, in a folder beside the repository".to_owned(),
        (false, Some(hub)) => text::safe(&hub.display().to_string()),
        (false, None) => "in this branch".to_owned(),
    };
    let mut rows = vec![("record", place)];
    if !has_settings {
        let roles: Vec<_> = options.roles.iter().map(|(role, agent)| format!("{role} = {agent}")).collect();
        rows.push(("agents", list(&roles, "none found; name one with --role coder=claude")));
        rows.push(("tests", list(&options.tests, "none found; name one with --test \"…\"")));
        if !options.setup.is_empty() {
            rows.push(("set-up", list(&options.setup, "")));
        }
    }
    rows.push((
        "seats",
        match (options.workers, &options.agent) {
            (0, Some(seat)) => text::safe(seat),
            (0, None) => "as they are".to_owned(),
            (1, _) => "worker-1".to_owned(),
            (n, _) => format!("worker-1 to worker-{n}"),
        },
    ));
    let commit = match (options.dedicated, options.commit) {
        (true, _) => "on teof/record; your branch and edits are not touched",
        (false, true) => "these files alone; your own edits are not touched",
        (false, false) => "no",
    };
    rows.push(("commit", commit.to_owned()));
    rows.into_iter().map(|(name, value)| format!("  {name:<8} {value}")).collect()
}

/// Asks for each value; Enter keeps what is there.
fn edit(mut options: Options) -> Result<Options> {
    if options.hub.is_none() {
        options.dedicated = ask::yes("Keep the record on its own branch?", options.dedicated)?;
    }
    let coder = options.roles.iter().find(|(role, _)| role == "coder").map(|(_, agent)| agent.clone());
    let answer = line(&format!("Agent that writes code [{}]:", coder.as_deref().unwrap_or("none")))?;
    if !answer.is_empty() {
        options.roles.retain(|(role, _)| role != "coder");
        options.roles.insert(0, ("coder".to_owned(), answer));
    }
    let answer = line(&format!("Test command [{}]:", options.tests.join("; ")))?;
    if !answer.is_empty() {
        options.tests = vec![answer];
    }
    let answer = line(&format!("Seats for workers [{}]:", options.workers))?;
    match answer.parse::<usize>() {
        Ok(workers) if workers <= MOST_WORKERS as usize => options.workers = workers,
        _ if answer.is_empty() => {}
        _ => tell(&format!("Give a number from 0 to {}.", MOST_WORKERS)),
    }
    if !options.dedicated {
        options.commit = ask::yes("Commit these files?", true)?;
    }
    Ok(options)
}

/// One answer, trimmed.
///
/// # Errors
/// `init.declined` at the end of the input.
fn line(question: &str) -> Result<String> {
    let ended = || Refusal::guard("init.declined", "nothing was set up").because("the input ended");
    Ok(ask::line(question)?.ok_or_else(ended)?)
}

fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
