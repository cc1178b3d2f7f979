//! Checks before a merge: the work is what was reviewed, its task is not on hold, and the record has no findings.

use std::fs;

use git2::{Oid, Repository};
use serde_json::json;

use super::bundles;
use super::decision::Kind;
use super::target::merge;
use crate::base::{Refusal, Result, text};
use crate::bus::claims;
use crate::guard::moved_target;
use crate::guard::preflight::{self, Base, Tree};
use crate::guard::result::object_store;
use crate::guard::{Finding, secrets};
use crate::hub::git::{ancestry, object_ids};
use crate::hub::{Hub, paths};
use crate::model::run::bundle::Bundle;
use crate::ops;

/// How many findings a refusal names.
const NAMED: usize = 5;

/// Checks what may come up at any moment and stops a merge: a hold on the task, a target that a worker moved.
pub fn interruptions(hub: &Hub, bundle: &Bundle) -> Result<()> {
    ops::claims::held::check(hub, &bundle.task_id, "merge")?;
    moved_target::check(hub, &bundle.target_branch, "merged")
}

/// Checks that the reviewed commit is whole, descends from its base and does not change the record, and that its seat
/// still owns the task, which is not on hold.
pub fn work(hub: &Hub, repo: &Repository, bundle: &Bundle) -> Result<()> {
    let commit = merge::reviewed(repo, bundle)?;
    let refuse = |why: String| {
        Refusal::guard("review.not_mergeable", format!("{} cannot be merged", bundle.short()))
            .because(why)
            .next(format!("send it back: teof review retry {} --note …", bundle.short()))
    };
    let base = object_ids::parse(&bundle.base_commit).ok().filter(|base| repo.find_commit(*base).is_ok());
    let Some(base) = base else { return Err(refuse("its base commit is not in this repository".into()).into()) };
    if !merge::is_merged(repo, commit, base)? {
        return Err(refuse(format!("{commit} does not descend from its base {base}")).into());
    }
    if let Some(missing) = object_store::missing(&hub.common_dir, base, commit)? {
        return Err(refuse(missing.message).into());
    }
    if let Some(path) = merge::changed_paths(repo, since(repo, bundle, base, commit)?, commit)?
        .into_iter()
        .find(|path| paths::is_record(path))
    {
        return Err(refuse(format!("it changes {}, which belongs to the record", text::safe(&path))).into());
    }
    interruptions(hub, bundle)?;
    let claim = claims::load(hub, &bundle.task_id)?.map(|found| found.file).filter(|claim| claim.is_live());
    let owner = claim.as_ref().and_then(|claim| claim.agent_id());
    match owner {
        Some(owner) if owner != bundle.agent_id => Err(Refusal::guard(
            "claim.not_yours",
            format!("{} was taken over by {}", bundle.task_id, text::safe(owner)),
        )
        .because(format!("this work by {} is from before the takeover", bundle.agent_id))
        .next(format!("reject it: teof review reject {} --note …", bundle.short()))
        .into()),
        _ => Ok(()),
    }
}

/// The commit after which the changes belong to the work: a person may have merged the target into the branch since.
fn since(repo: &Repository, bundle: &Bundle, base: Oid, commit: Oid) -> Result<Oid> {
    let parted = ancestry::merge_base(repo, merge::tip(repo, &bundle.target_branch)?, commit)?;
    match parted {
        Some(parted) if parted != commit && !ancestry::holds(repo, base, parted)? => Ok(parted),
        _ => Ok(base),
    }
}

