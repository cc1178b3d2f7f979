//! The two reports that decide prerequisites, and the part of them that a receipt keeps.

use serde::Serialize;
use serde_json::Value;

use super::declared::Declared;
use crate::base::{Refusal, Result, digest, files, json, text};
use crate::hub::{Hub, paths};

/// Trust in the feeds, as the playbook's authenticity tool reports it.
pub const AUTHENTICITY: &str = "_report/usage/external-authenticity.json";
/// The result of the last strict validation, written by the playbook's CI.
pub const CI_SUMMARY: &str = "_report/planner/validate/summary-latest.json";

/// How many feeds, and how much of each name, a message lists.
const LISTED: usize = 5;
const NAME: usize = 80;

/// The values, and the hashes of the files that they were read from. The names of the fields are
/// those of the playbook's conductor receipts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// What the backlog declared.
    pub backlog: Report,
    pub authenticity: Report,
    pub planner_status: Report,
}

/// One report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub path: &'static str,
    /// Of the whole file; `None` when there is none, or it could not be read.
    pub sha256: Option<String>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The checked fields, as in the file.
    pub values: serde_json::Map<String, Value>,
}

impl Snapshot {
    pub(super) fn take(hub: &Hub, declared: Option<&Declared>) -> Result<Snapshot> {
        Ok(Snapshot {
            backlog: Report::of_backlog(declared),
            authenticity: Report::read(hub, AUTHENTICITY, &AUTHENTICITY_FIELDS)?,
            planner_status: Report::read(hub, CI_SUMMARY, &CI_FIELDS)?,
        })
    }

    #[cfg(test)]
    pub(super) fn of(authenticity: Option<&[u8]>, ci: Option<&[u8]>) -> Snapshot {
        Snapshot {
            backlog: Report::of_backlog(None),
            authenticity: Report::of(AUTHENTICITY, authenticity, &AUTHENTICITY_FIELDS),
            planner_status: Report::of(CI_SUMMARY, ci, &CI_FIELDS),
        }
    }

    /// Whether the overall trust is at least `least`; equal passes.
    pub(super) fn trusted(&self, least: f64) -> Result<(), String> {
        match self.authenticity.get("overall_avg_trust")?.and_then(Value::as_f64) {
            Some(trust) if trust >= least => Ok(()),
            Some(trust) => Err(format!("trust is {trust}, below {least}")),
            None => Err(format!("{AUTHENTICITY} has no overall_avg_trust")),
        }
    }

    pub(super) fn no_attention(&self) -> Result<(), String> {
        match self.authenticity.get("attention_feeds")?.and_then(Value::as_array) {
            Some(feeds) if feeds.is_empty() => Ok(()),
            Some(feeds) => Err(format!(
                "{} attention: {}",
                if feeds.len() == 1 { "1 feed needs".to_owned() } else { format!("{} feeds need", feeds.len()) },
                names(feeds)
            )),
            None => Err(format!("{AUTHENTICITY} has no list of attention_feeds")),
        }
    }

    /// `status` decides if present, else `exit_code` (the playbook: next_step).
    pub(super) fn green(&self) -> Result<(), String> {
        let (status, code) = (self.planner_status.get("status")?, self.planner_status.get("exit_code")?);
        match (status, code.and_then(Value::as_i64)) {
            (Some(Value::String(status)), _) if status.trim().eq_ignore_ascii_case("ok") => Ok(()),
            (Some(status), _) => Err(format!("the CI summary says {}", name(status))),
            (None, Some(0)) => Ok(()),
            (None, Some(code)) => Err(format!("the CI summary has exit code {code}")),
            (None, None) => Err(format!("{CI_SUMMARY} has neither status nor exit_code")),
        }
    }
}

const AUTHENTICITY_FIELDS: [&str; 3] = ["generated_at", "overall_avg_trust", "attention_feeds"];
const CI_FIELDS: [&str; 3] = ["generated_at", "status", "exit_code"];

impl Report {
    fn read(hub: &Hub, path: &'static str, fields: &[&str]) -> Result<Report> {
        match hub.path(path).and_then(|path| files::read(&path, files::MAX_DOCUMENT)) {
            Ok(bytes) => Ok(Report::of(path, bytes.as_deref(), fields)),
            // A link, a FIFO, a folder or a huge file exists but cannot be used.
            Err(e) => match Refusal::of(&e) {
                Some(refusal) => {
                    let why = refusal.reason.as_deref().unwrap_or(&refusal.message);
                    Ok(Report {
                        problem: Some(format!("{path} cannot be read: {why}")),
                        ..Report::of(path, None, fields)
                    })
                }
                None => Err(e),
            },
        }
    }

    fn of_backlog(declared: Option<&Declared>) -> Report {
        let mut report = Report::of(paths::BACKLOG, None, &[]);
        if let Some(declared) = declared {
            report.sha256 = Some(declared.sha256.clone());
            let asked = declared.backlog.prerequisites().cloned();
            report.values.extend(asked.map(|asked| ("prerequisites".to_owned(), asked)));
        }
        report
    }

    fn of(path: &'static str, bytes: Option<&[u8]>, fields: &[&str]) -> Report {
        let mut report = Report { path, sha256: None, problem: None, values: Default::default() };
        let Some(bytes) = bytes else { return report };
        report.sha256 = Some(digest::sha256(bytes));
        match json::parse_object(bytes, path.as_ref()) {
            Ok(raw) => {
                let kept = fields.iter().filter_map(|field| Some(((*field).to_owned(), raw.get(*field)?.clone())));
                report.values = kept.collect();
            }
            Err(e) => report.problem = Some(e.to_string()),
        }
        report
    }

    pub(super) fn is_there(&self) -> bool {
        self.sha256.is_some() || self.problem.is_some()
    }

    /// A field; `Err` when the report cannot be used.
    fn get(&self, field: &str) -> Result<Option<&Value>, String> {
        match (&self.problem, &self.sha256) {
            (Some(problem), _) => Err(problem.clone()),
            (None, None) => Err(format!("{} does not exist", self.path)),
            (None, Some(_)) => Ok(self.values.get(field)),
        }
    }
}

fn names(feeds: &[Value]) -> String {
    let mut shown: Vec<_> = feeds.iter().take(LISTED).map(name).collect();
    if feeds.len() > LISTED {
        shown.push("…".into());
    }
    shown.join(", ")
}

fn name(value: &Value) -> String {
    let name = value.as_str().map_or_else(|| json::compact(value), str::to_owned);
    text::clip(&text::safe(&name), NAME)
}
