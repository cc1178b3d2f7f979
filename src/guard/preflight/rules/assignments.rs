//! Checks assignments (the playbook: check_agent_bus).

use super::documents::{Notes, object, shown, stem};
use crate::base::Stamp;
use crate::guard::Finding;

/// The problems of one assignment file.
pub fn check(path: &str, bytes: &[u8]) -> Vec<Finding> {
    let raw = match object(path, bytes, "assignment.unreadable") {
        Ok(raw) => raw,
        Err(damaged) => return vec![damaged],
    };
    let mut notes = Notes::new(path, bytes);
    if let Some(task) = notes.need(&raw, "/task_id", "assignment.field")
        && task != stem(path)
    {
        let message = format!("task_id {} differs from the file name {}", shown(task), shown(stem(path)));
        notes.note("/task_id", "assignment.task_id", message, "rename the file or fix task_id");
    }
    // The playbook's bus guard writes "unassigned" for nobody; that is valid text.
    notes.need(&raw, "/engineer", "assignment.field");
    notes.need(&raw, "/manager", "assignment.field");
    if let Some(at) = notes.need(&raw, "/assigned_at", "assignment.field")
        && Stamp::parse(at).is_none()
    {
        let message = format!("assigned_at is {:?}, not a UTC time", shown(at));
        notes.note("/assigned_at", "assignment.time", message, "write it as 2026-01-05T10:00:00Z");
    }
    notes.into_findings()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "_bus/assignments/A.json";

    #[test]
    fn each_fault_is_named_on_its_line() {
        let good = "{\n\"assigned_at\": \"2026-01-05T10:00:00Z\",\n\"engineer\": \"unassigned\",\n\"manager\": \"m\",\n\"branch\": null,\n\"task_id\": \"A\"\n}";
        assert_eq!(check(PATH, good.as_bytes()), []);
        for (from, to, code, line) in [
            ("2026-01-05T", "soon", "assignment.time", 2),
            ("\"unassigned\"", "null", "assignment.field", 3),
            ("\"A\"", "\"B\"", "assignment.task_id", 6),
            ("\"manager\"", "\"boss\"", "assignment.field", 1),
        ] {
            let found = check(PATH, good.replace(from, to).as_bytes());
            assert_eq!((found.len(), found[0].code.as_str(), found[0].line), (1, code, Some(line)), "{to}");
        }
        assert_eq!(check(PATH, b"[]")[0].code, "assignment.unreadable");
    }
}
