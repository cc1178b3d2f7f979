//! Whether the log and the ledger are whole, and have everything that they had when a commit was made.

use git2::{Commit, Oid, Repository};

use super::agreement::{self, Papers};
use super::document::{Checks, HeadsOf};
use super::record::{self, Record};
use super::subject::{self, Carried};
use crate::base::{Result, text};
use crate::hub::git::ancestry;
use crate::hub::paths;
use crate::ops::evidence::chain_heads::ChainHeads;
use crate::ops::evidence::heads::{Broken, Heads};
use crate::receipts::chain;

/// How many problems of a log are listed.
const LISTED: usize = 5;
/// The check of the lines of authors that a commit's heads do not name.
const OTHERS: &str = "other authors";
/// How many commits after a delivered one are looked at.
const MOST: usize = 20_000;

/// Checks every line's id and predecessor, in the whole log and the whole ledger.
pub fn check_whole(record: &Record, checks: &mut Checks) {
    let listed = |mut wrong: Vec<String>| {
        let more = wrong.len().saturating_sub(LISTED);
        wrong.truncate(LISTED);
        wrong.extend((more > 0).then(|| format!("and {} more", text::counted(more, "problem"))));
        wrong
    };
    checks.expect(
        "log",
        "every line is unaltered, and none is missing between two",
        listed(record.events().problems()),
    );
    let found = chain::check(paths::LEDGER, &record.ledger);
    let wrong = found.iter().filter(|found| found.stops()).map(|found| text::safe(&found.message)).collect();
    checks.expect("ledger", "every line is unaltered, and none is missing between two", listed(wrong));
}

/// Checks that the record continues the one whose heads a commit carries, and had the papers then.
///
/// # Errors
/// When the repository cannot be read.
pub fn check_heads(
    repo: &Repository,
    commit: &Commit,
    record: &Record,
    papers: &Papers,
    checks: &mut Checks,
) -> Result<Option<HeadsOf>> {
    let heads = match subject::carried(repo, commit) {
        Carried::Heads(heads) => heads,
        Carried::Damaged => {
            checks.failed("chain heads", "the commit's Teof-Log and Teof-Ledger cannot be read");
            return Ok(None);
        }
        Carried::None => {
            let why = "the commit carries no chain heads: an older teof or a forge made it, so that a record whose end \
                       was cut off would not be noticed";
            checks.unchecked("chain heads", why);
            return Ok(None);
        }
    };
    let (events, entries) = (record.events(), record.entries());
    let mut wrong = Vec::new();
    // What an offered commit carries is from the moment when its bundle was entered.
    let order = papers.order.as_ref().map(|order| ("order", order.line.clone()));
    let bundle = Some(("bundle", papers.bundle.filed.line.clone()));
    let of_ledger: Vec<_> = order.into_iter().chain(bundle).collect();
    let run = &papers.bundle.says.run;
    let reported = papers.envelope.as_ref().and_then(|found| agreement::run_event(record, run, &found.filed.path));
    let of_log = vec![("report of the run", reported)];
    for (name, chain, heads, needed) in
        [("log", events, &heads.log, of_log), ("ledger", entries, &heads.ledger, of_ledger)]
    {
        match chain.check(heads) {
            Err(broken) => wrong.push(told(repo, name, record, heads, &broken)),
            Ok(covered) => {
                if !covered.is_whole {
                    checks.unchecked(OTHERS, differs(name, heads));
                }
                // Among lines that are not named it may have been.
                let is_late = |id: &str| !covered.ids.contains(id) && (covered.is_whole || !chain.has(id));
                let late = needed.iter().filter(|(_, id)| id.as_deref().is_none_or(is_late));
                wrong.extend(
                    late.map(|(what, _)| format!("the {name} did not have the {what} when the commit was made")),
                );
            }
        }
    }
    let good = format!("{} and {} of then", lines(&heads.log, "event"), lines(&heads.ledger, "receipt"));
    checks.expect("chain heads", good, wrong);
    let ChainHeads { log, ledger } = heads;
    Ok(Some(HeadsOf { log, ledger }))
}

