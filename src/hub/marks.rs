//! High-water marks: what this machine has seen acknowledged, kept outside the tree.
//!
//! A `git switch`, a stash or a reset in the hub can take files back in time. The marks make that
//! visible: a log that is shorter, or a claim whose epoch is lower, than what was acknowledged is a
//! refusal, never "this task is free". They also keep what git does not have yet (the last bytes of
//! each claim, the lines appended since the last record commit), so that `bus restore` can bring it back.
//!
//! Marks are not synced: after a power cut a mark may be missing or low, which only makes us less strict.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::base::{Refusal, Result, files, json};
use crate::model::claim::ClaimFile;

/// The marks of one hub.
#[derive(Clone, Debug)]
pub struct Marks {
    folder: PathBuf,
}

impl Marks {
    pub(super) fn new(local: &Path) -> Self {
        Self { folder: local.join("marks") }
    }

    /// The acknowledged length of a log, in bytes.
    pub fn log_length(&self, relative: &str) -> u64 {
        let text = fs::read_to_string(self.file("logs", relative)).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    /// The claim as it was last acknowledged.
    pub fn claim(&self, relative: &str) -> Result<Option<(ClaimFile, Vec<u8>)>> {
        let path = self.file("claims", relative);
        match files::read(&path, files::MAX_DOCUMENT)? {
            None => Ok(None),
            // A mark torn by a power cut is no mark.
            Some(bytes) => Ok(json::parse_object(&bytes, &path).ok().map(|raw| (ClaimFile { raw }, bytes))),
        }
    }

    /// The tasks that have a claim mark.
    pub fn claimed_tasks(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.join("claims")).into_iter().flatten().flatten();
        let mut tasks: Vec<_> = names
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                Some(name.strip_prefix("_bus%claims%")?.strip_suffix(".json")?.to_owned())
            })
            .collect();
        tasks.sort();
        tasks
    }

    /// The lines of a log that were appended since the last record commit.
    pub fn uncommitted(&self, relative: &str) -> Result<Vec<u8>> {
        Ok(files::read(&self.file("lines", relative), u64::MAX >> 1)?.unwrap_or_default())
    }

    pub(super) fn appended(&self, relative: &str, lines: &[u8], end: u64) -> Result<()> {
        let path = self.file("lines", relative);
        files::create_parent(&path)?;
        let kept = OpenOptions::new().create(true).append(true).open(&path).and_then(|mut file| file.write_all(lines));
        kept.map_err(|e| files::io_refusal(e, "write", &path))?;
        self.set_log_length(relative, end)
    }

    /// Sets the acknowledged length: after a seal, a restore, or a merge that made the log longer.
    pub fn set_log_length(&self, relative: &str, length: u64) -> Result<()> {
        let path = self.file("logs", relative);
        files::create_parent(&path)?;
        files::replace_unsynced(&path, length.to_string().as_bytes())
    }

    pub(super) fn claimed(&self, relative: &str, bytes: &[u8]) -> Result<()> {
        let path = self.file("claims", relative);
        files::create_parent(&path)?;
        files::replace_unsynced(&path, bytes)
    }

    /// The record commit holds everything up to here: the kept lines of this log are not needed any more.
    pub fn committed(&self, relative: &str) -> Result<()> {
        match fs::remove_file(self.file("lines", relative)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
            _ => Ok(()),
        }
    }

    /// Refuses when a log is shorter than what was acknowledged.
    pub fn check_log(&self, root: &Path, relative: &str) -> Result<()> {
        let known = self.log_length(relative);
        if known == 0 {
            return Ok(());
        }
        let found = fs::symlink_metadata(root.join(relative)).map_or(0, |meta| meta.len());
        if found >= known {
            return Ok(());
        }
        Err(fell_behind(format!("{relative} has {found} bytes; {known} were acknowledged")).into())
    }

    /// Refuses when a claim on disk is older than the one that was acknowledged.
    pub fn check_claim(&self, relative: &str, found: Option<&ClaimFile>) -> Result<()> {
        let Some((known, _)) = self.claim(relative)? else { return Ok(()) };
        let epoch = found.map(ClaimFile::epoch);
        if epoch.is_some_and(|epoch| epoch >= known.epoch()) {
            return Ok(());
        }
        let holder = known.agent_id().unwrap_or("somebody");
        let what = match epoch {
            None => format!("{relative} is gone; {holder} had it at epoch {}", known.epoch()),
            Some(epoch) => format!("{relative} shows epoch {epoch}; {holder} had it at epoch {}", known.epoch()),
        };
        Err(fell_behind(what).with("agent_id", holder).with("epoch", known.epoch()).into())
    }

    fn file(&self, kind: &str, relative: &str) -> PathBuf {
        self.folder.join(kind).join(relative.replace('/', "%"))
    }
}

fn fell_behind(what: String) -> Refusal {
    Refusal::guard("record.behind", "the record in the hub is older than what was acknowledged")
        .because(format!("{what}: a stash, a reset or a switch took it back"))
        .next("if you stashed it: git stash pop")
        .next("otherwise bring back what was acknowledged: teof bus restore")
}