/// Checks that a merge brings only the reviewed work: its base is on the target, or is other approved work (which may
/// have been squashed there).
///
/// # Errors
/// `review.base_not_merged`: the base was removed from the target or was never there.
pub fn base(hub: &Hub, repo: &Repository, bundle: &Bundle, head: Oid) -> Result<()> {
    let base = object_ids::parse(&bundle.base_commit)?;
    if merge::is_merged(repo, head, base)? {
        return Ok(());
    }
    let (job, target) = (bundle.short(), text::safe(&bundle.target_branch));
    let below = bundles::all(hub)?.into_iter().find(|other| other.bundle.commit == bundle.base_commit);
    let refusal = Refusal::guard(
        "review.base_not_merged",
        format!(
            "{job} is based on work that {target} does not \
        have"
        ),
    );
    let refusal = match below {
        Some(below) if below.decision.as_ref().is_some_and(|done| done.decision == Kind::Approved) => return Ok(()),
        Some(below) => refusal
            .because(format!("merging it would also merge {base}, the result of {}", below.bundle.short()))
            .next(format!("decide about that first: teof review show {}", below.bundle.short())),
        None => refusal
            .because(format!("its base {base} is not on {target}; merging would bring in everything up to it"))
            .next(format!("see those commits: git log {target}..{base}"))
            .next(format!("have the work ported to {target}: teof review retry {job} --note …")),
    };
    Err(refusal.into())
}

/// The command lines of the bundle's tests.
///
/// # Errors
/// `review.test_redacted` when one contained a secret: then the bundle does not have the original command.
pub fn tests(bundle: &Bundle) -> Result<Vec<String>> {
    if let Some(test) = bundle.tests.iter().find(|test| test.command.contains(secrets::MARK)) {
        return Err(Refusal::guard(
            "review.test_redacted",
            format!("the tests of {} cannot be run again", bundle.short()),
        )
        .because(format!("{:?} contained a secret, and receipts do not keep secrets", text::safe(&test.command)))
        .next("let tests read secrets from the environment or a file, then retry the job: teof review retry <job> --note …")
        .next(format!("or test and merge it by hand: git merge {}", bundle.commit))
        .into());
    }
    Ok(bundle.tests.iter().map(|test| test.command.clone()).collect())
}

/// Checks that a decision can be recorded, before anything moves: a move cannot be undone.
fn writable(hub: &Hub) -> Result<()> {
    let reviews = format!("{}/reviews/x.json", paths::agent(&hub.settings()?.coordinator.manager));
    for path in [paths::MEMORY, &reviews] {
        hub.path(path)?;
        let folders = path.match_indices('/').map(|(at, _)| (&path[..at], true));
        for (at, folder) in folders.chain([(path, false)]) {
            let found = fs::symlink_metadata(hub.path(at)?);
            if found.is_ok_and(|meta| if folder { !meta.is_dir() } else { !meta.is_file() }) {
                return Err(Refusal::guard("review.record", format!("{at} blocks the record"))
                    .because("the decision must be written there")
                    .next(format!("check what it is and move it away: {at}"))
                    .into());
            }
        }
    }
    Ok(())
}

/// Checks that `bus verify` and the full preflight have no findings and that a decision can be written.
pub fn record(hub: &Hub) -> Result<()> {
    writable(hub)?;
    let verified = ops::record::verify::verify(hub, None)?;
    let base = match hub.branch() {
        Some(branch) => Some(Base::find(&hub.worktree(), &format!("refs/heads/{branch}"))?),
        None => None,
    };
    let tree = preflight::full(&Tree::open(&hub.worktree())?, base.as_ref())?;
    let mut findings: Vec<_> = verified.findings.into_iter().chain(tree.findings).filter(is_error).collect();
    findings.dedup();
    if findings.is_empty() {
        return Ok(());
    }
    let line = |found: &Finding| {
        let path = found.path.as_deref().unwrap_or_default();
        format!("{}:{}: {}", text::safe(path), found.line.unwrap_or(1), text::safe(&found.message))
    };
    let mut shown: Vec<_> = findings.iter().take(NAMED).map(line).collect();
    if findings.len() > NAMED {
        shown.push(format!("and {} more", findings.len() - NAMED));
    }
    Err(Refusal::guard("review.record", "the record has findings, so nothing is merged")
        .because(shown.join("\n"))
        .next("see all findings: teof bus verify; teof preflight full")
        .with("findings", json!(findings))
        .into())
}

fn is_error(found: &Finding) -> bool {
    found.stops() || found.needs_person()
}
