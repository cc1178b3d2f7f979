//! Opens a draft pull request for finished work, through the person's own `gh`, and follows it.
//!
//! Only the reviewed commit is pushed, and only to its seat's branch; a push never overwrites commits of others.
//! Approving merges the pull request on the remote's target, after the same checks. The local target does not move:
//! the next `session-boot` updates it. While it is open, failing checks and review comments go back to the coder
//! ([`feedback`]). Without `gh`, a remote or consent, there is only the bundle.

pub mod feedback;
mod forge;
mod gh;
mod lfs;
mod memory;
mod offer;
mod refusals;

pub use memory::{PullRequest, of_job, read};

use anyhow::Context;
use git2::{Oid, Repository};

use super::approval::{self, Approval};
use super::bundles::{self, Entry};
use super::checks;
use super::decision::{self, Decision, Kind};
use super::input::{JobState, NewerCommits, ReviewInput};
use super::lock;
use super::target::merge::{self, Merged};
use super::target::{message, newer};
use crate::base::{Exit, Refusal, Result, files, text};
use crate::bus::{claims, events};
use crate::guard::consent::{self, Action, Actor};
use crate::guard::operator::{OPERATOR, Recognised};
use crate::hub::git::gh::is_installed;
use crate::hub::git::object_ids;
use crate::hub::{Hub, Transaction, Writer};
use crate::model::event::{Event, Severity};
use crate::model::run::bundle::Bundle;
use crate::model::run::outcome::Finding;
use crate::ops::evidence::chain_heads::ChainHeads;

/// The state of a pull request at the remote.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    Open,
    /// Merged, with the recorded decision.
    Merged(Box<Decision>),
    Closed(Box<Decision>),
}

/// Why this hub opens no pull requests; `None` when it does.
pub fn obstacle(hub: &Hub) -> Result<Option<String>> {
    let settings = hub.settings()?;
    let remote = &settings.git.remote;
    if !settings.review.pull_requests {
        return Ok(Some("[review] pull_requests is off".to_owned()));
    }
    if !hub.git().run(&["remote"])?.lines().any(|name| name == remote) {
        return Ok(Some(format!("no remote {remote:?}")));
    }
    Ok((!is_installed("gh")).then(|| "gh is not installed".to_owned()))
}

/// Pushes the reviewed commit and opens a draft pull request, or finds the open one; repeating it is safe. `None`
/// without `gh`, a remote or consent to push, and when the result is decided.
///
/// # Errors
/// `remote.*`, with the output of git or gh; also every reason against a merge. [`lock::BUSY`] while somebody decides.
pub fn deliver(hub: &Hub, bundle: &str) -> Result<Option<PullRequest>> {
    if obstacle(hub)?.is_some() {
        return Ok(None);
    }
    match consent::require(hub, Actor::Coordinator, Action::Apply) {
        Ok(()) => {}
        Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.exit == Exit::Unattended) => return Ok(None),
        Err(e) => return Err(e),
    }
    let _lock = lock::acquire(hub, "offer a pull request")?;
    let entry = bundles::at(hub, bundle)?;
    entry.verify()?;
    if !entry.is_pending() {
        return Ok(None);
    }
    let repo = merge::open(hub)?;
    checks::work(hub, &repo, &entry.bundle)?;
    let work = &entry.bundle;
    let mut ours = read(hub, &work.job)?.unwrap_or_else(|| memory::unopened(work));
    let heads = ChainHeads::of_result(hub, &work.run, &entry.path)?;
    let offered = offer::commit(&repo, work, &heads, fetch(hub, &repo, &work.target_branch)?)?.to_string();
    push(hub, &repo, &entry, &offered, &mut ours)?;
    let (branch, base, commit) = (&*ours.branch, &*work.target_branch, &*offered);
    let found = match gh::find(hub, branch, base, commit, ours.number)? {
        Some(found) => found,
        None => gh::create(hub, branch, base, commit, (&title(&entry), &body(hub, &entry)))?,
    };
    let news = ours.number != found.number;
    (ours.number, ours.url) = (found.number, found.url);
    if news {
        announce(hub, &entry, &ours)?;
    }
    memory::write(hub, &work.job, &ours)?;
    Ok(Some(ours))
}

