//! Remembers the answers of a run's requests, so that one that is repeated is not performed again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::protocol::Answer;

/// How many answers are remembered. A program repeats a request at once.
const MAX: usize = 10_000;

#[derive(Default)]
pub struct Repeats {
    known: Mutex<Known>,
    answered: Condvar,
}

#[derive(Default)]
struct Known {
    /// By id: the digest of the request, and its answer once there is one.
    requests: HashMap<String, (String, Option<Answer>)>,
    /// Oldest first.
    order: VecDeque<String>,
}

/// What to do with a request.
pub enum Seen {
    /// Perform it, then [`Repeats::end`] it.
    First,
    /// It was asked before.
    Repeated(Answer),
}

impl Repeats {
    /// A repeated request waits for the first one's answer.
    pub fn begin(&self, id: &str, sha256: String) -> Seen {
        let mut known = self.known();
        loop {
            match known.requests.get(id) {
                None => break,
                Some((first, _)) if *first != sha256 => {
                    return Seen::Repeated(Answer::refused("its id is that of another request"));
                }
                Some((_, Some(answer))) => return Seen::Repeated(answer.clone()),
                Some((_, None)) => known = self.answered.wait(known).unwrap_or_else(PoisonError::into_inner),
            }
        }
        known.requests.insert(id.to_owned(), (sha256, None));
        known.order.push_back(id.to_owned());
        if known.order.len() > MAX
            && let Some(oldest) = known.order.pop_front()
        {
            known.requests.remove(&oldest);
        }
        Seen::First
    }

    /// What was not done may be asked again under the same id.
    pub fn end(&self, id: &str, answer: Answer) {
        let mut known = self.known();
        match answer {
            Answer::Done { .. } | Answer::Killed => {
                if let Some((_, kept)) = known.requests.get_mut(id) {
                    *kept = Some(answer);
                }
            }
            _ => {
                known.requests.remove(id);
                known.order.retain(|known| known != id);
            }
        }
        self.answered.notify_all();
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_request_gets_the_first_answer_and_another_one_none() {
        let repeats = Repeats::default();
        let done = Answer::Done { exit: 3 };
        assert!(matches!(repeats.begin("a", "1".into()), Seen::First));
        std::thread::scope(|scope| {
            let again = scope.spawn(|| match repeats.begin("a", "1".into()) {
                Seen::Repeated(answer) => answer,
                Seen::First => Answer::Busy,
            });
            repeats.end("a", done.clone());
            assert_eq!(again.join().unwrap(), done);
        });
        assert!(matches!(repeats.begin("a", "2".into()), Seen::Repeated(Answer::Refused(_))));
        assert!(matches!(repeats.begin("b", "1".into()), Seen::First));
        repeats.end("b", Answer::Busy);
        assert!(matches!(repeats.begin("b", "1".into()), Seen::First), "what was not done may be asked again");
    }
}
