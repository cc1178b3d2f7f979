//! High-water marks: the state that this machine acknowledged, stored outside the tree.
//!
//! A `git switch`, a stash or a reset in the hub can bring files back to an older state. The marks detect that: a log
//! that is shorter, or a claim that is less far (its epoch, or its status at that epoch), than acknowledged is refused,
//! and never read as "this task is free". They also store what git does not have yet (the last bytes of each claim, the
//! lines appended since the last record commit), so that `bus restore` can bring it back.
//!
//! Marks are not synced: after a power failure a mark may be missing or low, which only makes the check less strict.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::documents::{DocumentMarks, fell_behind};
use crate::base::{Result, Stamp, disk, files, json, jsonl, parallel};
use crate::hub::paths;
use crate::model::claim::ClaimFile;

/// The largest mark of a log, in bytes.
const MAX_MARK: u64 = 4096;

/// The marks of one hub.
#[derive(Clone, Debug)]
pub struct Watermarks {
    folder: PathBuf,
}

impl Watermarks {
    pub(in crate::hub) fn new(local: &Path) -> Self {
        Self { folder: local.join("marks") }
    }

    /// The marks of plans, backlog, assignments and new receipts.
    pub fn documents(&self) -> DocumentMarks {
        DocumentMarks::new(&self.folder)
    }

    /// The acknowledged length of a log, in bytes.
    pub fn log_length(&self, relative: &str) -> u64 {
        self.log(relative).map_or(0, |mark| mark.length)
    }

    /// The logs that have a mark, sorted.
    pub fn logs(&self) -> Vec<String> {
        let mut logs: Vec<_> = ["logs", "sealed"].iter().flat_map(|kind| self.names(kind)).collect();
        logs.sort();
        logs
    }

    /// The last acknowledged claim.
    pub fn claim(&self, relative: &str) -> Result<Option<(ClaimFile, Vec<u8>)>> {
        let Some(bytes) = self.claim_bytes(relative)? else { return Ok(None) };
        Ok(parse_claim(relative, &bytes).map(|claim| (claim, bytes)))
    }

    /// The bytes of the claim's mark, which may be damaged.
    pub fn claim_bytes(&self, relative: &str) -> Result<Option<Vec<u8>>> {
        files::read(&self.file("claims", relative), files::MAX_DOCUMENT)
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

    /// Stores lines appended to a log. Returns the file and its earlier length, for a rollback.
    pub(in crate::hub) fn keep_lines(&self, relative: &str, lines: &[u8]) -> Result<(PathBuf, u64)> {
        let path = self.file("lines", relative);
        files::create_parent(&path)?;
        let failed = |e| files::io_refusal(e, "write", &path);
        let file = files::open_own(&path, OpenOptions::new().create(true).append(true))?;
        let before = file.metadata().map_err(failed)?.len();
        if let Err(e) = disk::write_all(&file, lines, &path) {
            let _ = file.set_len(before);
            return Err(failed(e));
        }
        Ok((path, before))
    }

    /// The complete lines after a log's mark: another tool's, or those of a command killed before it set the mark.
    /// The next mark covers them, so they are stored with it.
    pub(in crate::hub) fn unmarked(&self, relative: &str, log: &File) -> Result<Vec<u8>> {
        let failed = |e| files::io_refusal(e, "read", Path::new(relative));
        let length = log.metadata().map_err(failed)?.len();
        let Some(known) = self.log(relative).filter(|known| (1..length).contains(&known.length)) else {
            return Ok(Vec::new());
        };
        let mut bytes = vec![0; (length - known.length + 1) as usize];
        log.read_exact_at(&mut bytes, known.length - 1).map_err(failed)?;
        // In a log that git replaced, a line may cross the mark's position.
        let start = bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| at + 1);
        let end = bytes.iter().rposition(|b| *b == b'\n').map_or(start, |at| at + 1);
        Ok(bytes[start..end.max(start)].to_vec())
    }

