//! How fast plans, notes and reflections are followed by evidence (the playbook: receipts_metrics).
//!
//! The time of a receipt is the first one recorded for it: in the ledger, in an event or in a message. Only where
//! nothing recorded it, git's first commit of the file counts, then the file's own time: a fresh clone changes both.

use std::collections::{BTreeSet, HashMap};
use std::fs;

use serde::Serialize;

use super::index::{Index, PlanRow};
use crate::base::{Result, Stamp, files, json, names};
use crate::hub::Hub;
use crate::hub::git::command::Git;
use crate::receipts::ledger;

/// The latencies of all plans.
#[derive(Debug)]
pub struct Metrics {
    pub summary: Summary,
    pub plans: Vec<Plan>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub generated_at: Stamp,
    pub plans: usize,
    pub plans_with_receipts: usize,
    pub plans_missing_receipts: usize,
    pub latency_seconds: Spreads,
    /// Plans whose latency is far above the others', the slowest first.
    pub outliers: Vec<Outlier>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Spreads {
    pub plan_to_first_receipt: Spread,
    pub note_to_first_receipt: Spread,
    pub reflection_to_receipt: Spread,
}

/// Seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    pub count: usize,
    pub min: Option<i64>,
    pub median: Option<f64>,
    pub max: Option<i64>,
}

/// A plan that was much slower than the others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outlier {
    pub plan_id: String,
    /// Which latency: `plan_to_first_receipt` or `reflection_to_receipt`.
    pub measure: &'static str,
    pub seconds: i64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    pub plan_id: String,
    pub status: serde_json::Value,
    pub created: Option<Stamp>,
    pub checkpoint_status: Option<String>,
    pub receipt_count: usize,
    pub missing_receipts: Vec<String>,
    pub latency_seconds: Latency,
    pub first_receipt_ts: Option<Stamp>,
    pub last_receipt_ts: Option<Stamp>,
    /// Messages in manager-report about the plan.
    pub manager_notes: usize,
    pub manager_first_ts: Option<Stamp>,
    /// Reflections that name the plan.
    pub reflections: Vec<String>,
}

