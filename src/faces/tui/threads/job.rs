//! Reads what is new about the job on the page: its log, its result, its diff.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use super::super::state::{Input, News};
use super::Message;
use crate::base::text;
use crate::coordinator::worker_log::LogTail;
use crate::hub::Hub;
use crate::review::diff::{self, Patch};
use crate::review::{Entry, bundles};

/// Lines of a diff that are kept.
const DIFF: usize = 50_000;

/// A job to read about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub job: String,
    pub run: String,
    /// Relative to the hub.
    pub bundle: Option<String>,
    /// What a blocked job without a result changed so far.
    pub commit: Option<String>,
}

/// What was read last.
struct Known {
    source: Source,
    log: LogTail,
    result: Option<Outcome>,
    /// The diff of a commit that is no result.
    unfinished: Option<(String, Diff)>,
}

/// A diff in lines, or why it cannot be read.
type Diff = Result<Arc<Vec<String>>, String>;

/// A result as read once: a bundle never changes.
struct Outcome {
    bundle: String,
    entry: Arc<Entry>,
    diff: Diff,
}

/// Answers each wish with what is new, until nobody asks.
pub fn run(hub: &Hub, requests: &Receiver<Source>, out: &Sender<Message>) {
    let mut known: Option<Known> = None;
    while let Ok(mut wish) = requests.recv() {
        // Only the newest matters.
        while let Ok(newer) = requests.try_recv() {
            wish = newer;
        }
        let news = read(hub, &mut known, wish);
        if out.send(Message::Input(Input::News(news))).is_err() {
            return;
        }
    }
}

fn read(hub: &Hub, known: &mut Option<Known>, wish: Source) -> News {
    let is_new = known.as_ref().is_none_or(|known| known.source.job != wish.job || known.source.run != wish.run);
    if is_new {
        *known =
            Some(Known { source: wish.clone(), log: LogTail::new(hub, &wish.run), result: None, unfinished: None });
    }
    let mut news = News { job: wish.job.clone(), run: wish.run.clone(), is_new_log: is_new, ..News::default() };
    let Some(known) = known else { return news };
    news.log = known.log.new_lines().iter().map(|line| shown(line)).collect();
    if let Some(bundle) = wish.bundle {
        if known.result.as_ref().is_none_or(|known| known.bundle != bundle) {
            match outcome(hub, bundle) {
                Ok(outcome) => known.result = Some(outcome),
                Err(e) => news.unreadable = Some(text::safe(&format!("{e:#}"))),
            }
        }
        if let Some(outcome) = &known.result {
            news.result = Some(Arc::clone(&outcome.entry));
            news.show(&outcome.diff);
        }
    } else if let Some(commit) = wish.commit {
        if known.unfinished.as_ref().is_none_or(|(known, _)| *known != commit) {
            known.unfinished = Some((commit.clone(), lines(hub, &commit, diff::of_commit(hub, &commit))));
        }
        known.unfinished.iter().for_each(|(_, diff)| news.show(diff));
    }
    news
}

impl News {
    fn show(&mut self, diff: &Diff) {
        match diff {
            Ok(lines) => self.diff = Some(Arc::clone(lines)),
            Err(why) => self.unreadable = Some(why.clone()),
        }
    }
}

fn outcome(hub: &Hub, bundle: String) -> crate::base::Result<Outcome> {
    let entry = bundles::at(hub, &bundle)?;
    let diff = lines(hub, &entry.bundle.commit, diff::patch(hub, &entry.bundle));
    Ok(Outcome { bundle, entry: Arc::new(entry), diff })
}

/// The lines of a patch; before them where a secret that it hides still is.
fn lines(hub: &Hub, commit: &str, patch: crate::base::Result<Patch>) -> Diff {
    match patch {
        Ok(patch) => {
            let note = patch.adds_secret.then(|| diff::secret_note(hub, commit));
            let note = note.into_iter().flat_map(|note| [Some(note.text), note.command].into_iter().flatten());
            let lines = patch.text.lines().take(DIFF).map(shown);
            Ok(Arc::new(note.map(|line| shown(&line)).chain(lines).collect()))
        }
        Err(e) => Err(text::safe(&format!("{e:#}"))),
    }
}

/// A line as a screen can show it.
fn shown(line: &str) -> String {
    text::safe(&line.replace('\t', "    "))
}
