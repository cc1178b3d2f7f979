//! Verifies one commit.

use git2::{Commit, Oid, Repository};

use super::agreement::{self, Papers};
use super::chains;
use super::change;
use super::document::{AgentUse, Approver, Checks, Evidence, Guard, HeadsOf, Outcome, RecordUsed, Role, Verified};
use super::papers::{self, EnvelopeRead, Paper};
use super::record::{self, Record, Records};
use super::record_commit;
use super::standing;
use super::subject::Trailers;
use crate::base::{Refusal, Result, files, text};
use crate::foreman::results::command_result::CommandResult;
use crate::hub::git::{ancestry, object_ids};
use crate::model::run::bundle::Receipt;
use crate::model::run::job_name::{self, short};
use crate::review::decision::{Decision, Kind};

/// Verifies `commit` against the record, wherever it is. `tip`: the newest commit of the history in which it is looked
/// at.
///
/// # Errors
/// `verify.no_record` when the commit names a job and no branch here has a record; when the repository cannot be read.
pub fn verify(repo: &Repository, commit: Oid, tip: Oid, records: &Records) -> Result<Verified> {
    check_grafts(repo)?;
    let commit = repo.find_commit(commit)?;
    let trailers = Trailers::of(&commit);
    if trailers.record {
        if !record_commit::is_of_record(repo, &commit)? {
            return Ok(without_job(&commit, Role::NoJob, "no job made it: it changes more than the record"));
        }
        let mut checks = Checks::default();
        checks.unchecked("job", "a commit of the record: it delivers no work");
        record_commit::check(repo, &commit, &mut checks)?;
        return Ok(verified(&commit, Role::Record, None, checks));
    }
    let run = trailers.run.as_deref().filter(|_| trailers.job.is_some());
    // The first record that has the decision; else the first that has the run's bundle; else the first that there is.
    let (mut first, mut knows) = (None, None);
    let mut better: Vec<&Record> = Vec::new();
    for record in records.each() {
        let record = record?;
        if let Some(decision) = decision_on(repo, record, &commit, &trailers)? {
            // Anybody may push a branch with a record; a better place may tell that another commit brought the result.
            let other = contradicts(&better, &decision.says)?;
            let subject = Subject { repo, commit: &commit, trailers: &trailers, record: other.unwrap_or(record) };
            return if other.is_some() { subject.undecided(tip) } else { subject.decided(decision) };
        }
        better.push(record);
        first = first.or(Some(record));
        if let (Some(run), None) = (run, knows) {
            knows = papers::bundle_of(record, run)?.map(|_| record);
        }
    }
    // The hub's own files have what was decided since they were committed.
    let newest = better.iter().rfind(|record| record.commit.is_none()).copied();
    let knows = knows.map(|known| newest.filter(|newest| newest.is_newer_than(known)).unwrap_or(known));
    let claims_job = run.is_some() || trailers.reverts.is_some();
    match knows.or(first) {
        Some(record) if claims_job => Subject { repo, commit: &commit, trailers: &trailers, record }.undecided(tip),
        Some(_) => Ok(without_job(&commit, Role::NoJob, "no job made it")),
        None if claims_job => Err(record::no_record(repo, "no branch here has it, and the commit names a job").into()),
        None => Ok(without_job(&commit, Role::NoJob, "it names no job, and no record is here to look it up in")),
    }
}

