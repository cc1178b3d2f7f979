//! Collects the spans of a run: what began and ended when.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::export::{Collector, Span};
use crate::base::{Stamp, digest};
use crate::hub::Hub;
use crate::model::run::order::Order;
use crate::model::run::outcome::{Outcome, Verdict};

/// The trace of one run. Does nothing when the environment names no collector.
pub struct Tracer {
    to: Option<Collector>,
    trace: String,
    run: Begun,
    /// The job's span, which the coordinator sends at the job's end.
    parent: Option<String>,
    started: Instant,
    started_at: Stamp,
    spans: RefCell<Vec<Begun>>,
}

/// How a stage ended.
pub struct StageEnd<'a> {
    pub name: &'a str,
    pub round: u32,
    pub passed: bool,
    pub tokens: u64,
    pub outcome: &'a str,
}

/// A stage or a call that began.
#[derive(Clone, Debug)]
struct Begun {
    id: String,
    parent: Option<String>,
    name: String,
    round: Option<u32>,
    at: Duration,
    ended: Option<Duration>,
    attributes: Vec<(&'static str, Value)>,
    error: Option<String>,
}

impl Tracer {
    pub fn start(hub: &Hub, order: &Order, run: &str, started_at: Stamp) -> Tracer {
        let to = Collector::from_env();
        let job = order.job.as_deref();
        let root = hub.root.display().to_string();
        // A run that pauses goes on under its name, so the start is a part of the span's.
        let id = id(&[&root, run, &started_at.to_string()], SPAN);
        let parent = job.map(|job| job_span(&root, job));
        let attributes =
            vec![("teof.run", json!(run)), ("teof.task", json!(order.task_id)), ("teof.seat", json!(order.agent_id))];
        let run = Begun::new(id, parent.clone(), "run", None, Duration::ZERO, attributes);
        let trace = trace_id(&root, job.unwrap_or(&order.order));
        Tracer { to, trace, run, parent, started: Instant::now(), started_at, spans: RefCell::default() }
    }

    /// A stage begins, and the one before it ends.
    pub fn stage(&self, name: &str, round: u32) {
        self.end_all();
        self.begin(name, Some(round), Some(self.run.id.clone()));
    }

    /// A call of an agent begins.
    pub fn call(&self, agent: &str) {
        let stage = self.spans.borrow().iter().rev().find(|span| span.round.is_some()).map(|span| span.id.clone());
        self.begin(&format!("call {agent}"), None, stage.or(Some(self.run.id.clone())));
    }

    /// The call is over.
    pub fn call_ended(&self, error: Option<String>, attributes: Vec<(&'static str, Value)>) {
        let now = self.started.elapsed();
        if let Some(call) = self.spans.borrow_mut().last_mut().filter(|span| span.ended.is_none()) {
            (call.ended, call.error, call.attributes) = (Some(now), error, attributes);
        }
    }

    /// The `TRACEPARENT` for a program that starts now; `None` without a collector.
    pub fn parent_of_programs(&self) -> Option<String> {
        self.to.as_ref()?;
        let spans = self.spans.borrow();
        let open = spans.iter().rev().find(|span| span.ended.is_none()).unwrap_or(&self.run);
        Some(trace_parent(&self.trace, &open.id))
    }

    /// What became of the stages.
    pub fn describe<'s>(&self, stages: impl IntoIterator<Item = StageEnd<'s>>) {
        self.end_all();
        let mut spans = self.spans.borrow_mut();
        for stage in stages {
            let same = |span: &&mut Begun| stage.name == span.name && Some(stage.round) == span.round;
            let Some(span) = spans.iter_mut().find(same) else { continue };
            span.attributes = vec![
                ("teof.round", json!(stage.round)),
                ("teof.passed", json!(stage.passed)),
                ("teof.tokens", json!(stage.tokens)),
            ];
            span.error = (!stage.passed).then(|| stage.outcome.to_owned());
        }
    }

