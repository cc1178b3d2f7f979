//! Observes a call while it runs: shows and watches what the agent does, gives it notes, and stops it when a limit, a
//! rule or a person says so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::notes::{self, Stored};
use super::request::CallRequest;
use crate::agents::monitor::Monitor;
use crate::agents::{self, Ask, Dialog, Event, Stream};
use crate::base::lock::FileLock;
use crate::base::{Result, text};
use crate::exec::{Control, Input, Observer};
use crate::foreman::reporting::alert;
use crate::foreman::results::call_record::{How, Note};
use crate::foreman::watch::Watch;
use crate::guard::secrets;
use crate::hub::Hub;
use crate::model::run::noticed::{Action, Noticed};
use crate::sessions::StopRequest;

/// What stands before the path of a call's raw output in the worker's log.
pub const RAW_OUTPUT: &str = "raw output: ";

/// How many lines of a call are shown while it runs, and how long each may be, in characters.
const MAX_SHOWN: usize = 1000;
const SHOWN: usize = 200;
/// How long an agent that was asked to end its turn may take.
const CANCEL: Duration = Duration::from_secs(3);
/// How often to look for notes.
const NOTES_EVERY: Duration = Duration::from_millis(250);

/// Reads the agent's stream and decides whether the call continues.
pub(super) struct CallObserver<'a, 'w> {
    pub reading: Stream,
    pub seen: Monitor,
    hub: &'a Hub,
    watch: &'a mut Watch<'w>,
    start_lock: Option<FileLock>,
    request: &'a CallRequest<'a>,
    worktree: PathBuf,
    pub over_budget: bool,
    pub cancelled: bool,
    /// The first match of a rule that pauses the job, and of one that stops the agent.
    pub pause: Option<Noticed>,
    pub stop: Option<Noticed>,
    /// The first permission that only a person may give.
    pub asks: Option<Noticed>,
    /// When it was asked to end its turn.
    cancel_sent: Option<Instant>,
    /// A person ended this session alone.
    pub stopped: Option<StopRequest>,
    /// The notes that the agent got while it worked.
    pub notes: Vec<Note>,
    /// The rules that an alert was raised for.
    alerted: BTreeSet<String>,
    /// How many lines were shown.
    shown: usize,
    began: Instant,
    /// `None`: a note could not be given, so none is looked for any more in this call.
    looked_for_notes: Option<Instant>,
    /// The note that the agent was told, and that it has not taken yet.
    offered: Option<Stored>,
    /// What is to be written to an agent that reads messages without a protocol.
    unwritten: Vec<u8>,
}

impl<'a, 'w> CallObserver<'a, 'w> {
    pub fn new(
        hub: &'a Hub,
        watch: &'a mut Watch<'w>,
        start_lock: Option<FileLock>,
        request: &'a CallRequest<'a>,
        dialog: Option<Dialog>,
        worktree: &Path,
    ) -> Result<Self> {
        let now = Instant::now();
        Ok(CallObserver {
            reading: Stream::new(request.agent.format, request.earlier).speaking(dialog),
            seen: Monitor::new(&hub.settings()?.monitor, worktree.to_owned(), secrets::redact),
            hub,
            watch,
            start_lock,
            request,
            worktree: worktree.to_owned(),
            over_budget: false,
            cancelled: false,
            pause: None,
            stop: None,
            asks: None,
            cancel_sent: None,
            stopped: None,
            notes: Vec::new(),
            alerted: BTreeSet::new(),
            shown: 0,
            began: now,
            looked_for_notes: Some(now),
            offered: None,
            unwritten: Vec::new(),
        })
    }

    /// Shows what the agent does while it works.
    fn show(&mut self, events: &[Event]) {
        let live = self.request.live;
        for event in events {
            if let Event::Quota(quota) = event {
                live.quota(&self.request.agent.name, quota);
            }
        }
        if let Some(Event::Started { session, model }) = events.iter().find(|e| matches!(e, Event::Started { .. })) {
            live.identify(session.as_deref(), model.as_deref());
        }
        let shown = |event| Some((event, one_line(event, &self.worktree)?));
        for (event, said) in events.iter().filter_map(shown).collect::<Vec<_>>() {
            match event {
                Event::ToolUse { .. } => live.tool(&said),
                _ => live.line(&said, matches!(event, Event::Text { .. } | Event::Line(_))),
            }
            self.shown += 1;
            match self.shown {
                n if n < MAX_SHOWN => self.say(&format!("{}: {said}", self.request.agent.name)),
                MAX_SHOWN => self.say(&format!("more in the raw output: {}", self.request.name)),
                _ => {}
            }
        }
    }