/// `None` where one of the two times is unknown, or the second is not the later one.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    pub plan_to_first_receipt: Option<i64>,
    pub plan_to_last_receipt: Option<i64>,
    pub note_to_plan: Option<i64>,
    pub note_to_first_receipt: Option<i64>,
    pub reflection_to_receipt: Option<i64>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'a> {
    Summary(&'a Summary),
    PlanLatency(&'a Plan),
}

impl Metrics {
    /// One JSON object per line; `kind` says what it is.
    pub fn to_jsonl(&self) -> String {
        let lines = std::iter::once(Line::Summary(&self.summary)).chain(self.plans.iter().map(Line::PlanLatency));
        lines.map(|line| json::compact(&line) + "\n").collect()
    }
}

/// Measures every plan of the index.
///
/// # Errors
/// When the ledger cannot be read.
pub fn read(hub: &Hub, index: &Index) -> Result<Metrics> {
    let times = Times::read(hub, index)?;
    let reflections = reflections(hub);
    let plans: Vec<Plan> = index.plans.iter().map(|plan| measure(plan, index, &times, &reflections)).collect();
    let values = |of: fn(&Latency) -> Option<i64>| -> Vec<(&str, i64)> {
        plans.iter().filter_map(|plan| Some((plan.plan_id.as_str(), of(&plan.latency_seconds)?))).collect()
    };
    let first = values(|latency| latency.plan_to_first_receipt);
    let reflection = values(|latency| latency.reflection_to_receipt);
    let mut outliers = outliers("plan_to_first_receipt", &first);
    outliers.extend(self::outliers("reflection_to_receipt", &reflection));
    outliers.sort_by_key(|outlier| std::cmp::Reverse(outlier.seconds));
    let summary = Summary {
        generated_at: hub.now(),
        plans: plans.len(),
        plans_with_receipts: plans.iter().filter(|plan| plan.first_receipt_ts.is_some()).count(),
        plans_missing_receipts: plans.iter().filter(|plan| !plan.missing_receipts.is_empty()).count(),
        latency_seconds: Spreads {
            plan_to_first_receipt: spread(&first),
            note_to_first_receipt: spread(&values(|latency| latency.note_to_first_receipt)),
            reflection_to_receipt: spread(&reflection),
        },
        outliers,
    };
    Ok(Metrics { summary, plans })
}

fn measure(row: &PlanRow, index: &Index, times: &Times, reflections: &[Reflection]) -> Plan {
    let listed = row.receipts.iter().chain(row.steps.iter().flat_map(|step| &step.receipts));
    let listed: BTreeSet<&str> = listed.map(|named| named.path.trim()).collect();
    let whole = listed.iter().filter(|path| !row.missing_receipts.iter().any(|missing| missing.trim() == **path));
    let at: Vec<Stamp> = whole.filter_map(|path| times.of(path, row.created)).collect();
    let (first, last) = (at.iter().min().copied(), at.iter().max().copied());
    let notes = index.messages.iter().filter(|note| note.plan_id.as_deref() == Some(&row.plan_id));
    let note = notes.clone().filter_map(|note| note.timestamp).min();
    let named: Vec<&Reflection> = reflections.iter().filter(|reflection| reflection.names(row)).collect();
    let reflection = named.iter().map(|reflection| reflection.at).min();
    // A reflection is followed by the first evidence after it, not by what was there already.
    let follows = reflection.and_then(|from| at.iter().copied().filter(|at| *at >= from).min());
    Plan {
        plan_id: row.plan_id.clone(),
        status: row.status.clone(),
        created: row.created,
        checkpoint_status: row.checkpoint_status.clone(),
        receipt_count: listed.len(),
        missing_receipts: row.missing_receipts.clone(),
        latency_seconds: Latency {
            plan_to_first_receipt: between(row.created, first),
            plan_to_last_receipt: between(row.created, last),
            note_to_plan: between(note, row.created),
            note_to_first_receipt: between(note, first),
            reflection_to_receipt: between(reflection, follows),
        },
        first_receipt_ts: first,
        last_receipt_ts: last,
        manager_notes: notes.count(),
        manager_first_ts: note,
        reflections: named.into_iter().map(|reflection| reflection.path.clone()).collect(),
    }
}

fn between(from: Option<Stamp>, to: Option<Stamp>) -> Option<i64> {
    Some(to?.unix() - from?.unix()).filter(|seconds| *seconds >= 0)
}

/// When receipts came to be.
struct Times {
    recorded: HashMap<String, Vec<Stamp>>,
    committed: HashMap<String, Vec<Stamp>>,
    written: HashMap<String, Stamp>,
}

impl Times {
    fn read(hub: &Hub, index: &Index) -> Result<Times> {
        let mut recorded: HashMap<String, Vec<Stamp>> = HashMap::new();
        for (path, at) in ledger::entered_at(&hub.root)? {
            recorded.entry(path).or_default().push(at);
        }
        let mut unrecorded = Vec::new();
        let mut written = HashMap::new();
        for receipt in index.receipts.iter().filter(|receipt| receipt.exists && !receipt.referenced_by.is_empty()) {
            let said = receipt.referenced_by.iter().filter_map(|reference| reference.ts);
            recorded.entry(receipt.path.clone()).or_default().extend(said);
            unrecorded.push(receipt.path.as_str());
            written.extend(receipt.mtime.map(|at| (receipt.path.clone(), at)));
        }
        unrecorded.retain(|path| recorded.get(*path).is_none_or(Vec::is_empty));
        Ok(Times { recorded, committed: committed(hub, &unrecorded), written })
    }

    /// The first time that is known of a receipt, not before `from`.
    fn of(&self, path: &str, from: Option<Stamp>) -> Option<Stamp> {
        let first = |times: Option<&Vec<Stamp>>| {
            times.into_iter().flatten().copied().filter(|at| from.is_none_or(|from| *at >= from)).min()
        };
        let written = || self.written.get(path).copied().filter(|at| from.is_none_or(|from| *at >= from));
        first(self.recorded.get(path)).or_else(|| first(self.committed.get(path))).or_else(written)
    }
}

/// How many paths git is asked about at once.
const AT_ONCE: usize = 500;

/// When git recorded changes of the paths. Without a history there is nothing.
fn committed(hub: &Hub, paths: &[&str]) -> HashMap<String, Vec<Stamp>> {
    let mut found: HashMap<String, Vec<Stamp>> = HashMap::new();
    for some in paths.chunks(AT_ONCE) {
        let mut args =
            vec!["--literal-pathspecs", "log", "-z", "--format=%x01%ct", "--name-only", "--no-renames", "--"];
        args.extend(some);
        let Ok(log) = Git::at(&hub.root).bytes(&args) else { continue };
        let mut at = None;
        for word in String::from_utf8_lossy(&log).split(['\0', '\n']).filter(|word| !word.is_empty()) {
            match word.strip_prefix('\u{1}') {
                Some(seconds) => at = seconds.parse().ok().map(Stamp::from_unix),
                None => found.entry(word.to_owned()).or_default().extend(at),
            }
        }
    }
    found
}

/// A reflection of a seat, `_report/agent/<id>/reflections/<date>.md`.
struct Reflection {
    path: String,
    at: Stamp,
    text: String,
}

impl Reflection {
    /// Whether the text has the plan's id, or the name of one of its steps as a task, as a whole word.
    fn names(&self, plan: &PlanRow) -> bool {
        let mut steps = plan.steps.iter().filter_map(|step| Some(format!("{}-{}", plan.plan_id, step.id.as_deref()?)));
        has_word(&self.text, &plan.plan_id) || steps.any(|step| has_word(&self.text, &step))
    }
}

/// Whether `word` is in the text and goes on neither before nor after: `docs` is no word of `docs-2`.
fn has_word(text: &str, word: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let mut places = text.match_indices(word).filter(|_| !word.is_empty());
    places.any(|(at, _)| !text[..at].ends_with(goes_on) && !text[at + word.len()..].starts_with(goes_on))
}

fn reflections(hub: &Hub) -> Vec<Reflection> {
    let mut found = Vec::new();
    for agent in fs::read_dir(hub.root.join("_report/agent")).into_iter().flatten().flatten() {
        let Some(agent) = agent.file_name().into_string().ok().filter(|agent| names::is_id(agent)) else { continue };
        let folder = format!("_report/agent/{agent}/reflections");
        for entry in fs::read_dir(hub.root.join(&folder)).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = format!("{folder}/{name}");
            let bytes = hub.path(&path).and_then(|file| files::read(&file, files::MAX_DOCUMENT)).ok().flatten();
            let Some(bytes) = bytes.filter(|_| name.ends_with(".md")) else { continue };
            let text = String::from_utf8_lossy(&bytes).into_owned();
            found.extend(reflected_at(&name, &text).map(|at| Reflection { path, at, text }));
        }
    }
    found
}

