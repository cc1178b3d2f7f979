//! The first hour: from nothing to the first merged change, in an existing repository with uncommitted edits.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::World;

/// An agent program of a known name on the path, which writes one file and speaks claude's stream.
const CLAUDE: &str = r##"#!/bin/sh
[ "$1" = --version ] && { echo "2.1.332 (Claude Code)"; exit; }
cat > /dev/null
while [ -e "$(dirname "$0")/gate" ]; do sleep 0.02; done
mkdir -p docs && echo "# The parser" >> docs/parser.md
answer='{\"analysis\": \"Documented the parser.\", \"verdict\": \"approve\", \"confidence\": 92, \"findings\": [], \"commands\": [], \"receipts\": []}'
printf '{"type":"system","subtype":"init","session_id":"s1","model":"m"}\n'
printf '%s\n' "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"$answer\",\"total_cost_usd\":0.01}"
"##;

/// A repository of somebody's, with a test command, an agent on the path, and edits that are not committed.
pub fn existing() -> World {
    let world = World::bare_of_teof();
    let program = world.folder().join("bin/claude");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::write(&program, CLAUDE).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    world.write("Makefile", "test:\n\ttest ! -e broken\n");
    world.write("a.txt", "a\n");
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "A project"]);
    world.write("a.txt", "a, edited\n");
    world.write("staged.txt", "staged\n");
    world.git(&["add", "staged.txt"]);
    world.write("untracked.txt", "mine\n");
    world
}

pub fn teof(world: &World, line: &str) -> crate::harness::Ran {
    world.shell(&format!("PATH=\"{}/bin:$PATH\" teof {line}", world.folder().display()))
}

const EDITS: &str = " M a.txt\nA  staged.txt\n?? untracked.txt";

#[test]
fn three_commands_lead_from_an_existing_repository_to_a_merged_change() {
    let world = existing();
    teof(&world, "init --yes").expect(0);
    assert_eq!(world.git(&["status", "--porcelain"]), EDITS, "init leaves the person's edits alone");

    // Without consent and without anybody to ask, nothing is written.
    let refused = teof(&world, "do \"Document the parser\"").expect(6);
    assert!(refused.stderr.contains("fix: allow this one job: add --yes"), "{}", refused.stderr);
    assert!(!teof(&world, "plan list").stdout.contains("parser"));

    let done = teof(&world, "do \"Document the parser\" --yes").expect(0);
    for told in [
        "Starting j1 Document the parser",
        "Running coder, round 1",
        "approving merges to main",
        "test passed: make test",
        "Waiting for review: j1 Document the parser. Decide: teof review",
    ] {
        assert!(done.stderr.contains(told), "{told:?} is not in {}", done.stderr);
    }
    assert!(!world.exists("docs/parser.md"), "nothing is merged without a person");
    let approved = teof(&world, "approve j1").expect(0);
    assert!(approved.stdout.contains("merged to main"), "{}", approved.stdout);
    assert_eq!(world.read("docs/parser.md"), "# The parser\n");
    assert_eq!(world.git(&["log", "--format=%s"]), "Document the parser\nA project\nBegin");
    assert_eq!(world.git(&["status", "--porcelain"]), EDITS);
    assert!(teof(&world, "review").expect(0).stdout.contains("Nothing waits"));
    assert!(!done.stderr.contains("note: you are on"), "{}", done.stderr);
    world.git(&["switch", "-qc", "topic"]);
    let elsewhere = teof(&world, "do \"Document the lexer\"").expect(6);
    let note = "note: you are on topic; the work starts from main and is merged to main";
    assert!(elsewhere.stderr.contains(note), "{}", elsewhere.stderr);
}

/// Types the answers at a terminal.
fn typed(world: &World, line: &str, answers: &[&str]) -> String {
    let teof = format!("PATH=\"{}/bin:$PATH\" {}", world.folder().display(), env!("CARGO_BIN_EXE_teof"));
    let answers: String = answers.iter().map(|answer| format!("{answer}\n")).collect();
    world.at_a_terminal(&format!("{teof} {line}"), &answers).expect(0).stdout
}

