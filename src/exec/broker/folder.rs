//! The private folder of a broker's socket: short enough for a socket's path, and removed with the broker.

use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::{Refusal, Result, digest, env};

const PREFIX: &str = "teof-broker-";
const SOCKET: &str = "s";
/// `sun_path` takes 108 bytes on Linux and 104 elsewhere, with the zero at its end.
const MAX_PATH: usize = 103;
/// A younger folder may be one whose broker does not listen yet.
const JUST_MADE: Duration = Duration::from_secs(60);

/// A folder that only this account can enter. Dropping it removes it and its socket.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A new folder in `XDG_RUNTIME_DIR`, `TMPDIR` or `/tmp`: the first that takes it. Folders that killed brokers left
    /// there are removed.
    ///
    /// # Errors
    /// `broker.no_folder` when none takes it.
    pub fn create() -> Result<Folder> {
        let given = [env::XDG_RUNTIME_DIR, env::TMPDIR].into_iter().filter_map(env::var).map(PathBuf::from);
        let mut why = Vec::new();
        for base in given.chain([PathBuf::from("/tmp")]).filter(|base| base.is_absolute()) {
            match create_in(&base) {
                Ok(folder) => {
                    sweep(&base);
                    return Ok(folder);
                }
                Err(e) => why.push(format!("{}: {e}", base.display())),
            }
        }
        Err(Refusal::guard("broker.no_folder", "no folder for the socket of this run")
            .because(why.join("; "))
            .next("set XDG_RUNTIME_DIR to a folder of yours with a short path")
            .into())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.socket());
        let _ = std::fs::remove_dir(&self.path);
    }
}

fn create_in(base: &Path) -> io::Result<Folder> {
    let name = format!("{PREFIX}{}-{}", std::process::id(), digest::random_hex::<4>()?);
    let path = base.join(name);
    if path.join(SOCKET).as_os_str().len() > MAX_PATH {
        return Err(io::Error::other("its path is too long for a socket"));
    }
    // Fails when the name is taken, by a link too.
    DirBuilder::new().mode(0o700).create(&path)?;
    Ok(Folder { path })
}

/// Removes the folders of this account whose broker is gone.
fn sweep(base: &Path) {
    let own = rustix::process::getuid().as_raw();
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let path = entry.path();
        let is_ours = path.symlink_metadata().is_ok_and(|found| found.is_dir() && found.uid() == own);
        if is_ours && is_left(&path) {
            drop(Folder { path });
        }
    }
}

/// Whether no process listens there any more.
fn is_left(folder: &Path) -> bool {
    let refused = UnixStream::connect(folder.join(SOCKET)).err().map(|e| e.kind());
    let made = folder.metadata().and_then(|found| found.modified());
    matches!(refused, Some(ErrorKind::ConnectionRefused | ErrorKind::NotFound))
        && made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > JUST_MADE))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::net::UnixListener;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_folder_is_private_and_removed_with_its_socket_also_after_a_crash() {
        let base = tempfile::tempdir().unwrap();
        let folder = create_in(base.path()).unwrap();
        assert_eq!(folder.path.metadata().unwrap().mode() & 0o777, 0o700);
        let listener = UnixListener::bind(folder.socket()).unwrap();
        let other = base.path().join("teof-broker-link");
        std::os::unix::fs::symlink("/tmp", &other).unwrap();
        sweep(base.path());
        assert!(folder.socket().exists(), "somebody listens there");
        drop(listener);
        sweep(base.path());
        assert!(folder.socket().exists(), "it may have been made just now");
        let long_ago = SystemTime::now() - 2 * JUST_MADE;
        File::open(&folder.path).unwrap().set_modified(long_ago).unwrap();
        sweep(base.path());
        assert!(!folder.path.exists() && other.is_symlink());
        std::mem::forget(folder);
    }

    #[test]
    fn a_long_path_is_no_place_for_a_socket() {
        let base = tempfile::tempdir().unwrap();
        let long = base.path().join("x".repeat(100));
        std::fs::create_dir(&long).unwrap();
        assert!(create_in(&long).is_err());
        assert!(std::fs::read_dir(&long).unwrap().next().is_none());
    }
}