    fn say(&self, line: &str) {
        (self.request.say)(&format!("      {line}"));
    }

    /// Has the rules judge what the agent does.
    fn judge(&mut self, events: &[Event]) {
        let before = (self.seen.errors, self.seen.tools.values().sum::<u64>());
        for event in events {
            for noticed in self.seen.take(event, self.hub.now()) {
                self.act(noticed);
            }
            match event {
                Event::Asks(ask) => self.permit(ask),
                Event::Steered { taken } => self.note_answered(*taken),
                _ => {}
            }
        }
        if before != (self.seen.errors, self.seen.tools.values().sum()) {
            self.request.live.counted(&self.seen);
        }
    }

    /// Answers an agent that asks whether it may: the sandbox confines it, so it may, unless a rule notices what it is
    /// about to do.
    fn permit(&mut self, ask: &Ask) {
        let found = self.seen.judge(&ask.tool, &ask.operation, &self.request.decided.allowed, self.hub.now());
        let grave = found.filter(|noticed| noticed.action >= Action::Notify);
        self.reading.decide(ask, grave.is_none());
        let Some(noticed) = grave else { return };
        self.say(&format!("not allowed: {}", noticed.describe()));
        self.request.live.line(&format!("(not allowed: {})", noticed.describe()), false);
        if noticed.action == Action::Pause && !self.request.decided.refused.contains(&noticed.digest) {
            self.asks.get_or_insert(noticed);
        }
    }

    /// What a rule says that follows.
    fn act(&mut self, mut noticed: Noticed) {
        let decided = self.request.decided;
        if decided.allowed.contains(&noticed.digest) || decided.refused.contains(&noticed.digest) {
            noticed.action = noticed.action.min(Action::Record);
        }
        self.request.live.noticed(&noticed);
        self.say(&format!("noticed ({}) {}", noticed.class.as_str(), noticed.describe()));
        if noticed.action >= Action::Notify && self.alerted.insert(noticed.rule.clone()) {
            let what = match noticed.action {
                Action::Cancel => "is stopped for",
                Action::Pause => "is paused after its stage for",
                _ => "did",
            };
            let summary = format!("{} {what}: {}", self.request.agent.name, noticed.describe());
            alert::raise(self.hub, self.request.work, self.request.run, alert::NOTICED, &summary);
        }
        match noticed.action {
            Action::Cancel => drop(self.stop.get_or_insert(noticed)),
            Action::Pause => drop(self.pause.get_or_insert(noticed)),
            Action::Ignore | Action::Record | Action::Notify => {}
        }
    }

    /// Gives the agent the next note that waits, if it is time to look for one.
    fn offer_note(&mut self) {
        let is_due = self.looked_for_notes.is_some_and(|last| last.elapsed() >= NOTES_EVERY);
        if !is_due || self.offered.is_some() || !self.request.agent.takes_messages() || self.reading.is_final() {
            return;
        }
        self.looked_for_notes = Some(Instant::now());
        let Some(stored) = notes::pending(self.hub, self.request.work.job()).into_iter().next() else { return };
        let said = notes::as_message(&stored.note);
        let message = format!("{said}\nGo on with your work and take this into account.\n");
        if self.request.agent.format.is_protocol() {
            self.offered = self.reading.steer(&message).then_some(stored);
        } else if self.note_given(&stored) {
            // What is written to its stdin counts as given: it does not say that it read it.
            self.unwritten = agents::message(&message);
        }
    }

    /// The agent says whether it took the note.
    fn note_answered(&mut self, taken: bool) {
        match self.offered.take() {
            Some(stored) if taken => drop(self.note_given(&stored)),
            // Its turn is about to end.
            Some(_) => self.looked_for_notes = None,
            None => {}
        }
    }

