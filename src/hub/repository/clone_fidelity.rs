//! Checks that a clone of the repository would get a file with the same bytes.
//!
//! Asks git itself, so that all its rules count: of the repository, the person and the machine.

use std::path::Path;

use super::attributes;
use crate::base::{Refusal, Result, text};
use crate::hub::git::{self, Git};
use crate::hub::{Hub, paths};

/// What a clone must have of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The file, whatever its line endings: only its name is recorded.
    There,
    /// Every byte: its digest is recorded.
    Bytes,
}

/// Why a clone would not get a file unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    pub path: String,
    /// `receipt.ignored`, `receipt.converted` or `receipt.not_regular`.
    pub code: &'static str,
    pub why: String,
    /// A command that fixes it, or where to look.
    pub fix: String,
}

impl Loss {
    pub fn refusal(self) -> Refusal {
        let message = format!("git would not keep {} unchanged", text::safe(&self.path));
        Refusal::guard(self.code, message).because(self.why).next(self.fix)
    }
}

/// Refuses the first of the files that a clone would not have.
///
/// # Errors
/// `receipt.ignored`, `receipt.converted`; as [`first_loss`].
pub fn check(hub: &Hub, files: &[(&str, Need)]) -> Result<()> {
    match first_loss(hub, files)? {
        Some(loss) => Err(loss.refusal().into()),
        None => Ok(()),
    }
}

/// The first of the files that a clone would not have. Owned folders get the attributes that they lack before.
///
/// # Errors
/// When git cannot be asked; what taking the bus lock refuses.
pub fn first_loss(hub: &Hub, files: &[(&str, Need)]) -> Result<Option<Loss>> {
    if files.iter().any(|(path, _)| paths::is_owned(path)) {
        attributes::ensure(hub)?;
    }
    let not_file = |(path, need): &(&str, Need)| {
        let what = match need {
            Need::Bytes => not_a_file(hub, path)?,
            Need::There => leads_outside(hub, path).then_some("a link to outside the repository")?,
        };
        let (why, fix) =
            (format!("it is {what}, and evidence is a file"), "name a file, such as an archive of the folder");
        Some(Loss { path: (*path).to_owned(), code: "receipt.not_regular", why, fix: fix.to_owned() })
    };
    Ok(losses(hub, files)?.into_iter().next().or_else(|| files.iter().find_map(not_file)))
}

/// The files that a clone would lack (relative to the hub; they need not exist yet), in order.
///
/// # Errors
/// When git cannot be asked.
pub fn losses(hub: &Hub, files: &[(&str, Need)]) -> Result<Vec<Loss>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    // `./`, so that no name is read as pathspec magic.
    let names: Vec<u8> = files.iter().flat_map(|(path, _)| format!("./{path}\0").into_bytes()).collect();
    let ignored = ignored(&hub.git(), &names)?;
    let converted = converted(hub, &names)?;
    let loss = |(path, need): &(&str, Need)| {
        let (code, why, fix) = if path.split('/').any(|name| name.eq_ignore_ascii_case(".git")) {
            let fix = "copy it into _report/agent/<your id> and name the copy".to_owned();
            ("receipt.ignored", "git keeps nothing of a .git folder, so no clone has it".to_owned(), fix)
        } else if let Some((folder, fix)) = nested(hub, path) {
            ("receipt.ignored", format!("it is in a nested repository ({folder})"), fix)
        } else if let Some((_, rule)) = ignored.iter().find(|(name, _)| name == path) {
            let fix = format!("git -C {} add --force -- {}", word(&hub.root), text::shell_word(path));
            ("receipt.ignored", format!("git ignores it, so a clone would not have it ({})", text::safe(rule)), fix)
        } else {
            let (_, _, what) = converted
                .iter()
                .find(|(name, least, _)| name == path && (*least == Need::There || *need == Need::Bytes))?;
            ("receipt.converted", format!("a clone could have other bytes: {what}"), rules(hub, path))
        };
        Some(Loss { path: (*path).to_owned(), code, why, fix })
    };
    Ok(files.iter().filter_map(loss).collect())
}

