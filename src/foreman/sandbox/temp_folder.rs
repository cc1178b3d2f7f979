//! The temporary folder of a run: the only place below `/tmp` that its programs may write to.
//!
//! It has a short path, because the path of a socket must fit into 108 bytes.

use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::base::{Result, digest, env, files};
use crate::hub::Hub;

/// How many names are tried: another account may have taken one.
const NAMES: usize = 20;

/// Removed with all that is in it when it is dropped.
pub(super) struct TempFolder(PathBuf);

impl TempFolder {
    /// Creates the folder, for this account only. What an earlier attempt of the same run left is removed.
    pub fn create(hub: &Hub, run: &str) -> Result<Self> {
        let base = PathBuf::from(env::var("TMPDIR").unwrap_or_else(|| "/tmp".to_owned()));
        let base = base.canonicalize().map_err(|e| files::io_refusal(e, "find", &base))?;
        let name = &digest::sha256(format!("{}\0{run}", hub.root.display()).as_bytes())[..10];
        let mut at = base.join(format!("teof-{name}"));
        for n in 2..NAMES {
            remove_own(&at);
            match std::fs::DirBuilder::new().mode(0o700).create(&at) {
                Ok(()) => return Ok(Self(at)),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => at = base.join(format!("teof-{name}-{n}")),
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
    let own = rustix::process::getuid().as_raw();
    if path.symlink_metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == own) {
        let _ = std::fs::remove_dir_all(path);
    }
}
