//! The records of the sessions that hooks tell of: one for a program's session, and one for each of its subagents.

use crate::base::{Refusal, Result, names, text};
use crate::exec::{self, Ancestor};
use crate::guard::operator::programs;
use crate::guard::secrets;
use crate::hub::Hub;
use crate::sessions::{self, LocalStorage, Mode, ProcessId, SessionRecord, SessionStorage, Status};

use super::call::Call;

/// How much of a program's own id is kept: its end, which is random in every kind of UUID.
const TAIL: usize = 12;
/// The longest text of an agent in a record, in bytes.
const MAX_TEXT: usize = 300;
/// Names of shells, which run a hook for its program.
const SHELLS: [&str; 5] = ["sh", "bash", "dash", "zsh", "env"];

/// The id of the session of the program itself; `None` when the program did not say which.
pub fn main_id(call: &Call) -> Option<String> {
    let tail = tail(&call.session)?;
    Some(format!("{}-{tail}", call.program.as_str()))
}

/// The id of the session that acts: the subagent's, else the program's.
pub fn id(call: &Call) -> Option<String> {
    let main = main_id(call)?;
    match call.subagent.as_deref().and_then(tail) {
        Some(subagent) => Some(format!("{main}.{subagent}")),
        None => Some(main),
    }
}

/// The end of a program's id, as a part of a name.
fn tail(id: &str) -> Option<String> {
    let letters: Vec<char> = id.chars().filter(char::is_ascii_alphanumeric).collect();
    let tail: String = letters[letters.len().saturating_sub(TAIL)..].iter().collect();
    (!tail.is_empty()).then_some(tail)
}

/// Changes the record of the session that acts, and makes it when there is none. `None` when the program gave no id.
pub fn change(
    hub: &Hub,
    call: &Call,
    seat: Option<&str>,
    mut change: impl FnMut(&mut SessionRecord),
) -> Result<Option<SessionRecord>> {
    let Some(main) = main_id(call) else { return Ok(None) };
    let id = id(call).unwrap_or_else(|| main.clone());
    let is_subagent = id != main;
    if is_subagent && LocalStorage::of(hub).get(&main)?.is_none() {
        // Its hooks may have been installed while it ran.
        let own = Call { subagent: None, kind: None, transcript: None, ..call.clone() };
        make(hub, &own, seat, &main, None)?;
    }
    let storage = LocalStorage::of(hub);
    let mut apply = |record: &mut SessionRecord| {
        record.last_activity = Some(hub.now());
        record.agent_id = seat.map(str::to_owned).or(record.agent_id.take());
        change(record);
        Ok(())
    };
    match storage.update(&id, &mut apply) {
        Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.code == "session.unknown") => {
            make(hub, call, seat, &id, is_subagent.then_some(main))?;
            storage.update(&id, &mut apply).map(Some)
        }
        found => found.map(Some),
    }
}

/// Makes a record.
fn make(hub: &Hub, call: &Call, seat: Option<&str>, id: &str, main: Option<String>) -> Result<()> {
    let storage = LocalStorage::of(hub);
    names::check_id("session", id)?;
    if !storage.folder(id).is_dir() {
        // Where another hook was faster, the name that this one got stays empty and is removed later.
        storage.reserve(id)?;
    }
    let process = process();
    let started_by = match main {
        Some(main) => Some(main),
        None => starter(hub, id, process)?,
    };
    let mut record = SessionRecord {
        id: id.to_owned(),
        mode: Mode::Hooked,
        status: Status::Running,
        started_by,
        stage: call.kind.as_deref().map(plain),
        agent_id: seat.map(str::to_owned),
        program: Some(call.program.as_str().to_owned()),
        model: call.model.as_deref().map(plain),
        agent_session: Some(plain(call.subagent.as_deref().unwrap_or(&call.session))),
        worktree: hub.here.root.clone(),
        branch: hub.here.branch(),
        log: call.transcript.clone().unwrap_or_default(),
        program_folder: sessions::own_folder(call.program.as_str()),
        process,
        started_at: Some(hub.now()),
        last_activity: Some(hub.now()),
        ..SessionRecord::default()
    };
    record.environment.executor = "process".to_owned();
    storage.save(&record)
}

/// One line of an agent, without secrets.
pub fn plain(said: &str) -> String {
    text::clip(text::safe(&secrets::redact(said)).trim(), MAX_TEXT)
}

/// The program that called the hook: the nearest known agent above this process, else the nearest program that is no
/// shell.
pub fn process() -> Option<ProcessId> {
    let above = exec::ancestors()?;
    let is_agent = |process: &&Ancestor| programs::known(process.program.as_deref(), &process.arguments()).is_some();
    let is_other = |process: &&Ancestor| !SHELLS.contains(&process.name.as_str());
    let found = above.iter().find(is_agent).or_else(|| above.iter().find(is_other))?;
    Some(ProcessId { pid: found.pid, started: exec::started(found.pid)? })
}

/// The session that started the program of this one: the one that its arguments name (a teammate), else the nearest one
/// whose program is above it.
fn starter(hub: &Hub, id: &str, own: Option<ProcessId>) -> Result<Option<String>> {
    let above = exec::ancestors().unwrap_or_default();
    let sessions = LocalStorage::of(hub).list()?.sessions;
    let named = above.iter().find_map(|process| {
        let arguments = process.arguments();
        let at = arguments.iter().position(|argument| argument == "--parent-session-id")?;
        arguments.get(at + 1).cloned()
    });
    if let Some(named) = named
        && let Some(found) = sessions.iter().find(|one| one.agent_session.as_ref() == Some(&named))
    {
        return Ok(Some(found.id.clone()));
    }
    let is_own = |pid: i32| own.is_some_and(|own| own.pid == pid);
    let started_by = above.iter().filter(|process| !is_own(process.pid)).find_map(|process| {
        let started = exec::started(process.pid)?;
        let process = ProcessId { pid: process.pid, started };
        // A subagent has its program's process, too.
        sessions.iter().find(|one| one.process == Some(process) && one.started_by.is_none() && one.id != id)
    });
    Ok(started_by.map(|one| one.id.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_by_its_program_and_the_random_end_of_its_id() {
        let call = |text: &str| Call::parse(text.as_bytes()).unwrap();
        for (text, wanted) in [
            (r#"{"session_id":"e081d13d-be10-4bb7-99a2-fa50ed93c486"}"#, Some("claude-fa50ed93c486")),
            (
                r#"{"session_id":"01a2-b331-3f3ca0c0e961","turn_id":"t","agent_id":"01a2-cf49fff01fe1"}"#,
                Some("codex-3f3ca0c0e961.cf49fff01fe1"),
            ),
            (r#"{"session_id":"../x"}"#, Some("claude-x")),
            (r#"{"session_id":"/.."}"#, None),
            ("{}", None),
        ] {
            assert_eq!(id(&call(text)).as_deref(), wanted, "{text}");
        }
    }
}