    /// Opens an existing log to append; it must contain everything acknowledged.
    ///
    /// # Errors
    /// `record.behind` when it does not or is missing; then no new log is started.
    pub(in crate::hub) fn open_log(&self, root: &Path, relative: &str) -> Result<jsonl::Log> {
        let known = self.log(relative);
        let path = files::within(root, relative)?;
        let create = known.as_ref().is_none_or(|known| known.length == 0);
        let log = jsonl::Log::open(&path, create)?;
        self.check_file(relative, known, log.as_ref().map(jsonl::Log::file))?;
        log.ok_or_else(|| fell_behind(format!("{relative} is missing")).into())
    }

    /// Marks a log with these bytes as acknowledged, after a restore or a checked merge.
    pub(in crate::hub) fn accept_log(&self, relative: &str, bytes: &[u8]) -> Result<()> {
        let length = bytes.len() as u64;
        let tail = files::tail_digest(&bytes[bytes.len().saturating_sub(files::TAIL)..]);
        let (temporary, path) = self.stage_log(relative, length, &tail)?;
        files::rename(&temporary, &path)
    }

    /// Writes the mark of a log as a temporary file and returns it with its target. Length and digest are those of
    /// the file appended to, even when its name now points to another file.
    pub(in crate::hub) fn stage_log(&self, relative: &str, length: u64, tail: &str) -> Result<(PathBuf, PathBuf)> {
        let path = self.file(kind_of(relative), relative);
        files::create_parent(&path)?;
        Ok((files::write_beside_unsynced(&path, format!("{length} {tail}").as_bytes())?, path))
    }

