//! Calls an agent once: supervises it, reads its stream and classifies how it ended. Nothing in the stream is
//! trusted.

use serde::{Deserialize, Serialize};

use crate::agents::{Agent, CallSpec, Event, Exit, Outcome, Session, Stream};
use crate::base::lock::FileLock;
use crate::base::{Refusal, Result, digest, files, names, text};
use crate::exec::{Captured, Control, Observer, Report, TimedOut, Verdict};
use crate::foreman::commands::runner::{Output, Runner};
use crate::foreman::reporting::live::Publisher;
use crate::foreman::watch::Watch;
use crate::guard::secrets;
use crate::hub::Hub;
use crate::model::agent::Usage;
use crate::model::run::order::Spend;

/// How many characters of the last output go into the record.
const TAIL: usize = 2000;

/// How many lines of a call are shown while it runs, and how long each may be, in characters.
const MAX_SHOWN: usize = 1000;
const SHOWN: usize = 200;

/// Which agent to call, with what, and within which budget.
pub struct CallRequest<'a> {
    pub agent: &'a Agent,
    pub model: Option<&'a str>,
    pub prompt: &'a str,
    pub session: Session<'a>,
    /// What the session used before this call.
    pub earlier: Option<Usage>,
    /// File name of the raw output.
    pub name: &'a str,
    pub budget: Spend,
    /// Prints what the agent does.
    pub say: &'a dyn Fn(&str),
    /// Publishes it for screens.
    pub live: &'a Publisher<'a>,
    /// What the job used before this call.
    pub spent: Usage,
}

/// The result of a call.
pub struct CallResult {
    pub conclusion: Outcome,
    /// The call was stopped because the job's budget was used up.
    pub over_budget: bool,
    pub cancelled: bool,
    /// The call reached its time limit.
    pub took_too_long: bool,
    pub called: CallRecord,
    pub survivors: Vec<String>,
}

/// A call as written to the record.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CallRecord {
    pub agent: String,
    pub model: Option<String>,
    pub session: Option<String>,
    pub prompt_sha256: String,
    /// For people.
    pub outcome: String,
    pub duration_seconds: f64,
    pub usage: Usage,
    pub output: Output,
    pub errors: Option<Output>,
    /// The end of its output and of its stderr, without secrets.
    pub tail: String,
    pub errors_tail: String,
    pub warnings: Vec<String>,
    pub tools: std::collections::BTreeMap<String, u64>,
    /// Processes that it left running and that were stopped.
    pub ended: Vec<String>,
}

/// Whether usage is over a limit.
pub fn is_over(budget: Spend, usage: Usage) -> bool {
    (budget.tokens > 0 && usage.tokens() > budget.tokens)
        || (budget.cost > 0.0 && usage.cost_usd.is_some_and(|cost| cost > budget.cost))
}

/// What is left of the cost budget, in US dollars; `None` without a limit.
fn remaining_budget(budget: Spend, spent: Usage) -> Option<f64> {
    (budget.cost > 0.0).then(|| (budget.cost - spent.cost_usd.unwrap_or(0.0)).max(0.0))
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
        budget: remaining_budget(request.budget, request.spent),
    };
    let call = agent.call(&ask)?;
    for (path, bytes) in &call.files {
        files::replace(path, bytes)?;
    }
    let start_lock = start_lock(hub, agent)?;
    let reading = Stream::new(agent.format, request.earlier);
    let mut observer = CallObserver {
        reading,
        watch,
        start_lock,
        request,
        over_budget: false,
        cancelled: false,
        shown: 0,
        began: std::time::Instant::now(),
    };
    let report = runner.run_agent(&call, request.name, &scratch, &mut observer)?;
    let CallObserver { reading, over_budget, cancelled, .. } = observer;
    let tail = report.errors.as_ref().map_or(&[][..], |errors| &errors.tail);
    let conclusion = reading.into_outcome(&exit(&report.verdict), tail, hub.now());
    let called = record(request, &conclusion, &report);
    let took_too_long = report.verdict == Verdict::TimedOut(TimedOut::Wall);
    Ok(CallResult { over_budget, cancelled, took_too_long, called, survivors: names(&report.survivors), conclusion })
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

/// Reads the agent's stream and decides whether the call continues.
struct CallObserver<'a, 'w> {
    reading: Stream,
    watch: &'a mut Watch<'w>,
    start_lock: Option<FileLock>,
    request: &'a CallRequest<'a>,
    over_budget: bool,
    cancelled: bool,
    /// How many lines were shown.
    shown: usize,
    began: std::time::Instant,
}

