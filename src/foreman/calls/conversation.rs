//! Calls an agent once: supervises it, reads its stream and classifies how it ended. Nothing in the stream is
//! trusted.

use serde_json::json;

use super::observer::CallObserver;
use super::request::CallRequest;
use crate::agents::{Agent, CallSpec, Exit, Outcome, Session};
use crate::base::lock::FileLock;
use crate::base::{Refusal, Result, digest, env, files, names, text};
use crate::exec::{Captured, Report, TimedOut, Verdict};
use crate::foreman::commands::runner::Runner;
use crate::foreman::reporting::live::SessionStart;
use crate::foreman::results::call_record::CallRecord;
use crate::foreman::results::command_result::Output;
use crate::foreman::watch::Watch;
use crate::guard::secrets;
use crate::hub::Hub;
use crate::model::run::noticed::{Errors, Noticed};
use crate::sessions::{Mode, SessionRecord, Status, StopRequest};

/// How many characters of the last output go into the record.
const TAIL: usize = 2000;
/// How many characters of the reason go into the session's record.
const REASON: usize = 200;

/// The result of a call.
pub struct CallResult {
    pub conclusion: Outcome,
    /// The call was stopped because the job's budget was used up.
    pub over_budget: bool,
    pub cancelled: bool,
    /// What a rule pauses the job for.
    pub pause: Option<Noticed>,
    /// What it asked permission for, and only a person may give.
    pub asks: Option<Noticed>,
    /// A person ended this session alone.
    pub stopped: Option<StopRequest>,
    /// What a rule stopped the call for.
    pub stop: Option<Noticed>,
    /// Which time limit ended the call.
    pub timed_out: Option<TimedOut>,
    pub called: CallRecord,
    pub survivors: Vec<String>,
}

/// Calls the agent and waits for its end.
pub fn call(hub: &Hub, runner: &Runner, watch: &mut Watch, request: &CallRequest) -> Result<CallResult> {
    let agent = request.agent;
    let scratch = runner.session.join(request.name);
    std::fs::create_dir_all(&scratch).map_err(|e| files::io_refusal(e, "create", &scratch))?;
    let ask = CallSpec {
        prompt: request.prompt,
        worktree: &runner.root,
        scratch: &scratch,
        session: request.session,
        model: request.model,
        budget: request.remaining_budget(),
        confined: runner.sandbox().state.is_on(),
    };
    request.live.trace.call(&agent.name);
    let mut call = agent.call(&ask)?;
    call.set.extend(request.live.trace.parent_of_programs().map(|parent| (env::TRACEPARENT.to_owned(), parent)));
    for (path, bytes) in &call.files {
        files::replace(path, bytes)?;
    }
    let start_lock = start_lock(hub, agent)?;
    request.live.agent(agent);
    let (agent_session, resumes) = match request.session {
        Session::New(id) => (Some(id), false),
        Session::Resume(id) => (Some(id), true),
        Session::Unnamed => (None, false),
    };
    request.live.begin(&SessionStart {
        folder: request.folder,
        mode: Mode::Autonomous,
        program: &agent.name,
        place: runner.place(),
        environment: &runner.environment,
        spent: request.spent,
        agent_session,
        resumes,
        model: request.model,
    });
    let mut observer = CallObserver::new(hub, watch, start_lock, request, call.dialog.take(), &runner.root)?;
    let report = runner.run_agent(agent, &call, request.name, request.folder, &scratch, &mut observer)?;
    request.live.agent_ended();
    let CallObserver { reading, seen, over_budget, cancelled, pause, stop, asks, stopped, notes, .. } = observer;
    let tail = report.errors.as_ref().map_or(&[][..], |errors| &errors.tail);
    let conclusion = reading.into_outcome(&exit(&report.verdict), tail, hub.now());
    let mut called = record(request, &conclusion, &report);
    (called.errors_seen, called.noticed, called.notes) = (seen.errors, seen.noticed, notes);
    let is_cancelled = cancelled || stop.is_some() || asks.is_some();
    request.live.end(|record| describe(record, &called, &report, is_cancelled, stopped.as_ref()));
    request.live.trace.call_ended(
        (conclusion.verdict != crate::agents::Verdict::Succeeded).then(|| called.outcome.clone()),
        vec![
            ("teof.model", json!(called.model.as_deref().unwrap_or_default())),
            ("teof.tokens", json!(called.usage.tokens())),
        ],
    );
    Ok(CallResult {
        over_budget,
        cancelled,
        pause,
        stop,
        asks,
        stopped,
        timed_out: match report.verdict {
            Verdict::TimedOut(clock) => Some(clock),
            _ => None,
        },
        called,
        survivors: names(&report.survivors),
        conclusion,
    })
}

