//! `criteria.tsv`: each line of what was asked of unattended running has tests that show it.

use std::collections::BTreeSet;
use std::path::Path;

use teof::hub::settings::Coordinator;

/// The names of all tests below a folder, and of all benchmarks.
fn shown(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            shown(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            for (at, line) in lines.iter().enumerate() {
                let name =
                    |line: &str| line.strip_prefix("fn ").and_then(|rest| rest.split('(').next()).map(str::to_owned);
                if *line == "#[test]" {
                    found.extend(lines[at + 1..].iter().take(4).find_map(|line| name(line)));
                }
                let bench = line.strip_prefix("(\"").and_then(|rest| rest.split_once("\", "));
                found.extend(
                    bench.filter(|_| path.ends_with("promises/main.rs")).map(|(name, _)| format!("bench:{name}")),
                );
            }
        }
    }
}

#[test]
fn every_line_of_what_was_asked_has_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = BTreeSet::new();
    ["src", "tests", "benches"].into_iter().for_each(|folder| shown(&root.join(folder), &mut known));
    let table = std::fs::read_to_string(root.join("tests/suite/criteria.tsv")).unwrap();
    let (mut lines, mut wrong) = (0, Vec::new());
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let [_, _, tests] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("not three columns: {line}") };
        lines += 1;
        wrong.extend(tests.split(' ').filter(|test| !known.contains(*test)).map(|test| format!("{test}: {line}")));
    }
    assert!(lines == 25 && wrong.is_empty(), "{lines} lines\n{}", wrong.join("\n"));
}

#[test]
fn the_requested_defaults_are_the_defaults() {
    let own = Coordinator::default();
    assert_eq!((own.concurrency, own.queue), (3, 10));
    assert_eq!((own.poll_min.as_secs(), own.poll_max.as_secs()), (30, 300));
}
