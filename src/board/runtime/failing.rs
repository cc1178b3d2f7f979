//! What the coordinator does again and again because it keeps failing.

use serde::Serialize;

use crate::base::text;
use crate::coordinator::state::State;
use crate::hub::Hub;
use crate::model::run::job_name::short;

/// Why actions keep failing.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Failing {
    pub why: String,
    /// How often in a row the one failed that failed most often.
    pub failures: u32,
    /// The jobs that wait for it, by their short ids.
    pub jobs: Vec<String>,
}

impl Failing {
    /// Each reason once, in the order of the actions.
    pub(super) fn all(state: &State) -> Vec<Failing> {
        let mut found: Vec<Failing> = Vec::new();
        for pending in state.failing() {
            let why = text::safe(pending.why.as_deref().unwrap_or_default());
            let at = found.iter().position(|one| one.why == why).unwrap_or_else(|| {
                found.push(Failing { why, failures: 0, jobs: Vec::new() });
                found.len() - 1
            });
            found[at].failures = found[at].failures.max(pending.failures);
            let job = pending.action.job().map(|job| short(job).into_owned());
            let is_new = |job: &String| !found[at].jobs.contains(job);
            if let Some(job) = job.filter(is_new) {
                found[at].jobs.push(job);
            }
        }
        found
    }

    /// For people: `cannot continue after 5 failures, and retries: the hub is on another branch (j3, j4)`.
    pub fn describe(&self) -> String {
        let jobs = if self.jobs.is_empty() { String::new() } else { format!(" ({})", self.jobs.join(", ")) };
        let failures = text::counted(u64::from(self.failures), "failure");
        format!("cannot continue after {failures}, and retries: {}{jobs}", self.why)
    }
}

/// Why the record is not committed, when that keeps failing and nobody has committed it since.
pub(super) fn uncommitted(hub: &Hub, state: &State) -> Option<String> {
    let failing = state.commit_failing.as_ref()?;
    let is_wanted = hub.settings().is_ok_and(|settings| settings.coordinator.record);
    let is_over = hub.watermarks().recorded_at() >= failing.at;
    failing.describe().filter(|_| is_wanted && !is_over)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::testing::repository;
    use crate::coordinator::state::CommitFailing;

    #[test]
    fn a_record_that_somebody_committed_meanwhile_is_no_problem() {
        let (_dir, hub) = repository();
        let failing = CommitFailing { failures: 5, why: "a merge is in progress".into(), at: Some(hub.now()) };
        let mut state = State { commit_failing: Some(failing), ..State::new() };
        let told = "the record is not committed (5 failures): a merge is in progress";
        assert_eq!(uncommitted(&hub, &state).as_deref(), Some(told));
        hub.watermarks().recorded("0123").unwrap();
        assert_eq!(uncommitted(&hub, &state), None);
        state.commit_failing.as_mut().unwrap().failures = 1;
        assert_eq!(uncommitted(&hub, &state), None);
    }
}