/// Reads the state of a job's pull request; a merge or close there is recorded once, as a decision.
///
/// # Errors
/// `remote.*`, with the output of gh or git, and [`lock::BUSY`] while somebody decides; then the state is unknown.
pub fn follow(hub: &Hub, bundle: &str) -> Result<State> {
    let job = bundles::unverified(hub, bundle)?.job;
    let Some(number) = of_job(hub, &job)? else { return Ok(State::Open) };
    let status = gh::view(hub, number)?;
    let kind = match status.state.as_str() {
        "MERGED" => Kind::Approved,
        "CLOSED" => Kind::Rejected,
        _ => return Ok(State::Open),
    };
    let entry = bundles::at(hub, bundle)?;
    entry.verify()?;
    if entry.bundle.job != job {
        return Ok(State::Open);
    }
    if kind == Kind::Approved {
        // The plan's next step starts from this commit; without it, from the local target.
        let fetched = merge::open(hub).and_then(|repo| fetch(hub, &repo, &entry.bundle.target_branch));
        let _ = fetched.inspect_err(|e| tracing::warn!("cannot fetch the merge of pull request {number}: {e:#}"));
    }
    // An approval that runs records its own merge.
    let _lock = lock::acquire(hub, "follow a pull request")?;
    let mut writer = hub.lock("follow a pull request")?;
    let decision = match decision::of_bundle(hub, &entry.bundle.job, &entry.path)? {
        Some(done) if done.decision == kind => done,
        Some(done) => return Err(approval::already_decided(&done).into()),
        None => {
            let by = status.merged_by.as_ref().map_or("somebody", |who| &who.login);
            let by = format!("{by} (pull request {number})");
            let (recognised, newer) = (Recognised::Neither, NewerCommits::Leave);
            let input =
                ReviewInput { by, recognised, note: None, job: JobState::Finished, redo: false, newer, policy: None };
            let mut decision = entry.decide(kind, &input, hub.now());
            decision.pr = Some(number);
            let transaction = Transaction::new(format!("follow pull request {number}"));
            record(&mut writer, transaction, decision, &status)?
        }
    };
    Ok(if kind == Kind::Approved { State::Merged(decision.into()) } else { State::Closed(decision.into()) })
}

/// Approves by merging the pull request. The merge with the remote's target is built and tested locally first.
pub(super) fn approve(
    hub: &Hub,
    repo: &Repository,
    entry: &Entry,
    input: &ReviewInput,
    number: u64,
    progress: &dyn Fn(&str),
) -> Result<Approval> {
    let head = fetch(hub, repo, &entry.bundle.target_branch)?;
    let mut status = gh::view(hub, number)?;
    let entry = &match status.state.as_str() {
        "OPEN" => newer::select(repo, entry, &input.newer, head)?,
        _ => entry.clone(),
    };
    let bundle = &entry.bundle;
    let mut ours = read(hub, &bundle.job)?.unwrap_or_else(|| memory::unopened(bundle));
    let mut commit = offered(repo, bundle, &ours, head)?;
    let mut decision = entry.decide(Kind::Approved, input, hub.now());
    decision.pr = Some(number);
    if status.state == "CLOSED" {
        return Err(refusals::closed(bundle, number).into());
    }
    let mut tested = None;
    if status.state != "MERGED" && !merge::is_merged(repo, head, commit)? {
        let target = &bundle.target_branch;
        if !status.base_ref_name.is_empty() && status.base_ref_name != *target {
            return Err(refusals::other_target(number, target, &status).into());
        }
        if matches!(input.newer, NewerCommits::Include(_)) && status.head_ref_oid == ours.commit {
            // With the person's newer commits on top.
            let heads = ChainHeads::of_result(hub, &bundle.run, &entry.path)?;
            commit = offer::commit(repo, bundle, &heads, head)?;
            push(hub, repo, entry, &commit.to_string(), &mut ours)?;
            status.head_ref_oid = commit.to_string();
        }
        if status.head_ref_oid != commit.to_string() {
            return Err(refusals::moved(number, commit, &status).into());
        }
        checks::work(hub, repo, bundle)?;
        if commit.to_string() == bundle.commit {
            checks::base(hub, repo, bundle, head)?;
        }
        checks::record(hub)?;
        let ready = match merge::prepare_offered(hub, repo, head, (commit, bundle), &input.by)? {
            Merged::Clean(ready) => ready,
            Merged::Conflict(files) => return approval::report_conflict(hub, entry, input, head, &files),
        };
        decision.target_before = Some(head.to_string());
        tested = Some(repo.find_commit(ready)?.tree_id());
        let lines = checks::tests(bundle)?;
        decision.tests = approval::run_tests(hub, entry, lines, ready, progress)?;
        progress(&format!("merging pull request {number}"));
        let said = message::of_work(bundle, Some(&input.by), &ChainHeads::now(hub)?);
        gh::merge(hub, number, status.is_draft, &commit.to_string(), &said)?;
        status = gh::view(hub, number)?;
    }
    let now = fetch(hub, repo, &bundle.target_branch)?;
    // GitHub's state of it may be older than its branch.
    let there = offer::landed_as(repo, (head, now), commit, tested)?;
    if status.merge_commit.is_none() {
        status.merge_commit = there.map(|commit| gh::Commit { oid: commit.to_string() });
    }
    if there.is_none() && (status.state != "MERGED" || status.merge_commit.is_none()) {
        return Err(refusals::not_merged(number, commit, bundle).into());
    }
    let mut writer = hub.lock("review approve")?;
    let transaction = Transaction::new(format!("review approved {}", bundle.job));
    let decision = record(&mut writer, transaction, decision, &status)?;
    decision.findings.iter().for_each(|finding| progress(&finding.message));
    Ok(Approval::Merged(decision))
}

