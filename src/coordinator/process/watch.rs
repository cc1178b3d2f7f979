//! The watcher: tells the loop about changes to work, commands and permissions.
//!
//! It only decides which changes matter. The loop then ignores its own writes
//! ([`OwnWrites`](crate::coordinator::executor::own_writes::OwnWrites)).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use rustix::io::Errno;

use crate::base::{Result, disk};
use crate::coordinator::inbox;
use crate::coordinator::message::{Message, What};
use crate::guard::prerequisites::{AUTHENTICITY, CI_SUMMARY};
use crate::hub::{Hub, paths, watch};
use crate::model::message::is_task_channel;
use crate::model::seat;

pub struct Watcher {
    inner: Option<RecommendedWatcher>,
    /// For each wanted folder, the watched one (itself or its nearest existing parent) with its inode.
    watched: HashMap<PathBuf, (PathBuf, Option<u64>)>,
    folders: Vec<PathBuf>,
    names: Names,
    queue: Sender<Message>,
    /// Why some changes are not noticed.
    polls_because: Option<String>,
}

impl Watcher {
    /// Starts watching. If the system has no watches left, only polling remains, until it has some again.
    pub fn start(hub: &Hub, queue: Sender<Message>) -> Result<Watcher> {
        for local in [inbox::FOLDER, "runs"] {
            std::fs::create_dir_all(hub.local(local))?;
        }
        let consent = hub.root.join(paths::CONSENT);
        let sources = sources(hub)?;
        let mut folders = vec![
            hub.root.clone(),
            hub.root.join(paths::CLAIMS),
            hub.root.join(paths::MESSAGES),
            hub.root.join(paths::PLANS),
            consent.parent().unwrap_or(&hub.root).to_owned(),
            hub.local(""),
            hub.local(inbox::FOLDER),
            hub.local("runs"),
            hub.local("cache"),
        ];
        folders.extend(reports(hub).map(|report| report.parent().unwrap_or(&hub.root).to_owned()));
        folders.extend(sources.iter().cloned());
        let reports = reports(hub).to_vec();
        let names = Names { root: hub.root.clone(), local: hub.local(""), reports, sources };
        let mut watcher = Watcher { inner: None, watched: HashMap::new(), folders, names, queue, polls_because: None };
        watcher.arm();
        Ok(watcher)
    }

    /// Why changes of files are not noticed; `None` while they are.
    pub fn polls_because(&self) -> Option<&str> {
        self.polls_because.as_deref()
    }

    /// Watches again after the settings changed folders.
    pub fn follow(&mut self, hub: &Hub) -> Result<()> {
        let wanted = sources(hub)?;
        let begun = self.folders.len().saturating_sub(wanted.len());
        if self.folders[begun..] != wanted[..] || begun != OWN_FOLDERS {
            *self = Watcher::start(hub, self.queue.clone())?;
        }
        Ok(())
    }

    /// Watches every wanted folder, or the nearest above it that exists; again for those that were
    /// replaced (a `git switch`, a restored backup), and for those that could not be watched.
    pub fn arm(&mut self) {
        self.polls_because = self.try_arm().err().map(|e| explain(&e));
    }

    fn try_arm(&mut self) -> notify::Result<()> {
        let inner = match &mut self.inner {
            Some(inner) => inner,
            none => none.insert(begin(self.names.clone(), self.queue.clone())?),
        };
        let mut failed = Ok(());
        for wanted in &self.folders {
            let Some(there) = wanted.ancestors().find(|folder| folder.is_dir()) else { continue };
            let now = (there.to_owned(), inode(there));
            if self.watched.get(wanted) == Some(&now) {
                continue;
            }
            match disk::watch_limit()
                .map_err(notify::Error::io)
                .and_then(|()| inner.watch(there, RecursiveMode::NonRecursive))
            {
                Ok(()) => drop(self.watched.insert(wanted.clone(), now)),
                // It was removed since; its parent is watched at the next call.
                Err(e) if matches!(e.kind, notify::ErrorKind::PathNotFound) => {}
                Err(e) => failed = Err(e),
            }
        }
        failed
    }
}

fn begin(names: Names, queue: Sender<Message>) -> notify::Result<RecommendedWatcher> {
    watch::watcher(move |event: notify::Result<notify::Event>| {
        let message = match event {
            Ok(event) if event.need_rescan() => Some(Message::Overflow),
            Ok(event) if is_write(&event.kind) => names.interesting(&event.paths),
            Ok(_) => None,
            Err(_) => Some(Message::Overflow),
        };
        if let Some(message) = message {
            // The loop ended, so stop.
            let _ = queue.send(message);
        }
    })
}

