//! Reads what is new about the job on the page: its log, its result, its diff.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use super::super::state::{Input, News};
use super::Message;
use crate::base::text;
use crate::coordinator::worker_log::LogTail;
use crate::hub::Hub;
use crate::review::{Entry, bundles, diff};

/// Lines of a diff that are kept.
const DIFF: usize = 50_000;

/// A job to read about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub job: String,
    pub run: String,
    /// Relative to the hub.
    pub bundle: Option<String>,
}

/// What was read last.
struct Known {
    source: Source,
    log: LogTail,
    result: Option<Outcome>,
}

/// A result as read once: a bundle never changes.
struct Outcome {
    bundle: String,
    entry: Arc<Entry>,
    /// Its diff in lines, or why it cannot be read.
    diff: Result<Arc<Vec<String>>, String>,
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
        *known = Some(Known { source: wish.clone(), log: LogTail::new(hub, &wish.run), result: None });
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
            match &outcome.diff {
                Ok(lines) => news.diff = Some(Arc::clone(lines)),
                Err(why) => news.unreadable = Some(why.clone()),
            }
        }
    }
    news
}

fn outcome(hub: &Hub, bundle: String) -> crate::base::Result<Outcome> {
    let entry = bundles::at(hub, &bundle)?;
    let patch = diff::patch(hub, &entry.bundle);
    let diff = patch.map(|patch| Arc::new(patch.lines().take(DIFF).map(shown).collect()));
    Ok(Outcome { bundle, entry: Arc::new(entry), diff: diff.map_err(|e| text::safe(&format!("{e:#}"))) })
}

/// A line as a screen can show it.
fn shown(line: &str) -> String {
    text::safe(&line.replace('\t', "    "))
}
