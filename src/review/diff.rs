//! The patch of the reviewed commit, for people to read.
//!
//! It is built from git objects: no attributes, no text conversion, no external diff. Its text is safe for terminals.

use std::fmt::Write as _;

use git2::{DiffFormat, DiffOptions, Oid, Repository};

use super::target::merge;
use crate::base::{Result, text};
use crate::guard::secrets;
use crate::hub::Hub;
use crate::hub::git::object_ids;
use crate::hub::worktrees::convention;
use crate::model::run::bundle::Bundle;

/// Larger files are named, not shown.
const MAX_FILE: i64 = 1024 * 1024;

/// A longer patch is cut, in bytes.
const MAX_PATCH: usize = 16 * 1024 * 1024;

/// A patch for people.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    /// Secrets are replaced by `[redacted:<kind>]`. The last line says when it was cut.
    pub text: String,
    /// One of them is in an added line.
    pub adds_secret: bool,
}

/// The patch from the base to the reviewed commit.
///
/// # Errors
/// When the repository lacks one of the commits.
pub fn patch(hub: &Hub, bundle: &Bundle) -> Result<Patch> {
    let repo = merge::open(hub)?;
    let tip = merge::reviewed(&repo, bundle)?;
    between(&repo, object_ids::parse(&bundle.base_commit)?, tip)
}

/// The patch of work that has no result to review, such as a blocked job's: from where it left the target to `commit`.
///
/// # Errors
/// As [`patch`].
pub fn of_commit(hub: &Hub, commit: &str) -> Result<Patch> {
    let repo = merge::open(hub)?;
    let tip = object_ids::parse(commit)?;
    let target = repo.refname_to_id(&convention::target(hub)?)?;
    between(&repo, repo.merge_base(target, tip)?, tip)
}

/// The branches of seats that hold the commit.
///
/// # Errors
/// When git cannot be asked.
fn branches(hub: &Hub, commit: &str) -> Result<Vec<String>> {
    let listed =
        hub.git().run(&["for-each-ref", "--format=%(refname:short)", "--contains", commit, "refs/heads/agent/"])?;
    Ok(listed.lines().map(str::to_owned).collect())
}

/// What people are told of a patch that hides a secret: where git still has it, and the command that removes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretNote {
    pub text: String,
    pub command: Option<String>,
}

/// The note about a patch that adds a secret and ends at `commit`.
pub fn secret_note(hub: &Hub, commit: &str) -> SecretNote {
    let branches = branches(hub, commit).unwrap_or_default();
    let words: Vec<_> = branches.iter().map(|branch| text::shell_word(&text::safe(branch))).collect();
    if words.is_empty() {
        let brief = text::clip(&text::safe(commit), 12);
        return SecretNote {
            text: format!("a secret is hidden here; git has it in the commit {brief}"),
            command: None,
        };
    }
    SecretNote {
        text: "a secret is hidden here; it stays on the branch, also after a rejection, until you delete that"
            .to_owned(),
        command: Some(format!("teof worktree clean --all-finished; git branch -D {}", words.join(" "))),
    }
}

fn between(repo: &Repository, base: Oid, tip: Oid) -> Result<Patch> {
    let tree = |id: Oid| repo.find_commit(id).and_then(|commit| commit.tree());
    let (old, new) = (tree(base)?, tree(tip)?);
    let mut options = DiffOptions::new();
    options.max_size(MAX_FILE).force_text(false);
    let diff = repo.diff_tree_to_tree(Some(&old), Some(&new), Some(&mut options))?;
    let mut lines = Lines::default();
    let printed = diff.print(DiffFormat::Patch, |_, _, line| {
        let origin = matches!(line.origin(), '+' | '-' | ' ').then(|| line.origin());
        lines.push(origin, &text::safe_block(&String::from_utf8_lossy(line.content())));
        lines.content.len() < MAX_PATCH
    });
    let was_cut = lines.content.len() >= MAX_PATCH;
    let mut patch = lines.redacted();
    match printed {
        // Stopped at the size limit.
        Err(_) if was_cut => {
            let _ = write!(patch.text, "\ncut at 16 MiB; see the complete patch: git diff {base} {tip}");
        }
        printed => printed?,
    }
    Ok(patch)
}

/// The lines of a patch, their marks apart, so that a secret over several lines is recognised.
#[derive(Default)]
struct Lines {
    content: String,
    /// Where each line ends in `content`, and its mark.
    ends: Vec<(usize, Option<char>)>,
}

impl Lines {
    fn push(&mut self, origin: Option<char>, content: &str) {
        self.content.push_str(content);
        self.ends.push((self.content.len(), origin));
    }

    fn redacted(self) -> Patch {
        let content = self.content.as_bytes();
        let mut adds_secret = false;
        let mut out = Vec::with_capacity(content.len() + self.ends.len());
        let (mut hits, mut from) = (secrets::scan(content).into_iter().peekable(), 0);
        for (end, origin) in self.ends {
            out.extend(origin.map(|origin| origin as u8));
            while let Some(hit) = hits.next_if(|hit| hit.start < end) {
                out.extend_from_slice(&content[from..hit.start.max(from)]);
                out.extend_from_slice(format!("{}{}]", secrets::MARK, hit.kind).as_bytes());
                from = hit.end;
                adds_secret |= origin == Some('+');
            }
            // What a secret covers of its further lines is left out; the lines stay.
            if from < end {
                out.extend_from_slice(&content[from..end]);
                from = end;
            } else if content[..end].ends_with(b"\n") && !out.ends_with(b"\n") {
                out.push(b'\n');
            }
        }
        Patch { text: String::from_utf8_lossy(&out).into_owned(), adds_secret }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_the_lines_stay() {
        let token = ["ghp", "_16C7e42F292c6912E7710c838347Ae178B4a"].concat();
        let body = "MIIEpAIBAAKCAQEA1c7gk0Yz8vJx5Zl3mYQp\n".repeat(3);
        let key = format!("-----BEGIN RSA PRIVATE {0}-----\n{body}-----END RSA PRIVATE {0}-----\n", "KEY");
        let mut lines = Lines::default();
        lines.push(None, "@@ -1 +1,7 @@\n");
        lines.push(Some(' '), "a\n");
        lines.push(Some('+'), &format!("é = \"{token}\" // ü\n"));
        key.split_inclusive('\n').for_each(|line| lines.push(Some('+'), line));
        lines.push(Some('-'), "b");
        let patch = lines.redacted();
        assert!(patch.adds_secret);
        assert!(!patch.text.contains(&token) && !patch.text.contains("MIIE"), "{}", patch.text);
        let shown: Vec<_> = patch.text.lines().collect();
        assert_eq!(shown.len(), 9, "{}", patch.text);
        assert!(shown[2].starts_with("+é = \"[redacted:") && shown[2].ends_with("\" // ü"), "{}", shown[2]);
        assert!(shown[3].starts_with("+[redacted:"), "{}", shown[3]);
        assert_eq!((shown[1], shown[8]), (" a", "-b"));
    }
}
