//! Connects finished jobs with the outside: offers pull requests, and finds decisions made elsewhere.
//!
//! The repository is read through libgit2, so no configured program runs. Pull requests are queried rarely; a merge
//! or close is recorded at once.

use crate::base::{Exit, Refusal, Result, text};
use crate::coordinator::state::input::{Reply, ReviewWord, Reviewed};
use crate::coordinator::state::{Ending, Job, Phase, State};
use crate::hub::Hub;
use crate::model::event::Severity;
use crate::model::run::outcome::Finding;
use crate::plans;
use crate::review::decision::{self, Decision, Kind};
use crate::review::pull_request::{self, State as Pull, feedback};
use crate::review::{self, Entry, bundles, lock};

/// How many findings go back to a coder.
const FINDINGS: usize = 50;
/// Limit on all messages together, in characters, and the minimum for each.
const WORDS: usize = 20_000;
const SHARE: usize = 400;
/// The longest file name in a finding.
const NAME: usize = 200;

/// Offers a job's result as a pull request, if enabled and possible.
pub fn deliver(hub: &Hub, job: &Job) -> Result<Reply> {
    let bundle = job.last.as_ref().and_then(|last| last.bundle.as_deref());
    let offered = bundle.map_or(Ok(None), |bundle| pull_request::deliver(hub, bundle))?;
    Ok(Reply::Delivered { pull_request: offered.map(|offered| offered.number) })
}

/// The jobs under review with a decision; with `remote`, pull requests are queried, too. Unreadable ones are left for
/// the next observation.
pub fn found(hub: &Hub, state: &State, remote: bool) -> Vec<Reviewed> {
    let jobs: Vec<_> = state.live_jobs().filter(|job| job.is_under_review()).collect();
    if jobs.is_empty() {
        return Vec::new();
    }
    let Ok(files) = decision::Files::list(hub) else { return Vec::new() };
    let mut asks = remote;
    let mut seen = Vec::new();
    for job in jobs {
        let Some(bundle) = job.last.as_ref().and_then(|last| last.bundle.as_deref()) else { continue };
        let known = files.of_bundle(hub, &job.id, bundle).ok().flatten();
        if let Some(here) = known.or_else(|| by_hand(hub, bundle)).and_then(|decision| heard(job, &decision)) {
            seen.push(here);
        } else if asks && job.pull_request.is_some() {
            match there(hub, job, bundle) {
                Ok(found) => seen.extend(found),
                // Somebody decides: looked at again at the next observation.
                Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.code == lock::BUSY) => {}
                Err(e) => {
                    tracing::warn!("{}: {e:#}", job.short());
                    // A network that does not answer for one does not for the others, and each question waits long.
                    asks = Refusal::of(&e).is_none_or(|refusal| refusal.exit != Exit::TimedOut);
                }
            }
        }
    }
    seen
}

/// Whether a result waits for a person's decision: not one of a job that was cancelled or blocked, though it may still
/// be given, and of a job that is done only while its work is not on the target.
pub fn is_waiting(hub: &Hub, state: &State, entry: &Entry) -> bool {
    entry.is_pending()
        && match state.job(&entry.bundle.job).map(|job| &job.phase) {
            Some(Phase::Over { ending: Ending::Done, .. }) => review::approve::is_missing(hub, entry),
            Some(Phase::Over { .. }) => false,
            _ => true,
        }
}

/// Whether a job is done and may have a result that is not merged. Reads no file.
pub fn may_be_unmerged(job: &Job) -> bool {
    let is_done = matches!(job.phase, Phase::Over { ending: Ending::Done, .. });
    is_done && !job.is_merged() && job.last.as_ref().is_some_and(|last| last.bundle.is_some())
}

/// Whether a job is done and its work is not on the target.
pub fn is_unmerged(hub: &Hub, state: &State, job: &Job) -> bool {
    let bundle = job.last.as_ref().and_then(|last| last.bundle.as_deref()).filter(|_| may_be_unmerged(job));
    bundle.and_then(|bundle| bundles::at(hub, bundle).ok()).is_some_and(|entry| is_waiting(hub, state, &entry))
}

