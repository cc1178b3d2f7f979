//! Calls an agent once outside of a run, to see whether it answers as its settings say.
//!
//! As in a job: the same command, environment, sandbox and reading of its stream. It has no task: nothing is claimed,
//! and the record is not written.

mod advice;
mod copy;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use self::copy::Copy;
use super::conversation;
use super::observer::one_line;
use crate::agents::monitor::Monitor;
use crate::agents::{self, Agent, Call, CallSpec, Event, Outcome, Session, Stream, Verdict};
use crate::base::{Refusal, Result, env, files, text};
use crate::exec::{self, Clocks, Control, Input, Keep, Observer, Report, Spec, Supervisor};
use crate::foreman::commands::executor::{self, Chosen, Subject};
use crate::foreman::commands::push_block::PushBlock;
use crate::foreman::commands::runner;
use crate::foreman::results::answer;
use crate::foreman::sandbox::{Sandbox, Workplace};
use crate::guard::{secrets, trust};
use crate::hub::Hub;
use crate::model::agent::{Format, Usage};
use crate::model::run::noticed::Action;
use crate::model::run::stage::PLANNER;

/// It begins as every planner's prompt does: a program may tell by its first line what it is to do.
const PROMPT: &str = "# Plan one piece of work

This is a trial: it shows whether you can be reached. There is nothing to plan. Change no file and run no command. Answer
with this JSON object alone:

{\"analysis\": \"ready\", \"commands\": [], \"receipts\": []}
";
/// Bytes of its output that are searched for another format.
const MAX_PRINTED: usize = 1 << 20;
/// Characters of what it said that are told.
const SAID: usize = 2000;

/// What one call showed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Trial {
    pub agent: String,
    /// It answered, and its output is in the format of its settings.
    pub ok: bool,
    /// How the call ended: `answered`, or why it failed.
    pub outcome: String,
    /// The kind of the failure, such as `account`.
    pub kind: Option<String>,
    pub format: Format,
    pub text: String,
    /// Why its text is not the JSON object that it was asked for.
    pub unstructured: Option<String>,
    pub session: Option<String>,
    /// Whether a job would go on in that session.
    pub resumes: bool,
    pub model: Option<String>,
    pub version: Option<String>,
    /// All zero: it reports none.
    pub usage: Usage,
    /// How often it called each tool.
    pub tools: BTreeMap<String, u64>,
    pub warnings: Vec<String>,
    /// The end of what it printed on stderr.
    pub errors: String,
    /// What it changed in the copy, though it was asked not to.
    pub changed: Vec<String>,
    pub seconds: f64,
    /// Whether the kernel confined it: `full`, `partial`, `off` …
    pub sandbox: String,
    /// The raw output, on this machine.
    pub output: String,
    /// What to do when it did not answer.
    pub fixes: Vec<String>,
}

/// How it is called.
pub struct Request<'a> {
    pub agent: &'a Agent,
    /// Instead of the agent's own.
    pub model: Option<&'a str>,
    /// The longest that it may take.
    pub limit: Duration,
    /// Set by a signal: stop it.
    pub stop: &'a AtomicBool,
    /// Prints what the agent does.
    pub say: &'a dyn Fn(&str),
}

