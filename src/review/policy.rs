//! Merges without a person, where a person allowed that beforehand: `[review] auto` in the granted settings.
//!
//! The merge goes through the code of every approval; this module only decides instead of a person. It says yes when
//! nothing about a result is unusual, and leaves everything else to a person.

use git2::Repository;

use super::bundles::Entry;
use super::decision::{self, Kind, PolicyUse};
use super::pull_request;
use super::target::merge;
use crate::base::{Refusal, Result, text};
use crate::guard::consent::{self, Action, Actor, Standing};
use crate::guard::operator;
use crate::hub::git::object_ids;
use crate::hub::settings::Review;
use crate::hub::{Hub, paths};
use crate::model::priority::Priority;
use crate::model::run::bundle::Bundle;

/// Whether the settings allow merges of work of this priority.
pub fn covers(auto: &[String], priority: Priority) -> bool {
    auto.iter().any(|word| Priority::text(word).word() == priority.word())
}

/// The settings of the policy as a sentence; `None` when there is none.
fn describe(settings: &Review) -> Option<String> {
    let (which, sure) = (settings.auto.join(", "), settings.auto_confidence);
    (!which.is_empty()).then(|| {
        format!(
            "work of priority {which} is merged without a person when tests passed, the reviewer is at least {sure} % sure and \
             nothing is unusual"
        )
    })
}

/// What may be merged without a person.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct MergePolicy {
    /// A sentence.
    pub rule: String,
    /// The same in a few words.
    #[serde(skip)]
    pub short: String,
    pub in_force: bool,
    /// Why it is not in force.
    pub why_not: Option<String>,
    /// Who granted the settings that have it.
    pub granted_by: Option<String>,
}

impl MergePolicy {
    /// As the policy of the settings stands under a grant; `None` when they have none.
    pub fn of(settings: &Review, standing: &Standing) -> Option<Self> {
        let rule = describe(settings)?;
        let short =
            format!("priority {} (reviewer at least {} % sure)", settings.auto.join(", "), settings.auto_confidence);
        let why_not = match standing.require(Actor::Coordinator, Action::Apply).err() {
            Some(e) => {
                let reason = Refusal::of(&e).and_then(|refusal| refusal.reason.clone());
                Some(reason.map_or_else(|| format!("{e:#}"), |why| format!("{e:#}: {why}")))
            }
            None if standing.only().is_some() => Some("the consent is for single jobs".to_owned()),
            None => None,
        };
        let granted_by = standing.grant.as_ref().map(|grant| text::safe(&grant.by));
        Some(Self {
            rule,
            short,
            in_force: why_not.is_none(),
            why_not: why_not.map(|why| text::safe(&why)),
            granted_by,
        })
    }

    /// For a list of what is so now.
    pub fn headline(&self) -> String {
        match &self.why_not {
            None => format!("Merged without a person: {}", self.short),
            Some(why) => format!("Nothing is merged without a person, whatever [review] auto says: {why}"),
        }
    }

    /// For people, in one line.
    pub fn describe(&self) -> String {
        match (&self.why_not, &self.granted_by) {
            (Some(why), _) => format!("not in force ({why}): {}", self.rule),
            (None, Some(by)) => format!("{} (granted by {by})", self.rule),
            (None, None) => self.rule.clone(),
        }
    }
}

/// The policy in force for work of a priority.
///
/// # Errors
/// `review.policy` (exit 1) without one; as consent, when the grant does not count or does not allow merging.
pub fn in_force(hub: &Hub, priority: Priority) -> Result<PolicyUse> {
    let settings = &hub.settings()?.review;
    if !covers(&settings.auto, priority) {
        return Err(refuse(format!("[review] auto does not cover work of priority {}", priority.word())).into());
    }
    let standing = consent::standing(hub)?;
    standing.require(Actor::Coordinator, Action::Apply)?;
    match standing.grant {
        Some(grant) if grant.only.is_none() => Ok(PolicyUse {
            granted_by: grant.by,
            granted_at: grant.at,
            priority: priority.word().to_owned(),
            confidence: settings.auto_confidence,
        }),
        _ => Err(refuse("the consent is for single jobs".into()).into()),
    }
}

/// Refuses what a policy must not decide. Called under the review lock.
///
/// # Errors
/// Inside a run, for a seat and for a coding agent; `review.unusual` (exit 1) with the reason why a person decides.
pub fn check(hub: &Hub, repo: &Repository, entry: &Entry, policy: &PolicyUse) -> Result<()> {
    operator::refuse_agents("merge work by policy")?;
    // The grant may have changed since the caller asked.
    in_force(hub, Priority::text(&policy.priority))?;
    let bundle = &entry.bundle;
    let head = merge::tip(repo, &bundle.target_branch)?;
    let base = object_ids::parse(&bundle.base_commit)?;
    let is_own = |path: &String| paths::is_record(path) || is_request(hub, path).unwrap_or(false);
    let is_stale = head != base
        && !(merge::is_merged(repo, head, base)? && merge::changed_paths(repo, base, head)?.iter().all(is_own));
    let unusual = match () {
        () if is_stale => Some(format!("{} has moved since the work began", bundle.target_branch)),
        () if pull_request::of_job(hub, &bundle.job)?.is_some() => Some("it has a pull request".to_owned()),
        () if was_reverted(hub)? => Some("a merge was reverted, and no person has approved work since".to_owned()),
        () => unusual(bundle, policy.confidence),
    };
    match unusual {
        None => Ok(()),
        Some(why) => Err(Refusal::guard("review.unusual", format!("{} needs a person's decision", bundle.short()))
            .because(text::safe(&why))
            .next(format!("decide about it: teof review {}", bundle.short()))
            .into()),
    }
}