/// The results of jobs that are done and whose work is not on its target: only the merge is left.
///
/// # Errors
/// When the record cannot be read.
pub fn unmerged(hub: &Hub, state: &State) -> Result<Vec<Entry>> {
    if !state.jobs.iter().any(may_be_unmerged) {
        return Ok(Vec::new());
    }
    let mut found = bundles::all(hub)?;
    found.retain(|entry| state.job(&entry.bundle.job).is_some_and(may_be_unmerged) && is_waiting(hub, state, entry));
    Ok(found)
}

/// How a person dismissed blocked work, as people see it: `rejected`, `skipped`, or `closed` when its plan or step is
/// no longer open. `None`: it still needs one.
pub fn dismissed(hub: &Hub, state: &State, job: &Job) -> Option<&'static str> {
    if !matches!(job.phase, Phase::Over { ending: Ending::Blocked, .. }) {
        return None;
    }
    let is_skipped = || state.skips.keys().any(|name| job.is_called(name));
    let is_closed = || {
        let Ok(found) = plans::find(hub, job.plan.as_deref().unwrap_or_default()) else { return false };
        let step = job.step.as_deref().and_then(|step| found.plan.step(step));
        !found.plan.is_open() || step.is_some_and(|step| step.is_done())
    };
    match job.decision {
        Some(_) => Some("rejected"),
        None if is_skipped() => Some("skipped"),
        None => (job.plan.is_some() && is_closed()).then_some("closed"),
    }
}

/// A decision as the coordinator's input.
pub fn word(decision: &Decision) -> ReviewWord {
    match decision.decision {
        Kind::Approved => ReviewWord::Merged { commit: decision.clone().on_target() },
        Kind::Rejected => ReviewWord::Rejected,
        kind @ (Kind::Retry | Kind::Conflict | Kind::Feedback) => {
            ReviewWord::Rework { findings: brief(&decision.findings), fresh: kind == Kind::Retry }
        }
        Kind::Reverted => ReviewWord::Reverted,
    }
}

/// What people said about earlier results of a job's task since the last approval, also in a pull request, and when
/// they had it done again.
///
/// # Errors
/// When the decisions cannot be read.
pub fn said_before(hub: &Hub, job: &Job) -> Result<Vec<Finding>> {
    let mut said = Vec::new();
    for decision in decision::history(hub)?.into_iter().filter(|decision| decision.task_id == job.task) {
        match (decision.decision, &decision.note) {
            (Kind::Approved, _) => said.clear(),
            (Kind::Rejected | Kind::Retry | Kind::Reverted, Some(note)) => {
                let code = format!("review.{}", decision.decision.as_str());
                said.push(Finding::new(Severity::High, &code, "", note.as_str()));
            }
            (Kind::Feedback, _) => {
                said.extend(decision.findings.into_iter().filter(|found| found.code == feedback::COMMENT));
            }
            _ => {}
        }
    }
    // A note about a result that waited is in its decision, too.
    let note = job.note.as_deref().filter(|note| said.iter().all(|found| found.message != *note));
    said.extend(note.map(|note| Finding::new(Severity::High, "review.retry", "", note)));
    // Every prompt has them: of many, the oldest are left out.
    Ok(brief(&said[said.len().saturating_sub(FINDINGS)..]))
}

/// The findings, limited to what a coder can use at once; the decision has all of them.
fn brief(findings: &[Finding]) -> Vec<Finding> {
    let share = (WORDS / findings.len().max(1)).max(SHARE);
    let clipped = |found: &Finding| Finding {
        code: text::clip(&found.code, NAME),
        severity: text::clip(&found.severity, NAME),
        path: found.path.as_deref().map(|path| text::clip(path, NAME)),
        line: found.line,
        message: text::clip(&found.message, share),
        hint: found.hint.as_deref().map(|hint| text::clip(hint, NAME)),
        more: found.more,
    };
    let mut brief: Vec<_> = findings.iter().take(FINDINGS).map(clipped).collect();
    if let Some(more) = findings.len().checked_sub(FINDINGS).filter(|more| *more > 0) {
        let message = format!("{} in the review's decision", text::counted(more, "more finding"));
        brief.push(Finding::new(Severity::Low, "review.more", "", message));
    }
    brief
}

