//! Whether the papers of a commit are unchanged, agree with each other, and agree with the commit.

use serde_json::Value;

use super::document::Checks;
use super::papers::{self, EnvelopeRead, OrderTask, Paper};
use super::record::{Filed, Record};
use super::subject::Trailers;
use crate::base::{Result, text};
use crate::model::run::bundle::Bundle;
use crate::model::run::outcome::Verdict;
use crate::review::decision::Decision;
use crate::review::target::message;

/// The papers of one result.
#[derive(Clone, Debug)]
pub struct Papers {
    pub bundle: Paper<Bundle>,
    pub envelope: Option<Paper<EnvelopeRead>>,
    pub order: Option<Filed>,
    pub decision: Option<Paper<Decision>>,
}

impl Papers {
    /// Collects the papers that belong to a bundle.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn collect(record: &Record, bundle: Paper<Bundle>, decision: Option<Paper<Decision>>) -> Result<Papers> {
        let envelope = papers::envelope_of(record, &bundle.says.run, &bundle.filed.path)?;
        let order = envelope.as_ref().map(|envelope| record.receipt(&envelope.says.order.path)).transpose()?.flatten();
        Ok(Papers { bundle, envelope, order, decision })
    }
}

/// Checks everything that needs no git history.
///
/// # Errors
/// When the repository cannot be read.
pub fn check(record: &Record, papers: &Papers, trailers: &Trailers, checks: &mut Checks) -> Result<()> {
    let run = &papers.bundle.says.run;
    checks.expect("bundle", "unchanged since it was written", problems(&papers.bundle.filed));
    match &papers.envelope {
        Some(envelope) => {
            checks.expect("envelope", "unchanged, and of this result", envelope_of(&papers.bundle, envelope));
            checks.expect("agents", "bundle, envelope and commit name the same", agents(papers, envelope, trailers));
            checks.expect("tests", "passed, and recorded alike", tests(&papers.bundle.says, &envelope.says));
        }
        None => checks.failed("envelope", papers::not_there("envelope", run)),
    }
    match (&papers.order, &papers.envelope) {
        (Some(order), Some(envelope)) => checks.expect("order", "unchanged", order_of(order, envelope, &papers.bundle)),
        (None, Some(_)) => checks.failed("order", papers::not_there("order", run)),
        (_, None) => {}
    }
    let mut wrong = Vec::new();
    for receipt in &papers.bundle.says.receipts {
        match record.receipt(&receipt.path)? {
            None => wrong.push(format!("{} is not in the record", text::safe(&receipt.path))),
            Some(found) if found.sha256 != receipt.sha256 => {
                wrong.push(format!("{} is not what the bundle names", text::safe(&receipt.path)));
            }
            Some(found) => wrong.extend(found.problem),
        }
    }
    let count = text::counted(papers.bundle.says.receipts.len(), "receipt");
    checks.expect("receipts", format!("{count} unchanged"), wrong);
    Ok(())
}

/// Checks the decision, its event, and the name in the commit.
///
/// # Errors
/// When the repository cannot be read.
pub fn approval(record: &Record, papers: &Papers, trailers: &Trailers, checks: &mut Checks) -> Result<()> {
    let Some(decision) = &papers.decision else { return Ok(()) };
    let (said, bundle) = (&decision.says, &papers.bundle);
    let mut wrong = problems(&decision.filed);
    if said.bundle != bundle.filed.path || said.bundle_sha256 != bundle.filed.sha256 {
        wrong.push("the decision is about another bundle".to_owned());
    }
    for (what, decided, made) in [
        ("job", &said.job, &bundle.says.job),
        ("run", &said.run, &bundle.says.run),
        ("task", &said.task_id, &bundle.says.task_id),
        ("seat", &said.agent_id, &bundle.says.agent_id),
    ] {
        if decided != made {
            wrong.push(format!("the decision names another {what} than the bundle"));
        }
    }
    if let Some(failed) = said.tests.iter().find(|test| !test.passed) {
        wrong.push(format!("{:?} failed on the merged tree", text::clip(&text::safe(&failed.command), 120)));
    }
    checks.expect("decision", "unchanged, and about this result", wrong);
    let mut wrong = Vec::new();
    // A forge merges on its own account, after the person in the trailer approved.
    let on_forge = said.pr.is_some_and(|number| said.by.ends_with(&format!("(pull request {number})")));
    if let Some(by) = trailers.by.as_ref().filter(|by| !on_forge && **by != message::name_in_trailer(&said.by)) {
        let (by, decided) = (text::safe(by), text::safe(&said.by));
        wrong.push(format!("the commit says that {by} approved it, the decision says {decided}"));
    }
    wrong.extend(event_of(record, decision));
    wrong.extend(memory_of(record, decision)?);
    checks.expect("approver", format!("{} ({})", text::safe(&said.by), said.recognised), wrong);
    Ok(())
}

