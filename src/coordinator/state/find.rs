//! Finds a job by name: its id, short id, run, task or plan; and what stands in the way of a submission.

use super::submission::Submission;
use super::{Ending, Job, Phase, State};
use crate::base::{names, text};
use crate::model::run::job_name::{called, distinct};

impl State {
    /// The newest stored job with that name; a job that is not over has priority.
    ///
    /// # Errors
    /// No such job, with suggestions; or several jobs of different tasks match.
    pub fn find(&self, name: &str) -> Result<&Job, String> {
        pick(name, &self.jobs.iter().collect::<Vec<_>>())
    }

    /// Like [`find`](State::find), among the jobs that are not over.
    ///
    /// # Errors
    /// As there; or its job is over, with how it ended and what can be done.
    pub fn find_live(&self, name: &str) -> Result<&Job, String> {
        let live = pick(name, &self.live_jobs().collect::<Vec<_>>());
        live.map_err(|why| match self.find(name) {
            Ok(job) => ended(job),
            Err(_) => why,
        })
    }

    /// The job that does the submitted work and is not over.
    pub fn job_of(&self, submission: &Submission) -> Option<&Job> {
        let Submission { plan, step, .. } = submission;
        self.live_jobs().find(|job| {
            submission.is_called(&job.task)
                || (plan.is_some() && job.plan == *plan && (step.is_none() || job.step == *step))
        })
    }

    /// Checks whether the work can be queued behind at most `most` submissions.
    ///
    /// # Errors
    /// Why it cannot: it has a job, it is queued, or the queue is full.
    pub fn check_submission(&self, submission: &Submission, most: usize) -> Result<(), String> {
        let task = &submission.task;
        if let Some(job) = self.job_of(submission) {
            return Err(format!("{task} already has job {}", job.short()));
        }
        if let Some(other) = self.submissions.iter().find(|other| other.is_same(submission)) {
            let name = if other.task == *task { String::new() } else { format!(", as {}", other.task) };
            return Err(format!("{task} is already queued{name}"));
        }
        if self.submissions.len() >= most {
            return Err(format!(
                "the queue is full: {most} submissions wait, and coordinator.queue = {most}; submit {task} again when \
                 one has started"
            ));
        }
        Ok(())
    }
}

fn pick<'a>(name: &str, jobs: &[&'a Job]) -> Result<&'a Job, String> {
    let found = called(name, jobs, Job::names);
    let Some(newest) = found.last() else { return Err(unknown(name, jobs)) };
    let is_same = |job: &&Job| job.is_called(name) || job.task == newest.task;
    if !found.iter().all(is_same) {
        let ids: Vec<_> = found.iter().map(|job| job.id.as_str()).collect();
        let ids = text::clip(&distinct(&ids).join(", "), 200);
        return Err(format!("{} matches several jobs: {ids}", shown(name)));
    }
    Ok(found.iter().rfind(|job| !job.is_over()).unwrap_or(newest))
}

/// `j6 has ended (blocked); to retry it: teof review retry j6`
fn ended(job: &Job) -> String {
    let (short, label) = (job.short(), job.label());
    let next = match job.phase {
        Phase::Over { ending: Ending::Blocked | Ending::Reverted, .. } => {
            format!("to retry it: teof review retry {short}")
        }
        _ => format!("see what it did: teof logs {short}"),
    };
    format!("{short} has ended ({label}); {next}")
}

fn unknown(name: &str, jobs: &[&Job]) -> String {
    let known: Vec<String> = jobs.iter().flat_map(|job| [job.short(), job.task.clone()]).collect();
    format!("no such job: {}{}", shown(name), names::did_you_mean(name, known.iter().map(String::as_str)))
}

fn shown(name: &str) -> String {
    text::clip(&text::safe(name), 60)
}