    /// Sends the run and what it did. Nobody waits for the answer.
    pub fn send(&self, outcome: &Outcome) {
        let Some(to) = &self.to else { return };
        let mut run = self.run.clone();
        run.ended = Some(self.started.elapsed());
        run.attributes.extend([
            ("teof.verdict", json!(outcome.verdict)),
            ("teof.tokens", json!(outcome.usage.tokens())),
            ("teof.cost_usd", json!(outcome.usage.cost_usd.unwrap_or(0.0))),
        ]);
        run.error = (outcome.verdict != Verdict::Succeeded).then(|| outcome.reason.clone());
        run.parent.clone_from(&self.parent);
        let all: Vec<Span> =
            std::iter::once(&run).chain(self.spans.borrow().iter()).map(|one| self.span(one)).collect();
        if let Err(e) = to.send(&all) {
            tracing::debug!("cannot send the trace of {}: {e:#}", outcome.run);
        }
    }

    fn begin(&self, name: &str, round: Option<u32>, parent: Option<String>) {
        if self.to.is_none() {
            return;
        }
        let mut spans = self.spans.borrow_mut();
        let id = id(&[&self.run.id, name, &spans.len().to_string()], SPAN);
        spans.push(Begun::new(id, parent, name, round, self.started.elapsed(), Vec::new()));
    }

    fn end_all(&self) {
        let now = self.started.elapsed();
        self.spans.borrow_mut().iter_mut().for_each(|span| span.ended = span.ended.or(Some(now)));
    }

    fn span(&self, of: &Begun) -> Span {
        let base = nanoseconds(self.started_at);
        Span {
            trace: self.trace.clone(),
            id: of.id.clone(),
            parent: of.parent.clone(),
            name: of.name.clone(),
            start: base + of.at.as_nanos(),
            end: base + of.ended.unwrap_or(of.at).as_nanos(),
            attributes: of.attributes.clone(),
            error: of.error.clone(),
        }
    }
}

impl Begun {
    fn new(
        id: String,
        parent: Option<String>,
        name: &str,
        round: Option<u32>,
        at: Duration,
        attributes: Vec<(&'static str, Value)>,
    ) -> Begun {
        Begun { id, parent, name: name.to_owned(), round, at, ended: None, attributes, error: None }
    }
}

/// A job that is over.
pub struct JobSpan<'a> {
    pub job: &'a str,
    pub task: &'a str,
    pub seat: &'a str,
    /// `done`, `blocked`, …
    pub ending: &'a str,
    pub is_done: bool,
    pub began: Stamp,
    pub ended: Stamp,
}

/// Sends the span of a job, under which its runs are.
pub fn job_over(hub: &Hub, job: &JobSpan) {
    let Some(to) = Collector::from_env() else { return };
    let root = hub.root.display().to_string();
    let span = Span {
        trace: trace_id(&root, job.job),
        id: job_span(&root, job.job),
        parent: None,
        name: "job".to_owned(),
        start: nanoseconds(job.began),
        end: nanoseconds(job.ended),
        attributes: vec![
            ("teof.job", json!(job.job)),
            ("teof.task", json!(job.task)),
            ("teof.seat", json!(job.seat)),
            ("teof.ending", json!(job.ending)),
        ],
        error: (!job.is_done).then(|| job.ending.to_owned()),
    };
    match to.send(&[span]) {
        // The coordinator lives on, so its exit status is taken where a thread can be had.
        Ok(mut child) => drop(std::thread::Builder::new().spawn(move || child.wait())),
        Err(e) => tracing::debug!("cannot send the trace of {}: {e:#}", job.job),
    }
}

/// The `TRACEPARENT` of a program that works for a job outside of its runs; `None` without a collector.
pub fn parent_of_job(hub: &Hub, job: &str) -> Option<String> {
    Collector::from_env()?;
    let root = hub.root.display().to_string();
    Some(trace_parent(&trace_id(&root, job), &job_span(&root, job)))
}

fn trace_parent(trace: &str, span: &str) -> String {
    format!("00-{trace}-{span}-01")
}

/// Hex digits of ids.
const TRACE: usize = 32;
const SPAN: usize = 16;

fn trace_id(root: &str, job: &str) -> String {
    id(&[root, job, "trace"], TRACE)
}

fn job_span(root: &str, job: &str) -> String {
    id(&[root, job, "span"], SPAN)
}

/// An id that is always the same for the same parts, so that a restart changes nothing.
fn id(parts: &[&str], digits: usize) -> String {
    digest::sha256(parts.join("\0").as_bytes())[..digits].to_owned()
}

fn nanoseconds(at: Stamp) -> u128 {
    Duration::from_secs(at.unix().max(0).unsigned_abs()).as_nanos()
}
