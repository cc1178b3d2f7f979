//! One role's turn: its player is asked, and what comes back becomes the stage's result.

use super::answer::{self, Answer};
use super::pipeline::{CODER, PLANNER, REVIEWER, TESTER};
use super::prompts::{self, Material};
use super::report::{End, StageReport};
use super::shift::{Shift, overrun};
use super::talk::{self, Said, Talk};
use super::trusted::shell;
use crate::agents::{self, Agent, Kind, Session, Verdict as Said_};
use crate::base::{Result, text};
use crate::model::command::Command;
use crate::model::outcome::{Finding, Suspended, Verdict};

/// How often an agent whose start collided with another's is started again.
const STARTS: u32 = 3;
/// How long an agent rests that does not say when its limit is over.
const UNKNOWN_LIMIT: std::time::Duration = std::time::Duration::from_secs(3600);

/// Asks an agent, and once more when its answer cannot be read. `Some` ends the run.
pub fn agent(
    shift: &mut Shift,
    agent: &Agent,
    model: Option<&str>,
    material: &Material,
    stage: &mut StageReport,
) -> Result<Option<End>> {
    let prompt = full_prompt(shift, &stage.name, material)?;
    stage.agent = Some(agent.name.clone());
    let mut resume = if stage.name == CODER { earlier_session(shift, agent) } else { None };
    let mut wrong: Option<String> = None;
    for attempt in 0..2 {
        let asked = match &wrong {
            None => prompt.clone(),
            Some(why) if resume.is_some() => {
                let receipts = shift.bench.receipts().display().to_string();
                again(why) + &prompts::tail(&shift.report.work.order, &stage.name, &receipts)
            }
            Some(why) => format!("{}{prompt}", again(why)),
        };
        let said = match call(shift, agent, model, &asked, resume.as_deref(), stage)? {
            Ok(said) => said,
            Err(end) => return Ok(Some(end)),
        };
        match answer::parse(&said.conclusion.text, &stage.name) {
            Ok(found) => {
                answered(stage, found);
                return Ok(None);
            }
            Err(why) => {
                (shift.say)(&format!(
                    "      its answer cannot be read: {why}{}",
                    if attempt == 0 { "; asked once more" } else { "" }
                ));
                resume = stage.session.clone().filter(|_| agent.resumes());
                wrong = Some(why);
            }
        }
    }
    let why = wrong.unwrap_or_default();
    Ok(Some(End::new(Verdict::Failed, format!("{}: no answer that can be read: {why}", stage.name))))
}

fn again(why: &str) -> String {
    format!(
        "# Your answer could not be read\n\nWhat is wrong with it: {}. The work itself stays as it is: answer again, in the form below.\n\n",
        text::safe(why)
    )
}

/// The prompt of a role, whole.
fn full_prompt(shift: &Shift, role: &str, material: &Material) -> Result<String> {
    let order = &shift.report.work.order;
    let template = prompts::template(shift.hub, order, role)?;
    Ok(prompts::render(&template, order, role, material, &shift.bench.receipts().display().to_string()))
}

/// A coder goes on in the session of its last pass, where it can.
fn earlier_session(shift: &Shift, agent: &Agent) -> Option<String> {
    let passes = shift.report.stages.iter().rev().filter(|stage| stage.name == CODER && stage.commit.is_some());
    let last = passes.into_iter().next().filter(|last| agent.resumes() && last.agent.as_deref() == Some(&agent.name));
    last.and_then(|last| last.session.clone())
}

/// One call, repeated only when its start collided with another's.
fn call(
    shift: &mut Shift,
    agent: &Agent,
    model: Option<&str>,
    prompt: &str,
    resume: Option<&str>,
    stage: &mut StageReport,
) -> Result<Result<Said, End>> {
    let mut start = 1;
    loop {
        if let Some(halt) = shift.watch.boundary()? {
            return Ok(Err(super::judge::halted(halt)));
        }
        let job = shift.report.work.job().to_owned();
        let number = shift.kept.begin(shift.hub, &job, &stage.name, stage.round)?;
        let fresh =
            agents::session_id(&format!("{}/{job}/{}/{}/{number}", shift.hub.root.display(), stage.name, stage.round));
        let session = match resume {
            Some(id) => Session::Resume(id),
            None if agent.chooses_session() => Session::New(&fresh),
            None => Session::Unnamed,
        };
        let wanted = Talk {
            agent,
            model,
            prompt,
            session,
            earlier: resume.and_then(|id| shift.kept.of_session(id)),
            name: &format!("{}-{}-{number}", stage.name, stage.round),
            budget: shift.report.work.order.budget,
            spent: shift.kept.spent,
        };
        let said = talk::talk(shift.hub, shift.bench, shift.watch, &wanted)?;
        note(shift, stage, &said)?;
        match weigh(shift, agent, &said) {
            Err(_) if is_busy(&said) && start < STARTS => start += 1,
            Err(end) => return Ok(Err(end)),
            Ok(()) => return Ok(Ok(said)),
        }
    }
}

