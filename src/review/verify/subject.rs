//! What a commit says about itself: its trailers, and what they make it.

use git2::{Commit, Repository};

use crate::hub::worktrees::checkpoint::{TRAILER_JOB, TRAILER_RUN};
use crate::ops::evidence::chain_heads::{ChainHeads, TRAILER_LEDGER, TRAILER_LOG};
use crate::ops::evidence::heads::Heads;
use crate::review::target::message::{TRAILER_ASSISTED, TRAILER_BY, TRAILER_REVERTS};

/// The trailer of a record commit.
pub const TRAILER_RECORD: &str = "Teof-Record";

/// The trailers of a commit that teof reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trailers {
    pub job: Option<String>,
    pub run: Option<String>,
    /// The person or policy that approved it.
    pub by: Option<String>,
    pub reverts: Option<String>,
    pub record: bool,
    /// The agents and models, in order.
    pub assisted: Vec<String>,
    log: Option<String>,
    ledger: Option<String>,
    /// Trailers that are there more than once.
    pub doubled: Vec<&'static str>,
}

/// The chain heads that a commit carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    None,
    Heads(ChainHeads),
    /// They cannot be read.
    Damaged,
}

impl Trailers {
    pub fn of(commit: &Commit) -> Trailers {
        let mut found = Trailers::default();
        let Ok(Ok(trailers)) = commit.message().map(git2::message_trailers_strs) else { return found };
        for (key, value) in trailers.iter() {
            let value = value.to_owned();
            let (slot, name) = match key {
                TRAILER_JOB => (&mut found.job, TRAILER_JOB),
                TRAILER_RUN => (&mut found.run, TRAILER_RUN),
                TRAILER_BY => (&mut found.by, TRAILER_BY),
                TRAILER_REVERTS => (&mut found.reverts, TRAILER_REVERTS),
                TRAILER_LOG => (&mut found.log, TRAILER_LOG),
                TRAILER_LEDGER => (&mut found.ledger, TRAILER_LEDGER),
                TRAILER_ASSISTED => {
                    found.assisted.push(value);
                    continue;
                }
                TRAILER_RECORD => {
                    found.record = true;
                    continue;
                }
                _ => continue,
            };
            if slot.replace(value).is_some() {
                found.doubled.push(name);
            }
        }
        found
    }

    pub fn heads(&self) -> Carried {
        match (&self.log, &self.ledger) {
            (None, None) => Carried::None,
            (Some(log), Some(ledger)) => match (Heads::parse(log), Heads::parse(ledger)) {
                (Some(log), Some(ledger)) => Carried::Heads(ChainHeads { log, ledger }),
                _ => Carried::Damaged,
            },
            _ => Carried::Damaged,
        }
    }
}

/// The heads of a commit, or of the merged one where a forge wrote the message of the merge.
pub fn carried(repo: &Repository, commit: &Commit) -> Carried {
    match Trailers::of(commit).heads() {
        Carried::None => {}
        found => return found,
    }
    let merged = commit.parent_id(1).and_then(|id| repo.find_commit(id));
    merged.map_or(Carried::None, |merged| Trailers::of(&merged).heads())
}
