//! Remembers what was read from files, and tells whether they changed since.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::base::{Result, files, json, parallel};

/// What distinguishes two versions of a file: device, inode, length, time of the last write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version(u64, u64, u64, i64, i64);

impl Version {
    /// `None` when there is no such file. A link counts by what it leads to.
    pub fn of(path: &Path) -> Option<Version> {
        let found = fs::metadata(path).ok()?;
        Some(Version(found.dev(), found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
    }
}

/// A value made from some files; made again when one of them changed.
#[derive(Debug)]
pub struct Cached<T> {
    made: Option<(Vec<Option<Version>>, Arc<T>)>,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Cached { made: None }
    }
}

impl<T> Cached<T> {
    /// Whether nothing was read yet.
    pub fn is_empty(&self) -> bool {
        self.made.is_none()
    }

    /// The value as made last.
    pub fn last(&self) -> Option<Arc<T>> {
        self.made.as_ref().map(|(_, value)| Arc::clone(value))
    }

    /// The value, and whether it was made just now.
    pub fn get<'p>(
        &mut self,
        files: impl IntoIterator<Item = &'p PathBuf>,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<(Arc<T>, bool)> {
        // Before the files are read: what changes meanwhile is read again.
        let versions: Vec<_> = files.into_iter().map(|path| Version::of(path)).collect();
        if let Some((known, value)) = &self.made
            && *known == versions
        {
            return Ok((Arc::clone(value), false));
        }
        let value = Arc::new(make()?);
        self.made = Some((versions, Arc::clone(&value)));
        Ok((value, true))
    }
}

/// A value that is made again after some time, because no file tells when it changes.
#[derive(Debug)]
pub struct Timed<T> {
    made: Option<(Instant, Arc<T>)>,
}

impl<T> Default for Timed<T> {
    fn default() -> Self {
        Timed { made: None }
    }
}

impl<T> Timed<T> {
    pub fn get(&mut self, max_age: Duration, make: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        if let Some((at, value)) = &self.made
            && at.elapsed() < max_age
        {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(make()?);
        self.made = Some((Instant::now(), Arc::clone(&value)));
        Ok(value)
    }
}

/// Folders with at most this many files are always checked file by file.
const FEW: usize = 256;
/// Larger ones are when files came or went, and this long after the last time: editors may write in place.
const ANYWAY: Duration = Duration::from_secs(5);

/// The documents of some folders, one value a file.
#[derive(Debug)]
pub struct Documents<T> {
    folders: Vec<Option<Version>>,
    checked: Option<Instant>,
    files: BTreeMap<PathBuf, (Option<Version>, Option<T>)>,
    /// How many were read last.
    fresh: usize,
}

impl<T> Default for Documents<T> {
    fn default() -> Self {
        Documents { folders: Vec::new(), checked: None, files: BTreeMap::new(), fresh: 0 }
    }
}

impl<T: Send> Documents<T> {
    /// Reads the files that are new or changed, in parallel. `wanted` takes a file's name; `read` gives `None` for a
    /// file that is no such document. Returns whether anything changed.
    pub fn refresh(
        &mut self,
        folders: &[PathBuf],
        wanted: impl Fn(&str) -> bool,
        read: impl Fn(&Path) -> Option<T> + Sync,
    ) -> bool {
        let versions: Vec<_> = folders.iter().map(|folder| Version::of(folder)).collect();
        let is_due = self.files.len() <= FEW || self.checked.is_none_or(|at| at.elapsed() >= ANYWAY);
        self.fresh = 0;
        if versions == self.folders && !is_due {
            return false;
        }
        let listed = match versions == self.folders && self.checked.is_some() {
            true => self.files.keys().cloned().collect(),
            false => list(folders, wanted),
        };
        (self.folders, self.checked) = (versions, Some(Instant::now()));
        let before = self.files.len();
        let mut known: HashMap<PathBuf, _> = std::mem::take(&mut self.files).into_iter().collect();
        let mut changed = Vec::new();
        for path in listed {
            let version = Version::of(&path);
            match known.remove(&path) {
                Some((seen, value)) if seen == version => drop(self.files.insert(path, (version, value))),
                _ if version.is_some() => changed.push((path, version)),
                _ => {}
            }
        }
        let is_changed = !changed.is_empty() || self.files.len() != before;
        self.fresh = changed.len();
        let values = parallel::map(&changed, |(path, _)| read(path));
        let news = changed.into_iter().zip(values).map(|((path, version), value)| (path, (version, value)));
        self.files.extend(news);
        is_changed
    }

    /// The documents by path.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.files.values().filter_map(|(_, value)| value.as_ref())
    }
}

/// The format of saved documents; raised when their meaning changes, so that older files are not used.
const FORMAT: u32 = 1;
/// Fewer files are read again faster than a cache is written.
const WORTH_SAVING: usize = 64;
/// The largest cache that is read, in bytes.
const MAX_SAVED: u64 = 256 * 1024 * 1024;

/// A cache on this machine: what the files of a folder contained, and in which version.
#[derive(Serialize, Deserialize)]
struct Saved<T> {
    format: u32,
    files: Vec<(PathBuf, Option<Version>, Option<T>)>,
}

impl<T: Send + Serialize + DeserializeOwned> Documents<T> {
    /// Starts with what another process saved. A missing or unreadable cache only costs time.
    pub fn load(&mut self, cache: &Path) {
        let bytes = files::read(cache, MAX_SAVED).ok().flatten();
        let saved: Option<Saved<T>> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some(saved) = saved.filter(|saved| saved.format == FORMAT) {
            self.files = saved.files.into_iter().map(|(path, version, value)| (path, (version, value))).collect();
        }
    }

    /// Saves it for the next process, when many files were read.
    pub fn save(&self, cache: &Path)
    where
        T: Clone,
    {
        if self.fresh < WORTH_SAVING || self.files.len() <= FEW {
            return;
        }
        let files = self.files.iter().map(|(path, (version, value))| (path.clone(), *version, value.clone()));
        let saved = Saved { format: FORMAT, files: files.collect() };
        let written =
            files::create_parent(cache).and_then(|()| files::replace_unsynced(cache, json::compact(&saved).as_bytes()));
        if let Err(e) = written {
            tracing::debug!("cannot save {}: {e:#}", cache.display());
        }
    }
}

/// The folders of that name in the folders of a folder: `_report/agent/<seat>/reviews`.
pub fn subfolders(folder: &Path, name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries.map(|entry| entry.path().join(name)).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

fn list(folders: &[PathBuf], wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in folders {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        found.extend(names.filter(|name| wanted(name)).map(|name| folder.join(name)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changed_files_are_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = [dir.path().to_owned()];
        let reads = std::sync::Mutex::new(Vec::new());
        let read = |path: &Path| {
            reads.lock().unwrap().push(path.file_name().unwrap().to_str().unwrap().to_owned());
            fs::read_to_string(path).ok()
        };
        let mut documents = Documents::default();
        let is_text = |name: &str| name.ends_with(".txt");
        let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        put("a.txt", "1");
        put("b.txt", "2");
        put("c.md", "3");
        assert!(documents.refresh(&folder, is_text, read));
        assert!(!documents.refresh(&folder, is_text, read));
        put("b.txt", "longer");
        fs::remove_file(dir.path().join("a.txt")).unwrap();
        assert!(documents.refresh(&folder, is_text, read));
        assert_eq!(documents.values().cloned().collect::<Vec<_>>(), ["longer"]);
        let mut seen = reads.into_inner().unwrap();
        seen.sort();
        assert_eq!(seen, ["a.txt", "b.txt", "b.txt"]);
    }
}
