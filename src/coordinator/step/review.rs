//! Handles finished jobs that wait for a person's decision: merged, rejected or sent back.
//!
//! Nothing here merges or decides: decisions come in as commands or are found in the repository. A granted policy is
//! asked first, by an action.

use super::context::StepContext;
use super::reason::summary;
use crate::base::text;
use crate::coordinator::state::input::{Action, Reply, ReviewWord, Reviewed};
use crate::coordinator::state::{Decision, Ending, Job, Phase, Word};
use crate::hub::settings::notify::Topic;
use crate::model::agent::Usage;
use crate::model::run::job_name::short;
use crate::model::run::order::Rework;
use crate::model::run::outcome::Finding;
use crate::review::policy;

impl StepContext<'_> {
    pub(in crate::coordinator) fn needs_review(&self, job: &Job) -> bool {
        job.work.staged || self.config.review_commands
    }

    /// The work of a job is finished; a decision may already exist.
    pub(in crate::coordinator) fn submit_result(&mut self, id: &str) {
        self.enter(id, Phase::Review { since: self.now });
        let Some(job) = self.state.job(id) else { return };
        if job.wish.is_some() {
            self.end_as_wished(id);
        } else if job.decision.is_some() {
            let text = self.decide(id);
            self.say(Some(id.to_owned()), text);
        } else {
            self.queue(Action::Await { job: id.to_owned() });
        }
    }

    pub(in crate::coordinator) fn was_awaited(&mut self, id: &str, reply: Reply) {
        let Some(job) = self.state.job(id).filter(|job| job.is_under_review() || job.asks()) else { return };
        let asks = job.asks();
        if let Reply::Refused { why } | Reply::NotNow { why } = reply {
            self.note_reason(id, &why);
            return self.finalize(id, Ending::Blocked);
        }
        if asks {
            return;
        }
        let Some(job) = self.state.job(id) else { return };
        match job.work.staged && policy::covers(&self.config.auto_merge, job.priority) {
            true => self.queue(Action::Approve { job: id.to_owned() }),
            false => self.leave_to_person(id, ""),
        }
    }

    /// A result that the policy does not merge waits for a person; a merged one is heard of as a decision.
    pub(in crate::coordinator) fn was_approved(&mut self, id: &str, reply: Reply) {
        match reply {
            Reply::Refused { why } => {
                self.leave_to_person(
                    id,
                    &format!(", because the policy does not merge it ({})", text::clip(&why, 200)),
                );
            }
            _ => self.state.volatile.observe_again = true,
        }
    }

    /// Tells people that a result waits for them, and offers it as a pull request.
    pub(in crate::coordinator) fn leave_to_person(&mut self, id: &str, why: &str) {
        let Some(job) = self.state.job(id).filter(|job| job.is_under_review()) else { return };
        let (job, task, seat) = (job.short(), &job.task, &job.seat);
        let text = format!("{job} {task} ({seat}) waits for a person's decision{why}: teof review show {job}");
        self.say(Some(id.to_owned()), format!("waiting for review{why}"));
        self.notify(Topic::Approval, Some(id), &text);
        self.queue(Action::Note { text, job: Some(id.to_owned()), alert: false });
        self.queue(Action::Deliver { job: id.to_owned() });
    }

    /// Extends the claims of jobs that wait: for a person, or paused, however long that takes.
    pub(in crate::coordinator) fn keep_what_waits(&mut self) {
        let (now, lease) = (self.now, self.config.review_lease);
        let often = (lease / 3).max(self.config.poll_min);
        let all_paused = self.state.paused.is_some();
        let is_due = |job: &&mut Job| match job.phase {
            Phase::Review { since } | Phase::Question { since } => {
                job.kept.max(Some(since)).is_some_and(|last| last.plus(often) <= now)
            }
            Phase::Held if job.paused.is_some() || job.yields_to.is_some() => {
                job.kept.is_none_or(|last| last.plus(often) <= now)
            }
            Phase::Waiting { .. } if all_paused || job.paused.is_some() => {
                job.kept.is_none_or(|last| last.plus(often) <= now)
            }
            _ => false,
        };
        let due = self.state.jobs.iter_mut().filter(is_due).map(|job| {
            job.kept = Some(now);
            job.id.clone()
        });
        for job in due.collect::<Vec<_>>() {
            self.queue(Action::Keep { job, until: now.plus(lease) });
        }
    }

    pub(in crate::coordinator) fn was_delivered(&mut self, id: &str, reply: Reply) {
        match reply {
            Reply::Delivered { pull_request: Some(number) } => {
                let Some(job) = self.job_mut(id) else { return };
                job.pull_request = Some(number);
                self.say(Some(id.to_owned()), format!("offered as pull request #{number}"));
            }
            Reply::Refused { why } => self.not_delivered(id, &why),
            _ => {}
        }
    }

    /// Nothing depends on it: the bundle exists, and it can be merged locally.
    pub(in crate::coordinator) fn not_delivered(&mut self, id: &str, why: &str) {
        let Some(job) = self.state.job(id) else { return };
        let text =
            format!("{} {} cannot be offered as a pull request: {}", job.short(), job.task, text::clip(why, 300));
        self.say(Some(id.to_owned()), text.clone());
        self.queue(Action::Note { text, job: Some(id.to_owned()), alert: false });
    }

    /// Handles a decision; its run identifies the result.
    pub(in crate::coordinator) fn reviewed(
        &mut self,
        id: &str,
        run: &str,
        said: ReviewWord,
        by: &Word,
    ) -> Result<String, String> {
        let job = self.state.job(id).ok_or_else(|| format!("no such job: {}", short(id)))?;
        let ending = match job.phase {
            Phase::Finalizing { ending } | Phase::Over { ending, .. } => Some(ending),
            _ => None,
        };
        if let Some(ending) = ending {
            return match (ending, &said) {
                (Ending::Done, ReviewWord::Merged { .. }) => Ok(format!("{} is already done", job.task)),
                // However the job ended: what is merged is done.
                (_, ReviewWord::Merged { .. }) => Ok(self.decided_late(id, said, by)),
                (Ending::Done, ReviewWord::Reverted) if job.is_over() => Ok(self.decided_late(id, said, by)),
                // The claim tells whether the work is still this job's.
                (Ending::Dropped, ReviewWord::Rejected) if job.is_over() => Ok(self.decided_late(id, said, by)),
                (Ending::Blocked, ReviewWord::Rejected) if job.is_over() => Ok(self.dismiss(id, by)),
                _ => Err(format!("{} has finished: {}", short(id), ending.as_str())),
            };
        }
        // The result that it goes on from may be merged while it waits.
        let is_its = |rework: &Rework| rework.run.as_deref().is_none_or(|from| from == run);
        let is_earlier = job.rework.as_ref().is_some_and(is_its);
        if job.run_id() != run && !(is_earlier && matches!(said, ReviewWord::Merged { .. })) {
            if let ReviewWord::Rework { findings, .. } = &said {
                let has = |had: &Rework| findings.iter().all(|found| had.findings.contains(found));
                // Its file was found before the command came.
                if job.rework.as_ref().is_some_and(has) {
                    return Ok(format!("{} goes back to its coder ({})", job.task, with_note(by)));
                }
                if job.takes_notes() {
                    return Ok(self.add_notes(id, findings, by));
                }
            }
            let (job, run) = (job.short(), job.run_id());
            return Err(format!("{job} has continued since: review the result of {} when it is ready", short(&run)));
        }
        if job.epoch.is_none() || said == ReviewWord::Reverted {
            return Err(format!("{} has not started yet", short(id)));
        }
        // Its worker may have died or paused after writing the bundle.
        let (under_review, rests) = (job.is_under_review(), job.rests());
        let decision = Decision { word: said, by: with_note(by) };
        let Some(job) = self.job_mut(id) else { return Err(format!("no such job: {}", short(id))) };
        job.decision = Some(decision);
        match under_review {
            true => Ok(self.decide(id)),
            false if rests && self.ends_as_decided(id) => Ok(format!("{} stops: its result is decided", short(id))),
            // The bundle is written before the worker's outcome.
            false => Ok(format!("recorded; it takes effect when {} has ended", short(run))),
        }
    }

    /// Work that goes back to its coder, who has not begun, gets more findings.
    fn add_notes(&mut self, id: &str, findings: &[Finding], by: &Word) -> String {
        let Some(job) = self.job_mut(id) else { return String::new() };
        let new = findings.iter().filter(|found| job.rework.as_ref().is_none_or(|had| !had.findings.contains(found)));
        let new: Vec<_> = new.cloned().collect();
        if let Some(rework) = &mut job.rework {
            rework.findings.extend(new);
        }
        format!("the coder of {} gets one more note ({})", job.task, with_note(by))
    }

    /// The result of a job that is over, or about to be, was merged or reverted after all.
    fn decided_late(&mut self, id: &str, word: ReviewWord, by: &Word) -> String {
        // This end replaces one that is not written yet.
        self.forget(id, |action| matches!(action, Action::Finalize { .. }));
        let Some(job) = self.job_mut(id) else { return String::new() };
        let is_blocked = matches!(job.phase, Phase::Over { ending: Ending::Blocked, .. });
        job.decision = Some(Decision { word, by: with_note(by) });
        self.state.totals.blocked_then_done += u64::from(is_blocked);
        self.decide(id)
    }

    /// A person does not want blocked work any more. Its step and item are blocked already.
    fn dismiss(&mut self, id: &str, by: &Word) -> String {
        let by = with_note(by);
        self.note_reason(id, &format!("rejected {by}"));
        let Some(job) = self.job_mut(id) else { return String::new() };
        job.decision = Some(Decision { word: ReviewWord::Rejected, by });
        format!("{} is rejected", job.short())
    }

    /// Handles decisions found by an observation: merged by hand, a pull request merged or closed.
    pub(in crate::coordinator) fn saw_reviews(&mut self, found: Vec<Reviewed>) {
        for Reviewed { job: id, run, word, by } in found {
            let Some(job) = self.job_mut(&id) else { continue };
            if job.is_under_review() && job.run_id() == run && job.decision.is_none() {
                job.decision = Some(Decision { word, by });
                let text = self.decide(&id);
                self.say(Some(id), text);
            }
        }
    }

    /// Carries out the decision about a job under review and returns a message.
    pub(in crate::coordinator) fn decide(&mut self, id: &str) -> String {
        self.forget(id, |action| {
            matches!(
                action,
                Action::Await { .. } | Action::Keep { .. } | Action::Approve { .. } | Action::Deliver { .. }
            )
        });
        let Some(job) = self.state.job(id) else { return String::new() };
        let waited = match job.phase {
            Phase::Review { since } => Some(self.now.since(since)),
            _ => None,
        };
        let Some(Decision { word, by }) = job.decision.clone() else { return String::new() };
        let task = job.task.clone();
        if let Some(waited) = waited {
            self.state.totals.person_wait.add(waited);
        }
        match word {
            ReviewWord::Merged { commit } => {
                let reason = format!("merged as {} {by}", commit.get(..12).unwrap_or(&commit));
                self.note_reason(id, &reason);
                self.finalize(id, Ending::Done);
                format!("{task} is done: {reason}")
            }
            ReviewWord::Rejected => {
                let reason = format!("rejected {by}");
                self.note_reason(id, &reason);
                self.finalize(id, Ending::Blocked);
                format!("{task} is blocked: {reason}")
            }
            ReviewWord::Reverted => {
                let reason = format!("reverted {by}");
                self.note_reason(id, &reason);
                self.enter(id, Phase::Over { ending: Ending::Reverted, at: self.now });
                format!("{task} is {reason}")
            }
            ReviewWord::Rework { findings, fresh } => {
                let Some(job) = self.job_mut(id) else { return String::new() };
                job.decision = None;
                match again(job, findings, fresh) {
                    Ok(()) => {
                        self.enter(id, Phase::Waiting { until: self.now });
                        self.state.totals.reworks += 1;
                        format!("{task} goes back to its coder ({by})")
                    }
                    Err(why) => {
                        self.block(id, &why);
                        format!("{task} is blocked: {why}")
                    }
                }
            }
        }
    }
}

/// `by ada: because of this`
pub(super) fn with_note(by: &Word) -> String {
    let note = by.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
    format!("by {}{note}", by.by)
}

/// Lets the job continue from its own result, with the next run's number.
fn again(job: &mut Job, findings: Vec<Finding>, fresh: bool) -> Result<(), String> {
    let carry = job.commit().ok_or("its result has no commit to continue from")?.to_owned();
    let used = job.last.as_ref().map_or(0, |last| last.passes);
    if !fresh && job.work.passes > 0 && used >= job.work.passes {
        let why = summary(&findings);
        return Err(format!("it was sent back, but the coder has no passes left ({used} used){why}"));
    }
    let session = job.last.as_ref().and_then(|last| last.session.clone());
    let nth = job.rework.as_ref().map_or(1, |rework| rework.nth + 1);
    let (run, passes_used) = (Some(job.run_id()), if fresh { 0 } else { used });
    job.rework = Some(Rework { nth, passes_used, carry, run, findings, session, spent: job.used() });
    job.run += 1;
    job.spent = job.used();
    (job.order, job.failures, job.interruptions, job.counted) = (None, 0, 0, Usage::default());
    Ok(())
}