/// Serializes the starts of an agent whose simultaneous starts collide.
fn start_lock(hub: &Hub, agent: &Agent) -> Result<Option<FileLock>> {
    if agent.stagger.is_zero() {
        return Ok(None);
    }
    // The key is the program: two agent names for one program collide as well.
    let program = agent.command.first().and_then(|program| program.rsplit('/').next()).unwrap_or(&agent.name);
    let path = hub.local(&format!("locks/agent-{}.lock", names::slug(program)));
    // Wait for several starts in front; after that, start without the lock.
    match FileLock::acquire(&path, agent.stagger * 8, "agents.stagger", &format!("start {}", agent.name)) {
        Ok(lock) => Ok(Some(lock)),
        Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.exit == crate::base::Exit::TimedOut) => Ok(None),
        Err(e) => Err(e),
    }
}

/// How a program ended, for the classification of its stream.
pub(super) fn exit(verdict: &Verdict) -> Exit {
    match verdict {
        Verdict::Exited(code) => Exit::Code(*code),
        Verdict::Signalled(signal) => Exit::Signal(*signal),
        Verdict::Lingered => Exit::Lingered,
        Verdict::TimedOut(TimedOut::Silence) => Exit::TimedOut("no output for too long".into()),
        Verdict::TimedOut(TimedOut::Meaning) => Exit::TimedOut("no progress for too long".into()),
        Verdict::TimedOut(TimedOut::Wall) => Exit::TimedOut("time limit reached".into()),
        Verdict::Cancelled => Exit::Stopped,
        Verdict::OverLimit(which) => Exit::OverLimit(which.clone()),
        Verdict::NotStarted(why) => Exit::NotStarted(why.clone()),
    }
}

fn record(request: &CallRequest, conclusion: &Outcome, report: &Report) -> CallRecord {
    use crate::agents::Verdict as V;
    let outcome = match &conclusion.verdict {
        V::Succeeded => "ok".to_owned(),
        V::Failed { why, .. } => format!("failed: {why}"),
        V::RateLimited { why, .. } => format!("limited: {why}"),
        V::NoResult { why, .. } => why.clone(),
    };
    let chosen = match request.session {
        Session::New(id) | Session::Resume(id) => Some(id.to_owned()),
        Session::Unnamed => None,
    };
    CallRecord {
        agent: request.agent.name.clone(),
        model: conclusion.model.as_deref().or(request.model).map(secrets::redact),
        version: conclusion.version.as_deref().map(secrets::redact),
        // A redacted id names no session, so a session whose id looks like a secret is not resumed.
        session: conclusion.session.clone().or(chosen).filter(|id| secrets::redact(id) == *id),
        prompt_sha256: digest::sha256(request.prompt.as_bytes()),
        outcome: secrets::redact(&outcome),
        duration_seconds: (report.duration.as_secs_f64() * 1000.0).round() / 1000.0,
        usage: conclusion.usage,
        output: Output::of(&report.output),
        errors: report.errors.as_ref().map(Output::of),
        tail: tail(&conclusion.text),
        errors_tail: report.errors.as_ref().map_or(String::new(), shown),
        warnings: conclusion.warnings.iter().map(|warning| secrets::redact(warning)).collect(),
        tools: conclusion.tools.iter().map(|(tool, times)| (secrets::redact(tool), *times)).collect(),
        errors_seen: Errors::default(),
        noticed: Vec::new(),
        notes: Vec::new(),
        ended: names(&report.ended),
    }
}

/// How the call's session ended.
fn describe(
    record: &mut SessionRecord,
    called: &CallRecord,
    report: &Report,
    cancelled: bool,
    stopped: Option<&StopRequest>,
) {
    record.status = match called.outcome.as_str() {
        "ok" => Status::Done,
        _ if cancelled || stopped.is_some() => Status::Cancelled,
        _ => Status::Failed,
    };
    let why = stopped.map_or(called.outcome.clone(), |stopped| secrets::redact(&stopped.describe()));
    record.reason = (record.status != Status::Done).then(|| text::clip(&text::safe(&why), REASON));
    if let Verdict::Exited(code) = report.verdict {
        record.exit_code = Some(code);
    }
    record.usage = called.usage;
    record.agent_session = called.session.clone().or(record.agent_session.take());
    record.model = called.model.clone().or(record.model.take());
    record.tools.clone_from(&called.tools);
}

fn shown(captured: &Captured) -> String {
    tail(&String::from_utf8_lossy(&captured.tail))
}

fn tail(said: &str) -> String {
    let said = secrets::redact(&text::safe_block(said));
    let excess = said.chars().count().saturating_sub(TAIL);
    said.chars().skip(excess).collect()
}

fn names(list: &[crate::exec::Process]) -> Vec<String> {
    list.iter().map(|p| format!("{} ({})", text::safe(&p.name), p.pid)).collect()
}
