//! Agent sessions: one record per run of an agent program or command, with its raw stream.
//!
//! Each session has a folder of its own under `$XDG_STATE_HOME/teof/projects/<encoded repo path>/sessions/<id>/`:
//! `metadata.json` (the [`SessionRecord`]), `stream.log` and `stderr.log`. Folders are 0700 and records 0600. The
//! record is machine-local and never committed; what matters of it is archived under `_report/`.
//!
//! Whoever runs the program saves its record. Other processes use [`SessionStorage::update`], and only on sessions that
//! are over or have no supervisor. This module starts no process and looks at none: whether a process is alive is
//! asked of the caller ([`SessionRecord::observed`]).

mod find;
mod local;
mod record;
pub mod scopecraft;
mod stop;
mod storage;
mod transcript;

pub use find::find;
pub use local::{LocalStorage, read_record};
pub use record::{Archived, Environment, Mode, ProcessId, SessionRecord, Status, tools_used};
pub use stop::StopRequest;
pub use storage::{Damaged, Listing, SessionStorage};
pub use transcript::{own_folder, refused as refused_transcript};

/// The raw output of the program, in its session's folder.
pub const STREAM: &str = "stream.log";
/// The program's stderr, where it is kept apart.
pub const ERRORS: &str = "stderr.log";
