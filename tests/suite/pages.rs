//! The pages under `docs/` and the README: links lead somewhere, the index names every page, and what they say that a
//! file or a test knows is the same there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The README and every page of `docs/`.
pub fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.push(root.join("README.md"));
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages
}

/// The anchors of a page, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| -> String {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut broken = Vec::new();
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            // A picture has no headings.
            let leads = match anchor {
                "" => target.exists(),
                _ => fs::read_to_string(&target).is_ok_and(|page| anchors(&page).contains(anchor)),
            };
            if !leads {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// What was tried is in one file, from which a script makes the table of the page.
#[test]
fn the_guarantees_say_what_was_tried() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = Command::new("sh").arg(root.join("docs/tried.sh")).arg("--print").output().unwrap();
    let (table, page) =
        (String::from_utf8(made.stdout).unwrap(), fs::read_to_string(root.join("docs/guarantees.md")).unwrap());
    let shown = page.split("<!-- tried -->\n").nth(1).and_then(|rest| rest.split("<!-- end of tried -->").next());
    assert_eq!(shown, Some(table.as_str()), "make it anew: docs/tried.sh");
    let counted =
        |row: &&str| row.rsplit(" | ").next().is_some_and(|tried| tried.contains(|c: char| c.is_ascii_digit()));
    assert!(table.lines().filter(counted).count() >= 4, "{table}");
}

#[test]
fn the_index_of_the_readme_names_every_page() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let names: Vec<String> =
        pages().iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    let missing: Vec<&String> =
        names.iter().filter(|name| *name != "README.md" && !readme.contains(&format!("](docs/{name})"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// A filter that no test's name contains runs nothing, and passes.
#[test]
fn every_documented_test_filter_names_a_test() {
    let listed = Command::new(std::env::current_exe().unwrap()).arg("--list").output().unwrap();
    let tests = String::from_utf8(listed.stdout).unwrap();
    let mut empty = Vec::new();
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        for command in page.split("cargo test --test suite ").skip(1) {
            let command = command.split(['`', '#', '\n']).next().unwrap_or_default();
            let filters = command.split_whitespace().filter(|word| !word.starts_with('-'));
            empty.extend(
                filters.filter(|filter| !tests.contains(*filter)).map(|filter| (path.clone(), filter.to_owned())),
            );
        }
    }
    assert!(empty.is_empty(), "{empty:#?}");
}
