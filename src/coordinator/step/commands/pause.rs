//! Pauses a job and resumes it, or all work.

use crate::coordinator::state::{Phase, Word};
use crate::coordinator::step::context::StepContext;
use crate::model::run::outcome::Verdict;

impl StepContext<'_> {
    /// Stops one job after its stage, and keeps it there.
    pub(super) fn pause_job(&mut self, target: &str, word: Word) -> Result<String, String> {
        let job = self.state.find_live(target)?;
        let (id, short) = (job.id.clone(), job.short());
        if job.paused.is_some() {
            return Err(format!("{short} is paused already"));
        }
        if job.is_under_review() || job.asks() {
            return Err(format!("{short} does not work now: {}", job.phase.label()));
        }
        let works = job.takes_a_slot();
        if let Some(job) = self.job_mut(&id) {
            job.paused = Some(word);
        }
        Ok(match works {
            true => format!("{short} stops after its current stage, until you resume it"),
            false => format!("{short} does not start again until you resume it"),
        })
    }

    /// Ends the pause of a job; false when no paused job has this name.
    pub(super) fn resume_job(&mut self, name: &str) -> bool {
        let paused =
            self.state.jobs.iter_mut().find(|job| job.paused.is_some() && !job.is_over() && job.is_called(name));
        paused.is_some_and(|job| job.paused.take().is_some())
    }

    /// Ends a pause and the suspensions of agents: a person overrides the time that an agent named.
    pub(super) fn resume(&mut self) -> Result<String, String> {
        let paused = self.state.paused.take().is_some();
        let mut agents: Vec<String> = std::mem::take(&mut self.state.suspended).into_keys().collect();
        agents.extend(self.ignore_quotas());
        agents.sort();
        agents.dedup();
        // The person has fixed the cause, so the waits start over.
        self.state.outages.clear();
        let now = self.now;
        for job in &mut self.state.jobs {
            let rests = job.last.as_ref().is_some_and(|last| last.verdict == Some(Verdict::Paused));
            if rests && job.work.agents.iter().any(|agent| agents.contains(agent)) {
                job.phase = match job.phase.clone() {
                    Phase::Waiting { until } => Phase::Waiting { until: until.min(now) },
                    other => other,
                };
            }
        }
        let called = format!("no longer suspended: {}", agents.join(", "));
        match (paused, agents.is_empty()) {
            (true, true) => Ok("new jobs start again".into()),
            (true, false) => Ok(format!("new jobs start again; {called}")),
            (false, false) => Ok(called),
            (false, true) => Err("the coordinator is not paused, and no agent is suspended".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{begun, say};
    use crate::base::Stamp;
    use crate::coordinator::state::Suspension;
    use crate::coordinator::state::input::Command;

    #[test]
    fn resume_lifts_the_suspensions_of_agents() {
        let mut state = begun();
        assert!(!say(&mut state, "a", Command::Resume { task: None }).0);
        let suspension = Suspension { until: Stamp::from_unix(9_000_000), reason: "limit".into() };
        state.suspended.insert("claude".into(), suspension);
        let (ok, text) = say(&mut state, "b", Command::Resume { task: None });
        assert!(ok && text.contains("claude") && state.suspended.is_empty(), "{text}");
    }
}
