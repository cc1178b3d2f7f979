//! The backlog and the plans of a tree, and which tasks are names of the same work.

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
    pub same: SameWork,
}

impl Work {
    /// `read` gives the bytes of a file.
    pub fn of(root: &Path, read: &dyn Fn(&str) -> Option<Vec<u8>>) -> Work {
        let parsed = |path: &str| serde_json::from_slice(&read(path)?).ok();
        let backlog = parsed(paths::BACKLOG).map(|raw| Backlog { raw });
        let plan = |path: &String| Some((store::id_of(path).to_owned(), Plan { raw: parsed(path)? }));
        let plans: Vec<_> = store::paths(root).iter().filter_map(plan).collect();
        let text = |path: &str| String::from_utf8(read(path)?).ok();
        let same = SameWork::new(backlog.as_ref(), plans.iter().map(|(id, plan)| (id.as_str(), plan)), &text);
        Work { backlog, plans, same }
    }
}