/// Records the merge or close of a pull request. When it was merged at another commit than the reviewed one, the
/// decision says so: nobody reviewed that commit.
fn record(
    writer: &mut Writer<'_>,
    mut transaction: Transaction,
    mut decision: Decision,
    status: &gh::Status,
) -> Result<Decision> {
    decision.merge_commit = status.merge_commit.as_ref().map(|commit| commit.oid.clone());
    let offered = read(writer.hub(), &decision.job)?.map(|ours| ours.commit);
    let known = [Some(&decision.reviewed_commit), offered.as_ref()].contains(&Some(&status.head_ref_oid));
    if decision.decision == Kind::Approved && !known {
        let number = decision.pr.unwrap_or_default();
        let (head, reviewed) = (text::clip(&text::safe(&status.head_ref_oid), 60), &decision.reviewed_commit);
        let message = format!("pull request {number} was merged at {head}, not at the reviewed {reviewed}");
        let mut event = Event::new(OPERATOR, "review", &*message).on_task(&decision.task_id);
        event.severity = Some(Severity::High);
        event.pr = Some(number.to_string());
        events::stage(writer, &mut transaction, &event)?;
        let notes: Vec<_> = decision.note.take().into_iter().chain([message.clone()]).collect();
        decision.note = Some(notes.join("; "));
        let hint = format!("check what was merged; to undo it: teof review revert {}", decision.short());
        decision.findings.push(Finding::high("pr.other_commit", "", message).hint(hint));
    }
    decision::record(writer, transaction, &decision)?;
    Ok(decision)
}

/// Closes a job's pull request after a rejection. The rejection stands even when this fails.
///
/// # Errors
/// `remote.*`, with gh's output; `pr.merged` when it was merged meanwhile. The pull request is unchanged then.
pub(super) fn close(hub: &Hub, job: &str) -> Result<()> {
    let Some(number) = of_job(hub, job)? else { return Ok(()) };
    match gh::view(hub, number)?.state.as_str() {
        "CLOSED" => Ok(()),
        "MERGED" => Err(Refusal::guard("pr.merged", format!("pull request {number} was merged meanwhile")).into()),
        _ => gh::close(hub, number),
    }
}

/// Whether a job's pull request is known to be merged at the remote; false when the remote cannot be asked.
pub(super) fn is_merged_there(hub: &Hub, job: &str) -> Result<bool> {
    let Some(number) = of_job(hub, job)? else { return Ok(false) };
    Ok(gh::view(hub, number).is_ok_and(|status| status.state == "MERGED"))
}

/// The offered commit, if it is exactly the reviewed work.
fn offered(repo: &Repository, bundle: &Bundle, ours: &PullRequest, head: Oid) -> Result<Oid> {
    let reviewed = merge::reviewed(repo, bundle)?;
    match object_ids::parse(&ours.commit) {
        Ok(known) if known != reviewed && offer::is_the_work(repo, bundle, known, head)? => Ok(known),
        _ => Ok(reviewed),
    }
}

