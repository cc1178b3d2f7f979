//! Copies a receipt that a program of the run wrote into the hub, so that `receipts add` can enter it.
//!
//! A confined program cannot write there, so it names a file of its worktree or of the run's receipts folder. The
//! program runs while its file is read and may exchange it at any moment. So the file is opened once, in one step that
//! follows no link and leaves the folder by no way, and what was opened is checked: a regular file with one name,
//! small, text, without secrets, for a place where the seat may leave receipts. A file that exists in the hub is left
//! alone: one with another content is entered next to it, under a name of the run. What the run's base has is the
//! hub's, whatever the worktree's copy of it is by now.

use std::fmt::Display;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use git2::Repository;

use crate::base::{Clock, Refusal, Result, digest, files, text};
use crate::exec::Beside;
use crate::guard::claim::check_epochs;
use crate::guard::operator::verbs::Request;
use crate::guard::secrets;
use crate::hub::{Hub, Transaction, paths};
use crate::receipts::entry;

/// Where the programs of a run leave receipts, and for which seat.
#[derive(Debug)]
pub struct RunFolders {
    pub worktree: PathBuf,
    /// `TEOF_RECEIPTS_DIR`; stands for the seat's folder.
    pub receipts: PathBuf,
    pub agent: String,
    pub task: String,
    pub run: String,
    /// The commit that the worktree started from.
    pub base: String,
    /// Of the claim, if the order names it.
    pub epoch: Option<u64>,
}

/// Imports the files that a request names; its paths are those of the hub afterwards.
///
/// # Errors
/// A refusal that names the file.
pub fn import(hub_root: &Path, places: &RunFolders, beside: &Beside, request: &mut Request) -> Result<()> {
    let named: Vec<&mut String> = match request.verb.as_str() {
        "receipts add" => request.words.iter_mut().collect(),
        "plan attach" => {
            let flags = request.flags.iter_mut().filter(|(flag, _)| flag == "file");
            flags.filter_map(|(_, value)| value.as_mut()).collect()
        }
        _ => return Ok(()),
    };
    let mut hub = None;
    for path in named {
        let Some(found) = places.find(path) else { continue };
        let hub = match &hub {
            Some(hub) => hub,
            None => hub.insert(Hub::find(Some(hub_root), Clock::Machine)?),
        };
        if let Some(target) = copy(hub, places, beside, &found)? {
            *path = target;
        }
    }
    Ok(())
}

/// A file of the run, by the path that a program gave.
struct Named<'a> {
    folder: &'a Path,
    /// Relative to the folder.
    inside: String,
    /// Where it belongs, relative to the hub.
    target: String,
}

impl RunFolders {
    /// `None`: the path is not one of the run's.
    fn find(&self, path: &str) -> Option<Named<'_>> {
        let below = |folder: &Path| Path::new(path).strip_prefix(folder).ok()?.to_str().map(str::to_owned);
        if let Some(inside) = below(&self.receipts) {
            let target = format!("{}/{inside}", paths::agent(&self.agent));
            return Some(Named { folder: &self.receipts, inside, target });
        }
        let inside = if Path::new(path).is_absolute() { below(&self.worktree)? } else { path.to_owned() };
        Some(Named { folder: &self.worktree, target: inside.clone(), inside })
            .filter(|found| entry::is_place(&found.target))
    }

    /// Whether a file of the worktree was there when the run started.
    fn had(&self, named: &Named) -> bool {
        let is_in_base = || {
            let repo = Repository::open(&self.worktree)?;
            let tree = repo.revparse_single(&self.base)?.peel_to_tree()?;
            tree.get_path(Path::new(&named.inside)).map(drop)
        };
        named.folder == self.worktree && is_in_base().is_ok()
    }
}

/// Where the hub has the file now; `None` when there is none.
fn copy(hub: &Hub, places: &RunFolders, beside: &Beside, named: &Named) -> Result<Option<String>> {
    let exists = hub.path(&named.target)?.symlink_metadata().is_ok();
    if exists && places.had(named) {
        return Ok(Some(named.target.clone()));
    }
    let Some((mut file, length)) = opened(named)? else { return Ok(exists.then(|| named.target.clone())) };
    if exists && entry::holds(hub, &named.target, length, &file)? == Some(true) {
        return Ok(Some(named.target.clone()));
    }
    file.rewind()?;
    let text = text_of(file, named, hub.settings()?.guard.receipt_max_bytes)?;
    let place = || entry::place_for(hub, &named.target, &places.run, text.as_bytes());
    let (target, is_there) = place()?;
    if is_there {
        return Ok(Some(target));
    }
    if !entry::may_leave(&target, &paths::agent(&places.agent)) {
        return Err(Refusal::guard("receipt.not_yours", format!("{} is no place for it", text::safe(&target))).into());
    }
    if let Some(hit) = secrets::scan(text.as_bytes()).first() {
        let what =
            format!("line {} of {} {}", hit.line, text::safe(&named.inside), secrets::describe(text.as_bytes(), hit));
        return Err(Refusal::guard("receipt.secret", what).into());
    }
    let receipt = [(target, digest::sha256(text.as_bytes()))];
    // It asks git, which is no program of the run.
    beside.unseen(|| entry::check(hub, &receipt, &places.agent))?;
    let mut writer = hub.lock("receipts add")?;
    check_epochs(hub, &places.task, places.epoch)?;
    // Another program may have written one meanwhile.
    let (target, is_there) = place()?;
    if !is_there {
        let mut transaction = Transaction::new("receipts add");
        transaction.create(&target, text);
        writer.commit(transaction)?;
    }
    Ok(Some(target))
}

