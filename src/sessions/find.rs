//! Finds the session that a person names.

use super::record::SessionRecord;
use crate::base::{Refusal, Result, names, text};
use crate::model::run::job_name::short;

/// The session with this id or short id, or whose id alone begins so; else the newest of this run, job or task, see
/// [`SessionRecord::recency`].
///
/// # Errors
/// `session.unknown` (exit 4), with similar names; `session.ambiguous` (exit 2).
pub fn find<'a>(sessions: &'a [SessionRecord], name: &str) -> Result<&'a SessionRecord> {
    if let Some(found) = sessions.iter().find(|one| one.id == name || short(&one.id) == name) {
        return Ok(found);
    }
    let is_called = |own: &Option<String>| own.as_ref().is_some_and(|own| own == name || short(own) == name);
    let of = |one: &&SessionRecord| is_called(&one.run) || is_called(&one.job) || is_called(&one.task_id);
    if let Some(newest) = sessions.iter().filter(of).max_by_key(|one| one.recency()) {
        return Ok(newest);
    }
    let begins =
        |one: &&SessionRecord| !name.is_empty() && (one.id.starts_with(name) || short(&one.id).starts_with(name));
    let mut found = sessions.iter().filter(begins);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(one), Some(other)) => {
            let both = format!("{} and {}", short(&one.id), short(&other.id));
            Err(Refusal::usage("session.ambiguous", format!("several sessions begin with {}", text::safe(name)))
                .because(format!("among them {both}"))
                .next("name one: teof session list --all")
                .into())
        }
        (None, _) => {
            let known: Vec<_> = sessions.iter().rev().map(|one| short(&one.id)).collect();
            let tasks = sessions.iter().rev().filter_map(|one| one.task_id.as_deref());
            let meant = names::did_you_mean(name, known.iter().map(AsRef::as_ref).chain(tasks));
            Err(Refusal::not_found("session.unknown", format!("no such session: {}{meant}", text::safe(name)))
                .next("see all: teof session list --all")
                .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Status;
    use super::*;
    use crate::base::Stamp;

    #[test]
    fn a_session_is_named_by_its_id_its_job_or_its_task_and_the_newest_counts() {
        let record = |id: &str, run: &str, task: &str| SessionRecord {
            id: id.to_owned(),
            job: Some(run.rsplit_once('.').unwrap().0.to_owned()),
            run: Some(run.to_owned()),
            task_id: Some(task.to_owned()),
            ..Default::default()
        };
        let sessions = [
            record("20260105T120000Z-7.1-coder-1-1", "20260105T120000Z-7.1", "DOC-1"),
            record("20260105T120000Z-7.2-coder-1-2", "20260105T120000Z-7.2", "DOC-1"),
            record("20260105T130000Z-8.1-tester-1-1", "20260105T130000Z-8.1", "DOC-2"),
        ];
        for (name, at) in [
            ("20260105T120000Z-7.1-coder-1-1", 0),
            ("j7.1-coder-1-1", 0),
            ("j7.1", 0),
            ("j7", 1),
            ("DOC-1", 1),
            ("j8.1-te", 2),
        ] {
            assert_eq!(find(&sessions, name).unwrap().id, sessions[at].id, "{name}");
        }
        // In the same second: what runs first, then what was active last.
        let at = |second| Some(Stamp::from_unix(second));
        let of_job = |stage: &str, status, last| SessionRecord {
            status,
            started_at: at(10),
            last_activity: at(last),
            ..record(&format!("20260105T140000Z-9.1-{stage}-1"), "20260105T140000Z-9.1", "DOC-3")
        };
        let (test, done) = (of_job("test", Status::Done, 11), of_job("reviewer", Status::Done, 12));
        let running = of_job("coder", Status::Running, 9);
        let same = [running.clone(), done.clone(), test.clone()];
        assert_eq!(find(&same, "j9").unwrap().id, running.id);
        assert_eq!(find(&same[1..], "j9").unwrap().id, done.id);
        let code = |name| Refusal::of(&find(&sessions, name).unwrap_err()).unwrap().code;
        assert_eq!((code("j"), code("nope"), code("")), ("session.ambiguous", "session.unknown", "session.unknown"));
    }
}
