//! The git attributes of the record: git keeps its bytes unchanged and merges its logs line by line.
//!
//! Receipts and log lines are hashed, so no clone may see other bytes than were written: no line-ending conversion,
//! no filter (LFS, encryption), no keyword expansion, no other encoding, and no diff or merge driver but git's own.
//! The lines are inside the owned folders, where they override the repository's root file and do not make a person's
//! tree dirty. Only `.git/info/attributes` overrides them; [`super::clone_fidelity`] detects that.

use crate::base::{Refusal, Result, files};
use crate::hub::{Hub, Transaction, paths};

/// The name of git's files of attributes.
pub const FILE: &str = ".gitattributes";

/// What keeps bytes as they are; `!diff` and `merge` choose git's own drivers.
const KEEP: &str = "-text -filter -ident -working-tree-encoding !diff";

/// One attributes file, relative to the hub, and the lines it must have, in this order: the last matching line wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub path: String,
    pub lines: Vec<String>,
}

/// What a hub needs: a file in each owned folder, and lines in the root file for the owned files.
pub fn wanted() -> Vec<Wanted> {
    let folder = |folder: &str| Wanted {
        path: format!("{folder}/{FILE}"),
        lines: vec![format!("* {KEEP} merge"), "*.jsonl merge=union".to_owned()],
    };
    let file = |path: &&str| match path.ends_with(".jsonl") {
        true => format!("/{path} {KEEP} merge=union"),
        false => format!("/{path} {KEEP} merge"),
    };
    let files = Wanted { path: FILE.to_owned(), lines: paths::OWNED_FILES.iter().map(file).collect() };
    paths::OWNED.into_iter().map(folder).chain([files]).collect()
}

/// Adds missing lines to a transaction, in all files or only in those of the owned folders. Returns the changed
/// files.
///
/// # Errors
/// `attributes.invalid`: a file that is not UTF-8.
pub fn stage(hub: &Hub, transaction: &mut Transaction, owned_only: bool) -> Result<Vec<String>> {
    let mut changed = Vec::new();
    for wanted in wanted().into_iter().filter(|wanted| !owned_only || paths::is_owned(&wanted.path)) {
        let old = files::read(&hub.path(&wanted.path)?, files::MAX_DOCUMENT)?.unwrap_or_default();
        let old = String::from_utf8(old).map_err(|_| {
            Refusal::guard("attributes.invalid", format!("{} is not UTF-8", wanted.path))
                .next("fix the file, then run the command again; teof did not change it")
        })?;
        if let Some(text) = wanted.added_to(&old) {
            transaction.replace(&wanted.path, text);
            changed.push(wanted.path);
        }
    }
    Ok(changed)
}

/// Writes missing lines in the owned folders. Git reads them from the worktree at once; the next record commit saves
/// them.
///
/// # Errors
/// As [`stage`], and as taking the bus lock.
pub fn ensure(hub: &Hub) -> Result<()> {
    if !stage(hub, &mut Transaction::new("attributes"), true)?.is_empty() {
        let mut writer = hub.lock("attributes")?;
        let mut transaction = Transaction::new("attributes");
        stage(hub, &mut transaction, true)?;
        writer.commit(transaction)?;
    }
    Ok(())
}

impl Wanted {
    /// The file with the lines added, unless it has them already (in any spacing). They come last, so that they win;
    /// the rest stays byte for byte.
    pub fn added_to(&self, old: &str) -> Option<String> {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let have: Vec<_> = old.lines().map(words).filter(|line| !line.is_empty()).collect();
        let wanted: Vec<_> = self.lines.iter().map(|line| words(line)).collect();
        if have.windows(wanted.len()).any(|block| block == wanted) {
            return None;
        }
        let mut text = old.to_owned();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        self.lines.iter().for_each(|line| text.extend([line, "\n"]));
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_once_and_as_a_block() {
        let wanted = Wanted { path: "a".into(), lines: vec!["* -text".into(), "*.jsonl merge=union".into()] };
        assert_eq!(wanted.added_to("").as_deref(), Some("* -text\n*.jsonl merge=union\n"));
        assert_eq!(wanted.added_to("*   -text\n\n*.jsonl  merge=union\nx y"), None);
        let reversed = "*.jsonl merge=union\n* -text";
        assert_eq!(wanted.added_to(reversed).unwrap(), format!("{reversed}\n* -text\n*.jsonl merge=union\n"));
    }
}