/// Calls the agent in a copy of the last commit, and waits for its end.
///
/// # Errors
/// `agent.missing` when its program is not there; `agent.call` when it cannot be called with this model.
pub fn run(hub: &Hub, request: &Request) -> Result<Trial> {
    let agent = request.agent;
    check(hub, agent)?;
    let settings = &hub.settings()?.worker;
    let session = runner::new_folder(hub, &format!("try-{}", agent.name))?;
    // Two trials at the same time do not end each other.
    let name = session.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let copy = Copy::create(hub, &session.join("worktree"))?;
    let (scratch, receipts) = (session.join("scratch"), session.join("receipts"));
    for folder in [&scratch, &receipts] {
        std::fs::create_dir(folder).map_err(|e| files::io_refusal(e, "create", folder))?;
    }
    let own = [receipts.clone()];
    let at = Workplace { root: &copy.root, git_dir: &copy.git_dir, branch: "", session: &session, own: &own };
    let sandbox = Sandbox::new(hub, &at)?;
    let fresh = agents::session_id(&format!("{}/{}", session.display(), hub.now()));
    let mut call = agent.call(&CallSpec {
        prompt: PROMPT,
        worktree: &copy.root,
        scratch: &scratch,
        session: if agent.chooses_session() { Session::New(&fresh) } else { Session::Unnamed },
        model: request.model,
        budget: None,
        confined: sandbox.report().state.is_on(),
    })?;
    for (path, bytes) in &call.files {
        files::replace_unsynced(path, bytes)?;
    }
    let marks = runner::marks(hub, &name);
    let supervisor = Supervisor::new()?;
    let executor = Chosen::new(hub, &Subject { job: &name, task: "" }, &at)?.with(std::slice::from_ref(&scratch));
    let _reaper = supervisor.start_reaper(&marks, settings.grace, sandbox.after_death(executor.after_death(&name)))?;
    let output = session.join("stream.log");
    let mut observer = TrialObserver {
        reading: Stream::new(agent.format, None).speaking(call.dialog.take()),
        rules: Monitor::new(&hub.settings()?.monitor, copy.root.clone(), secrets::redact),
        printed: Vec::new(),
        worktree: &copy.root,
        hub,
        request,
    };
    let limit = Some(request.limit);
    let mut writable = vec![scratch];
    writable.extend(call.output_in_file.then(|| output.clone()));
    let spec = Spec {
        env: environment(hub, &call, &sandbox, &session, &receipts)?,
        argv: call.argv,
        cwd: copy.root.clone(),
        marks,
        stdin: call.stdin,
        clocks: Clocks {
            silence: limit,
            meaning: limit,
            wall: limit,
            linger: settings.after_result,
            grace: settings.grace,
        },
        output,
        through_file: call.output_in_file,
        errors: Some(session.join("stderr.log")),
        keep: Keep { file: settings.max_output, ..Keep::default() },
        confinement: sandbox.for_agent(agent, &writable),
        limits: sandbox.limits(),
    };
    (request.say)(&format!("Starting {}: one call of its model", agent.name));
    let report = executor.run(&supervisor, spec, &name, &mut observer)?;
    let TrialObserver { reading, printed, .. } = observer;
    let errors = report.errors.as_ref().map_or(&[][..], |errors| &errors.tail);
    let outcome = reading.into_outcome(&conversation::exit(&report.verdict), errors, hub.now());
    let is_withheld = sandbox.report().state.is_on() && !agent.write.is_empty() && !trust::are_settings_granted(hub)?;
    let mut trial = describe(agent, &outcome, &report, &String::from_utf8_lossy(&printed));
    sandbox.report().state.word().clone_into(&mut trial.sandbox);
    trial.changed = copy.changes()?.iter().map(|path| text::safe(path)).collect();
    if is_withheld && !trial.ok {
        trial.fixes.push("let it write what its settings name in write: teof consent grant".to_owned());
    }
    Ok(trial)
}

/// What keeps it from being called here.
fn check(hub: &Hub, agent: &Agent) -> Result<()> {
    if !executor::in_containers(hub)? && agents::find_program(agent.program(), &hub.root).is_none() {
        let program = text::safe(agent.program());
        return Err(Refusal::guard("agent.missing", format!("the agent {} is not installed", agent.name))
            .because(format!("there is no program {program}"))
            .next("install it, or name another agent: teof agent doctor lists them")
            .into());
    }
    Ok(())
}

