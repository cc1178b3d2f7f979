//! Runs a role: calls its agent or command and turns the output into the stage's result.

use std::ops::ControlFlow::{Break, Continue};

use super::failure::{self, FollowUp};
use super::unfinished;
use crate::agents::{self, Agent, Session};
use crate::base::{Result, text};
use crate::foreman::calls::RAW_OUTPUT;
use crate::foreman::calls::conversation::{self, CallResult};
use crate::foreman::calls::notes;
use crate::foreman::calls::prompts::Material;
use crate::foreman::calls::request::CallRequest;
use crate::foreman::reporting::envelope::StageReport;
use crate::foreman::reporting::refused_write;
use crate::foreman::reporting::report::End;
use crate::foreman::results::answer::{self, Answer};
use crate::foreman::results::call_record::{CallRecord, How};
use crate::foreman::results::{question, verdict};
use crate::foreman::stages::context::StageContext;
use crate::foreman::stages::stage_store::Unfinished;
use crate::model::agent::Format;
use crate::model::command::Command;
use crate::model::run::noticed::{Action, Noticed};
use crate::model::run::outcome::{Finding, Verdict};
use crate::model::run::stage::{CODER, PLANNER, REVIEWER, TESTER};

/// How often an agent is started again after its start collided with another's.
const STARTS: u32 = 3;
/// Code of the finding about an answer without the requested form.
pub const UNREADABLE: &str = "answer.unreadable";
/// Code of the finding about what the monitor noticed.
const NOTICED: &str = "monitor.noticed";

/// Calls an agent. A coder's unreadable answer is accepted, because its work is in the worktree, where tests and
/// review check it. Every other role is asked once more. `Some` ends the run.
pub fn agent(
    context: &mut StageContext,
    agent: &Agent,
    model: Option<&str>,
    material: &Material,
    stage: &mut StageReport,
) -> Result<Option<End>> {
    stage.agent = Some(agent.name.clone());

    let mut asked_again = false;
    let earlier = if stage.name == CODER { earlier_session(context, agent) } else { None };
    let mut open = unfinished::call_start(context, agent, stage, material, earlier)?;
    loop {
        let said = match call(context, agent, model, &open, stage)? {
            CallOutcome::Answered(said) => said,
            CallOutcome::Stopped(end) => return Ok(Some(end)),
            CallOutcome::Retry => {
                open = unfinished::call_start(context, agent, stage, material, None)?;
                continue;
            }
        };
        let why = match answer::parse(&said.conclusion.text, &stage.name) {
            Ok(found) => match question_of(&found).filter(|_| !has_changed(context)) {
                Some(asked) => return Ok(Some(asks(context, stage, asked))),
                // A judge that asks and has changed something gave no verdict.
                None => match verdict::words(&stage.name).filter(|_| found.passed.is_none()) {
                    Some(words) => verdict::missing(words),
                    None => {
                        answered(stage, found);
                        return Ok(None);
                    }
                },
            },
            Err(why) => why,
        };
        let mistaken = misread_format(agent, &said.conclusion.text);
        let is_plain = agent.format == Format::Text && mistaken.is_none();
        let why = why + &mistaken.unwrap_or_default();
        if let Some(asked) = question::trailing_question(&said.conclusion.text).filter(|_| !has_changed(context)) {
            return Ok(Some(asks(context, stage, asked)));
        }
        if is_plain && [PLANNER, CODER].contains(&&*stage.name) {
            // The JSON says nothing that such a program would have to say.
            answered(stage, answer::unstructured(&said.conclusion.text));
            return Ok(None);
        }
        if stage.name == CODER || (stage.name == PLANNER && asked_again) {
            (context.say)(&format!("      the answer is not in the requested form ({why}); its text is used as it is"));
            unstructured_answer(stage, &said.conclusion.text, &why, &context.report.work.logs());
            return Ok(None);
        }
        if asked_again {
            let why = format!("the {}'s answer is not in the requested form: {why}", stage.name);
            return Ok(Some(End::new(Verdict::Failed, why)));
        }
        (context.say)(&format!("      the answer is not in the requested form ({why}); asking once more"));
        asked_again = true;
        let session = stage.session.clone().filter(|_| agent.resumes());
        open = unfinished::ask_again(context, stage, material, &why, session)?;
    }
}

/// What an operator must set when a stream was read as plain text.
fn misread_format(agent: &Agent, said: &str) -> Option<String> {
    let format = Some(said).filter(|_| agent.format == Format::Text).and_then(agents::format_of)?.name();
    let section = &agent.name;
    Some(format!(
        "; it was read as plain text and looks like {format}'s stream: set format = {format:?} in [agents.{section}]"
    ))
}

/// Keeps the text of an answer that does not have the requested form, unchanged.
fn unstructured_answer(stage: &mut StageReport, said: &str, why: &str, logs: &str) {
    let whom = &stage.name;
    let message = format!("the {whom}'s answer was not in the requested form ({why}), so its text was used as it is");
    stage.notes.push(Finding::medium(UNREADABLE, "", message).hint(format!("read its text: {logs}")));
    answered(stage, answer::unstructured(said));
}