/// Pushes the offered commit to the seat's branch; never to another ref, never over commits of others.
fn push(hub: &Hub, repo: &Repository, entry: &Entry, commit: &str, ours: &mut PullRequest) -> Result<()> {
    // Reworked work has a new branch here but the same pull request there.
    let branch = ours.branch.clone();
    let own = format!("agent/{}/", entry.bundle.agent_id);
    if !branch.starts_with(&own) || !git2::Branch::name_is_valid(&branch).unwrap_or(false) {
        return Err(Refusal::guard("branch.not_the_seats", format!("cannot push {}", text::safe(&branch)))
            .because(format!("only branches under {own} may be pushed"))
            .into());
    }
    let remote = hub.settings()?.git.remote.clone();
    let reference = format!("refs/heads/{branch}");
    let listed = gh::git(hub, &["ls-remote", "--quiet", &remote, &reference], "git ls-remote")?;
    let there = listed.split_whitespace().next().unwrap_or_default().to_owned();
    if there == commit {
        commit.clone_into(&mut ours.commit);
        return Ok(());
    }
    if !there.is_empty() && there != ours.commit {
        return Err(Refusal::guard("remote.branch_taken", format!("the remote branch {branch} has unknown commits"))
            .because(format!("it is at {there}, which this machine did not push"))
            .next("check it, then rename or remove it at the remote; teof then pushes again")
            .into());
    }
    // Before the branch, so that everybody who sees the branch can check it out.
    lfs::upload(hub, repo, &remote, object_ids::parse(commit)?)?;
    // Somebody may have approved what is there; nobody has seen what comes.
    if ours.number > 0 {
        gh::do_not_merge(hub, ours.number)?;
    }
    let lease = format!("--force-with-lease={reference}:{there}");
    let spec = format!("{commit}:{reference}");
    let args =
        ["push", "--quiet", "--no-follow-tags", "--recurse-submodules=no", "--no-signed", &lease, &remote, &spec];
    gh::git(hub, &args, "git push")?;
    commit.clone_into(&mut ours.commit);
    // Stored first, so that after a crash this push is known.
    memory::write(hub, &entry.bundle.job, ours)
}

/// The remote's target, as it is now.
fn fetch(hub: &Hub, repo: &Repository, target: &str) -> Result<Oid> {
    let remote = hub.settings()?.git.remote.clone();
    let tracking = format!("refs/remotes/{remote}/{target}");
    let spec = format!("+refs/heads/{target}:{tracking}");
    gh::git(hub, &["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", &remote, &spec], "git fetch")?;
    repo.refname_to_id(&tracking).with_context(|| format!("read {tracking}"))
}

/// Writes the event that names the pull request, as the seat that did the work.
fn announce(hub: &Hub, entry: &Entry, ours: &PullRequest) -> Result<()> {
    let bundle = &entry.bundle;
    let mut writer = hub.lock("announce a pull request")?;
    let summary = format!("draft pull request {} for {}", ours.number, bundle.task_id);
    let mut event = Event::new(&bundle.agent_id, "pr_opened", summary)
        .on_task(&bundle.task_id)
        .meta("url", text::safe(&ours.url))
        .meta("commit", bundle.commit.as_str());
    if let Some(claim) = claims::load(hub, &bundle.task_id)? {
        event = event.meta("epoch", claim.file.epoch());
    }
    event.plan_id.clone_from(&bundle.plan_id);
    event.branch = Some(bundle.branch.clone());
    event.pr = Some(ours.number.to_string());
    event.receipts = vec![entry.path.clone()];
    let mut transaction = Transaction::new("announce a pull request");
    events::stage(&writer, &mut transaction, &event)?;
    writer.commit(transaction)
}

fn title(entry: &Entry) -> String {
    text::clip(&message::title(&entry.bundle), 120)
}

/// The bundle's Markdown page; a short text when the page is missing.
fn body(hub: &Hub, entry: &Entry) -> String {
    let beside = entry.path.strip_suffix(".json").map(|stem| format!("{stem}.md"));
    let bytes = beside.and_then(|path| files::read(&hub.path(&path).ok()?, files::MAX_DOCUMENT).ok()?);
    match bytes {
        Some(bytes) => text::safe_block(&String::from_utf8_lossy(&bytes)),
        None => text::safe_block(&entry.bundle.goal.objective),
    }
}
