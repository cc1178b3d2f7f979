//! Finds the highest job number in the record: numbers are never reused, even when the coordinator's own file was
//! lost or another machine shares the record.

use serde_json::Value;

use crate::base::jsonl;
use crate::coordinator::executor::publish;
use crate::coordinator::state::State;
use crate::hub::{Hub, paths};
use crate::model::run::job_name;

/// How many of the last decisions are searched for jobs without an order.
const DECISIONS: usize = 500;
/// Folders of a seat whose files are named after jobs.
const FOLDERS: [&str; 2] = ["manifests", "reviews"];

/// The highest number among the jobs of the state, the orders, the bundles and the last decisions.
pub fn highest(hub: &Hub, manager: &str, state: &State) -> u64 {
    let known = state.jobs.iter().filter_map(|job| job_name::number(&job.id));
    let decided = hub.path(&publish::decisions(manager)).and_then(|log| jsonl::tail(&log, DECISIONS));
    let decided = decided.unwrap_or_default().into_iter().filter_map(|line| {
        let decision: Value = serde_json::from_slice(&line).ok()?;
        job_name::number(decision.get("job")?.as_str()?)
    });
    let files = files(hub).into_iter().filter_map(|name| in_file_name(&name));
    known.chain(decided).chain(files).chain([state.last_job]).max().unwrap_or_default()
}

fn files(hub: &Hub) -> Vec<String> {
    let names = |folder: &str| {
        let entries = hub.path(folder).ok().and_then(|path| std::fs::read_dir(path).ok()).into_iter().flatten();
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>()
    };
    let seats = names("_report/agent");
    seats
        .iter()
        .flat_map(|seat| FOLDERS.map(|folder| names(&format!("{}/{folder}", paths::agent(seat)))))
        .flatten()
        .collect()
}

/// `manifest-20260105T120000Z-7-r1.json` → 7; of several numbers the last one is the job's.
fn in_file_name(name: &str) -> Option<u64> {
    let stem = name.split('.').next()?;
    let starts = stem.match_indices('-').map(|(at, _)| at + 1).chain([0]);
    starts.filter_map(|at| job_name::number(stem.get(at..)?)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_orders_and_decisions_tell_their_job() {
        assert_eq!(in_file_name("manifest-20260105T120000Z-7.json"), Some(7));
        assert_eq!(in_file_name("manifest-20260105T120000Z-7-r1.json"), Some(7));
        assert_eq!(in_file_name("20260106T120000Z-20260105T120000Z-12-approved.json"), Some(12));
        assert_eq!(in_file_name("20260105T120000Z-12.1.json"), Some(12));
        assert_eq!(in_file_name("notes.json"), None);
    }
}