#[test]
fn a_person_at_a_terminal_is_asked_and_decides() {
    let world = existing();
    let set_up = typed(&world, "init", &["maybe", "e", "y", "clade", "coder=claude", "", "lots", "0", "2", ""]);
    for told in [
        "coder = claude",
        "make test",
        "main: approved work is merged there",
        "Answer y, e or n",
        "no such agent program: clade (did you mean claude?)",
        "Give a number from 1 to 64",
        "worker-1 to worker-2",
        "Committed",
    ] {
        assert!(set_up.contains(told), "{told:?} is not in {set_up}");
    }
    // The second time it says where the record is, and asks about what is new alone.
    let again = typed(&world, "init", &[]);
    assert!(again.contains("Already set up: the record is in ../repo.record on teof/record"), "{again}");
    assert!(!again.contains("[Y]es") && !again.contains("note:"), "{again}");
    let more = typed(&world, "init --agent codex-1", &[""]);
    assert!(more.contains("stays in ../repo.record on teof/record") && more.contains("Added 1 file"), "{more}");
    assert!(!more.contains("in this branch") && !more.contains("make test"), "{more}");
    assert_eq!(world.git(&["status", "--porcelain"]), EDITS);

    let said = typed(&world, "do \"Document the parser\"", &["", "d", "r", "Say more", "s", "a"]);
    for told in ["start it now?", "+# The parser", "What should change?", "Sent back earlier for", "merged to main"] {
        assert!(said.contains(told), "{told:?} is not in {said}");
    }
    assert_eq!(world.read("docs/parser.md"), "# The parser\n# The parser\n", "the second time goes on from the first");

    ctrl_c_ends_the_question(&world, "do \"Document the lexer\"", "y\nd\n");
    assert!(typed(&world, "review", &["q"]).contains("j2  Document the lexer"));
    let rejected = typed(&world, "review", &["j", "", "j", "Not wanted"]);
    assert!(rejected.contains("j2  Document the lexer") && rejected.contains("is rejected"), "{rejected}");
    assert!(typed(&world, "review", &[]).contains("Nothing waits for review"));
    let shows = ["review show j2", "consent show", "coordinator explain j2"];
    let shows: String = shows.map(|show| format!("{} {show}; ", env!("CARGO_BIN_EXE_teof"))).concat();
    let shown = world.at_a_terminal(&shows, "").expect(0).stdout;
    assert!(shown.contains("rejected by Tester, ") && shown.contains("granted by Tester, "), "{shown}");
    let is_utc = |word: &str| teof::base::Stamp::parse(word.trim_matches(|c: char| !c.is_alphanumeric())).is_some();
    assert!(!shown.split_whitespace().any(is_utc), "times at a terminal are local: {shown}");
    // Nobody is asked twice for what they said no to.
    let line = format!("PATH=\"{}/bin:$PATH\" {}", world.folder().display(), env!("CARGO_BIN_EXE_teof"));
    let no = world.at_a_terminal(&format!("{line} do \"Document the rest\""), "n\n").expect(6);
    assert!(no.stdout.contains("not started: you said no"), "{}", no.stdout);
    assert!(!teof(&world, "plan list").stdout.contains("the-rest"), "nothing is written before it is allowed");
}

/// Types the answers, of which the last one opens the pager, and presses Ctrl-C once the pager is closed.
fn ctrl_c_ends_the_question(world: &World, line: &str, answers: &str) {
    let pager = "cat >/dev/null; (for i in $(seq 300); do sleep 0.02; kill -INT $ASKER || exit; done; kill -KILL $ASKER) \
                 >/dev/null 2>&1 </dev/null &";
    let line = format!(
        "stty cols 80 rows 4; export TERM=xterm ASKER=$$ TEOF_PAGER='{pager}' PATH=\"{}/bin:$PATH\"; exec {} {line}",
        world.folder().display(),
        env!("CARGO_BIN_EXE_teof")
    );
    world.staying_at_a_terminal(&line, answers).expect(128 + 2);
}

