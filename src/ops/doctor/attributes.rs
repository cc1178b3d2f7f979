//! Checks, for `doctor` and `init`, whether git keeps the record byte for byte; adds the git attributes for it.

use crate::base::{Result, text};
use crate::hub::repository::attributes;
use crate::hub::repository::clone_fidelity::{self, Need};
use crate::hub::{Hub, Transaction, paths};

/// A git rule that keeps evidence from clones, or that a person should know.
#[derive(Clone, Debug)]
pub struct Problem {
    pub code: &'static str,
    pub message: String,
    pub fix: String,
    /// Only information, not a problem.
    pub note: bool,
}

/// One path of each kind in each owned folder, existing or not.
const SAMPLES: [&str; 6] = [
    "_bus/claims/x.json",
    "_bus/events/events.jsonl",
    "_bus/messages/x.jsonl",
    "_plans/x.plan.json",
    "_report/agent/x/x.json",
    "_report/agent/x/x.txt",
];

/// Changes nothing.
///
/// # Errors
/// When git cannot be asked.
pub fn problems(hub: &Hub) -> Result<Vec<Problem>> {
    let mut found = Vec::new();
    let lacking = attributes::stage(hub, &mut Transaction::new("doctor"), false)?;
    if lacking.is_empty() {
        let below = of_nested(hub)?;
        let samples = SAMPLES.into_iter().chain(below.iter().map(String::as_str));
        let samples: Vec<_> = samples.map(|path| (path, Need::Bytes)).collect();
        found.extend(clone_fidelity::losses(hub, &samples)?.into_iter().map(|loss| {
            let code = if loss.code == "receipt.ignored" { "git.ignored" } else { "git.attributes" };
            let message = format!("git would not keep files such as {}: {}", loss.path, loss.why);
            let fix = match code {
                "git.ignored" => "remove the rule, or add an exception for the record's folders".to_owned(),
                _ => loss.fix,
            };
            Problem { code, message, fix, note: false }
        }));
    } else {
        let message = format!(
            "git may change the record's bytes and does not merge its logs line by line: lines are missing in {}",
            lacking.join(", ")
        );
        found.push(Problem { code: "git.attributes", message, fix: "teof doctor --fix".to_owned(), note: false });
    }
    found.extend(filter(hub)?);
    Ok(found)
}

/// A path next to each attributes file that a person committed below teof's own.
fn of_nested(hub: &Hub) -> Result<Vec<String>> {
    let globs = paths::OWNED.map(|folder| format!(":(glob){folder}/*/**/{}", attributes::FILE));
    let listed = hub.git().run(&[&["ls-files", "-z", "--"], &globs.each_ref().map(String::as_str)[..]].concat())?;
    let folders = listed.split('\0').filter_map(|path| path.strip_suffix(attributes::FILE));
    Ok(folders.flat_map(|folder| [format!("{folder}x.json"), format!("{folder}x.txt")]).collect())
}

/// Reports when git filters other files of the kinds in the record: probably encryption, which the record does not
/// get.
///
/// # Errors
/// When git cannot be asked.
pub fn filter(hub: &Hub) -> Result<Option<Problem>> {
    let elsewhere = ["any/x.json", "any/x.jsonl"];
    let output = hub.git().run(&[&["check-attr", "filter", "--"], &elsewhere[..]].concat())?;
    let name = |line: &str| line.rsplit_once(": filter: ").map(|(_, name)| name.to_owned());
    let name = output.lines().filter_map(name).find(|name| !["unspecified", "unset", "set"].contains(&name.as_str()));
    Ok(name.map(|name| {
        let name = text::safe(&name);
        let message = format!("the git filter {name:?} is off for the record: git stores it exactly as teof writes it");
        let fix = "do not write text that needs the filter into tasks, messages or receipts".to_owned();
        Problem { code: "git.filter_off", message, fix, note: true }
    }))
}

/// Writes missing lines; returns the changed files.
///
/// # Errors
/// As taking the bus lock; an attributes file that is not text.
pub fn fix(hub: &Hub) -> Result<Vec<String>> {
    if attributes::stage(hub, &mut Transaction::new("doctor"), false)?.is_empty() {
        return Ok(Vec::new());
    }
    let mut writer = hub.lock("doctor --fix")?;
    let mut transaction = Transaction::new("doctor --fix");
    let changed = attributes::stage(hub, &mut transaction, false)?;
    writer.commit(transaction)?;
    Ok(changed)
}
