//! The backlog and the plans of a tree, and which tasks are names of the same work.

use std::collections::BTreeMap;

use crate::hub::{Hub, paths};
use crate::model::backlog::Backlog;
use crate::model::plan::Plan;
use crate::plans::{SameWork, backlog, requests, store};

/// What several rules ask for. Unreadable files are left out: their own rules report them.
#[derive(Debug)]
pub struct Work {
    pub backlog: Option<Backlog>,
    pub plans: Vec<(String, Plan)>,
    /// The files of plans that could be read, by path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The files of the vault and the queue: the kind of link, the path, the text.
    pub requests: Vec<(&'static str, String, String)>,
    pub same: SameWork,
}

impl Work {
    /// `read` gives the bytes of a file.
    pub fn of(hub: &Hub, read: &dyn Fn(&str) -> Option<Vec<u8>>) -> Work {
        let backlog = read(paths::BACKLOG).and_then(|bytes| backlog::parse(&hub.root, &bytes).ok());
        let files: BTreeMap<_, _> =
            store::paths(&hub.root).into_iter().filter_map(|path| Some((path.clone(), read(&path)?))).collect();
        let plan = |(path, bytes): (&String, &Vec<u8>)| {
            Some((store::id_of(path).to_owned(), Plan { raw: serde_json::from_slice(bytes).ok()? }))
        };
        let plans: Vec<_> = files.iter().filter_map(plan).collect();
        let text = |path: &str| String::from_utf8(read(path)?).ok();
        let same = SameWork::new(backlog.as_ref(), plans.iter().map(|(id, plan)| (id.as_str(), plan)), &text);
        let requests = requests::texts(hub);
        let same = same.with_requests(&requests);
        Work { backlog, plans, files, requests, same }
    }
}