fn lines(heads: &Heads, one: &str) -> String {
    text::counted(heads.lines, one)
}

fn differs(name: &str, heads: &Heads) -> String {
    let (named, all) = (heads.ids.len(), heads.all.as_ref().map_or(heads.lines, |all| all.lines));
    format!(
        "the commit names the last lines of {named} authors, which are whole; of the others' lines ({all} in the {name} with \
         these) some are gone, or a merge put new ones before them"
    )
}

fn told(repo: &Repository, name: &str, record: &Record, heads: &Heads, broken: &Broken) -> String {
    let place = text::safe(&record.name);
    match broken {
        Broken::Head(id) => format!(
            "the {name} in {place} does not have the line {id}, which the commit names: its end was cut off, or it is older \
             than the commit (fetch the newest: {})",
            record::fetch(repo)
        ),
        Broken::Line(id, by) => format!("the {name} in {place} lost the line {id} before {by}"),
        Broken::Lines { now } => {
            format!("the {name} in {place} has {now} lines where the commit covers {}, or they differ", heads.lines)
        }
    }
}

/// The next delivered commit after one, when its heads cover the decision about it, too. Checks that commit's heads and
/// those of the newest.
///
/// # Errors
/// When the repository cannot be read.
pub fn check_later(
    repo: &Repository,
    commit: Oid,
    record: &Record,
    papers: &Papers,
    checks: &mut Checks,
) -> Result<Option<String>> {
    let Some(decision) = &papers.decision else { return Ok(None) };
    let later = later(repo, commit, &decision.says.target_branch)?;
    let (Some((next, its)), Some((newest, last))) = (later.first(), later.last()) else { return Ok(None) };
    let (events, entries) = (record.events(), record.entries());
    let mut wrong = Vec::new();
    for (id, heads) in [(next, its), (newest, last)].into_iter().take(if next == newest { 1 } else { 2 }) {
        for (name, chain, heads) in [("log", events, &heads.log), ("ledger", entries, &heads.ledger)] {
            let broken = chain.check(heads).err();
            wrong.extend(
                broken.map(|broken| format!("for the later commit {id}: {}", told(repo, name, record, heads, &broken))),
            );
        }
    }
    let covered = |heads: &ChainHeads| {
        let line = decision.filed.line.as_deref()?;
        let event = agreement::decision_event(record, &decision.filed.path)?;
        let in_ledger = entries.check(&heads.ledger).ok()?.ids.contains(line);
        Some(in_ledger && events.check(&heads.log).ok()?.ids.contains(event.as_str()))
    };
    let sealed = later.iter().find(|(_, heads)| covered(heads) == Some(true)).map(|(id, _)| id.to_string());
    let good = match &sealed {
        Some(by) => format!("the decision is covered by the heads of {by}"),
        None => "whole up to the newest delivered commit".to_owned(),
    };
    checks.expect("later commits", good, wrong);
    Ok(sealed)
}

/// The delivered commits with heads after `commit`, oldest first, on the first branch that has it.
fn later(repo: &Repository, commit: Oid, target: &str) -> Result<Vec<(Oid, ChainHeads)>> {
    let own = format!("refs/heads/{target}");
    let ending = format!("/{target}");
    let remotes = repo.references()?.flatten().filter_map(|found| found.name().ok().map(str::to_owned));
    let remotes = remotes.filter(|name| name.starts_with("refs/remotes/") && name.ends_with(&ending));
    for name in [own, "HEAD".to_owned()].into_iter().chain(remotes.collect::<Vec<_>>()) {
        let Ok(tip) = repo.revparse_single(&name).and_then(|found| found.peel_to_commit()) else { continue };
        if !ancestry::holds(repo, tip.id(), commit)? {
            continue;
        }
        let mut found = Vec::new();
        let mut at = Some(tip);
        for _ in 0..MOST {
            let Some(now) = at.filter(|now| now.id() != commit) else { break };
            if let Carried::Heads(heads) = subject::carried(repo, &now) {
                found.push((now.id(), heads));
            }
            at = now.parent(0).ok();
        }
        found.reverse();
        return Ok(found);
    }
    Ok(Vec::new())
}
