//! A request to end one session: a file in its folder, which whoever runs the program looks for.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::{Result, Stamp, files, json};

/// The largest request that is read, in bytes.
const MAX: u64 = 64 * 1024;

/// Who wants a session to end, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRequest {
    pub by: String,
    pub at: Stamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl StopRequest {
    /// Leaves the request in the folder of a session.
    pub fn post(&self, folder: &Path) -> Result<()> {
        files::replace(&file(folder), json::compact(self).as_bytes())
    }

    /// The request in the folder of a session. One that cannot be read counts all the same.
    pub fn read(folder: &Path) -> Option<StopRequest> {
        let bytes = files::read(&file(folder), MAX).ok().flatten()?;
        let nobody = || StopRequest { by: "unknown".to_owned(), at: Stamp::from_unix(0), note: None };
        Some(serde_json::from_slice(&bytes).unwrap_or_else(|_| nobody()))
    }

    /// For people: `cancelled by ann: wrong approach`.
    pub fn describe(&self) -> String {
        let note = self.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        format!("cancelled by {}{note}", self.by)
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("stop.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_cannot_be_read_ends_the_session_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(StopRequest::read(dir.path()), None);
        let asked = StopRequest { by: "ann".into(), at: Stamp::from_unix(7), note: Some("wrong".into()) };
        asked.post(dir.path()).unwrap();
        assert_eq!(StopRequest::read(dir.path()), Some(asked));
        std::fs::write(file(dir.path()), "{\"by\": \"an").unwrap();
        assert_eq!(StopRequest::read(dir.path()).unwrap().describe(), "cancelled by unknown");
    }
}
