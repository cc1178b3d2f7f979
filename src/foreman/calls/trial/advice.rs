//! What to do about an agent that was called and did not answer. Pure.

use crate::agents::{self, Agent, Kind, Outcome, Verdict};
use crate::base::text;
use crate::exec::{self, Report};
use crate::model::agent::Format;

pub(super) struct Advice {
    /// Why its output was not read as what it is.
    pub misread: Option<String>,
    pub fixes: Vec<String>,
}

/// `printed` is the start of its output.
pub(super) fn of(agent: &Agent, outcome: &Outcome, report: &Report, printed: &str) -> Advice {
    let is_success = outcome.verdict == Verdict::Succeeded;
    if let Some(format) = other_format(agent, printed).filter(|_| !is_success || agent.format == Format::Text) {
        let (ours, theirs) = (agent.format.name(), format.name());
        let misread = format!("its output was read as {ours} and looks like {theirs}");
        let fix = format!("under [agents.{}] in teof.toml: format = {theirs:?}", agent.name);
        return Advice { misread: Some(misread), fixes: vec![fix] };
    }
    let fixes = match &outcome.verdict {
        Verdict::Succeeded => Vec::new(),
        Verdict::RateLimited { until, .. } => {
            let when = until.map_or_else(|| "later".to_owned(), |until| format!("after {until}"));
            vec![format!("try again {when}: its account is at its limit")]
        }
        Verdict::Failed { kind, .. } => of_failure(agent, *kind),
        Verdict::NoResult { outage, .. } => {
            let mut fixes = of_no_result(agent, report, printed);
            // It may wait for its service, without a word.
            fixes.extend(outage.then(|| of_failure(agent, Kind::Service)).into_iter().flatten());
            fixes
        }
    };
    Advice { misread: None, fixes }
}

/// The format that the output has, if it is not that of the settings.
fn other_format(agent: &Agent, printed: &str) -> Option<Format> {
    let is_protocol = || printed.lines().any(|line| line.trim_start().starts_with("{\"jsonrpc\""));
    let found = agents::format_of(printed).or_else(|| is_protocol().then_some(Format::Acp));
    found.filter(|found| *found != agent.format)
}

fn of_failure(agent: &Agent, kind: Kind) -> Vec<String> {
    let doctor = format!("see what is missing: teof agent doctor {}", agent.name);
    match kind {
        Kind::Account => log_in(agent),
        Kind::Billing => vec!["pay for its account".to_owned()],
        Kind::Request => vec![format!("check its model and arguments, under [agents.{}] in teof.toml", agent.name)],
        Kind::Service => vec!["check the network, the proxy and the address of its service, then try again".to_owned()],
        Kind::SetUp => vec![doctor],
        Kind::Busy => vec!["try again: another start was in progress".to_owned()],
        Kind::Stopped | Kind::Limit | Kind::Turns | Kind::Budget | Kind::Rejected | Kind::Other => {
            vec!["read its output, which is named above".to_owned(), doctor]
        }
    }
}

fn log_in(agent: &Agent) -> Vec<String> {
    let program = text::shell_word(agent.program());
    let mut fixes = vec![format!("log in with the agent itself, once: {program}")];
    if !agent.keys.is_empty() {
        fixes.push(format!("or set one of {} where teof runs", agent.keys.join(", ")));
    } else if !agent.is_preset() {
        fixes.push(format!("or name the variable of its key: env = [\"KEY\"] under [agents.{}]", agent.name));
    }
    fixes
}

fn of_no_result(agent: &Agent, report: &Report, printed: &str) -> Vec<String> {
    let format = agent.format.name();
    let section = format!("under [agents.{}] in teof.toml", agent.name);
    match &report.verdict {
        exec::Verdict::TimedOut(_) if printed.trim().is_empty() => vec![
            format!("check how it takes its prompt: prompt = \"stdin\", \"argument\" or \"file\" {section}"),
            "or give it more time: --timeout 10m".to_owned(),
        ],
        exec::Verdict::TimedOut(_) => vec!["give it more time: --timeout 10m".to_owned()],
        exec::Verdict::Exited(0) => vec![
            format!("add the argument that makes it print {format}'s stream, to command {section}"),
            format!("or, if it prints plain text: format = \"text\" {section}"),
        ],
        _ => of_failure(agent, Kind::Other),
    }
}
