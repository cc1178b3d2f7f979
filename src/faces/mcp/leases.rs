//! Renews the leases of the claims that the client works under, in a thread of its own, as long as the server lives.
//!
//! A renewal writes the claim file and no event. It is not an act of the agent: an idle client keeps its task. A claim
//! that was released, taken over or paused is renewed no more, and one without a lease is left as it is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::base::{Clock, Refusal, Result, Stamp, text};
use crate::hub::Hub;
use crate::ops::claims::renew::{self, Due};

/// How often the wall clock is looked at: the machine may have slept.
const TICK: Duration = Duration::from_secs(20);
/// The least time between two renewals of a lease, however short it is.
const LEAST: Duration = Duration::from_millis(500);

/// The thread that renews; it ends when this is dropped.
#[derive(Clone, Debug)]
pub struct Leases {
    /// Of claims that ask for none.
    pub lease: Duration,
    words: Sender<Word>,
}

#[derive(Debug)]
enum Word {
    Keep { task: String, agent: String, lease: Option<Duration> },
    Leave(String),
}

struct Kept {
    agent: String,
    epoch: Option<u64>,
    lease: Duration,
    due: Due,
}

impl Leases {
    pub fn start(root: Option<PathBuf>, clock: Clock, lease: Duration) -> Leases {
        let (words, receiver) = mpsc::channel();
        std::thread::spawn(move || Keeper { root, clock, kept: BTreeMap::new() }.run(&receiver, lease));
        Leases { lease, words }
    }

    /// The client works on a task as `agent`; `lease`: what its claim was asked for with, if it was claimed just now.
    pub fn keep(&self, task: &str, agent: &str, lease: Option<Duration>) {
        let word = Word::Keep { task: task.to_owned(), agent: agent.to_owned(), lease };
        let _ = self.words.send(word);
    }

    pub fn leave(&self, task: &str) {
        let _ = self.words.send(Word::Leave(task.to_owned()));
    }
}

struct Keeper {
    root: Option<PathBuf>,
    clock: Clock,
    kept: BTreeMap<String, Kept>,
}

impl Keeper {
    fn run(mut self, words: &Receiver<Word>, usual: Duration) {
        loop {
            let next = self.kept.values().map(|kept| kept.due.left(Instant::now())).min();
            let word = match next {
                None => words.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(left) => words.recv_timeout(left.min(TICK)),
            };
            match word {
                Ok(Word::Keep { task, agent, lease }) => self.keep(task, agent, lease, usual),
                Ok(Word::Leave(task)) => drop(self.kept.remove(&task)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.renew();
        }
    }

    /// A claim that was made just now is renewed later; one of which we know nothing is looked at now.
    fn keep(&mut self, task: String, agent: String, lease: Option<Duration>, usual: Duration) {
        if lease.is_none() && self.kept.contains_key(&task) {
            return;
        }
        let first = lease.map_or(Duration::ZERO, half);
        let due = Due::after(first, self.now());
        self.kept.insert(task, Kept { agent, epoch: None, lease: lease.unwrap_or(usual), due });
    }

    fn renew(&mut self) {
        let (running, now) = (Instant::now(), self.now());
        let due: Vec<String> =
            self.kept.iter().filter(|(_, kept)| kept.due.is_past(running, now)).map(|(task, _)| task.clone()).collect();
        for task in due {
            let Some(mut kept) = self.kept.remove(&task) else { continue };
            match self.renew_one(&task, &kept) {
                Ok(Some(epoch)) => {
                    kept.epoch = Some(epoch);
                    kept.due = Due::after(half(kept.lease), now);
                    self.kept.insert(task, kept);
                }
                Ok(None) => {}
                Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.code.starts_with("claim.")) => {
                    tracing::warn!("{} is not renewed any more: {}", text::safe(&task), text::safe(&e.to_string()));
                }
                // A busy lock, or a hub on another branch: the lease has time left.
                Err(e) => {
                    tracing::debug!("cannot renew the lease of {}: {e:#}", text::safe(&task));
                    kept.due = Due::after((kept.lease / 10).clamp(LEAST, TICK), now);
                    self.kept.insert(task, kept);
                }
            }
        }
    }

    fn renew_one(&self, task: &str, kept: &Kept) -> Result<Option<u64>> {
        let hub = Hub::find(self.root.as_deref(), self.clock)?;
        renew::renew(&hub, task, &kept.agent, kept.epoch, kept.lease)
    }

    fn now(&self) -> Stamp {
        self.clock.now()
    }
}

/// After how long a lease is renewed: when half of it is left.
fn half(lease: Duration) -> Duration {
    (lease / 2).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_of_no_length_does_not_keep_the_machine_busy() {
        assert_eq!(half(Duration::ZERO), LEAST);
        assert_eq!(half(Duration::from_secs(900)), Duration::from_secs(450));
    }
}
