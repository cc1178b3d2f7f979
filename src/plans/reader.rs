//! All plans, for those who look again and again: one that has not changed is neither read nor judged again.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use super::{store, validate};
use crate::base::Clock;
use crate::base::files::Fingerprint;
use crate::hub::Hub;
use crate::model::plan::{Plan, Status, id_of};

/// A plan, or why it cannot be used.
pub type Found = Result<Plan, String>;

/// What was read last, by path; without a fingerprint it is read again.
#[derive(Default)]
pub struct Reader {
    known: BTreeMap<String, (Option<Fingerprint>, Arc<Found>)>,
}

impl Reader {
    /// Every plan by id; a damaged one does not affect the others.
    pub fn read(&mut self, hub: &Hub) -> BTreeMap<String, Arc<Found>> {
        let mut before = std::mem::take(&mut self.known);
        for path in store::paths(&hub.root) {
            // Files are dated by the machine, whatever the hub's clock says.
            let now = Clock::Machine.nanoseconds();
            let fingerprint = hub.path(&path).and_then(|full| Ok(Fingerprint::of(&fs::symlink_metadata(full)?))).ok();
            let found = match before.remove(&path) {
                Some((known, found)) if known.is_some() && known == fingerprint => found,
                _ => Arc::new(judge(hub, &path)),
            };
            // What could not be read may be readable although it did not change.
            let lasts = |fingerprint: &Fingerprint| found.is_ok() && fingerprint.is_settled(now);
            self.known.insert(path, (fingerprint.filter(lasts), Arc::clone(&found)));
        }
        self.known.iter().map(|(path, (_, found))| (id_of(path).to_owned(), Arc::clone(found))).collect()
    }
}

fn judge(hub: &Hub, path: &str) -> Found {
    let file = store::read(hub, path).map_err(|why| format!("{path}: {why}"))?;
    // Most plans of a record are finished; they are not validated.
    if file.plan.status() == Some(Status::Done) {
        return Ok(file.plan);
    }
    match validate::check(path, &file.bytes, None).first() {
        Some(finding) => Err(format!("{path} is not valid: {}", finding.message)),
        None => Ok(file.plan),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::hub::paths;

    const PATH: &str = "_plans/2026-01-05-fix.plan.json";

    /// Until a change of the file would show.
    fn settle(path: &Path) {
        while !Fingerprint::of(&fs::symlink_metadata(path).unwrap()).is_settled(Clock::Machine.nanoseconds()) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_plan_is_read_again_once_it_changed() {
        let dir = tempfile::tempdir().unwrap();
        git2::Repository::init(dir.path()).unwrap();
        paths::OWNED.iter().for_each(|folder| fs::create_dir(dir.path().join(folder)).unwrap());
        let hub = Hub::find(Some(dir.path()), Clock::Machine).unwrap();
        let path = hub.path(PATH).unwrap();
        let write = |status: &str| fs::write(&path, format!(r#"{{"status": "{status}"}}"#)).unwrap();
        let mut reader = Reader::default();
        let mut read = || reader.read(&hub).remove("2026-01-05-fix").unwrap();
        write("done");
        assert_eq!(read().as_ref().as_ref().unwrap().status(), Some(Status::Done));
        settle(&path);
        let first = read();
        assert!(Arc::ptr_eq(&first, &read()), "it did not change");
        write("open");
        let changed = read();
        assert!(changed.as_ref().as_ref().unwrap_err().contains("is not valid"), "{changed:?}");
        // In the same moment, as far as its times tell.
        write("done");
        assert!(read().is_ok());
        fs::remove_file(&path).unwrap();
        assert!(reader.read(&hub).is_empty());
    }
}