/// A recorded decision whose command never arrived, because of a kill in between.
fn heard(job: &Job, decision: &Decision) -> Option<Reviewed> {
    // Work that was reverted before the coordinator heard of its merge is a person's.
    let word = Some(word(decision)).filter(|word| *word != ReviewWord::Reverted)?;
    let note = decision.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
    Some(Reviewed { job: job.id.clone(), run: job.run_id(), word, by: format!("by {}{note}", decision.by) })
}

/// A merge by hand counts as an approval and is recorded once.
fn by_hand(hub: &Hub, bundle: &str) -> Option<Decision> {
    let found = review::approve::found_merged(hub, bundle);
    found.inspect_err(|e| tracing::warn!("{bundle}: {e:#}")).ok()?
}

/// The decision on the job's pull request, or what its checks and reviewers say.
fn there(hub: &Hub, job: &Job, bundle: &str) -> Result<Option<Reviewed>> {
    Ok(match pull_request::follow(hub, bundle)? {
        Pull::Open => feedback::take(hub, bundle)?.and_then(|sent_back| heard(job, &sent_back)),
        Pull::Merged(decision) | Pull::Closed(decision) => heard(job, &decision),
    })
}

#[cfg(test)]
mod tests {
    use git2::{Repository, Signature};
    use serde_json::{Value, json};

    use super::*;
    use crate::base::Stamp;
    use crate::bus::testing::repository;
    use crate::coordinator::state::Last;
    use crate::hub::{Transaction, Writer};
    use crate::receipts;

    /// A repository with results, of which some are decided.
    struct Desk {
        _folder: tempfile::TempDir,
        hub: Hub,
        /// The target's commit, and one that changes it.
        commits: (String, String),
        state: State,
    }

    impl Desk {
        fn new(waiting: usize) -> Desk {
            let (folder, hub) = repository();
            let repo = Repository::open(&hub.root).unwrap();
            let commits = (commit(&repo, &[], "a"), commit(&repo, &["HEAD"], "b"));
            repo.reference("refs/heads/main", commits.0.parse().unwrap(), true, "").unwrap();
            let mut desk = Desk { _folder: folder, hub, commits, state: State::new() };
            desk.state.jobs = (0..waiting).map(|n| job(&id(n))).collect();
            desk.file((0..waiting).map(|n| desk.bundle(&id(n))).collect());
            desk
        }

        fn bundle(&self, job: &str) -> (String, Value) {
            let usage = json!({"input_tokens": 0, "cached_tokens": 0, "output_tokens": 0});
            let bundle = json!({
                "version": 1, "generated_at": "2026-01-05T10:00:00Z", "job": job, "run": format!("{job}.1"),
                "task_id": "T", "title": "t", "objective": "o", "agent_id": "a", "branch": "b", "target_branch": "main",
                "base_commit": self.commits.0, "commit": self.commits.1,
                "diff": {"added": 1, "removed": 0, "limit": 9, "files": []}, "stages": [], "tests": [], "findings": [],
                "passes": 1, "usage": usage, "receipts": [],
            });
            (path(job), bundle)
        }

        /// Decisions about other results than those that wait, and their bundles.
        #[cfg(target_os = "linux")]
        fn ended(&self, from: usize, count: usize) {
            let both = (from..from + count).map(|n| {
                let (path, bundle) = self.bundle(&id(n));
                let made = self.decision(&id(n), Kind::Approved, Stamp::from_unix(1_800_000_000));
                [(path, bundle), made]
            });
            self.file(both.flatten().collect());
        }

        fn decision(&self, job: &str, kind: Kind, at: Stamp) -> (String, Value) {
            let decision = json!({
                "version": 1, "decision": kind, "job": job, "run": format!("{job}.1"), "task_id": "T", "by": "ada",
                "at": at, "bundle": path(job), "bundle_sha256": "", "reviewed_commit": self.commits.1,
                "target_branch": "main",
            });
            (format!("_report/agent/m/reviews/{}-{job}-{}.json", at.compact(), kind.as_str()), decision)
        }

        fn file(&self, receipts: Vec<(String, Value)>) {
            let mut writer: Writer<'_> = self.hub.lock("test").unwrap();
            let mut transaction = Transaction::new("test");
            for (path, payload) in receipts {
                let seat = path.split('/').nth(2).unwrap().to_owned();
                let Value::Object(payload) = payload else { unreachable!("receipts are objects") };
                receipts::write(&writer, &mut transaction, &seat, &path, payload).unwrap();
            }
            writer.commit(transaction).unwrap();
        }
    }