fn problems(filed: &Filed) -> Vec<String> {
    filed.problem.iter().cloned().collect()
}

fn envelope_of(bundle: &Paper<Bundle>, envelope: &Paper<EnvelopeRead>) -> Vec<String> {
    let (made, says) = (&bundle.says, &envelope.says);
    let mut wrong = problems(&envelope.filed);
    if says.verdict != Verdict::Succeeded {
        wrong.push("the run did not succeed".to_owned());
    }
    for (what, same) in [
        ("job", says.job.as_ref().is_none_or(|job| *job == made.job)),
        ("task", says.task_id == made.task_id),
        ("seat", says.agent_id == made.agent_id),
        ("base", says.git.base.as_ref() == Some(&made.base_commit)),
        ("commit", says.git.commit.as_ref() == Some(&made.commit)),
        ("receipts", says.receipts == made.receipts),
    ] {
        if !same {
            wrong.push(format!("envelope and bundle name another {what}"));
        }
    }
    wrong
}

fn order_of(order: &Filed, envelope: &Paper<EnvelopeRead>, bundle: &Paper<Bundle>) -> Vec<String> {
    let mut wrong = problems(order);
    if order.sha256 != envelope.says.order.sha256 {
        wrong.push("the envelope followed an order with another digest".to_owned());
    }
    let Ok(read) = serde_json::from_slice::<OrderTask>(&order.bytes) else {
        wrong.push("the order cannot be read".to_owned());
        return wrong;
    };
    let made = &bundle.says;
    let differs = |said: &Option<String>, made: &str| said.as_ref().is_some_and(|said| said != made);
    for (what, differ) in [
        ("job", differs(&read.job, &made.job)),
        ("task", differs(&read.task_id, &made.task_id)),
        ("title", differs(&read.title, &made.goal.title)),
        ("objective", differs(&read.objective, &made.goal.objective)),
    ] {
        if differ {
            wrong.push(format!("order and bundle have another {what}"));
        }
    }
    wrong
}

fn agents(papers: &Papers, envelope: &Paper<EnvelopeRead>, trailers: &Trailers) -> Vec<String> {
    let (bundle, stages) = (&papers.bundle.says, &envelope.says.stages);
    let mut wrong = Vec::new();
    if bundle.stages.len() != stages.len() {
        wrong.push("envelope and bundle list other stages".to_owned());
    }
    for (listed, done) in bundle.stages.iter().zip(stages) {
        let stage = format!("stage {} (round {})", text::safe(&done.name), done.round);
        if (&listed.name, listed.round, listed.passed, &listed.commit)
            != (&done.name, done.round, done.passed, &done.commit)
        {
            wrong.push(format!("envelope and bundle differ about {stage}"));
        }
        if (&listed.agent, &listed.model) != (&done.agent, &done.model) {
            wrong.push(format!("envelope and bundle name other agents for {stage}"));
        }
        let strange = done.calls.iter().find(|call| Some(&call.agent) != done.agent.as_ref());
        if let Some(call) = strange {
            wrong.push(format!("{stage} has a call of {}", text::safe(&call.agent)));
        }
    }
    let made = message::assisted(bundle);
    if !trailers.assisted.is_empty() && trailers.assisted != made {
        let (says, made) = (text::safe(&trailers.assisted.join(", ")), text::safe(&made.join(", ")));
        wrong.push(format!("the commit names {says}, the bundle {made}"));
    }
    wrong
}