/// Whether it is a request, whose status the record's commits change.
fn is_request(hub: &Hub, path: &str) -> Result<bool> {
    let sources = &hub.settings()?.sources;
    let folders = [&sources.vault_folder, &sources.queue_folder];
    Ok(folders
        .into_iter()
        .any(|folder| path.strip_prefix(folder.trim_matches('/')).is_some_and(|rest| rest.starts_with('/'))))
}

/// What is unusual about a result, by itself.
fn unusual(bundle: &Bundle, confidence: u8) -> Option<String> {
    let reviewed = bundle.stages.iter().rfind(|stage| stage.name == "reviewer").is_some_and(|stage| stage.passed);
    let is_test = |path: &str| path.split(['/', '.', '_', '-']).any(|part| matches!(part, "test" | "tests" | "spec"));
    match bundle.confidence {
        _ if !reviewed => Some("no reviewer approved it".into()),
        None => Some("its reviewer gave no confidence".into()),
        Some(given) if given < confidence => Some(format!("its reviewer is {given} % sure, less than {confidence} %")),
        _ if bundle.tests.is_empty() => Some("no test ran".into()),
        _ if bundle.tests.iter().any(|test| !test.passed) => Some("a test failed".into()),
        _ if !bundle.findings.is_empty() => Some("it has findings".into()),
        _ if !bundle.sent_back.is_empty() => Some("it was sent back before".into()),
        _ if bundle.diff.files.is_empty() => Some("it changes no file".into()),
        _ if bundle.diff.more_files > 0 => Some("it changes very many files".into()),
        _ if bundle.diff.files.iter().all(|file| is_test(&file.path)) => Some("it changes only tests".into()),
        _ => None,
    }
}

/// Whether the last revert came after every approval by a person.
fn was_reverted(hub: &Hub) -> Result<bool> {
    let decisions = decision::history(hub)?;
    let reverted = decisions.iter().rposition(|one| one.decision == Kind::Reverted);
    let approved = decisions.iter().rposition(|one| one.decision == Kind::Approved && one.policy.is_none());
    Ok(reverted > approved)
}

fn refuse(why: String) -> Refusal {
    Refusal::guard("review.policy", "no policy allows this merge")
        .because(why)
        .next("decide about it as a person: teof review")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn bundle(change: impl Fn(&mut Value)) -> Bundle {
        let mut bundle = json!({
            "version": 1, "generated_at": "2026-01-05T10:00:00Z", "job": "j", "run": "j.1", "task_id": "T", "title": "t",
            "objective": "o", "agent_id": "a", "branch": "b", "target_branch": "main", "base_commit": "0", "commit": "1",
            "diff": {"added": 1, "removed": 0, "limit": 9, "files": [{"path": "src/a.rs", "added": 1, "removed": 0}]},
            "stages": [{"name": "reviewer", "round": 1, "passed": true, "outcome": "good", "duration_seconds": 0.1,
                "usage": {"input_tokens": 0, "cached_tokens": 0, "output_tokens": 0}}],
            "tests": [{"command": "true", "passed": true, "duration_seconds": 0.1}],
            "findings": [], "passes": 1, "receipts": [], "confidence": 95,
            "usage": {"input_tokens": 0, "cached_tokens": 0, "output_tokens": 0},
        });
        change(&mut bundle);
        serde_json::from_value(bundle).unwrap()
    }

    #[test]
    fn a_policy_decides_only_about_results_with_nothing_unusual() {
        assert_eq!(unusual(&bundle(|_| {}), 90), None);
        let finding = json!([{"code": "x", "severity": "low", "message": "look"}]);
        type Change<'a> = &'a dyn Fn(&mut Value);
        let cases: [(&str, Change); 9] = [
            ("no reviewer", &|b| b["stages"] = json!([])),
            ("no reviewer", &|b| b["stages"][0]["passed"] = json!(false)),
            ("no confidence", &|b| b["confidence"] = Value::Null),
            ("89 % sure", &|b| b["confidence"] = json!(89)),
            ("no test ran", &|b| b["tests"] = json!([])),
            ("a test failed", &|b| b["tests"][0]["passed"] = json!(false)),
            ("findings", &|b| b["findings"] = finding.clone()),
            ("sent back", &|b| b["sent_back"] = finding.clone()),
            ("only tests", &|b| b["diff"]["files"][0]["path"] = json!("src/a_test.rs")),
        ];
        for (why, change) in cases {
            let found = unusual(&bundle(change), 90).unwrap();
            assert!(found.contains(why), "{why}: {found}");
        }
    }

    #[test]
    fn a_policy_covers_the_priorities_that_it_names() {
        let auto = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert!(covers(&auto(&["low"]), Priority::LOW) && covers(&auto(&["low"]), Priority::text("9")));
        assert!(!covers(&auto(&["low"]), Priority::MEDIUM) && !covers(&[], Priority::LOW));
    }
}