fn refuse(named: &Named, why: impl Display) -> Refusal {
    Refusal::guard("receipt.not_regular", format!("{} {why}", text::safe(&named.inside)))
}

/// The file and its length; `None` when there is no such file.
fn opened(named: &Named) -> Result<Option<(File, u64)>> {
    let file = match open(named.folder, Path::new(&named.inside)) {
        Ok(file) => file,
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::XDEV) => {
            return Err(refuse(named, "is a link, or leads outside").into());
        }
        Err(e) => return Err(refuse(named, format!("cannot be opened: {e}")).into()),
    };
    let length = files::check_regular(&file, Path::new(&named.inside))?;
    let found = file.metadata().map_err(|e| refuse(named, format!("cannot be read: {e}")))?;
    if found.nlink() != 1 {
        return Err(refuse(named, "has a second name: its content may come from outside").into());
    }
    Ok(Some((file, length)))
}

fn text_of(file: File, named: &Named, max: u64) -> Result<String> {
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(max + 1).read_to_end(&mut bytes).map_err(|e| refuse(named, format!("cannot be read: {e}")))?;
    if bytes.len() as u64 > max {
        return Err(refuse(named, format!("is larger than {max} bytes (guard.receipt_max_bytes)")).into());
    }
    Ok(String::from_utf8(bytes).map_err(|_| refuse(named, "is not text: it is not UTF-8"))?)
}

/// Opens a file below a folder: no link is followed, and no way leads out, whatever is exchanged meanwhile.
#[cfg(target_os = "linux")]
fn open(folder: &Path, inside: &Path) -> Result<File, rustix::io::Errno> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(CWD, folder, flags, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let ways = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    Ok(openat2(folder, inside, flags, Mode::empty(), ways)?.into())
}

/// There is no broker elsewhere.
#[cfg(not(target_os = "linux"))]
fn open(_: &Path, _: &Path) -> Result<File, rustix::io::Errno> {
    Err(rustix::io::Errno::NOSYS)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_a_small_regular_text_file_with_one_name_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("in")).unwrap();
        std::fs::write(at("in/good"), "text\n").unwrap();
        std::fs::write(at("in/large"), "123456789").unwrap();
        std::fs::write(at("in/bytes"), b"\xff").unwrap();
        std::fs::write(at("out"), "secret").unwrap();
        std::fs::hard_link(at("out"), at("in/hard")).unwrap();
        symlink(at("out"), at("in/link")).unwrap();
        symlink("/proc/self/fd/0", at("in/magic")).unwrap();
        symlink("..", at("in/up")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("in/fifo"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .unwrap();
        let root = at("in");
        let named = |inside: &str| Named { folder: &root, inside: inside.into(), target: String::new() };
        let read = |named: &Named, max| opened(named)?.map(|(file, _)| text_of(file, named, max)).transpose();
        assert_eq!(read(&named("good"), 8).unwrap().as_deref(), Some("text\n"));
        assert_eq!(read(&named("none"), 8).unwrap(), None);
        for inside in ["large", "bytes", "hard", "link", "magic", "up/out", "../out", "fifo", ".", "/etc/hostname"] {
            let code = Refusal::of(&read(&named(inside), 8).unwrap_err()).unwrap().code;
            assert!(["receipt.not_regular", "file.not_regular"].contains(&code), "{inside}: {code}");
        }
    }

    #[test]
    fn paths_are_those_of_the_run() {
        let places = RunFolders {
            worktree: "/w".into(),
            receipts: "/s/receipts".into(),
            agent: "a".into(),
            task: "T".into(),
            run: "run-1".into(),
            base: String::new(),
            epoch: None,
        };
        let target = |path: &str| places.find(path).map(|found| found.target);
        assert_eq!(target("/s/receipts/x.txt").as_deref(), Some("_report/agent/a/x.txt"));
        assert_eq!(target("/w/_report/agent/a/x.txt").as_deref(), Some("_report/agent/a/x.txt"));
        assert_eq!(target("_report/agent/a/x.txt").as_deref(), Some("_report/agent/a/x.txt"));
        for path in ["src/x", "/w/src/x", "/etc/passwd", "/w/_report/receipts.jsonl", "../_report/x"] {
            assert_eq!(target(path), None, "{path}");
        }
    }
}