/// The ignored names, each with its rule (`.gitignore:3: *.log`). Files that are in the index are not ignored.
fn ignored(git: &Git, names: &[u8]) -> Result<Vec<(String, String)>> {
    let output = git.feed_output(&["check-ignore", "-v", "-z", "--stdin"], names)?;
    if !matches!(output.status.code(), Some(0 | 1)) {
        return Err(git::failed("check-ignore", &output));
    }
    let told = String::from_utf8_lossy(&output.stdout);
    let fields: Vec<&str> = told.split('\0').collect();
    let matches = fields.chunks_exact(4).filter(|field| !field[2].starts_with('!'));
    Ok(matches.map(|field| (plain(field[3]), format!("{}:{}: {}", field[0], field[1], field[2]))).collect())
}

fn plain(name: &str) -> String {
    name.strip_prefix("./").unwrap_or(name).to_owned()
}

/// The names whose bytes git may change, how much they need to be kept for that to matter, and what changes them.
fn converted(hub: &Hub, names: &[u8]) -> Result<Vec<(String, Need, String)>> {
    let asked = ["check-attr", "-z", "--stdin", "text", "crlf", "filter", "ident", "working-tree-encoding"];
    let output = hub.git().feed_output(&asked, names)?;
    if !output.status.success() {
        return Err(git::failed("check-attr", &output));
    }
    let told = String::from_utf8_lossy(&output.stdout);
    let fields: Vec<&str> = told.split('\0').collect();
    let mut found = Vec::new();
    // Five attributes per name, in the requested order.
    for of_name in fields.chunks_exact(15) {
        let [text, crlf, filter, ident, encoding] = [2, 5, 8, 11, 14].map(|at| of_name[at]);
        let is_value = |value: &str| !["unspecified", "unset", "set"].contains(&value);
        let (need, what) = if is_value(filter) {
            (Need::There, format!("the filter {filter:?} changes it"))
        } else if is_value(encoding) {
            (Need::Bytes, format!("git stores it in another encoding than {encoding}"))
        } else if ident == "set" {
            (Need::Bytes, "git replaces $Id$ in it".to_owned())
        } else if text != "unset" && (text != "unspecified" || crlf != "unset") {
            (Need::Bytes, "git may convert its line endings".to_owned())
        } else {
            continue;
        };
        found.push((plain(of_name[0]), need, text::safe(&what)));
    }
    Ok(found)
}

/// The parent folder of a file that is a nested repository, as a submodule or by accident.
fn nested(hub: &Hub, path: &str) -> Option<(String, String)> {
    let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
    let folder = folders.into_iter().find(|folder| hub.root.join(folder).join(".git").symlink_metadata().is_ok())?;
    let fix = format!("copy it into this repository and name the copy: {}", text::safe(path));
    Some((text::safe(folder), fix))
}

fn leads_outside(hub: &Hub, path: &str) -> bool {
    let at = hub.root.join(path);
    at.is_symlink() && at.canonicalize().is_ok_and(|to| hub.root.canonicalize().is_ok_and(|root| !to.starts_with(root)))
}

/// What stands where a file should be. A file may still come.
fn not_a_file(hub: &Hub, path: &str) -> Option<&'static str> {
    let kind = hub.root.join(path).symlink_metadata().ok()?.file_type();
    let known = [(kind.is_symlink(), "a link"), (kind.is_dir(), "a folder"), (!kind.is_file(), "a special file")];
    known.into_iter().find_map(|(is_it, what)| is_it.then_some(what))
}

/// Where the rule may be that overrides teof's.
fn rules(hub: &Hub, path: &str) -> String {
    let info = hub.common_dir.join("info/attributes");
    let folders = path.match_indices('/').map(|(at, _)| hub.root.join(&path[..at]).join(attributes::FILE));
    let root = [hub.root.join(attributes::FILE)].into_iter().filter(|_| !paths::is_owned(path));
    let there = root.chain(folders).chain([info]).filter(|file| file.exists());
    let there: Vec<_> = there.map(|file| text::safe(&file.display().to_string())).collect();
    format!(
        "remove the rule for it from {}; see which rules apply: git check-attr -a -- {}",
        there.join(" or "),
        text::shell_word(path)
    )
}

fn word(path: &Path) -> String {
    text::shell_word(&path.display().to_string())
}