/// The first of these records in which another commit brought the result of a decision.
fn contradicts<'b, 'r>(records: &[&'b Record<'r>], decision: &Decision) -> Result<Option<&'b Record<'r>>> {
    if decision.decision != Kind::Approved {
        return Ok(None);
    }
    for record in records {
        let known = papers::decisions(record, Some(Kind::Approved), Some(&decision.job))?;
        if known.iter().any(|found| found.says.run == decision.run && found.says.merge_commit.is_some()) {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// Refuses grafts: a file of this clone that replaces the parents of commits.
fn check_grafts(repo: &Repository) -> Result<()> {
    let path = repo.commondir().join("info/grafts");
    let text = files::read(&path, files::MAX_DOCUMENT)?.unwrap_or_default();
    let has_grafts = text.split(|b| *b == b'\n').any(|line| !line.trim_ascii().is_empty() && !line.starts_with(b"#"));
    if !has_grafts {
        return Ok(());
    }
    Err(Refusal::guard("verify.grafts", "this clone has grafts, which replace the parents of commits")
        .because(format!("they are in {}", text::safe(&path.display().to_string())))
        .next("turn them into replace refs, which do not count here: git replace --convert-graft-file")
        .next("or verify in a fresh clone")
        .into())
}

fn without_job(commit: &Commit, role: Role, why: &str) -> Verified {
    let mut checks = Checks::default();
    checks.unchecked("job", why);
    Verified { ok: true, ..verified(commit, role, None, checks) }
}

fn verified(commit: &Commit, role: Role, evidence: Option<Evidence>, checks: Checks) -> Verified {
    let ok = checks.0.iter().all(|check| check.outcome != Outcome::Failed);
    let subject = text::clip(&text::safe(commit.summary().ok().flatten().unwrap_or_default()), 120);
    Verified { commit: commit.id().to_string(), subject, role, ok, evidence, checks: checks.0 }
}

/// The decision that names a commit: as the merge or the revert, or as the reviewed commit that was fast-forwarded to.
fn decision_on(
    repo: &Repository,
    record: &Record,
    commit: &Commit,
    trailers: &Trailers,
) -> Result<Option<Paper<Decision>>> {
    let id = commit.id().to_string();
    let job = trailers.job.as_deref();
    let kinds: &[Kind] = if trailers.reverts.is_some() { &[Kind::Reverted] } else { &[Kind::Approved] };
    for kind in kinds {
        let of_job = papers::decisions(record, Some(*kind), job)?;
        let is_on = |said: &Decision| match &said.merge_commit {
            Some(merged) => *merged == id,
            // The target was moved to the work by hand.
            None => said.reviewed_commit == id && has(repo, &said.target_branch, commit.id()),
        };
        if let Some(found) = of_job.into_iter().rfind(|found| is_on(&found.says)) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn has(repo: &Repository, branch: &str, commit: Oid) -> bool {
    let tip = repo.revparse_single(&format!("refs/heads/{branch}")).map(|found| found.id());
    tip.is_ok_and(|tip| ancestry::holds(repo, tip, commit).unwrap_or(false))
}

struct Subject<'a> {
    repo: &'a Repository,
    commit: &'a Commit<'a>,
    trailers: &'a Trailers,
    record: &'a Record<'a>,
}

impl Subject<'_> {
    /// A commit that a decision names.
    fn decided(&self, decision: Paper<Decision>) -> Result<Verified> {
        let mut checks = Checks::default();
        let role = if decision.says.decision == Kind::Reverted { Role::Revert } else { Role::Delivered };
        self.trailers_agree(&decision.says, &mut checks);
        let Some(bundle) = papers::paper(self.record, &decision.says.bundle)? else {
            checks.failed("bundle", papers::not_there("bundle", &decision.says.run));
            return Ok(verified(self.commit, role, None, checks));
        };
        let papers = Papers::collect(self.record, bundle, Some(decision))?;
        self.finish(role, &papers, checks)
    }

    /// A commit with a job's trailers that no decision names: work on its way to the target, or a forgery.
    fn undecided(&self, tip: Oid) -> Result<Verified> {
        let mut checks = Checks::default();
        let (job, run) = (self.trailers.job.as_deref(), self.trailers.run.as_deref());
        let claims_approval = self.trailers.by.is_some() || self.trailers.reverts.is_some();
        let role = if claims_approval { Role::Delivered } else { Role::Offered };
        if claims_approval {
            checks.failed("decision", self.other_delivery(job)?);
        }
        let Some(bundle) = run.map(|run| papers::bundle_of(self.record, run)).transpose()?.flatten() else {
            checks.failed("bundle", papers::not_there("bundle", run.unwrap_or_default()));
            return Ok(verified(self.commit, role, None, checks));
        };
        let papers = Papers::collect(self.record, bundle, None)?;
        let made = &papers.bundle.says;
        if !job.is_some_and(|job| job_name::is_pass_of(job, &made.job)) {
            checks.failed("message", "the commit's Teof-Job is not the job of its Teof-Run");
        }
        match self.is_inner(&made.commit)? {
            true => checks.ok("tree", format!("a commit below the reviewed {}", made.commit)),
            false => change::check(self.repo, self.commit, &papers, &mut checks)?,
        }
        if !claims_approval {
            standing::check(self.repo, (self.commit, tip), self.record, made, &mut checks)?;
        }
        agreement::check(self.record, &papers, self.trailers, &mut checks)?;
        chains::check_whole(self.record, &mut checks);
        // Commits of the branch carry no heads; an offered one does.
        let mut heads = None;
        if self.trailers.heads() != super::subject::Carried::None {
            heads = chains::check_heads(self.repo, self.commit, self.record, &papers, &mut checks)?;
        }
        let evidence = self.evidence(&papers, heads, None);
        Ok(verified(self.commit, role, Some(evidence), checks))
    }

    /// Why a commit that claims an approval does not have it.
    fn other_delivery(&self, job: Option<&str>) -> Result<String> {
        let approved = papers::decisions(self.record, Some(Kind::Approved), job)?;
        let name = job.map(|job| text::clip(&text::safe(&short(job)), 60)).unwrap_or_default();
        Ok(match approved.last().map(|found| found.says.clone().on_target()) {
            Some(merged) => format!("{name} was delivered as {merged}; this commit differs from it"),
            None => format!("no decision about {name} in the record of {} names it", text::safe(&self.record.name)),
        })
    }

    /// Whether the commit is one of the job's commits before the reviewed one.
    fn is_inner(&self, reviewed: &str) -> Result<bool> {
        let Ok(reviewed) = object_ids::parse(reviewed) else { return Ok(false) };
        let is_here = self.repo.find_commit(reviewed).is_ok();
        Ok(is_here && reviewed != self.commit.id() && ancestry::holds(self.repo, reviewed, self.commit.id())?)
    }

    fn finish(&self, role: Role, papers: &Papers, mut checks: Checks) -> Result<Verified> {
        agreement::check(self.record, papers, self.trailers, &mut checks)?;
        agreement::approval(self.record, papers, self.trailers, &mut checks)?;
        match &self.trailers.reverts {
            Some(reverted) => change::check_revert(self.repo, self.commit, reverted, papers, &mut checks)?,
            None => change::check(self.repo, self.commit, papers, &mut checks)?,
        }
        chains::check_whole(self.record, &mut checks);
        let heads = chains::check_heads(self.repo, self.commit, self.record, papers, &mut checks)?;
        let sealed_by = chains::check_later(self.repo, self.commit.id(), self.record, papers, &mut checks)?;
        let evidence = self.evidence(papers, heads, sealed_by);
        Ok(verified(self.commit, role, Some(evidence), checks))
    }

    fn trailers_agree(&self, said: &Decision, checks: &mut Checks) {
        let mut wrong: Vec<_> =
            self.trailers.doubled.iter().map(|name| format!("the commit has {name} more than once")).collect();
        if self.trailers.job.as_ref().is_some_and(|job| *job != said.job) {
            wrong.push("the commit's Teof-Job is not the decision's job".to_owned());
        }
        if self.trailers.run.as_ref().is_some_and(|run| *run != said.run) {
            wrong.push("the commit's Teof-Run is not the decision's run".to_owned());
        }
        let object =
            self.repo.odb().and_then(|odb| odb.read(self.commit.id()).map(|object| object.data().contains(&0)));
        if object.unwrap_or(false) {
            wrong.push("its message has a NUL byte, behind which git shows nothing".to_owned());
        }
        checks.expect("message", "its trailers name the decision's job and run", wrong);
    }

    fn evidence(&self, papers: &Papers, heads: Option<HeadsOf>, sealed_by: Option<String>) -> Evidence {
        let bundle = &papers.bundle.says;
        let decision = papers.decision.as_ref();
        let envelope = papers.envelope.as_ref().map(|envelope| &envelope.says);
        let reviewed = decision.map_or(&bundle.commit, |decision| &decision.says.reviewed_commit);
        let order = papers.order.as_ref();
        Evidence {
            record: RecordUsed {
                name: self.record.name.clone(),
                commit: self.record.commit.map(|commit| commit.to_string()),
            },
            job: bundle.job.clone(),
            run: bundle.run.clone(),
            task: bundle.task_id.clone(),
            seat: bundle.agent_id.clone(),
            order: order.map(|order| Receipt { path: order.path.clone(), sha256: order.sha256.clone() }),
            envelope: papers.envelope.as_ref().map(Paper::receipt),
            bundle: papers.bundle.receipt(),
            base_commit: bundle.base_commit.clone(),
            reviewed_commit: reviewed.clone(),
            target_before: decision.and_then(|decision| decision.says.target_before.clone()),
            agents: envelope.map(agents).unwrap_or_default(),
            guards: guards(envelope, decision.map(|decision| &decision.says)),
            receipts: bundle.receipts.clone(),
            approval: decision.map(approver),
            heads,
            sealed_by,
        }
    }
}

fn agents(envelope: &EnvelopeRead) -> Vec<AgentUse> {
    let calls = envelope.stages.iter().flat_map(|stage| stage.calls.iter().map(move |call| (stage, call)));
    let used = calls.map(|(stage, call)| AgentUse {
        stage: stage.name.clone(),
        round: stage.round,
        agent: call.agent.clone(),
        model: call.model.clone(),
        version: call.version.clone(),
        prompt_sha256: call.prompt_sha256.clone(),
        output_sha256: call.output.sha256.clone(),
    });
    used.collect()
}

fn guards(envelope: Option<&EnvelopeRead>, decision: Option<&Decision>) -> Vec<Guard> {
    let command = |of: &str, done: &CommandResult| Guard {
        of: of.to_owned(),
        command: done.cmd.clone(),
        passed: done.succeeded(),
        exit_code: done.exit_code,
        output_sha256: Some(done.output.sha256.clone()),
    };
    let mut found = Vec::new();
    if let Some(envelope) = envelope {
        found.extend(envelope.setup.iter().map(|done| command("setup", done)));
        for stage in &envelope.stages {
            let round = format!("{}, round {}", stage.name, stage.round);
            found.extend(stage.commands.iter().chain(&stage.tests).map(|done| command(&round, done)));
        }
        found.extend(envelope.tests.iter().map(|done| command("tests", done)));
    }
    let merged = decision.into_iter().flat_map(|decision| &decision.tests).map(|test| Guard {
        of: "merge".to_owned(),
        command: test.command.clone(),
        passed: test.passed,
        exit_code: test.exit_code,
        output_sha256: test.output_sha256.clone(),
    });
    found.extend(merged);
    found
}

fn approver(decision: &Paper<Decision>) -> Approver {
    let said = &decision.says;
    Approver {
        by: said.by.clone(),
        recognised: said.recognised,
        at: said.at,
        decision: decision.receipt(),
        policy_granted_by: said.policy.as_ref().map(|policy| policy.granted_by.clone()),
        pull_request: said.pr,
    }
}