/// What an answer asks a person, as its question or at the end of its analysis. A verdict stands, whatever it asks.
fn question_of(found: &Answer) -> Option<String> {
    if found.passed.is_some() {
        return None;
    }
    let in_analysis = || question::asked_in_analysis(&found.analysis).filter(|_| found.commands.is_empty());
    found.question.clone().or_else(in_analysis)
}

/// Whether the worktree holds work without a checkpoint. Such work is checked, even when the agent asks a question as
/// well.
fn has_changed(context: &StageContext) -> bool {
    let changed = || -> Result<bool> {
        let place = context.report.place()?;
        let repository = place.repository()?;
        Ok(repository.snapshot(place.tip())?.tree != repository.repo().find_commit(place.tip())?.tree_id())
    };
    changed().unwrap_or(true)
}

/// The agent asks a person: pauses the run; the unfinished call continues with the answer.
fn asks(context: &mut StageContext, stage: &StageReport, asked: String) -> End {
    let last = asked.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let reason = format!("the {} asks: {}", stage.name, text::clip(&text::safe(last), 200));
    context.report.question = Some(asked);
    End::new(Verdict::Paused, reason)
}

/// The session of the coder's last pass, if the agent can resume it.
fn earlier_session(context: &StageContext, agent: &Agent) -> Option<String> {
    let last = context.report.stages.iter().rev().find(|stage| stage.name == CODER && stage.commit.is_some());
    let Some(last) = last else {
        // The session from before the work was sent back, if it is the same worktree.
        let before = context.report.work.order.rework.as_ref()?.session.as_ref()?;
        let here = before.worktree == context.runner.root.display().to_string();
        return Some(before.id.clone()).filter(|_| agent.resumes() && before.agent == agent.name && here);
    };
    let same = agent.resumes() && last.agent.as_deref() == Some(&agent.name);
    last.session.clone().filter(|_| same)
}

/// The result of a call.
enum CallOutcome {
    Answered(Box<CallResult>),
    /// Call again, as the unfinished call describes.
    Retry,
    Stopped(End),
}

/// Makes one call; repeats it only when its start collided with another's.
fn call(
    context: &mut StageContext,
    agent: &Agent,
    model: Option<&str>,
    open: &unfinished::CallStart,
    stage: &mut StageReport,
) -> Result<CallOutcome> {
    let mut start = 1;
    loop {
        if let Some(halt) = context.watch.check_halt()? {
            return Ok(CallOutcome::Stopped(End::from(halt)));
        }
        let said = one_call(context, agent, model, open, stage)?;
        note(context, stage, &said)?;
        return Ok(match failure::classify(context, agent, &said, open.resume.is_some()) {
            Ok(()) => CallOutcome::Answered(Box::new(said)),
            Err(FollowUp::Restart) if start < STARTS => {
                start += 1;
                continue;
            }
            Err(FollowUp::Restart) => CallOutcome::Stopped(failure::failed(agent, &said)),
            Err(FollowUp::Retry(why)) => {
                (context.say)(&format!("      {}: {why}", agent.name));
                CallOutcome::Retry
            }
            Err(FollowUp::End(end)) => CallOutcome::Stopped(end),
        });
    }
}

fn one_call(
    context: &mut StageContext,
    agent: &Agent,
    model: Option<&str>,
    open: &unfinished::CallStart,
    stage: &StageReport,
) -> Result<CallResult> {
    let job = context.report.work.job().to_owned();
    let number = context.store.next_call(&stage.name, stage.round);
    let fresh =
        agents::session_id(&format!("{}/{job}/{}/{}/{number}", context.hub.root.display(), stage.name, stage.round));
    let resume = open.resume.as_deref();
    let session = match resume {
        Some(id) => Session::Resume(id),
        None if agent.chooses_session() => Session::New(&fresh),
        None => Session::Unnamed,
    };
    let name = format!("{}-{}-{number}", stage.name, stage.round);
    let folder = context.live.reserve(&name)?;
    let before = context.store.unfinished.take().filter(|left| left.stage == stage.name && left.round == stage.round);
    let before = before.unwrap_or_default();
    let mut decided = before.decided;
    if let Some(asked) = before.asks {
        match open.notes.iter().any(|stored| question::agrees(&stored.note.text, &asked.text)) {
            true => decided.allowed.push(before.asks_digest),
            false => decided.refused.push(before.asks_digest),
        }
    }
    let begun = Unfinished {
        stage: stage.name.clone(),
        round: stage.round,
        agent: agent.name.clone(),
        run: context.report.run.clone(),
        session: match session {
            Session::New(id) | Session::Resume(id) => Some(id.to_owned()),
            Session::Unnamed => None,
        },
        worktree: context.runner.root.clone(),
        output: Some(folder.stream()),
        worked: resume.is_some() && before.worked,
        why: String::new(),
        continued: before.continued,
        asks: None,
        asks_digest: String::new(),
        decided: decided.clone(),
    };
    context.store.start_call(context.hub, &job, begun)?;
    let given = open.notes.iter().map(|stored| notes::mark_given(context.hub, stored, How::NextCall));
    let given = given.collect::<Result<Vec<_>>>()?;
    (context.say)(&format!("      {RAW_OUTPUT}{}", folder.stream().display()));
    let wanted = CallRequest {
        agent,
        model,
        prompt: &open.prompt,
        session,
        earlier: resume.and_then(|id| unfinished::used_before(context, id)),
        name: &name,
        decided: &decided,
        folder: &folder,
        work: context.report.work,
        run: &context.report.run,
        budget: context.report.work.order.budget,
        say: context.say,
        live: context.live,
        spent: context.store.spent,
        run_spent: context.store.run_usage(&context.report.run),
    };
    let mut said = conversation::call(context.hub, context.runner, context.watch, &wanted)?;
    said.called.notes.splice(..0, given);
    Ok(said)
}

