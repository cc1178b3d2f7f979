//! Sessions in folders of this machine.

use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::record::SessionRecord;
use super::storage::{Damaged, Listing, SessionStorage};
use crate::base::lock::FileLock;
use crate::base::{Refusal, Result, files, json, names, parallel, text};
use crate::hub::Hub;

const RECORD: &str = "metadata.json";
/// Before the name of a session that is being removed; no id begins so.
const ASIDE: &str = ".removed-";
/// How old a folder without a record is at least, until it counts as left by a start that was killed.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);
/// The largest record that is read, in bytes.
const MAX_RECORD: u64 = 1 << 20;
/// How long to wait for another process that changes a record; each holds the lock for one small write.
const WAIT: Duration = Duration::from_secs(5);

/// Keeps each session in its own folder.
#[derive(Clone, Debug)]
pub struct LocalStorage {
    folder: PathBuf,
    lock: PathBuf,
}

impl LocalStorage {
    /// The sessions of a repository.
    pub fn of(hub: &Hub) -> LocalStorage {
        LocalStorage { folder: hub.state_home().join("sessions"), lock: hub.local("locks/sessions.lock") }
    }

    /// The folder that holds the sessions' folders.
    pub fn root(&self) -> &Path {
        &self.folder
    }

    /// Removes what interrupted removals left, and folders of sessions that were never recorded.
    pub fn finish_removals(&self, now: SystemTime) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_aside = entry.file_name().to_string_lossy().starts_with(ASIDE);
            if is_aside || (!path.join(RECORD).exists() && is_older(&path, now, ABANDONED)) {
                let _ = fs::remove_dir_all(path);
            }
        }
    }

    /// The file that holds the record of a session.
    pub fn record(&self, id: &str) -> PathBuf {
        self.folder.join(id).join(RECORD)
    }
}

impl SessionStorage for LocalStorage {
    fn reserve(&self, wanted: &str) -> Result<String> {
        names::check_id("session", wanted)?;
        files::create_parent(&self.folder)?;
        private_folder(&self.folder)?;
        for n in 1..10_000 {
            let id = if n == 1 { wanted.to_owned() } else { format!("{wanted}-{n}") };
            if private_folder(&self.folder.join(names::check_id("session", &id)?))? {
                return Ok(id);
            }
        }
        anyhow::bail!("no free name like {wanted} in {}", self.folder.display())
    }

    fn folder(&self, id: &str) -> PathBuf {
        self.folder.join(id)
    }

    fn save(&self, record: &SessionRecord) -> Result<()> {
        let path = self.record(names::check_id("session", &record.id)?);
        let beside = files::write_beside(&path, (json::compact(record) + "\n").as_bytes())?;
        fs::set_permissions(&beside.temporary, Permissions::from_mode(0o600))
            .map_err(|e| files::io_refusal(e, "protect", &path))?;
        if record.status.is_over() {
            beside.sync()?;
        }
        files::rename(&beside.temporary, &path)
    }

    fn get(&self, id: &str) -> Result<Option<SessionRecord>> {
        let path = self.record(names::check_id("session", id)?);
        read_record(&path).map_err(|why| damaged(&path, why).into())
    }

    fn list(&self) -> Result<Listing> {
        let mut ids = Vec::new();
        match fs::read_dir(&self.folder) {
            Ok(entries) => ids.extend(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok())),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(files::io_refusal(e, "read", &self.folder)),
        }
        ids.retain(|id| names::is_id(id));
        ids.sort_unstable();
        let mut listing = Listing::default();
        for (id, found) in ids.iter().zip(parallel::map(&ids, |id| read_record(&self.record(id)))) {
            match found {
                Ok(found) => listing.sessions.extend(found),
                Err(why) => listing.damaged.push(Damaged { path: self.record(id), why }),
            }
        }
        listing.sessions.sort_by(|a, b| a.recency().cmp(&b.recency()));
        Ok(listing)
    }

    fn update(&self, id: &str, change: &mut dyn FnMut(&mut SessionRecord) -> Result<()>) -> Result<SessionRecord> {
        let _lock = FileLock::acquire(&self.lock, WAIT, "lock.wait", &format!("change session {id}"))?;
        let Some(mut record) = self.get(id)? else {
            return Err(Refusal::not_found("session.unknown", format!("no such session: {}", text::safe(id)))
                .next("see all: teof session list")
                .into());
        };
        change(&mut record)?;
        self.save(&record)?;
        Ok(record)
    }

    fn size(&self, id: &str) -> u64 {
        let files = fs::read_dir(self.folder.join(id)).into_iter().flatten().flatten();
        files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
    }

    fn remove(&self, id: &str) -> Result<()> {
        let (path, aside) =
            (self.folder.join(names::check_id("session", id)?), self.folder.join(format!("{ASIDE}{id}")));
        fs::rename(&path, &aside).map_err(|e| files::io_refusal(e, "remove", &path))?;
        fs::remove_dir_all(&aside).map_err(|e| files::io_refusal(e, "remove", &aside))
    }
}