    /// Records that the agent has the note; false when that fails, so that its next call gets it.
    fn note_given(&mut self, stored: &Stored) -> bool {
        match notes::mark_given(self.hub, stored, How::Session) {
            Ok(note) => {
                let words = text::clip(&text::safe(&note.text), SHOWN);
                self.say(&format!("note from {}: {words}", text::safe(&note.by)));
                self.notes.push(note);
                true
            }
            Err(e) => {
                tracing::warn!("cannot give a note to the agent: {e:#}; its next call gets it");
                self.looked_for_notes = None;
                false
            }
        }
    }
}

impl Observer for CallObserver<'_, '_> {
    fn started(&mut self, pid: i32) {
        self.request.live.started(pid);
    }

    fn observe(&mut self, chunk: &[u8]) -> bool {
        let before = self.reading.meaningful();
        let events = self.reading.take(chunk);
        if !events.is_empty() {
            self.start_lock = None;
            self.request.live.active(|_| {});
        }
        self.show(&events);
        self.judge(&events);
        self.reading.meaningful() > before
    }

    fn control(&mut self) -> Control {
        if self.start_lock.is_some() && self.began.elapsed() >= self.request.agent.stagger {
            self.start_lock = None;
        }
        let used = self.request.spent.plus(self.reading.usage());
        self.over_budget = self.request.budget.is_over(used);
        self.request.live.used(self.reading.usage());
        self.request.live.run_used(self.request.run_spent.plus(self.reading.usage()));
        self.request.live.tick();
        self.cancelled = self.watch.should_cancel();
        if self.stopped.is_none() {
            self.stopped = self.request.live.stop_request();
        }
        let is_unwanted = self.cancelled || self.over_budget || self.stop.is_some() || self.stopped.is_some();
        match (is_unwanted || self.asks.is_some(), self.reading.is_final()) {
            (true, _) if self.winds_down() => Control::Continue,
            (true, _) => Control::Cancel,
            (false, true) => Control::Finished,
            (false, false) => Control::Continue,
        }
    }

    /// It is asked to end its turn first.
    fn winds_down(&mut self) -> bool {
        // What a rule stops is stopped at once.
        if self.stop.is_some() || self.reading.is_final() || !self.reading.cancel() {
            return false;
        }
        self.cancel_sent.get_or_insert_with(Instant::now).elapsed() < CANCEL
    }

    /// Its stdin stays open for what it is told until it has printed its result.
    fn input(&mut self) -> Input {
        self.offer_note();
        let said = match self.reading.outgoing() {
            Some(said) => said,
            None if self.request.agent.takes_messages() => std::mem::take(&mut self.unwritten),
            None => return Input::End,
        };
        match (said.is_empty(), self.reading.is_final()) {
            (false, _) => Input::Bytes(said),
            (true, true) => Input::End,
            (true, false) => Input::Nothing,
        }
    }
}

/// An event as one line for people, if it is worth showing. Secrets are removed before the line is cut.
pub fn one_line(event: &Event, worktree: &Path) -> Option<String> {
    let said = match event {
        Event::ToolUse { name, input, operation } => agents::describe_call(name, input, operation, worktree),
        Event::Text { text, more: false } => text.lines().find(|line| !line.trim().is_empty())?.to_owned(),
        // A line of the answer is for teof.
        Event::Line(line) if !line.trim_start().starts_with(['{', '}', '"']) => line.clone(),
        Event::Rejected(why) | Event::Warning(why) | Event::Trouble { why, .. } => format!("({why})"),
        _ => return None,
    };
    Some(text::clip(&text::safe(&secrets::redact(said.trim())), SHOWN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::agent::Format;

    #[test]
    fn plain_text_is_shown_while_it_is_printed_and_the_answer_is_not() {
        let mut stream = Stream::new(Format::Text, None);
        let events = stream.take(b"Reads the parser\n\n{\"analysis\": \"did it\"}\n");
        let shown: Vec<_> = events.iter().filter_map(|event| one_line(event, Path::new("/w"))).collect();
        assert_eq!(shown, ["Reads the parser"]);
        assert_eq!(stream.meaningful(), 2);
    }
}
