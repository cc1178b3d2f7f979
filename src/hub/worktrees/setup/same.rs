//! Tells whether copied files of a worktree are still as their originals.
//!
//! Compares contents: a program may set a file's time and keep its size.

use std::fs;
use std::io::{BufReader, Read};
use std::path::Path;

use super::include::checkouts;
use crate::base::files;
use crate::hub::Hub;

/// The most bytes that are compared; a worktree with more copied files counts as changed.
const MAX_BYTES: u64 = 1 << 30;

/// Compares the copied files of a worktree with those that they were copied from.
pub struct Comparison<'h> {
    hub: &'h Hub,
    root: &'h Path,
    left: u64,
}

impl<'h> Comparison<'h> {
    pub fn new(hub: &'h Hub, root: &'h Path) -> Self {
        Self { hub, root, left: MAX_BYTES }
    }

    /// Whether a checkout has the same file or link; `false` when it cannot be told.
    pub fn is_same(&mut self, path: &str) -> bool {
        let root = self.root;
        checkouts(self.hub).filter(|checkout| checkout != root).any(|checkout| self.equals(&checkout, path))
    }

    fn equals(&mut self, checkout: &Path, path: &str) -> bool {
        let (Ok(original), Ok(copy)) = (files::within(checkout, path), files::within(self.root, path)) else {
            return false;
        };
        let (Ok(was), Ok(is)) = (fs::symlink_metadata(&original), fs::symlink_metadata(&copy)) else { return false };
        if was.is_symlink() && is.is_symlink() {
            return fs::read_link(&original).ok().is_some_and(|goal| fs::read_link(&copy).is_ok_and(|its| its == goal));
        }
        if !was.is_file() || !is.is_file() || was.len() != is.len() {
            return false;
        }
        let Some(left) = self.left.checked_sub(is.len()) else { return false };
        self.left = left;
        same_contents(&original, &copy).unwrap_or_default()
    }
}

/// `None` when one of them is no regular file any more, or cannot be read.
fn same_contents(one: &Path, other: &Path) -> Option<bool> {
    let open = |path| files::open_regular(path).ok().flatten().map(BufReader::new);
    let (mut one, mut other) = (open(one)?, open(other)?);
    let (mut a, mut b) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let read = one.read(&mut a).ok()?;
        if read == 0 {
            return Some(other.read(&mut b).ok()? == 0);
        }
        // Shorter than the other: it ends here, or an error does.
        if other.read_exact(&mut b[..read]).is_err() || a[..read] != b[..read] {
            return Some(false);
        }
    }
}
