//! The temporary folder of a run: the only place below `/tmp` that its programs may write to.
//!
//! It has a short path, because the path of a socket must fit into 108 bytes.

use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::base::{Result, digest, env, files};

/// How many names are tried: another account may have taken one.
const NAMES: usize = 20;

/// Removed with all that is in it when it is dropped.
pub(super) struct TempFolder(PathBuf);

impl TempFolder {
    /// Creates the folder, for this account only. `session` is the folder of this attempt of the run: each has its own,
    /// so that the reaper of an earlier one does not remove it.
    pub fn create(session: &Path) -> Result<Self> {
        let base = PathBuf::from(env::var(env::TMPDIR).unwrap_or_else(|| "/tmp".to_owned()));
        let base = base.canonicalize().map_err(|e| files::io_refusal(e, "find", &base))?;
        let name = &digest::sha256(session.as_os_str().as_encoded_bytes())[..10];
        for n in 1..=NAMES {
            let at = base.join(if n == 1 { format!("teof-{name}") } else { format!("teof-{name}-{n}") });
            remove_own(&at);
            match std::fs::DirBuilder::new().mode(0o700).create(&at) {
                Ok(()) => return Ok(Self(at)),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(files::io_refusal(e, "create", &at)),
            }
        }
        anyhow::bail!("no free name for a temporary folder in {}", base.display())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        remove_own(&self.0);
    }
}

fn remove_own(path: &Path) {
    if let Err(e) = files::remove_own_folder(path) {
        tracing::warn!("cannot remove the temporary folder {}: {e}", path.display());
    }
}
