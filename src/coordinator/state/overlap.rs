//! Jobs whose work gets in each other's way, by the paths that they declare and by trial merges of what they have so
//! far. Pure.

use super::trial::{LISTED, Trial};
use super::{Job, State};
use crate::guard::glob::Glob;

/// Two unfinished jobs that conflict, or may.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict<'a> {
    /// The older one first.
    pub jobs: [&'a Job; 2],
    /// A trial merge failed; otherwise both only declare that they may change these paths.
    pub is_certain: bool,
    pub paths: Vec<String>,
    pub more: usize,
}

impl Conflict<'_> {
    /// One line for people.
    pub fn describe(&self) -> String {
        let [older, newer] = self.jobs.map(Job::short);
        let more = if self.more > 0 { format!(" and {} more", self.more) } else { String::new() };
        let paths = self.paths.join(", ");
        match self.is_certain {
            true => format!("{newer} conflicts with {older} in {paths}{more}"),
            false => format!("{newer} and {older} may both change {paths}{more}"),
        }
    }

    /// The command that keeps work from being wasted.
    pub fn command(&self) -> String {
        match self.jobs {
            [older, _] if older.is_under_review() => format!("teof review {}", older.short()),
            [_, newer] if newer.is_under_review() => format!("teof review {}", newer.short()),
            [_, newer] => format!("teof coordinator pause {}", newer.short()),
        }
    }
}

impl State {
    /// The conflicts between jobs that are not over: those that trial merges found, and declared ones of pairs that
    /// were not merged on trial.
    pub fn conflicts(&self) -> Vec<Conflict<'_>> {
        let live: Vec<&Job> = self.live_jobs().collect();
        let mut found = Vec::new();
        for (at, older) in live.iter().enumerate() {
            for newer in &live[at + 1..] {
                let jobs = [*older, *newer];
                let (is_certain, paths, more) = match self.trial(&older.id, &newer.id) {
                    Some(trial) if !trial.failed => (true, trial.files.clone(), trial.more),
                    _ if jobs.iter().all(|job| job.is_under_review()) => continue,
                    _ => (false, shared(&older.paths, &newer.paths), 0),
                };
                if !paths.is_empty() {
                    found.push(Conflict { jobs, is_certain, paths, more });
                }
            }
        }
        found
    }

    pub fn trial(&self, older: &str, newer: &str) -> Option<&Trial> {
        self.trials.iter().find(|trial| trial.jobs == [older, newer])
    }

    /// The first job at work that declares paths which overlap with these, and those paths.
    pub fn in_the_way(&self, paths: &[String]) -> Option<(&Job, Vec<String>)> {
        let works = self.live_jobs().filter(|job| !job.is_under_review());
        works.map(|job| (job, shared(&job.paths, paths))).find(|(_, paths)| !paths.is_empty())
    }
}

/// The patterns of `a` under which a file may lie that a pattern of `b` covers, too.
fn shared(a: &[String], b: &[String]) -> Vec<String> {
    let others: Vec<Glob> = b.iter().map(|pattern| Glob::new(pattern)).collect();
    let overlaps = |pattern: &&String| {
        let own = Glob::new(pattern);
        others.iter().any(|other| own.overlaps(other))
    };
    a.iter().filter(overlaps).take(LISTED).cloned().collect()
}