    fn commit(repo: &Repository, parents: &[&str], text: &str) -> String {
        let mut tree = repo.treebuilder(None).unwrap();
        tree.insert("f", repo.blob(text.as_bytes()).unwrap(), 0o100_644).unwrap();
        let tree = repo.find_tree(tree.write().unwrap()).unwrap();
        let parents: Vec<_> =
            parents.iter().map(|one| repo.revparse_single(one).unwrap().peel_to_commit().unwrap()).collect();
        let by = Signature::now("a", "a@a.invalid").unwrap();
        repo.commit(Some("HEAD"), &by, &by, text, &tree, &parents.iter().collect::<Vec<_>>()).unwrap().to_string()
    }

    fn id(n: usize) -> String {
        format!("20260105T100000Z-{}", n + 1)
    }

    fn path(job: &str) -> String {
        format!("_report/agent/a/reviews/20260105T100000Z-{job}.1.json")
    }

    fn job(id: &str) -> Job {
        let last = Last { bundle: Some(path(id)), ..Last::silent(format!("{id}.1"), String::new(), None) };
        let phase = Phase::Review { since: Stamp::from_unix(0) };
        Job { phase, last: Some(last), ..Job::new(id.to_owned(), "T".into(), "a".into(), Stamp::from_unix(0)) }
    }

    /// How often this thread has read from a file.
    #[cfg(target_os = "linux")]
    fn reads() -> u64 {
        let said = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        said.lines().find_map(|line| line.strip_prefix("syscr: ")?.parse().ok()).unwrap()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_observation_reads_nothing_of_results_that_are_decided() {
        let desk = Desk::new(3);
        let observe = || {
            let before = reads();
            assert_eq!(found(&desk.hub, &desk.state, false), []);
            reads() - before
        };
        observe();
        let first = observe();
        desk.ended(10, 40);
        assert_eq!(observe(), first);
        desk.file(vec![desk.decision(&id(1), Kind::Rejected, Stamp::from_unix(1_800_000_000))]);
        let heard = found(&desk.hub, &desk.state, false);
        assert_eq!(
            heard.iter().map(|one| (&*one.job, &one.word)).collect::<Vec<_>>(),
            [(&*id(1), &ReviewWord::Rejected)]
        );
    }

    #[test]
    fn decisions_come_in_the_order_in_which_they_were_recorded_though_the_clock_was_set_back() {
        let desk = Desk::new(1);
        let (late, early) = (Stamp::from_unix(1_800_000_000), Stamp::from_unix(1_700_000_000));
        desk.file(vec![desk.decision(&id(0), Kind::Approved, late)]);
        desk.file(vec![desk.decision(&id(0), Kind::Reverted, early)]);
        let kinds: Vec<_> = decision::history(&desk.hub).unwrap().iter().map(|one| one.decision).collect();
        assert_eq!(kinds, [Kind::Approved, Kind::Reverted]);
        let of_entry = |entry: Entry| entry.decision.map(|last| last.decision);
        assert_eq!(of_entry(bundles::at(&desk.hub, &path(&id(0))).unwrap()), Some(Kind::Reverted));
        assert_eq!(
            bundles::all(&desk.hub).unwrap().into_iter().map(of_entry).collect::<Vec<_>>(),
            [Some(Kind::Reverted)]
        );
        assert_eq!(decision::merged_as(&desk.hub, &desk.commits.1).unwrap(), None, "it is on the target no more");
    }

    #[test]
    fn findings_for_the_coder_are_bounded_and_notes_complete() {
        let found = |message: String| Finding::new(Severity::High, "review.retry", "", message);
        let note = "word ".repeat(2_000);
        assert_eq!(brief(&[found(note.clone())]), [found(note)]);
        let many = vec![found("\u{1F600}".repeat(5_000)); 3_000];
        let brief = brief(&many);
        assert_eq!(brief.len(), FINDINGS + 1);
        assert!(brief[FINDINGS].message.contains("2950 more"), "{:?}", brief[FINDINGS]);
        assert!(serde_json::to_string(&brief).unwrap().len() < 128 * 1024);
    }
}
