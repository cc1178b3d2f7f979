//! Asks a person at a terminal about a set-up: shows the proposal on one screen, and takes Enter for yes.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use crate::agents;
use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::ask;
use crate::cli::support::terminal::style;
use crate::guard::operator::{self, Recognised};
use crate::hub::Settings;
use crate::hub::paths::SETTINGS;
use crate::model::run::order::Binding;
use crate::ops::setup::init::Options;

/// The most seats that one call makes.
pub(super) const MOST_WORKERS: u64 = 64;
/// Where a person stands at a question, no flag can be typed; so these name commands for later.
const NO_AGENT: &str =
    "none found on the PATH; you can go on without one and add it later: teof agent doctor lists what teof knows";
const NO_TEST: &str = "none found; you can name a command later: teof init --test \"make test\"";
/// How many new files are named; more are counted.
const NAMED: usize = 3;

/// What is set up already, and stays.
#[derive(Clone, Debug, Default)]
pub struct Existing {
    /// The place of the record, as text.
    pub record: Option<String>,
    pub has_settings: bool,
    /// The branch that approved work will be merged to.
    pub target: Option<String>,
    /// The repository has no commit yet.
    pub is_unborn: bool,
    /// Role to agent or command, as the settings that are there say.
    pub roles: BTreeMap<String, String>,
    /// The test commands of the settings that are there.
    pub tests: Vec<String>,
}

impl Existing {
    /// With what the settings bind and test.
    pub fn with(self, settings: &Settings) -> Existing {
        let bound = |(role, binding): (&String, &Binding)| {
            Some((role.clone(), binding.agent.clone().or_else(|| binding.command.clone())?))
        };
        Existing {
            roles: settings.roles.iter().filter_map(bound).collect(),
            tests: settings.guard.tests.clone(),
            ..self
        }
    }
}

/// Whether somebody can be asked: a person at a terminal who did not ask for JSON.
pub fn can_ask(app: &App) -> bool {
    ask::is_possible(app) && operator::require("answer").is_ok_and(|found| found == Recognised::Terminal)
}

/// Shows the proposal and returns what the person accepts. Asks nothing where a record exists and nothing is missing;
/// `missing` names the files that the options would add to it.
///
/// # Errors
/// `init.declined` when they decline; as `missing`.
pub fn confirm(
    mut options: Options,
    there: &Existing,
    settings: &Settings,
    missing: &dyn Fn(&Options) -> Result<Vec<String>>,
) -> Result<Options> {
    loop {
        let files = missing(&options)?;
        let (begin, question) = match there.record {
            None => ("teof will set this up:", "Set it up? [Y]es, [e]dit, [n]o:"),
            Some(_) if changes_settings(there, &files) => {
                ("teof is set up here. It will change its settings:", "Change them? [Y]es, [e]dit, [n]o:")
            }
            Some(_) => ("teof is set up here. It will add:", "Add it? [Y]es, [e]dit, [n]o:"),
        };
        if there.record.is_some() && files.is_empty() {
            return Ok(options);
        }
        tell(&format!("{begin}\n{}\n", summary(&options, there, &files).join("\n")));
        match line(question)?.to_lowercase().as_str() {
            "" | "y" | "yes" => return Ok(options),
            "e" | "edit" => options = edit(options, there, settings)?,
            "n" | "no" | "q" => {
                let what = if there.record.is_some() { "nothing was changed" } else { "nothing was set up" };
                return Err(Refusal::guard("init.declined", what)
                    .because("you answered no")
                    .next("set up with other values: teof init --help")
                    .into());
            }
            _ => tell("Answer y, e or n."),
        }
    }
}

/// Whether the settings that are there are all that is written: a change, and no new file.
pub fn changes_settings(there: &Existing, files: &[String]) -> bool {
    there.record.is_some() && there.has_settings && files == [SETTINGS]
}