/// Makes a folder that only this user can open. Returns whether it is new.
fn private_folder(folder: &Path) -> Result<bool> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(files::io_refusal(e, "create", folder)),
    }
}

fn is_older(path: &Path, now: SystemTime, age: Duration) -> bool {
    let modified = fs::symlink_metadata(path).and_then(|found| found.modified());
    modified.is_ok_and(|at| now.duration_since(at).is_ok_and(|old| old >= age))
}

/// The record in a file, or why it cannot be read.
pub fn read_record(path: &Path) -> Result<Option<SessionRecord>, String> {
    let Some(bytes) = files::read(path, MAX_RECORD).map_err(|e| text::safe(&format!("{e:#}")))? else {
        return Ok(None);
    };
    let record: SessionRecord = serde_json::from_slice(&bytes).map_err(|e| text::safe(&e.to_string()))?;
    let id = path.parent().and_then(Path::file_name).unwrap_or_default();
    if *record.id != *id {
        return Err(format!("it is about another session: {}", text::clip(&text::safe(&record.id), 80)));
    }
    Ok(Some(record))
}

fn damaged(path: &Path, why: String) -> Refusal {
    Refusal::guard("session.damaged", format!("cannot read the session record {}", path.display()))
        .because(why)
        .next("see the other sessions: teof session list")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::super::record::Status;
    use super::*;

    fn storage() -> (tempfile::TempDir, LocalStorage) {
        let dir = tempfile::tempdir().unwrap();
        let storage = LocalStorage { folder: dir.path().join("p/sessions"), lock: dir.path().join("lock") };
        (dir, storage)
    }

    #[test]
    fn sessions_are_private_saved_whole_and_listed_in_order_beside_damaged_ones() {
        let (_dir, storage) = storage();
        assert_eq!(storage.list().unwrap(), Listing::default());
        let at = |second: i64| crate::base::Stamp::parse(&format!("2026-01-05T12:00:{second:02}Z"));
        let record = |id: String, started_at| SessionRecord { id, started_at, ..Default::default() };
        let later = record(storage.reserve("a").unwrap(), at(2));
        let sooner = record(storage.reserve("a").unwrap(), at(1));
        assert_eq!((later.id.as_str(), sooner.id.as_str()), ("a", "a-2"));
        for record in [&later, &sooner] {
            storage.save(record).unwrap();
        }
        storage.reserve("not-saved-yet").unwrap();
        for (id, text) in [("torn", "{\"id\":\"torn\""), ("b", "{\"id\":\"a\"}")] {
            fs::write(storage.record(&storage.reserve(id).unwrap()), text).unwrap();
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        let modes = [storage.root(), &storage.folder("a"), &storage.record("a")].map(mode);
        assert_eq!(modes, [0o700, 0o700, 0o600]);

        let listing = storage.list().unwrap();
        assert_eq!(listing.sessions, [sooner, later]);
        assert_eq!(listing.damaged.len(), 2);
        let error = storage.get("torn").unwrap_err();
        assert_eq!(Refusal::of(&error).unwrap().code, "session.damaged");
        for bad in ["../a", "", "a/b"] {
            assert!(storage.get(bad).is_err() && storage.reserve(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_was_cut_short_is_removed_and_what_may_be_starting_is_not() {
        let (_dir, storage) = storage();
        let [kept, new, old] = ["kept", "new", "old"].map(|id| storage.reserve(id).unwrap());
        storage.save(&SessionRecord { id: kept.clone(), ..Default::default() }).unwrap();
        fs::write(storage.folder(&old).join("stream.log"), "half").unwrap();
        // A removal that was killed after it moved the folder aside.
        fs::rename(storage.folder(&storage.reserve("gone").unwrap()), storage.root().join(".removed-gone")).unwrap();
        let now = SystemTime::now();
        let long_ago = now - Duration::from_secs(25 * 3600);
        for id in [&kept, &old] {
            fs::File::open(storage.folder(id)).unwrap().set_modified(long_ago).unwrap();
        }
        storage.finish_removals(now);
        let names = fs::read_dir(storage.root()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut left: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, [kept, new]);
    }

    #[test]
    fn updates_at_the_same_time_lose_nothing() {
        let (_dir, storage) = storage();
        let id = storage.reserve("a").unwrap();
        storage.save(&SessionRecord { id: id.clone(), status: Status::Done, ..Default::default() }).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        let mut count = |record: &mut SessionRecord| {
                            record.messages += 1;
                            Ok(())
                        };
                        storage.update(&id, &mut count).unwrap();
                    }
                });
            }
        });
        assert_eq!(storage.get(&id).unwrap().unwrap().messages, 20);
        let error = storage.update("none", &mut |_| Ok(())).unwrap_err();
        assert_eq!(Refusal::of(&error).unwrap().code, "session.unknown");
    }
}