impl Observer for CallObserver<'_, '_> {
    fn observe(&mut self, chunk: &[u8]) -> bool {
        let before = self.reading.meaningful();
        let events = self.reading.take(chunk);
        if !events.is_empty() {
            self.start_lock = None;
        }
        self.show(&events);
        self.reading.meaningful() > before
    }

    fn control(&mut self) -> Control {
        if self.start_lock.is_some() && self.began.elapsed() >= self.request.agent.stagger {
            self.start_lock = None;
        }
        let used = self.request.spent.plus(self.reading.usage());
        self.over_budget = is_over(self.request.budget, used);
        self.request.live.used(used);
        self.request.live.tick();
        self.cancelled = self.watch.should_cancel();
        match (self.cancelled || self.over_budget, self.reading.is_final()) {
            (true, _) => Control::Cancel,
            (false, true) => Control::Finished,
            (false, false) => Control::Continue,
        }
    }
}

impl CallObserver<'_, '_> {
    /// Shows what the agent does while it works.
    fn show(&mut self, events: &[Event]) {
        for (event, said) in events.iter().filter_map(|event| Some((event, one_line(event)?))) {
            match event {
                Event::ToolUse { .. } => self.request.live.tool(&said),
                _ => self.request.live.line(&said),
            }
            self.shown += 1;
            match self.shown {
                n if n < MAX_SHOWN => (self.request.say)(&format!("      {}: {said}", self.request.agent.name)),
                MAX_SHOWN => (self.request.say)(&format!("      more in the raw output: {}", self.request.name)),
                _ => {}
            }
        }
    }
}

/// An event as one line for people, if it is worth showing. Secrets are removed before the line is cut.
fn one_line(event: &Event) -> Option<String> {
    let said = match event {
        Event::ToolUse { name, input } => format!("{name} {input}"),
        Event::Text { text, more: false } => text.lines().find(|line| !line.trim().is_empty())?.to_owned(),
        // A line of the answer is for teof.
        Event::Line(line) if !line.trim_start().starts_with(['{', '}', '"']) => line.clone(),
        Event::Rejected(why) | Event::Warning(why) | Event::Trouble { why, .. } => format!("({why})"),
        _ => return None,
    };
    Some(text::clip(&text::safe(&secrets::redact(said.trim())), SHOWN))
}

fn exit(verdict: &Verdict) -> Exit {
    match verdict {
        Verdict::Exited(code) => Exit::Code(*code),
        Verdict::Signalled(signal) => Exit::Signal(*signal),
        Verdict::Lingered => Exit::Lingered,
        Verdict::TimedOut(TimedOut::Silence) => Exit::TimedOut("no output for too long".into()),
        Verdict::TimedOut(TimedOut::Meaning) => Exit::TimedOut("no progress for too long".into()),
        Verdict::TimedOut(TimedOut::Wall) => Exit::TimedOut("time limit reached".into()),
        Verdict::Cancelled => Exit::Stopped,
        Verdict::OverLimit(which) => Exit::TimedOut(which.clone()),
        Verdict::NotStarted(why) => Exit::NotStarted(why.clone()),
    }
}

fn record(request: &CallRequest, conclusion: &Outcome, report: &Report) -> CallRecord {
    use crate::agents::Verdict as V;
    let outcome = match &conclusion.verdict {
        V::Succeeded => "ok".to_owned(),
        V::Failed { why, .. } => format!("failed: {why}"),
        V::RateLimited { why, .. } => format!("limited: {why}"),
        V::NoResult { why, .. } => format!("no result: {why}"),
    };
    let chosen = match request.session {
        Session::New(id) | Session::Resume(id) => Some(id.to_owned()),
        Session::Unnamed => None,
    };
    CallRecord {
        agent: request.agent.name.clone(),
        model: conclusion.model.as_deref().or(request.model).map(secrets::redact),
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
        ended: names(&report.ended),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::agent::Format;

    #[test]
    fn plain_text_is_shown_while_it_is_printed_and_the_answer_is_not() {
        let mut stream = Stream::new(Format::Text, None);
        let events = stream.take(b"Reads the parser\n\n{\"analysis\": \"did it\"}\n");
        let shown: Vec<_> = events.iter().filter_map(one_line).collect();
        assert_eq!(shown, ["Reads the parser"]);
        assert_eq!(stream.meaningful(), 2);
    }
}