    /// Moves the mark of a sealed log to its new name. Idempotent, also after a crash in the middle; what needs disk
    /// space comes first.
    pub(in crate::hub) fn renamed(&self, from: &str, to: &str) -> Result<()> {
        if let Some(known) = self.log(from)
            && self.log(to).is_none()
        {
            let (temporary, path) = self.stage_log(to, known.length, &known.tail)?;
            files::rename(&temporary, &path)?;
        }
        let (kept, sealed) = (self.file("lines", from), self.file("lines", to));
        if !sealed.exists() {
            match disk::rename(&kept, &sealed) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(files::io_refusal(e, "write", &sealed)),
                _ => {}
            }
        }
        self.forget_log(from)
    }

    /// Removes the mark of a log.
    pub(in crate::hub) fn forget_log(&self, relative: &str) -> Result<()> {
        remove_unsynced(&self.file(kind_of(relative), relative))
    }

    pub(in crate::hub) fn claimed(&self, relative: &str, bytes: &[u8]) -> Result<()> {
        let (temporary, path) = self.stage_claim(relative, bytes)?;
        files::rename(&temporary, &path)
    }

    /// Writes the mark of a claim as a temporary file and returns it with its target.
    pub(in crate::hub) fn stage_claim(&self, relative: &str, bytes: &[u8]) -> Result<(PathBuf, PathBuf)> {
        let path = self.file("claims", relative);
        files::create_parent(&path)?;
        Ok((files::write_beside_unsynced(&path, bytes)?, path))
    }

    /// Records that a commit on the record's branch has a log as `committed`: git stores its lines from now on.
    pub fn committed(&self, relative: &str, committed: &[u8]) -> Result<()> {
        let kept = self.uncommitted(relative)?;
        if kept.is_empty() {
            return Ok(());
        }
        let held: HashSet<&[u8]> = committed.split(|&b| b == b'\n').collect();
        let left: Vec<&[u8]> =
            kept.split(|&b| b == b'\n').filter(|line| is_whole(line) && !held.contains(line)).collect();
        let path = self.file("lines", relative);
        if left.is_empty() {
            return remove_unsynced(&path);
        }
        files::replace_unsynced(&path, &[left.join(&b'\n').as_slice(), b"\n"].concat())
    }

    /// Whether stored lines of this log are in no record commit yet.
    pub fn keeps_lines(&self, relative: &str) -> bool {
        self.file("lines", relative).exists()
    }

    /// The last record commit made here.
    pub fn last_record(&self) -> Option<String> {
        let text = read_mark(&self.folder.join("record"))?;
        Some(text.trim().to_owned()).filter(|commit| !commit.is_empty())
    }

    /// When this machine stored the last record commit, by the machine's clock.
    pub fn recorded_at(&self) -> Option<Stamp> {
        let found = fs::symlink_metadata(self.folder.join("record")).ok()?;
        Some(Stamp::from_unix(found.mtime()))
    }

    /// Stores the id of a record commit: git stores its lines from now on.
    pub fn recorded(&self, commit: &str) -> Result<()> {
        let path = self.folder.join("record");
        files::create_parent(&path)?;
        files::replace_unsynced(&path, commit.as_bytes())
    }

    /// Refuses when the event log, including sealed parts, lacks acknowledged lines.
    pub fn check_events(&self, root: &Path) -> Result<()> {
        for sealed in self.names("sealed") {
            // Nothing is appended to a sealed log, so its length tells enough.
            if let Some(known) = self.log(&sealed) {
                let found = fs::symlink_metadata(root.join(&sealed)).map_or(0, |meta| meta.len());
                check_length(&sealed, &known, found)?;
            }
        }
        self.check_log(root, paths::EVENTS)
    }

    /// Refuses when a log is shorter than acknowledged, or was replaced by one without acknowledged lines that are
    /// not committed yet.
    pub fn check_log(&self, root: &Path, relative: &str) -> Result<()> {
        let Some(known) = self.log(relative) else { return Ok(()) };
        let file = files::open_regular(&root.join(relative))?;
        self.check_file(relative, Some(known), file.as_ref())
    }

    fn check_file(&self, relative: &str, known: Option<LogMark>, file: Option<&File>) -> Result<()> {
        let Some(known) = known else { return Ok(()) };
        let length = |file: &File| file.metadata().map(|meta| meta.len());
        check_length(relative, &known, file.map_or(Ok(0), length)?)?;
        let Some(file) = file else { return Ok(()) };
        // A different tail at the same position: a merge, a pull, or a switch to a longer log. The lines decide.
        if known.tail.is_empty() || files::digest_before(file, known.length)? == known.tail {
            return Ok(());
        }
        match self.missing(file, relative)? {
            0 => Ok(()),
            n => {
                Err(fell_behind(format!("{relative} lacks {}", crate::base::text::counted(n, "acknowledged line")))
                    .into())
            }
        }
    }

    /// How many of the stored lines are not in the log.
    fn missing(&self, log: &File, relative: &str) -> Result<usize> {
        let kept = self.uncommitted(relative)?;
        let mut wanted: HashSet<&[u8]> = kept.split(|&b| b == b'\n').filter(|line| is_whole(line)).collect();
        jsonl::for_each_line_of(log, 0, |_, _, line| {
            wanted.remove(line);
            Ok(!wanted.is_empty())
        })?;
        Ok(wanted.len())
    }

    fn log(&self, relative: &str) -> Option<LogMark> {
        let text = read_mark(&self.file(kind_of(relative), relative))?;
        let mut words = text.split_whitespace();
        Some(LogMark { length: words.next()?.parse().ok()?, tail: words.next().unwrap_or_default().to_owned() })
    }

    /// The record's paths that have a mark of this kind.
    fn names(&self, kind: &str) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join(kind)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| !name.starts_with('.')).map(|name| name.replace('%', "/")).collect()
    }

    /// Refuses when any log or claim on disk is older than acknowledged. For operations that rely on the whole
    /// record, such as a record commit.
    pub fn check_all(&self, root: &Path) -> Result<()> {
        for relative in self.logs() {
            self.check_log(root, &relative)?;
        }
        let checked = parallel::map(&self.names("claims"), |relative| {
            let path = root.join(relative);
            let known = self.claim_bytes(relative)?;
            match files::read(&path, files::MAX_DOCUMENT)? {
                None => check_claim(relative, known.as_deref(), None),
                found if found == known => Ok(()),
                Some(found) => {
                    let found = ClaimFile { raw: json::parse_object(&found, &path)? };
                    check_claim(relative, known.as_deref(), Some(&found))
                }
            }
        });
        checked.into_iter().collect()
    }

    fn file(&self, kind: &str, relative: &str) -> PathBuf {
        self.folder.join(kind).join(relative.replace('/', "%"))
    }
}

