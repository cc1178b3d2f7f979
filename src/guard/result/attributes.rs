//! Finds generated files, and files with a content filter of git, by the attributes of the base.
//!
//! Only the base counts: with a changed `.gitattributes` a worker could excuse its own work.

use std::path::Path;

use git2::{AttrCheckFlags, AttrValue, Oid, Repository};

use crate::base::Result;
use crate::guard::glob::{self, Glob};
use crate::hub::git::object_ids;

/// The attributes of a commit's tree.
pub(super) struct Attributes {
    repo: Repository,
}

impl Attributes {
    /// # Errors
    /// When the repository or the commit cannot be read.
    pub fn of(common_dir: &Path, commit: Oid) -> Result<Attributes> {
        let repo = Repository::open_bare(common_dir)?;
        let mut index = object_ids::new_index(&repo)?;
        index.read_tree(&repo.find_commit(commit)?.tree()?)?;
        // In memory only: attributes are read from this index, never from files of the worktree.
        repo.set_index(&mut index)?;
        Ok(Attributes { repo })
    }

    fn get(&self, path: &Path, name: &str) -> Option<String> {
        let found = self.repo.get_attr_bytes(path, name, AttrCheckFlags::INDEX_ONLY).ok()?;
        match AttrValue::always_bytes(found) {
            AttrValue::True => Some("true".to_owned()),
            AttrValue::False | AttrValue::Unspecified => None,
            AttrValue::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            AttrValue::String(text) => Some(text.to_owned()),
        }
    }

    /// The content filter of a path, such as `lfs`.
    pub fn filter(&self, path: &Path) -> Option<String> {
        self.get(path, "filter").filter(|filter| filter != "true")
    }
}

/// Files that tools write.
pub(super) struct Generated {
    globs: Vec<Glob>,
    attributes: Attributes,
}

impl Generated {
    /// Files that match `patterns`, and files that the tree of `base` marks `linguist-generated`.
    ///
    /// # Errors
    /// Like [`Attributes::of`].
    pub fn new(common_dir: &Path, base: Oid, patterns: &[String]) -> Result<Generated> {
        Ok(Generated { globs: glob::all(patterns), attributes: Attributes::of(common_dir, base)? })
    }

    pub fn covers(&self, path: &str) -> bool {
        glob::first_cover(&self.globs, path).is_some()
            || self.attributes.get(Path::new(path), "linguist-generated").is_some_and(|value| value == "true")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::git::Git;

    #[test]
    fn only_attributes_of_the_base_mark_files_generated() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let git = Git::at(&root);
        git.run(&["init", "-q", "-b", "main"]).unwrap();
        std::fs::write(root.join(".gitattributes"), "api/*.ts linguist-generated\n*.pb.go linguist-generated=true\nx.ts -linguist-generated\n*.bin filter=lfs\n").unwrap();
        git.run(&["add", "."]).unwrap();
        git.run(&["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "base"]).unwrap();
        let base = git.run(&["rev-parse", "HEAD"]).unwrap().parse().unwrap();
        std::fs::write(root.join(".gitattributes"), "* linguist-generated\n").unwrap();
        let generated = Generated::new(&root.join(".git"), base, &["Cargo.lock".into()]).unwrap();
        for (path, covered) in
            [("api/a.ts", true), ("deep/b.pb.go", true), ("sub/Cargo.lock", true), ("x.ts", false), ("src/a.rs", false)]
        {
            assert_eq!(generated.covers(path), covered, "{path}");
        }
        let attributes = Attributes::of(&root.join(".git"), base).unwrap();
        assert_eq!(
            (attributes.filter(Path::new("a.bin")).as_deref(), attributes.filter(Path::new("a.rs"))),
            (Some("lfs"), None)
        );
    }
}