/// The set-up in a few lines; `files` are those that are added to a record that exists.
pub fn summary(options: &Options, there: &Existing, files: &[String]) -> Vec<String> {
    let list = |items: &[String], none: &str| match items.is_empty() {
        true => none.to_owned(),
        false => text::safe(&items.join("; ")),
    };
    let place = match (&there.record, options.dedicated, &options.hub) {
        (Some(place), _, _) => format!("stays in {place}"),
        (None, true, _) => "own branch teof/record, in a folder beside the repository".to_owned(),
        (None, false, Some(hub)) => text::safe(&hub.display().to_string()),
        (None, false, None) if there.is_unborn => "in this branch, which has no commit yet".to_owned(),
        (None, false, None) => "in this branch".to_owned(),
    };
    let mut rows = vec![("record", place)];
    if let (None, Some(target)) = (&there.record, &there.target) {
        rows.push(("target", format!("{}: approved work is merged there", text::safe(target))));
    }
    let is_new = !there.has_settings;
    // A changed setting is shown with the other one, which stays in force.
    if is_new || !options.roles.is_empty() || !options.tests.is_empty() {
        let mut roles = there.roles.clone();
        roles.extend(options.roles.iter().cloned());
        let roles: Vec<_> = roles.iter().map(|(role, agent)| format!("{role} = {agent}")).collect();
        let tests = if options.tests.is_empty() { &there.tests } else { &options.tests };
        rows.push(("agents", list(&roles, NO_AGENT)));
        rows.push(("tests", list(tests, NO_TEST)));
    }
    if is_new && !options.setup.is_empty() {
        rows.push(("set-up", list(&options.setup, "")));
    }
    let seats = match (options.workers, &options.agent) {
        (0, Some(seat)) => text::safe(seat),
        (0, None) => "as they are".to_owned(),
        (1, _) => "worker-1".to_owned(),
        (n, _) => format!("worker-1 to worker-{n}"),
    };
    rows.push(("seats", seats));
    if there.record.is_some() {
        let more = files.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        rows.push(("files", text::safe(&files[..files.len().min(NAMED)].join(", ")) + &more));
    }
    let commit = match (options.dedicated, options.commit) {
        (true, _) => "on teof/record; your branch and edits are not touched",
        (false, true) => "these files alone; your own edits are not touched",
        (false, false) => "no",
    };
    rows.push(("commit", commit.to_owned()));
    rows.into_iter().map(|(name, value)| format!("  {name:<8} {value}")).collect()
}

/// Asks for each value that is not set up yet; Enter keeps what is there.
fn edit(mut options: Options, there: &Existing, settings: &Settings) -> Result<Options> {
    if options.hub.is_none() && there.record.is_none() {
        options.dedicated = ask::yes("Keep the record on its own branch?", options.dedicated)?;
    }
    if !there.has_settings {
        if let Some(agent) = coder(&options, settings)? {
            options.roles.retain(|(role, _)| role != "coder");
            options.roles.insert(0, ("coder".to_owned(), agent));
        }
        let answer = line(&format!("Test command [{}]:", shown(&options.tests.join("; "))))?;
        if !answer.is_empty() {
            options.tests = vec![answer];
        }
    }
    options.workers = workers(options.workers)?;
    if !options.dedicated {
        options.commit = ask::yes("Commit these files?", true)?;
    }
    Ok(options)
}

/// The agent that writes code: one that teof can call. `None`: as it is.
fn coder(options: &Options, settings: &Settings) -> Result<Option<String>> {
    let found = options.roles.iter().find(|(role, _)| role == "coder").map(|(_, agent)| agent.as_str());
    loop {
        let answer = line(&format!("Agent that writes code [{}]:", shown(found.unwrap_or_default())))?;
        let name = answer.strip_prefix("coder=").unwrap_or(&answer).trim();
        if name.is_empty() {
            return Ok(None);
        }
        match agents::find(settings, name) {
            Ok(agent) => {
                if agents::find_program(agent.program(), Path::new(".")).is_none() {
                    tell(&format!(
                        "{} is not installed: install it before the first job.",
                        text::safe(agent.program())
                    ));
                }
                return Ok(Some(name.to_owned()));
            }
            Err(e) => {
                let why = Refusal::of(&e).and_then(|refusal| refusal.reason.clone()).unwrap_or_default();
                tell(&format!("{e} ({}).", text::safe(&why)));
                tell(&format!(
                    "A program of your own: press Enter here, and describe it afterwards in teof.toml under \
                     [agents.{}], with its command and format.",
                    text::safe(name)
                ));
            }
        }
    }
}

/// How many workers get a seat.
fn workers(now: usize) -> Result<usize> {
    let kept = if now == 0 { "as they are".to_owned() } else { now.to_string() };
    loop {
        let answer = line(&format!("Seats for workers [{kept}]:"))?;
        match answer.parse::<u64>() {
            _ if answer.is_empty() => return Ok(now),
            Ok(workers) if (1..=MOST_WORKERS).contains(&workers) => return Ok(workers as usize),
            _ => tell(&format!("Give a number from 1 to {MOST_WORKERS}.")),
        }
    }
}

fn shown(value: &str) -> String {
    if value.is_empty() { "none".to_owned() } else { text::safe(value) }
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
    // The values of the proposal stand in a column.
    let _ = writeln!(io::stderr(), "{}", style::wrap(text, style::columns_of_stderr(), "record   ".len()));
}