/// Refuses when a claim on disk is older than acknowledged. `known`: the bytes of its mark
/// ([`Watermarks::claim_bytes`]), which must be read before the claim: a claim is written before its mark, so
/// another writer in between cannot make it look older.
pub fn check_claim(relative: &str, known: Option<&[u8]>, found: Option<&ClaimFile>) -> Result<()> {
    let Some(known) = known.and_then(|known| parse_claim(relative, known)) else { return Ok(()) };
    let epoch = found.map(ClaimFile::epoch);
    let holder = known.agent_id().unwrap_or("somebody");
    // Every change of ownership raises the epoch.
    let other = found.and_then(ClaimFile::agent_id).filter(|&now| epoch == Some(known.epoch()) && now != holder);
    // Tools that know no epochs make an ended claim active as it is.
    let earlier = found.filter(|found| epoch > Some(0) && found.progress() < known.progress());
    if epoch.is_some_and(|epoch| epoch >= known.epoch()) && other.is_none() && earlier.is_none() {
        return Ok(());
    }
    let status = |claim: &ClaimFile| claim.status_text().unwrap_or("no status").to_owned();
    let what = match epoch {
        Some(epoch) if epoch == known.epoch() && other.is_none() => {
            let (now, then) = (earlier.map_or_else(String::new, status), status(&known));
            format!("{relative} shows {now} at epoch {epoch}; it was {then} at that epoch")
        }
        Some(epoch) if let Some(other) = other => {
            format!("{relative} names {other} at epoch {epoch}; {holder} had it at that epoch")
        }
        None => format!("{relative} is missing; {holder} had it at epoch {}", known.epoch()),
        Some(epoch) => format!("{relative} shows epoch {epoch}; {holder} had it at epoch {}", known.epoch()),
    };
    Err(fell_behind(what).with("agent_id", holder).with("epoch", known.epoch()).into())
}

/// A mark that a power failure damaged is ignored.
fn parse_claim(relative: &str, mark: &[u8]) -> Option<ClaimFile> {
    json::parse_object(mark, Path::new(relative)).ok().map(|raw| ClaimFile { raw })
}

/// An unreadable mark does not count.
fn read_mark(path: &Path) -> Option<String> {
    String::from_utf8(files::read(path, MAX_MARK).ok()??).ok()
}

/// The mark of a log: its length, and the digest of its last few KiB.
struct LogMark {
    length: u64,
    tail: String,
}

fn check_length(relative: &str, known: &LogMark, found: u64) -> Result<()> {
    if found >= known.length {
        return Ok(());
    }
    Err(fell_behind(format!("{relative} has {found} bytes; {} were acknowledged", known.length)).into())
}

/// Stored lines are not synced: after a power failure the last ones may be cut or zeros.
fn is_whole(line: &[u8]) -> bool {
    line.starts_with(b"{") && line.ends_with(b"}")
}

/// Sealed logs have a folder of their own, because every lock looks at all of them.
fn kind_of(relative: &str) -> &'static str {
    if paths::is_sealed(relative) { "sealed" } else { "logs" }
}

fn remove_unsynced(path: &Path) -> Result<()> {
    match disk::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(files::io_refusal(e, "remove", path)),
        _ => Ok(()),
    }
}
