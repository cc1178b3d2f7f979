//! The backlog and the plans of a tree, and which tasks are names of the same work.

use std::collections::BTreeMap;
use std::path::Path;

use crate::hub::paths;
use crate::model::backlog::Backlog;
use crate::model::plan::Plan;
use crate::plans::{SameWork, store};

/// What several rules ask for. Unreadable files are left out: their own rules report them.
#[derive(Debug)]
pub struct Work {
    pub backlog: Option<Backlog>,
    pub plans: Vec<(String, Plan)>,
    /// The files of plans that could be read, by path.
    pub files: BTreeMap<String, Vec<u8>>,
    pub same: SameWork,
}

impl Work {
    /// `read` gives the bytes of a file.
    pub fn of(root: &Path, read: &dyn Fn(&str) -> Option<Vec<u8>>) -> Work {
        let backlog = read(paths::BACKLOG).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let backlog = backlog.map(|raw| Backlog { raw });
        let files: BTreeMap<_, _> =
            store::paths(root).into_iter().filter_map(|path| Some((path.clone(), read(&path)?))).collect();
        let plan = |(path, bytes): (&String, &Vec<u8>)| {
            Some((store::id_of(path).to_owned(), Plan { raw: serde_json::from_slice(bytes).ok()? }))
        };
        let plans: Vec<_> = files.iter().filter_map(plan).collect();
        let text = |path: &str| String::from_utf8(read(path)?).ok();
        let same = SameWork::new(backlog.as_ref(), plans.iter().map(|(id, plan)| (id.as_str(), plan)), &text);
        Work { backlog, plans, files, same }
    }
}