/// Why nothing can be watched, with the limit to raise.
fn explain(error: &notify::Error) -> String {
    let errno = match &error.kind {
        notify::ErrorKind::Io(e) => e.raw_os_error().map(Errno::from_raw_os_error),
        _ => None,
    };
    match (&error.kind, errno) {
        (notify::ErrorKind::MaxFilesWatch, _) | (_, Some(Errno::NOSPC)) => {
            "this user has no file watches left; raise fs.inotify.max_user_watches (sysctl)".to_owned()
        }
        (_, Some(Errno::MFILE | Errno::NFILE)) => {
            "this user has no watchers or open files left; raise fs.inotify.max_user_instances (sysctl) or the limit \
             of open files (ulimit -n)"
                .to_owned()
        }
        _ => format!("cannot watch files: {error}"),
    }
}

/// How many folders are always watched.
const OWN_FOLDERS: usize = 11;

/// The reports used for prerequisites.
fn reports(hub: &Hub) -> [PathBuf; 2] {
    [AUTHENTICITY, CI_SUMMARY].map(|report| hub.root.join(report))
}

/// The request folders of enabled sources.
fn sources(hub: &Hub) -> Result<Vec<PathBuf>> {
    let sources = &hub.settings()?.sources;
    let enabled = [(sources.vault, &sources.vault_folder), (sources.queue, &sources.queue_folder)];
    let folders = enabled.into_iter().filter(|(enabled, _)| *enabled);
    Ok(folders.map(|(_, folder)| hub.root.join(folder.trim_matches('/'))).collect())
}

/// Reads do not count; of writes only the end is reported.
fn is_write(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(kind) => *kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

fn inode(folder: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    folder.metadata().ok().map(|meta| meta.ino())
}

/// Maps names to kinds of changes.
#[derive(Clone)]
struct Names {
    root: PathBuf,
    local: PathBuf,
    reports: Vec<PathBuf>,
    sources: Vec<PathBuf>,
}

impl Names {
    fn interesting(&self, changed: &[PathBuf]) -> Option<Message> {
        let found: Vec<_> = changed.iter().filter_map(|path| Some((self.what(path)?, path.clone()))).collect();
        (!found.is_empty()).then_some(Message::Changed(found))
    }

    fn what(&self, path: &Path) -> Option<What> {
        // It was moved or removed.
        if path == self.root {
            return Some(What::Folders);
        }
        let name = path.file_name()?.to_str()?;
        if name.ends_with(".tmp") || name.ends_with(".lock") {
            return None;
        }
        if let Ok(local) = path.strip_prefix(&self.local) {
            let folder = local.parent()?.to_str()?;
            return match folder {
                inbox::FOLDER => Some(What::Inbox),
                "runs" => name.ends_with(".json").then_some(What::Runs),
                "" => (name == paths::TRUST).then_some(What::World),
                // Somebody ran a scan.
                "cache" => (name == "scan.json").then_some(What::World),
                _ => None,
            };
        }
        if self.sources.iter().any(|folder| path.parent() == Some(folder)) {
            return name.ends_with(".md").then_some(What::World);
        }
        if self.reports.iter().any(|report| report == path) {
            return Some(What::World);
        }
        if self.sources.iter().chain(&self.reports).any(|wanted| wanted.starts_with(path)) {
            return Some(What::Folders);
        }
        let relative = path.strip_prefix(&self.root).ok()?.to_str()?;
        let folder = relative.rsplit_once('/').map_or("", |(folder, _)| folder);
        match folder {
            "" if name == paths::SETTINGS => Some(What::Settings),
            "" if name.starts_with(seat::MANIFEST.trim_end_matches(".json")) => Some(What::World),
            "" => matches!(name, "_bus" | "_plans" | "docs").then_some(What::Folders),
            paths::CLAIMS => Some(What::World),
            paths::MESSAGES => is_task_channel(name.trim_end_matches(".jsonl")).then_some(What::World),
            paths::PLANS => Some(What::World),
            _ if relative == paths::CONSENT => Some(What::World),
            "_bus" | "docs" => Some(What::Folders),
            _ => None,
        }
    }
}