/// As in a job, without what belongs to a task.
fn environment(
    hub: &Hub,
    call: &Call,
    sandbox: &Sandbox,
    session: &Path,
    receipts: &Path,
) -> Result<Vec<(String, String)>> {
    let mut variables = exec::allowed(&call.inherit);
    variables.extend(exec::allowed(&hub.settings()?.worker.env));
    variables.extend(sandbox.variables());
    variables.push((env::STAGE.to_owned(), PLANNER.to_owned()));
    variables.push((env::RECEIPTS_DIR.to_owned(), receipts.display().to_string()));
    variables.extend(call.set.iter().cloned());
    PushBlock::new(hub, session)?.add_variables(&mut variables, sandbox.git_settings());
    Ok(variables)
}

/// Reads the stream, shows what the agent does, and answers it.
struct TrialObserver<'a> {
    reading: Stream,
    rules: Monitor,
    /// The start of what it printed.
    printed: Vec<u8>,
    worktree: &'a PathBuf,
    hub: &'a Hub,
    request: &'a Request<'a>,
}

impl Observer for TrialObserver<'_> {
    fn observe(&mut self, chunk: &[u8]) -> bool {
        let free = MAX_PRINTED.saturating_sub(self.printed.len());
        self.printed.extend_from_slice(&chunk[..chunk.len().min(free)]);
        let events = self.reading.take(chunk);
        for event in &events {
            if let Some(line) = one_line(event, self.worktree) {
                (self.request.say)(&format!("  {line}"));
            }
            if let Event::Asks(ask) = event {
                let found = self.rules.judge(&ask.tool, &ask.operation, &[], self.hub.now());
                self.reading.decide(ask, found.is_none_or(|noticed| noticed.action < Action::Notify));
            }
        }
        !events.is_empty()
    }

    fn control(&mut self) -> Control {
        match (self.request.stop.load(Ordering::Relaxed), self.reading.is_final()) {
            (true, _) => Control::Cancel,
            (false, true) => Control::Finished,
            (false, false) => Control::Continue,
        }
    }

    fn input(&mut self) -> Input {
        match self.reading.outgoing() {
            Some(said) if !said.is_empty() => Input::Bytes(said),
            Some(_) if !self.reading.is_final() => Input::Nothing,
            _ => Input::End,
        }
    }
}

fn describe(agent: &Agent, outcome: &Outcome, report: &Report, printed: &str) -> Trial {
    let shown = |said: &str| text::clip(&secrets::redact(&text::safe_block(said)), SAID);
    let advised = advice::of(agent, outcome, report, printed);
    let (why, kind) = match &outcome.verdict {
        Verdict::Succeeded => ("answered".to_owned(), None),
        Verdict::Failed { why, kind } => (why.clone(), Some(kind.as_str().to_owned())),
        Verdict::RateLimited { why, .. } => (why.clone(), Some(agents::Kind::Limit.as_str().to_owned())),
        Verdict::NoResult { why, .. } => (why.clone(), None),
    };
    let ok = outcome.verdict == Verdict::Succeeded && advised.misread.is_none();
    Trial {
        agent: agent.name.clone(),
        ok,
        outcome: secrets::redact(&advised.misread.unwrap_or(why)),
        kind,
        format: agent.format,
        unstructured: answer::parse(&outcome.text, PLANNER).err().filter(|_| ok),
        text: shown(&outcome.text),
        session: outcome.session.clone(),
        resumes: agent.resumes() && outcome.session.is_some(),
        model: outcome.model.as_deref().map(secrets::redact),
        version: outcome.version.as_deref().map(secrets::redact),
        usage: outcome.usage,
        tools: outcome.tools.clone(),
        warnings: outcome.warnings.iter().map(|warning| secrets::redact(warning)).collect(),
        errors: report.errors.as_ref().map_or_else(String::new, |errors| shown(&String::from_utf8_lossy(&errors.tail))),
        changed: Vec::new(),
        seconds: (report.duration.as_secs_f64() * 10.0).round() / 10.0,
        sandbox: String::new(),
        output: report.output.path.display().to_string(),
        fixes: advised.fixes,
    }
}
