//! Handles questions of agents: the job waits for a person's answer and continues with it in the same session.

use super::context::StepContext;
use crate::base::text;
use crate::coordinator::state::Phase;
use crate::coordinator::state::input::Action;
use crate::foreman::results::question;
use crate::hub::settings::notify::Topic;

impl StepContext<'_> {
    /// Reports a question of a job's agent and keeps its claim.
    pub(in crate::coordinator) fn asks(&mut self, id: &str) {
        self.enter(id, Phase::Question { since: self.now });
        let Some(job) = self.job_mut(id) else { return };
        let question = job.last.as_ref().and_then(|last| last.question.clone()).unwrap_or_default();
        let (task, short) = (job.task.clone(), job.short());
        let shown = text::clip(&text::safe(&question), 300);
        let how = format!("answer it: teof coordinator answer {short} \"...\"");
        self.say(Some(id.to_owned()), format!("waiting for an answer: {shown}"));
        let text = format!("{short} {task} is waiting for an answer: {shown}; {how}");
        self.notify(Topic::Question, Some(id), &text);
        self.queue(Action::Note { text, job: Some(id.to_owned()), alert: true });
        self.queue(Action::Await { job: id.to_owned() });
    }

    /// Handles a person's answer to a job's agent.
    pub(in crate::coordinator) fn answer(&mut self, target: &str, answer: String) -> Result<String, String> {
        let now = self.now;
        let job = self.state.find_live(target)?;
        let Phase::Question { since } = job.phase else {
            return Err(format!("{} has no open question ({})", job.short(), job.label()));
        };
        let (id, waited) = (job.id.clone(), now.since(since));
        let question = job.last.as_ref().and_then(|last| last.question.clone()).unwrap_or_default();
        self.forget(&id, |action| matches!(action, Action::Await { .. } | Action::Keep { .. }));
        self.state.totals.person_wait.add(waited);
        let job = self.job_mut(&id).ok_or_else(|| format!("no such job: {target}"))?;
        job.answer = Some(question::answer_prompt(&question, &answer));
        job.phase = Phase::Waiting { until: now };
        Ok(format!("{} continues with the answer: {}", job.task, text::clip(&text::safe(&answer), 200)))
    }
}
