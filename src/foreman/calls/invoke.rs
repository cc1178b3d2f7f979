//! One role's turn: its player is asked, and what comes back becomes the stage's result.

use super::answer::{self, Answer};
use super::conversation::{self, Said, Talk};
use super::failure::{self, After};
use super::prompts::{self, Material};
use super::question;
use super::unfinished;
use crate::agents::{self, Agent, Session};
use crate::base::{Result, text};
use crate::foreman::commands::trust::shell;
use crate::foreman::reporting::report::{End, StageReport};
use crate::foreman::stages::context::Shift;
use crate::foreman::stages::next_stage::{CODER, PLANNER, REVIEWER, TESTER};
use crate::foreman::stages::stage_store::Unfinished;
use crate::model::agent::Usage;
use crate::model::command::Command;
use crate::model::run::outcome::{Finding, Verdict};

/// How often an agent whose start collided with another's is started again.
const STARTS: u32 = 3;
/// The code of the finding about an answer that has not the form that was asked for.
pub const UNREADABLE: &str = "answer.unreadable";

/// Asks an agent. An answer that cannot be read costs a coder nothing: its work is in the worktree, where tests and
/// review judge it. Everybody else is asked once more. `Some` ends the run.
pub fn agent(
    shift: &mut Shift,
    agent: &Agent,
    model: Option<&str>,
    material: &Material,
    stage: &mut StageReport,
) -> Result<Option<End>> {
    let prompt = full_prompt(shift, &stage.name, material)?;
    stage.agent = Some(agent.name.clone());
    let mut asked_again = false;
    let earlier = if stage.name == CODER { earlier_session(shift, agent) } else { None };
    let mut open = unfinished::opening(shift, agent, stage, &prompt, earlier)?;
    loop {
        let said = match call(shift, agent, model, &open, stage)? {
            Came::Said(said) => said,
            Came::End(end) => return Ok(Some(end)),
            Came::Again => {
                open = unfinished::opening(shift, agent, stage, &prompt, None)?;
                continue;
            }
        };
        let why = match answer::parse(&said.conclusion.text, &stage.name) {
            Ok(found) => {
                answered(stage, found);
                return Ok(None);
            }
            Err(why) => why,
        };
        if let Some(asked) = question::asked(&said.conclusion.text).filter(|_| !has_changed(shift)) {
            return Ok(Some(asks(shift, stage, asked)));
        }
        if stage.name == CODER || (stage.name == PLANNER && asked_again) {
            (shift.say)(&format!("      its answer cannot be read: {why}; the work goes on without it"));
            answered_in_words(stage, &said.conclusion.text, &why);
            return Ok(None);
        }
        if asked_again {
            let why = format!("{}: no answer that can be read: {why}", stage.name);
            return Ok(Some(End::new(Verdict::Failed, why)));
        }
        (shift.say)(&format!("      its answer cannot be read: {why}; asked once more"));
        asked_again = true;
        open.resume = stage.session.clone().filter(|_| agent.resumes());
        open.prompt = match open.resume {
            Some(_) => {
                let receipts = shift.bench.receipts().display().to_string();
                again(&why) + &prompts::tail(&shift.report.work.order, &stage.name, &receipts)
            }
            None => again(&why) + &prompt,
        };
    }
}

/// What an agent said without the form that it was asked for: its words are kept as they are.
fn answered_in_words(stage: &mut StageReport, said: &str, why: &str) {
    let whom = &stage.name;
    let message = format!("the {whom}'s answer could not be read: {why}; what it said is kept as its analysis");
    stage.notes.push(Finding::medium(UNREADABLE, "", message).hint("read what it said in the envelope"));
    answered(stage, answer::in_words(said));
}

/// Whether the worktree holds work that no checkpoint has: then it is judged, whatever is asked beside it.
fn has_changed(shift: &Shift) -> bool {
    let changed = || -> Result<bool> {
        let place = shift.report.place()?;
        let repository = place.repository()?;
        Ok(repository.snapshot(place.tip())?.tree != repository.repo().find_commit(place.tip())?.tree_id())
    };
    changed().unwrap_or(true)
}

/// The agent waits for a person: the run pauses, and the call that is unfinished goes on with the answer.
fn asks(shift: &mut Shift, stage: &StageReport, asked: String) -> End {
    let last = asked.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let reason = format!("the {} asks: {}", stage.name, text::clip(&text::safe(last), 200));
    shift.report.question = Some(asked);
    End::new(Verdict::Paused, reason)
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
    let last = shift.report.stages.iter().rev().find(|stage| stage.name == CODER && stage.commit.is_some());
    let Some(last) = last else {
        // Before the work was sent back; where it worked then, it works now.
        let before = shift.report.work.order.rework.as_ref()?.session.as_ref()?;
        let here = before.worktree == shift.bench.root.display().to_string();
        return Some(before.id.clone()).filter(|_| agent.resumes() && before.agent == agent.name && here);
    };
    let same = agent.resumes() && last.agent.as_deref() == Some(&agent.name);
    last.session.clone().filter(|_| same)
}