/// The time that a reflection gives, `captured_at: …`, else the day in its name: `2026-01-05.md`, `20260105.md`.
fn reflected_at(name: &str, text: &str) -> Option<Stamp> {
    let said =
        text.lines().take(20).find_map(|line| line.split_once("captured_at")?.1.get(1..)?.split_whitespace().next());
    let day: String = name.chars().filter(char::is_ascii_digit).take(8).collect();
    let day = || Some(format!("{}-{}-{}T00:00:00Z", day.get(..4)?, day.get(4..6)?, day.get(6..8)?));
    said.and_then(Stamp::parse).or_else(|| Stamp::parse(&day()?))
}

fn spread(values: &[(&str, i64)]) -> Spread {
    let sorted = sorted(values);
    Spread {
        count: sorted.len(),
        min: sorted.first().copied(),
        median: (!sorted.is_empty()).then(|| quantile(&sorted, 0.5)),
        max: sorted.last().copied(),
    }
}

/// Values above the third quartile by more than one and a half times the middle half's width (Tukey's fence). Fewer
/// than four values have no outliers.
fn outliers(measure: &'static str, values: &[(&str, i64)]) -> Vec<Outlier> {
    let sorted = sorted(values);
    if sorted.len() < 4 {
        return Vec::new();
    }
    let (lower, upper) = (quantile(&sorted, 0.25), quantile(&sorted, 0.75));
    let fence = upper + 1.5 * (upper - lower);
    let far = values.iter().filter(|(_, seconds)| *seconds as f64 > fence);
    far.map(|(plan, seconds)| Outlier { plan_id: (*plan).to_owned(), measure, seconds: *seconds }).collect()
}

fn sorted(values: &[(&str, i64)]) -> Vec<i64> {
    let mut sorted: Vec<i64> = values.iter().map(|(_, seconds)| *seconds).collect();
    sorted.sort_unstable();
    sorted
}

/// By linear interpolation; `sorted` is not empty.
fn quantile(sorted: &[i64], part: f64) -> f64 {
    let at = part * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize] as f64, sorted[at.ceil() as usize] as f64);
    below + (above - below) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_far_slower_than_the_others_is_an_outlier() {
        let values = [("a", 10), ("b", 12), ("c", 14), ("d", 16), ("e", 400)];
        assert_eq!(spread(&values), Spread { count: 5, min: Some(10), median: Some(14.0), max: Some(400) });
        let names = |values: &[(&'static str, i64)]| -> Vec<String> {
            outliers("m", values).into_iter().map(|outlier| outlier.plan_id).collect()
        };
        assert_eq!(names(&values), ["e"]);
        assert_eq!(names(&values[..4]), [""; 0]);
        assert_eq!(names(&values[2..]), [""; 0], "three values have none");
        assert_eq!(spread(&[]), Spread::default());
    }

    #[test]
    fn a_reflection_has_the_time_that_it_gives_else_its_day() {
        let at = |name, text| reflected_at(name, text).map(|at| at.to_string());
        assert_eq!(at("2026-01-05.md", "captured_at: 2026-01-05T09:00:00Z\n"), Some("2026-01-05T09:00:00Z".into()));
        assert_eq!(at("2026-01-05-2.md", "# Notes\n"), Some("2026-01-05T00:00:00Z".into()));
        assert_eq!(at("20260105T1200Z.md", ""), Some("2026-01-05T00:00:00Z".into()));
        assert_eq!(at("notes.md", ""), None);
    }
}