#[test]
fn do_allows_exactly_its_own_job_and_merges_only_what_passed() {
    let world = existing();
    teof(&world, "init --yes -q").expect(0);
    teof(&world, "coordinator submit --objective \"Something else first\" -q").expect(0);
    teof(&world, "do \"Document the parser\" --yes --approve").expect(0);
    assert_eq!(world.read("docs/parser.md"), "# The parser\n");
    let status = teof(&world, "status --json").expect(0);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["totals"]["chosen"], 1, "the other submission waits: {status}");
    assert_eq!(status["submissions"].as_array().unwrap().len(), 1);
    // The consent was for one job: the next one asks again.
    teof(&world, "do \"Document the lexer\"").expect(6);
    // A failed test blocks it, whatever the person allowed beforehand.
    let line = "export CLICOLOR_FORCE=1; teof do \"Document the lexer\" --yes --approve --test false";
    let failed = world.shell(&format!("PATH=\"{}/bin:$PATH\"; {line}", world.folder().display())).expect(1);
    let (good, bad) = ("\x1b[32m    Passed\x1b[0m", "\x1b[1m\x1b[31m  Finished\x1b[0m Document the lexer: blocked");
    assert!(failed.stderr.contains(good) && failed.stderr.contains(bad), "{:?}", failed.stderr);
    let no_result = teof(&world, "approve j2").expect(4);
    assert!(no_result.stderr.contains("j2 has no result to decide about (blocked)"), "{}", no_result.stderr);
    assert_eq!(world.git(&["rev-list", "--count", "HEAD"]), "3");
    // A consent that no job used is taken back.
    teof(&world, "coordinator pause -q").expect(0);
    let held = teof(&world, "do \"Document the rest\" --yes").expect(5);
    assert!(
        held.stderr.contains("paused by Tester") && held.stderr.contains("Revoked the consent again"),
        "{}",
        held.stderr
    );
    let consent = teof(&world, "consent show --json").stdout;
    assert!(consent.contains("\"grant\": null"), "{consent}");
    // A name that means nothing is told, with what would do.
    let unknown = teof(&world, "do nothing-here").expect(4);
    assert!(unknown.stderr.contains("describe the work in a sentence"), "{}", unknown.stderr);
}

/// The commands of the README, as they stand, in somebody's repository.
#[test]
fn the_readme_works_line_by_line() {
    let world = existing();
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, own) = readme.split_once("## In your own repository").unwrap();
    let blocks = own.split("```sh\n").skip(1).take(3).map(|rest| rest.split("```").next().unwrap());
    let mut told = String::new();
    for (at, block) in blocks.enumerate() {
        if at == 2 {
            // An agent works in a clean tree.
            world.git(&["add", "-A"]);
            world.git(&["commit", "-qm", "My edits"]);
        }
        let lines: Vec<_> = block.lines().filter(|l| !l.starts_with("cargo ") && !l.starts_with("cd ")).collect();
        let bin = world.folder().join("bin");
        let script = format!("set -e\nexport PATH=\"{}:$PATH\"\n{}", bin.display(), lines.join("\n"));
        told += &world.shell(&script).expect(0).stdout;
    }
    let subjects = world.git(&["log", "--format=%s"]);
    assert_eq!(subjects, "My edits\nDocument the lexer\nDocument the parser\nA project\nBegin");
    assert!(told.contains("Document the lexer") && told.contains("eleased QUEUE-001"), "{told}");
}

/// The commands of the tutorial, as they stand, in the same repository.
#[test]
fn the_tutorial_works_line_by_line() {
    let world = existing();
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tutorial.md")).unwrap();
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let script: Vec<&str> = blocks.collect();
    // Whether claude may run here, as root perhaps, is another matter.
    let script = script.concat().replace("teof agent doctor\n", "teof agent doctor || test $? = 1\n");
    let bin = world.folder().join("bin");
    let told = world.shell(&format!("set -e\nexport PATH=\"{}:$PATH\"\n{script}", bin.display())).expect(0).stdout;
    let subjects = world.git(&["log", "--format=%s"]);
    let merged = "Document the parser's grammar\nExplain the error codes in docs/errors.md\n";
    assert!(subjects.starts_with(merged), "{subjects}");
    assert!(told.contains("Add a test for empty input"), "{told}");
}