/// What a session used before: in this work, or before it was sent back.
fn used_before(shift: &Shift, session: &str) -> Option<Usage> {
    let sent_back = shift.report.work.order.rework.as_ref().and_then(|rework| rework.session.as_ref());
    let before = sent_back.filter(|before| before.id == session).map(|before| before.usage);
    match (before, shift.kept.of_session(session)) {
        (Some(before), now) => Some(before.plus(now.unwrap_or_default())),
        (None, now) => now,
    }
}

/// What came of asking.
enum Came {
    Said(Box<Said>),
    /// To be asked again, as what is unfinished says.
    Again,
    End(End),
}

/// One call, repeated only when its start collided with another's.
fn call(
    shift: &mut Shift,
    agent: &Agent,
    model: Option<&str>,
    open: &unfinished::Opening,
    stage: &mut StageReport,
) -> Result<Came> {
    let mut start = 1;
    loop {
        if let Some(halt) = shift.watch.boundary()? {
            return Ok(Came::End(End::from(halt)));
        }
        let said = one_call(shift, agent, model, open, stage)?;
        note(shift, stage, &said)?;
        return Ok(match failure::weigh(shift, agent, &said, open.resume.is_some()) {
            Ok(()) => Came::Said(Box::new(said)),
            Err(After::Start) if start < STARTS => {
                start += 1;
                continue;
            }
            Err(After::Start) => Came::End(failure::failed(agent, &said)),
            Err(After::Again(why)) => {
                (shift.say)(&format!("      {}: {why}", agent.name));
                Came::Again
            }
            Err(After::End(end)) => Came::End(end),
        });
    }
}

fn one_call(
    shift: &mut Shift,
    agent: &Agent,
    model: Option<&str>,
    open: &unfinished::Opening,
    stage: &StageReport,
) -> Result<Said> {
    let job = shift.report.work.job().to_owned();
    let number = shift.kept.next_call(&stage.name, stage.round);
    let fresh =
        agents::session_id(&format!("{}/{job}/{}/{}/{number}", shift.hub.root.display(), stage.name, stage.round));
    let resume = open.resume.as_deref();
    let session = match resume {
        Some(id) => Session::Resume(id),
        None if agent.chooses_session() => Session::New(&fresh),
        None => Session::Unnamed,
    };
    let name = format!("{}-{}-{number}", stage.name, stage.round);
    let before = shift.kept.unfinished.take().filter(|left| left.stage == stage.name && left.round == stage.round);
    let before = before.unwrap_or_default();
    let begun = Unfinished {
        stage: stage.name.clone(),
        round: stage.round,
        agent: agent.name.clone(),
        run: shift.report.run.clone(),
        session: match session {
            Session::New(id) | Session::Resume(id) => Some(id.to_owned()),
            Session::Unnamed => None,
        },
        worktree: shift.bench.root.clone(),
        output: Some(shift.bench.output(&name)),
        worked: resume.is_some() && before.worked,
        why: String::new(),
        continued: before.continued,
        words: before.words,
    };
    shift.kept.begin(shift.hub, &job, begun)?;
    let wanted = Talk {
        agent,
        model,
        prompt: &open.prompt,
        session,
        earlier: resume.and_then(|id| used_before(shift, id)),
        name: &name,
        budget: shift.report.work.order.budget,
        say: shift.say,
        spent: shift.kept.spent,
    };
    conversation::talk(shift.hub, shift.bench, shift.watch, &wanted)
}

/// Adds a call to the stage, to the run and to what the job used.
fn note(shift: &mut Shift, stage: &mut StageReport, said: &Said) -> Result<()> {
    let called = &said.called;
    stage.model = called.model.clone().or(stage.model.take());
    stage.session.clone_from(&called.session);
    stage.usage = stage.usage.plus(called.usage);
    stage.duration_seconds += called.duration_seconds;
    let (job, run) = (shift.report.work.job().to_owned(), shift.report.run.clone());
    if let Some(left) = &mut shift.kept.unfinished {
        left.output = None;
        left.session.clone_from(&called.session);
        left.worked |= said.conclusion.worked;
        left.why.clone_from(&called.outcome);
    }
    shift.kept.used(shift.hub, &job, &run, called.session.as_deref(), called.usage)?;
    stage.session_usage = called.session.as_deref().and_then(|id| used_before(shift, id)).unwrap_or_default();
    (shift.report.usage, shift.report.spent) = (shift.kept.of_run(&run), shift.kept.spent);
    if !said.survivors.is_empty() {
        let message = format!("could not be ended: {}", said.survivors.join(", "));
        stage.notes.push(Finding::medium("process.survived", "", message));
    }
    stage.calls.push(called.clone());
    Ok(())
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
        return Ok(Some(End::from(halt)));
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
