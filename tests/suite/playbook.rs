//! `docs/playbook.md`: every command and flag of the playbook, one by one, with ours.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::harness::World;

/// A row of the page's tables: the code of each column, and its text.
struct Row {
    theirs: Vec<String>,
    ours: Vec<String>,
    text: String,
}

fn rows(page: &str) -> Vec<Row> {
    let code = |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let lines = page.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    lines
        .map(|line| {
            let mut cells = line.trim_matches('|').split(" | ");
            let (theirs, mut ours) = (code(cells.next().unwrap()), code(cells.next().unwrap_or_default()));
            // A command alone takes what theirs takes, by the same names.
            if ours.len() == 1 {
                ours.extend(theirs.iter().skip(1).cloned());
            }
            Row { theirs, ours, text: line.to_owned() }
        })
        .collect()
}

/// Every command of the binary's reference, and what it takes.
fn commands(reference: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut at = None;
    for line in reference.lines() {
        if let Some(name) =
            line.strip_prefix('#').and_then(|line| line.trim_start_matches('#').trim().strip_prefix("teof "))
        {
            found.entry(name).or_default();
            at = Some(name);
        } else if let Some(at) = at
            && (line.starts_with("| `") || line.starts_with("Flags that"))
        {
            let taken = line.split('`').skip(1).step_by(2).filter_map(|code| code.split(' ').next());
            found.entry(at).or_default().extend(taken);
        }
    }
    found
}

#[test]
fn the_playbook_page_maps_every_command_and_flag_to_one_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let (page, wanted, reference) =
        (read("docs/playbook.md"), read("tests/suite/playbook.tsv"), World::new().ok(&["guide", "commands"]));
    let (mapped, _) = page.split_once("## Differences").unwrap();
    let (rows, commands) = (rows(mapped), commands(&reference));
    let mut wrong = Vec::new();
    for wanted in wanted.lines().filter(|line| !line.starts_with('#')) {
        let Some(row) = rows.iter().find(|row| row.theirs.join(" ") == wanted) else {
            wrong.push(format!("not on the page: {wanted}"));
            continue;
        };
        // Flag by flag, in one order; a row without flags may name several commands.
        if row.theirs.len() > 1 && row.ours.len() != row.theirs.len() {
            wrong.push(format!("not one by one: {}", row.text));
        }
    }
    for row in &rows {
        let mut at = None;
        for code in &row.ours {
            let Some(line) = code.strip_prefix("teof ") else {
                let known = at.is_some_and(|command: &str| commands[command].contains(code.as_str()));
                if !known && code != "--json" {
                    wrong.push(format!("no such flag {code}: {}", row.text));
                }
                continue;
            };
            let called =
                |name: &&&str| line.strip_prefix(**name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
            at = commands.keys().filter(called).max_by_key(|name| name.len()).copied();
            // A command that only holds others must be named with one of them.
            match at {
                None => wrong.push(format!("no such command {code}: {}", row.text)),
                Some(command) => {
                    let takes = &commands[command];
                    let unknown = line[command.len()..]
                        .split_whitespace()
                        .find(|word| word.starts_with('-') && !takes.contains(word) || takes.is_empty());
                    wrong.extend(unknown.map(|word| format!("teof {command} takes no {word}: {}", row.text)));
                }
            }
        }
        if row.ours.is_empty() {
            wrong.push(format!("maps to nothing: {}", row.text));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