/// Adds a call to the stage, the run and the job's usage.
fn note(context: &mut StageContext, stage: &mut StageReport, said: &CallResult) -> Result<()> {
    let called = &said.called;
    stage.model = called.model.clone().or(stage.model.take());
    stage.session.clone_from(&called.session);
    stage.usage = stage.usage.plus(called.usage);
    stage.duration_seconds += called.duration_seconds;
    let (job, run) = (context.report.work.job().to_owned(), context.report.run.clone());
    if let Some(left) = &mut context.store.unfinished {
        left.output = None;
        left.session.clone_from(&called.session);
        left.worked |= said.conclusion.worked;
        left.why.clone_from(&called.outcome);
    }
    for quota in &said.conclusion.quotas {
        quota.clone().add(context.report.quotas.entry(called.agent.clone()).or_default());
    }
    context.store.add_usage(context.hub, &job, &run, called.session.as_deref(), called.usage)?;
    stage.session_usage =
        called.session.as_deref().and_then(|id| unfinished::used_before(context, id)).unwrap_or_default();
    (context.report.usage, context.report.spent) = (context.store.run_usage(&run), context.store.spent);
    context.report.monitor_pause = context.report.monitor_pause.take().or_else(|| said.pause.clone());
    let found = noticed(context, stage, called);
    stage.notes.extend(found);
    if !said.survivors.is_empty() {
        let message = format!("could not be stopped: {}", said.survivors.join(", "));
        stage.notes.push(Finding::medium("process.survived", "", message));
    }
    stage.calls.push(called.clone());
    Ok(())
}

/// The findings about what the monitor noticed. A critical error that no rule is about is a note, because the agent may
/// have found another way; a write that the sandbox refused needs a person, and is told once.
fn noticed(context: &StageContext, stage: &StageReport, called: &CallRecord) -> Vec<Finding> {
    let earlier = || context.report.stages.iter().chain([stage]).flat_map(|stage| &stage.notes);
    let describe = |noticed: &Noticed| format!("{}: {}", agent_tool(called, noticed), noticed.describe());
    let grave = called.noticed.iter().filter(|noticed| noticed.action >= Action::Notify);
    let mut found: Vec<_> = grave.map(|noticed| Finding::medium(NOTICED, "", describe(noticed))).collect();
    let mut others = Vec::new();
    for error in called.noticed.iter().filter(|noticed| noticed.is_critical_error()) {
        match refused_write::finding(context.hub, context.report, &called.agent, error) {
            Some(refused) => {
                let is_same = |other: &Finding| other.message == refused.message;
                let is_told = found.iter().any(is_same) || earlier().any(is_same);
                found.extend((!is_told).then_some(refused));
            }
            None => others.push(error),
        }
    }
    if let [first, more @ ..] = &others[..] {
        found.push(Finding { more: more.len() as u64, ..Finding::low(NOTICED, "", describe(first)) });
    }
    found
}

/// Who did it: `claude (Bash)`.
fn agent_tool(called: &CallRecord, noticed: &Noticed) -> String {
    let tool = noticed.tool.as_ref().map(|tool| format!(" ({tool})")).unwrap_or_default();
    called.agent.clone() + &tool
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

/// Runs a role that is bound to a command. The exit code is the verdict; the end of the output is the finding.
pub fn command(context: &mut StageContext, line: &str, stage: &mut StageReport) -> Result<Option<End>> {
    let command = Command::shell(line).labelled(format!("{}: {line}", stage.name));
    let done = match context.run(&command, &format!("{}-{}", stage.name, stage.round), &mut stage.commands)? {
        Continue(done) => done,
        Break(end) => return Ok(Some(end)),
    };
    stage.duration_seconds += done.duration_seconds;
    stage.outcome.clone_from(&done.outcome);
    let (ok, tail) = (done.succeeded(), done.tail);
    let judges = [TESTER, REVIEWER].contains(&stage.name.as_str());
    if !ok && !judges {
        return Ok(Some(End::new(Verdict::Failed, format!("{}: {}", stage.name, stage.outcome))));
    }
    stage.passed = ok;
    if !ok {
        let message = format!("{line:?} failed: {}\n{tail}", stage.outcome);
        stage.findings.push(Finding::high("test.failed", "", message));
    }
    if stage.name == PLANNER {
        stage.answer = Some(Answer { analysis: tail, ..Answer::default() });
    }
    Ok(None)
}