fn is_busy(said: &Said) -> bool {
    matches!(said.conclusion.verdict, Said_::Failed { kind: Kind::Busy, .. })
}

/// Adds a call to the stage, to the run and to what the job used.
fn note(shift: &mut Shift, stage: &mut StageReport, said: &Said) -> Result<()> {
    let called = &said.called;
    stage.model = called.model.clone().or(stage.model.take());
    stage.session.clone_from(&called.session);
    stage.usage = stage.usage.plus(called.usage);
    stage.duration_seconds += called.duration_seconds;
    let (job, run) = (shift.report.work.job().to_owned(), shift.report.run.clone());
    shift.kept.used(shift.hub, &job, &run, called.session.as_deref(), called.usage)?;
    (shift.report.usage, shift.report.spent) = (shift.kept.of_run(&run), shift.kept.spent);
    if !said.survivors.is_empty() {
        let message = format!("could not be ended: {}", said.survivors.join(", "));
        stage.notes.push(Finding::medium("process.survived", "", message));
    }
    stage.calls.push(called.clone());
    Ok(())
}

/// Whether the call may count.
fn weigh(shift: &mut Shift, agent: &Agent, said: &Said) -> Result<(), End> {
    if said.over_budget {
        return Err(overrun(shift.report, shift.kept.spent));
    }
    if said.cancelled {
        return Err(End::new(Verdict::Paused, format!("asked to stop during a call of {}", agent.name)));
    }
    match &said.conclusion.verdict {
        Said_::Succeeded => Ok(()),
        Said_::RateLimited { until, why } => {
            let until = until.unwrap_or_else(|| shift.hub.now().plus(UNKNOWN_LIMIT));
            let reason = crate::guard::secrets::redact(why);
            shift.report.suspended = Some(Suspended { agent: agent.name.clone(), until, reason: reason.clone() });
            Err(End::new(Verdict::Paused, format!("{} rests until {until}: {reason}", agent.name)))
        }
        Said_::Failed { why, kind: Kind::Account | Kind::SetUp } => {
            shift.report.needs_person = true;
            let next = format!("a person must act: `teof agent doctor {}` tells more", agent.name);
            let why = text::clip(&crate::guard::secrets::redact(why), 200);
            Err(End::new(Verdict::Failed, format!("{}: {why}; {next}", agent.name)))
        }
        Said_::Failed { why, .. } | Said_::NoResult { why } => {
            Err(End::new(Verdict::Failed, crate::guard::secrets::redact(&format!("{}: {why}", agent.name))))
        }
    }
}

fn answered(stage: &mut StageReport, found: Answer) {
    stage.passed = found.passed.unwrap_or(true);
    let confidence = found.confidence.map(|value| format!(" ({value} % sure)")).unwrap_or_default();
    let said = found.analysis.lines().find(|line| !line.trim().is_empty()).unwrap_or("done");
    stage.outcome = text::clip(&format!("{}{confidence}", text::safe(said)), 200);
    if stage.passed {
        stage.notes.extend(found.findings.clone());
    } else {
        stage.findings.extend(found.findings.clone());
        if found.findings.is_empty() {
            let code = if stage.name == TESTER { "test.rejected" } else { "review.rejected" };
            stage.findings.push(Finding::high(code, "", found.analysis.clone()));
        }
    }
    stage.answer = Some(found);
}

/// A role that a command plays: its exit code decides, its last words are what it found.
pub fn command(shift: &mut Shift, line: &str, stage: &mut StageReport) -> Result<Option<End>> {
    if let Some(halt) = shift.watch.boundary()? {
        return Ok(Some(super::judge::halted(halt)));
    }
    let command = Command { label: Some(format!("{}: {line}", stage.name)), ..shell(line) };
    let done = shift.bench.perform(&command, &format!("{}-{}", stage.name, stage.round), shift.watch)?;
    stage.duration_seconds += done.duration_seconds;
    stage.outcome.clone_from(&done.outcome);
    let (ok, cancelled, tail) = (done.succeeded(), done.was_cancelled(), done.tail.clone());
    stage.commands.push(done);
    let judges = [TESTER, REVIEWER].contains(&stage.name.as_str());
    if cancelled {
        return Ok(Some(End::new(Verdict::Paused, format!("asked to stop during {}", stage.name))));
    }
    if !ok && !judges {
        return Ok(Some(End::new(Verdict::Failed, format!("{}: {}", stage.name, stage.outcome))));
    }
    stage.passed = ok;
    if !ok {
        let message = format!("{line:?} did not pass: {}\n{tail}", stage.outcome);
        stage.findings.push(Finding::high("test.failed", "", message));
    }
    if stage.name == PLANNER {
        stage.answer = Some(Answer { analysis: tail, ..Answer::default() });
    }
    Ok(None)
}
