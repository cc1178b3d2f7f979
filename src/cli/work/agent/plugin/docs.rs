//! The section about teof in AGENTS.md and CLAUDE.md, between markers: `init --agent-docs`.

use std::path::{Path, PathBuf};

use clap::Command;

use super::skill::section;
use crate::base::{Refusal, Result, files};

const BEGIN: &str = "<!-- teof:begin (made by `teof init --agent-docs`; edits in here are lost) -->";
const END: &str = "<!-- teof:end -->";
/// How a marker of any version begins.
const BEGINS: &str = "<!-- teof:begin";

/// Writes the section into AGENTS.md, and into CLAUDE.md where there is one of its own. Returns what changed.
///
/// # Errors
/// `docs.markers` when only one of the two markers is there.
pub fn write(folder: &Path, tree: &Command) -> Result<Vec<PathBuf>> {
    let section = format!("{BEGIN}\n{}{END}\n", section(tree));
    let agents = folder.join("AGENTS.md");
    let claude = folder.join("CLAUDE.md");
    let mut wanted = vec![agents.clone()];
    // Often a link to the other one, or a line that includes it.
    if claude.is_file() && claude.canonicalize().ok() != agents.canonicalize().ok() {
        let text = read(&claude)?;
        if text.contains(BEGINS) || !text.contains("@AGENTS.md") {
            wanted.push(claude);
        }
    }
    let mut changed = Vec::new();
    for path in wanted {
        let text = read(&path)?;
        let new = with_section(&text, &section, &path)?;
        if new != text {
            // What a link leads to is changed, and the link stays.
            files::replace(&path.canonicalize().unwrap_or(path.clone()), new.as_bytes())?;
            changed.push(path);
        }
    }
    Ok(changed)
}

fn read(path: &Path) -> Result<String> {
    let bytes = files::read(&path.canonicalize().unwrap_or(path.to_owned()), files::MAX_DOCUMENT)?.unwrap_or_default();
    String::from_utf8(bytes).map_err(|_| {
        Refusal::guard("docs.not_text", format!("{} is not UTF-8 text", path.display()))
            .next("convert it to UTF-8, then run the command again")
            .into()
    })
}

/// The text with the section in the place of the old one, else at its end.
fn with_section(text: &str, section: &str, path: &Path) -> Result<String> {
    let (begin, end) = (text.find(BEGINS), text.find(END));
    match (begin, end) {
        (Some(begin), Some(end)) if begin < end => {
            let rest = &text[end + END.len()..];
            Ok(format!("{}{section}{}", &text[..begin], rest.strip_prefix('\n').unwrap_or(rest)))
        }
        (None, None) => {
            let gap = match text {
                "" => "",
                text if text.ends_with("\n\n") => "",
                text if text.ends_with('\n') => "\n",
                _ => "\n\n",
            };
            Ok(format!("{text}{gap}{section}"))
        }
        _ => Err(Refusal::guard("docs.markers", format!("{} has only one of teof's two markers", path.display()))
            .because(format!("the section is between {BEGINS} … --> and {END}"))
            .next("remove the marker that is left, then run the command again")
            .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_is_added_once_and_replaced_where_it_is() {
        let section = |body: &str| format!("{BEGIN}\n{body}\n{END}\n");
        let path = Path::new("AGENTS.md");
        let with = |text: &str, body: &str| with_section(text, &section(body), path);
        assert_eq!(with("", "a").unwrap(), section("a"));
        let first = with("# Mine\n\nText", "a").unwrap();
        assert_eq!(first, format!("# Mine\n\nText\n\n{}", section("a")));
        let more = format!("{first}\nMore\n");
        assert_eq!(with(&more, "b").unwrap(), format!("# Mine\n\nText\n\n{}\nMore\n", section("b")));
        assert_eq!(with(&more, "a").unwrap(), more);
        let error = with(&format!("x\n{END}\n"), "a").unwrap_err();
        assert_eq!(Refusal::of(&error).unwrap().code, "docs.markers");
    }
}
