//! What a confined program may do. Plain data, passed to the launcher as one argument.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a program may do; anything else that a kernel can confine is refused.
///
/// Signals and abstract sockets reach only what runs in the same confinement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Folders with everything below them, and files: absolute, without links. One that does not exist is skipped; one
    /// that leads through a link is an error, because a program could have planted it.
    pub write: Vec<PathBuf>,
    /// What it may read and execute besides; `None`: everything.
    pub read: Option<Vec<PathBuf>>,
    pub network: Network,
}

/// What a program may reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    #[default]
    All,
    /// No TCP, and no UDP where the kernel confines it. Unix sockets by path stay open.
    None,
}

/// In the place of a policy: not confined.
const OPEN: &str = "-";

impl Confinement {
    /// As the launcher's argument.
    pub(in crate::exec) fn argument(confinement: Option<&Self>) -> String {
        confinement.map_or(OPEN.to_owned(), |confinement| serde_json::to_string(confinement).unwrap_or_default())
    }

    /// Reads the launcher's argument.
    ///
    /// # Errors
    /// When it is neither a policy nor the mark that there is none.
    pub(in crate::exec) fn from_argument(argument: &str) -> std::io::Result<Option<Self>> {
        match argument == OPEN {
            true => Ok(None),
            false => Ok(Some(serde_json::from_str(argument).map_err(std::io::Error::other)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_reaches_the_launcher_unchanged_and_a_damaged_one_is_an_error() {
        let policy = Confinement {
            write: vec!["/a b".into(), "/c\"d".into()],
            read: Some(vec!["/usr".into()]),
            network: Network::None,
        };
        let sent = Confinement::argument(Some(&policy));
        assert_eq!(Confinement::from_argument(&sent).unwrap(), Some(policy));
        assert_eq!(Confinement::from_argument(&Confinement::argument(None)).unwrap(), None);
        assert!(Confinement::from_argument("").is_err() && Confinement::from_argument("{\"write\":[]}").is_err());
    }
}
