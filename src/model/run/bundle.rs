//! The review bundle: everything that a person needs to decide about a finished job, and what is merged
//! when they approve. A receipt, written once by the foreman.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::job_name;
use super::order::Goal;
use super::outcome::Finding;
use crate::base::Stamp;
use crate::model::agent::Usage;
use crate::model::is_default;

/// The version that is written.
pub const VERSION: u64 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Bundle {
    pub version: u64,
    pub generated_at: Stamp,
    /// The job's name in commits and worktree.
    pub job: String,
    pub run: String,
    pub task_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_id: Option<String>,
    /// As the order has it.
    #[serde(flatten)]
    pub goal: Goal,
    /// The seat that did the work.
    pub agent_id: String,
    /// The seat that reviewed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewer: Option<String>,
    pub branch: String,
    pub target_branch: String,
    pub base_commit: String,
    /// The reviewed commit; an approval merges exactly this one.
    pub commit: String,
    /// The SHA-256 of `git diff-tree -r -z --no-renames <base_commit> <commit>`, so that the change can be recognised
    /// where the reviewed commit is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_sha256: Option<String>,
    /// What the planner answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The plan's justification, relative to the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub justification: Option<String>,
    pub diff: Diff,
    pub stages: Vec<Stage>,
    pub tests: Vec<Test>,
    pub findings: Vec<Finding>,
    /// The findings for which the job was sent back earlier: by a person, by its pull request, or because of a
    /// conflict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent_back: Vec<Finding>,
    /// The reviewer's, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<u8>,
    /// The coder's passes.
    pub passes: u32,
    pub usage: Usage,
    pub receipts: Vec<Receipt>,
}

impl Bundle {
    /// Whether the result was tested, every test passed, and no finding needs a person.
    pub fn is_passing(&self) -> bool {
        let needs_person = |finding: &Finding| finding.stops() || finding.needs_person();
        let is_tested = !self.tests.is_empty() && self.tests.iter().all(|test| test.passed);
        is_tested && !self.findings.iter().any(needs_person)
    }

    /// For the order of a job's results: the number of the run, whatever the clock said, then the time.
    pub fn sort_key(&self) -> (u32, Stamp) {
        let nth = self.run.rsplit_once('.').and_then(|(_, nth)| nth.parse().ok());
        (nth.unwrap_or_default(), self.generated_at)
    }

    /// The job's short id: `j7`.
    pub fn short(&self) -> Cow<'_, str> {
        job_name::short(&self.job)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Diff {
    pub added: u64,
    pub removed: u64,
    /// Lines added plus lines removed that were allowed.
    pub limit: u64,
    /// The first of them, by path.
    pub files: Vec<File>,
    /// How many more there are.
    #[serde(default, skip_serializing_if = "is_default")]
    pub more_files: usize,
}

impl Diff {
    /// How many files differ.
    pub fn count(&self) -> usize {
        self.files.len() + self.more_files
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct File {
    pub path: String,
    pub added: u64,
    pub removed: u64,
}

/// A stage and its result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Stage {
    /// `planner`, `coder`, `tester`, `reviewer` or `commands`.
    pub name: String,
    pub round: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub passed: bool,
    /// One line for people.
    pub outcome: String,
    pub duration_seconds: f64,
    pub usage: Usage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Test {
    pub command: String,
    pub passed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    pub duration_seconds: f64,
    /// Of what it printed; `None` in receipts of before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_sha256: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Receipt {
    /// Relative to the hub.
    pub path: String,
    pub sha256: String,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn bundle(tests: Value, findings: Value) -> Bundle {
        serde_json::from_value(json!({
            "version": 1, "generated_at": "2026-01-05T10:00:00Z", "job": "j", "run": "j.1", "task_id": "T", "title": "t",
            "objective": "o", "agent_id": "a", "branch": "b", "target_branch": "main", "base_commit": "0", "commit": "1",
            "diff": {"added": 1, "removed": 0, "limit": 9, "files": []}, "stages": [], "tests": tests,
            "findings": findings, "passes": 1, "receipts": [],
            "usage": {"input_tokens": 0, "cached_tokens": 0, "output_tokens": 0},
        }))
        .unwrap()
    }

    #[test]
    fn a_result_passes_when_it_was_tested_and_nothing_needs_a_person() {
        let test = |passed: bool| json!([{"command": "true", "passed": passed, "duration_seconds": 0.1}]);
        let found = |finding: Finding| json!([finding]);
        assert!(bundle(test(true), json!([])).is_passing());
        assert!(bundle(test(true), found(Finding::low("x", "", "fine"))).is_passing());
        assert!(!bundle(test(false), json!([])).is_passing());
        assert!(!bundle(test(true), found(Finding::high("x", "", "wrong"))).is_passing());
        assert!(!bundle(json!([]), json!([])).is_passing(), "nothing tested it");
    }
    #[test]
    fn results_are_ordered_by_run_whatever_the_clock_said() {
        let of = |run: &str, at: i64| Bundle {
            run: run.to_owned(),
            generated_at: Stamp::from_unix(at),
            ..bundle(json!([]), json!([]))
        };
        let (ninth, tenth, later) = (of("j.9", 2000), of("j.10", 1000), of("j.10", 1500));
        assert!(ninth.sort_key() < tenth.sort_key(), "the clock was set back between them");
        assert!(tenth.sort_key() < later.sort_key());
    }
}