fn tests(bundle: &Bundle, envelope: &EnvelopeRead) -> Vec<String> {
    let mut wrong = Vec::new();
    let shown = |command: &str| text::clip(&text::safe(command), 120);
    if bundle.tests.len() != envelope.tests.len() {
        wrong.push("envelope and bundle list other tests".to_owned());
    }
    for (listed, done) in bundle.tests.iter().zip(&envelope.tests) {
        let same =
            listed.command == done.cmd && listed.passed == done.succeeded() && listed.exit_code == done.exit_code;
        if !same {
            wrong.push(format!("envelope and bundle differ about the test {:?}", shown(&done.cmd)));
        }
    }
    let failed = bundle.tests.iter().filter(|test| !test.passed);
    wrong.extend(failed.map(|test| format!("the test {:?} failed", shown(&test.command))));
    let stops = bundle.findings.iter().chain(&envelope.findings).filter(|found| found.stops());
    wrong.extend(stops.map(|found| format!("a guard stopped it: {}", text::clip(&text::safe(&found.message), 200))));
    wrong
}

/// What is wrong with the event of a decision.
fn event_of(record: &Record, decision: &Paper<Decision>) -> Option<String> {
    let said = &decision.says;
    let Some(event) = review_event(record, &decision.filed.path) else {
        return Some("the log has no event of the decision".to_owned());
    };
    let meta = |key: &str| event["meta"][key].as_str();
    let same = meta("by") == Some(said.by.as_str())
        && meta("recognised") == Some(said.recognised.as_str())
        && meta("decision") == Some(said.decision.as_str())
        && meta("commit") == Some(said.reviewed_commit.as_str())
        && meta("merge_commit") == said.merge_commit.as_deref();
    (!same).then(|| "the event of the decision says something else than the decision".to_owned())
}

fn review_event(record: &Record, path: &str) -> Option<Value> {
    let lines = record.log.iter().flat_map(|part| part.split(|b| *b == b'\n'));
    let named = lines.filter(|line| line.windows(path.len()).any(|part| part == path.as_bytes()));
    named.filter_map(|line| serde_json::from_slice::<Value>(line).ok()).find(|event| {
        event["event"] == "review" && event["receipts"].as_array().is_some_and(|names| names.iter().any(|n| n == path))
    })
}

/// What is wrong with the decision's line in the memory log.
fn memory_of(record: &Record, decision: &Paper<Decision>) -> Result<Option<String>> {
    let (said, path) = (&decision.says, &decision.filed.path);
    let bytes = record.bytes(crate::hub::paths::MEMORY)?.unwrap_or_default();
    let lines = bytes.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let found = lines
        .into_iter()
        .find(|line| line["receipts"].as_array().is_some_and(|names| names.iter().any(|name| name == path)));
    let Some(line) = found else {
        return Ok(Some(format!("{} has no line of the decision", crate::hub::paths::MEMORY)));
    };
    let same = line["actor"] == *said.by && line["job"] == *said.job && line["commit"] == *said.reviewed_commit;
    Ok((!same).then(|| format!("{} says something else than the decision", crate::hub::paths::MEMORY)))
}

/// The id of the event by which a run reported its result.
pub fn run_event(record: &Record, run: &str, envelope: &str) -> Option<String> {
    let lines = record.log.iter().flat_map(|part| part.split(|b| *b == b'\n'));
    let mut named = lines.filter(|line| line.windows(envelope.len()).any(|part| part == envelope.as_bytes()));
    named.find_map(|line| {
        let event: Value = serde_json::from_slice(line).ok()?;
        let is_its = event["event"] == "status" && event["meta"]["run"] == run;
        is_its.then(|| event["id"].as_str().map(str::to_owned))?
    })
}

/// The id of the event of a decision.
pub fn decision_event(record: &Record, path: &str) -> Option<String> {
    review_event(record, path)?["id"].as_str().map(str::to_owned)
}
