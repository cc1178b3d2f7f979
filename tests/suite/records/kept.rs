//! What a record commit must not lose, and what `bus restore` brings back: files under odd names, behind links, deleted,
//! damaged, or entered and lost before a commit.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use super::world;
use crate::harness::World;

const RECEIPT: &str = "_report/agent/codex-1/proof.txt";

/// With a receipt in the ledger.
fn with_receipt() -> World {
    let world = world();
    world.write(RECEIPT, "proof\n");
    world.ok(&["receipts", "add", RECEIPT]);
    world
}

fn tracked(world: &World) -> Vec<String> {
    world.git(&["ls-tree", "-r", "--name-only", "HEAD"]).lines().map(str::to_owned).collect()
}

#[test]
fn a_git_folder_inside_the_record_hides_no_file_of_it_from_the_commit() {
    for place in ["_bus", "_bus/events", "_plans", "_report", "_report/agent/codex-1", "_report/agent/codex-1/x/y"] {
        let world = with_receipt();
        world.write("_report/agent/codex-1/x/y/more.txt", "more\n");
        world.ok(&["receipts", "add", "_report/agent/codex-1/x/y/more.txt"]);
        world.ok(&["task", "add", "ND-1", "--title", "One"]);
        world.ok(&["bus", "commit"]);
        let before = tracked(&world);
        let made = Command::new("git").args(["init", "-q"]).arg(world.repo.join(place)).status();
        assert!(made.unwrap().success());
        world.ok(&["task", "add", "ND-2", "--title", "Two"]);
        let ran = world.run(&["bus", "commit"]).expect(0);
        assert!(ran.stderr.contains(&format!("{place}/.git")), "{place}: {}", ran.stderr);
        assert_eq!(tracked(&world), before, "{place}");
    }
    // A commit of another repository that a person added stays.
    let (world, place) = (with_receipt(), "_report/agent/codex-1/other");
    world.git(&["init", "-q", place]);
    world.git_in(&world.repo.join(place), &["commit", "-q", "--allow-empty", "-m", "Its own"]);
    world.git(&["-c", "advice.addEmbeddedRepo=false", "add", place]);
    world.git(&["commit", "-qm", "Add it"]);
    world.ok(&["bus", "commit"]);
    assert!(world.git(&["ls-tree", "HEAD", place]).starts_with("160000 commit"));
    // A person's clone next to the receipts stays out as a whole.
    let world = with_receipt();
    world.write("_report/agent/codex-1/clones/other/.git/HEAD", "ref: refs/heads/main\n");
    world.write("_report/agent/codex-1/clones/other/code.rs", "fn main() {}\n");
    world.ok(&["bus", "commit"]);
    assert!(!tracked(&world).iter().any(|path| path.contains("clones")));
}

#[test]
fn names_and_attributes_that_would_break_a_clone_stay_out() {
    let world = with_receipt();
    let folder = world.repo.join("_report/agent/codex-1");
    for name in ["git~1", ".git::$INDEX_ALLOCATION", ".GIT."] {
        fs::write(folder.join(name), "x\n").unwrap();
    }
    symlink("/etc/passwd", folder.join(".gitmodules")).unwrap();
    world.write("_report/agent/codex-1/.gitattributes", "*.txt text eol=crlf\n");
    let ran = world.run(&["bus", "commit"]).expect(0);
    assert!(ran.stderr.contains("were left out: 5, such as _report/agent/codex-1/"), "{}", ran.stderr);
    let clone = world.folder().join("clone");
    world.git(&["clone", "-q", world.repo.to_str().unwrap(), clone.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(clone.join(RECEIPT)).unwrap(), "proof\n");
    // What a person committed is in every clone, so doctor says what it does.
    world.git(&["add", "--force", "_report/agent/codex-1/.gitattributes"]);
    world.git(&["commit", "-qm", "Attributes"]);
    let told = world.run(&["doctor"]).stdout;
    assert!(told.contains("git.attributes") || told.contains("_report/agent/codex-1/x.txt"), "{told}");
}

#[test]
fn a_link_in_the_place_of_a_folder_of_the_record_is_not_committed() {
    let world = with_receipt();
    world.ok(&["bus", "commit"]);
    let (folder, elsewhere) = (world.repo.join("_report/agent"), world.folder().join("elsewhere"));
    fs::rename(&folder, &elsewhere).unwrap();
    symlink(&elsewhere, &folder).unwrap();
    assert_eq!(world.refused(&["bus", "commit"])["code"], "record.replaced");
    fs::remove_file(&folder).unwrap();
    fs::rename(&elsewhere, &folder).unwrap();
    // One that leads to another folder of the hub takes nothing away.
    fs::create_dir_all(world.repo.join("_report/manager/2026")).unwrap();
    symlink("2026", world.repo.join("_report/manager/latest")).unwrap();
    world.ok(&["bus", "commit"]);
    fs::remove_file(world.repo.join("_report/manager/latest")).unwrap();
    let before = world.git(&["rev-parse", "HEAD^{tree}"]);
    world.ok(&["bus", "commit"]);
    assert_ne!(world.git(&["rev-parse", "HEAD^{tree}"]), before, "the link is gone");
    assert!(tracked(&world).contains(&RECEIPT.to_owned()));
}

#[test]
fn evidence_that_an_event_names_is_committed_although_git_ignores_it() {
    let world = world();
    world.write("_report/agent/codex-1/run.log", "passed\n");
    world.write("_report/agent/codex-1/other.log", "not named\n");
    let event = ["bus", "event", "--event", "status", "--summary", "tested", "--receipt"];
    world.ok(&[&event[..], &["_report/agent/codex-1/run.log"]].concat());
    world.write(".gitignore", "*.log\n");
    world.ok(&["bus", "commit"]);
    let tracked = tracked(&world);
    assert!(tracked.contains(&"_report/agent/codex-1/run.log".to_owned()), "{tracked:?}");
    assert!(!tracked.contains(&"_report/agent/codex-1/other.log".to_owned()), "{tracked:?}");
}

#[test]
fn evidence_is_a_file_that_a_clone_can_have() {
    let world = world();
    fs::create_dir_all(world.repo.join("_report/agent/codex-1/folder")).unwrap();
    for link in ["_report/agent/codex-1/link", "link"] {
        symlink("/etc/hostname", world.repo.join(link)).unwrap();
    }
    for (receipt, code) in [
        (".git/config", "receipt.ignored"),
        (".git/teof/hub", "receipt.ignored"),
        ("_report/agent/codex-1/folder", "receipt.not_regular"),
        ("_report/agent/codex-1/link", "receipt.not_regular"),
        ("link", "receipt.not_regular"),
    ] {
        let event = ["bus", "event", "--event", "status", "--summary", "x", "--receipt", receipt];
        assert_eq!(world.refused(&event)["code"], code, "{receipt}");
    }
}

#[test]
fn a_receipt_that_is_lost_before_a_commit_comes_back() {
    let world = with_receipt();
    fs::remove_file(world.repo.join(RECEIPT)).unwrap();
    world.ok(&["bus", "restore"]);
    assert_eq!(world.read(RECEIPT), "proof\n");
    world.ok(&["receipts", "verify"]);
    // A commit is not refused for it, and has it.
    let other = "_report/agent/codex-1/other.txt";
    world.write(other, "other\n");
    world.ok(&["receipts", "add", other]);
    fs::remove_file(world.repo.join(other)).unwrap();
    let ran = world.run(&["bus", "commit"]).expect(0);
    assert!(ran.stderr.contains("teof bus restore"), "{}", ran.stderr);
    assert_eq!(world.git(&["show", &format!("HEAD:{other}")]), "other");
    // Once a commit has it, git brings it back, and a commit does not drop it.
    world.ok(&["bus", "commit"]);
    fs::remove_file(world.repo.join(RECEIPT)).unwrap();
    world.ok(&["task", "add", "ND-1", "--title", "One"]);
    let ran = world.run(&["bus", "commit"]).expect(0);
    assert!(ran.stderr.contains("such as") && ran.stderr.contains("teof bus restore"), "{}", ran.stderr);
    assert!(tracked(&world).contains(&RECEIPT.to_owned()));
    world.ok(&["bus", "restore"]);
    assert_eq!(world.read(RECEIPT), "proof\n");
    // One that a person retired stays away.
    fs::remove_file(world.repo.join(RECEIPT)).unwrap();
    world.ok(&["receipts", "retire", RECEIPT, "--reason", "wrong run"]);
    world.ok(&["bus", "commit"]);
    assert!(!tracked(&world).contains(&RECEIPT.to_owned()));
    assert!(!world.ok(&["bus", "restore", "--dry-run"]).contains(RECEIPT));
}

#[test]
fn a_backlog_that_is_missing_or_damaged_comes_back() {
    let backlog = "_plans/next-development.todo.json";
    for commit_it in [false, true] {
        let world = world();
        world.ok(&["task", "add", "ND-1", "--title", "One"]);
        if commit_it {
            world.ok(&["bus", "commit"]);
        }
        let whole = world.read(backlog);
        fs::remove_file(world.repo.join(backlog)).unwrap();
        assert_eq!(world.refused(&["task", "add", "ND-2", "--title", "Two"])["code"], "record.behind");
        assert_eq!(world.refused(&["bus", "commit"])["code"], "record.behind");
        assert!(world.run(&["bus", "verify"]).expect(1).stdout.contains(backlog));
        world.ok(&["bus", "restore"]);
        assert_eq!(world.read(backlog), whole);
        let whence = if commit_it { "from_git" } else { "from_marks" };
        for damaged in ["", &whole[..whole.len() / 2]] {
            world.write(backlog, damaged);
            assert_eq!(world.json(&["bus", "restore"])["mended"][0][whence], 1);
            assert_eq!(world.read(backlog), whole);
        }
    }
}

#[test]
fn a_document_that_a_commit_removed_is_gone_for_good() {
    let world = world();
    let backlog = "_plans/next-development.todo.json";
    world.ok(&["task", "add", "ND-1", "--title", "One"]);
    world.ok(&["bus", "commit"]);
    world.git(&["rm", "-q", backlog]);
    world.git(&["commit", "-qm", "Remove the backlog"]);
    world.ok(&["bus", "event", "--event", "status", "--summary", "goes on"]);
    world.ok(&["bus", "commit"]);
    world.ok(&["bus", "verify"]);
    world.ok(&["task", "add", "ND-2", "--title", "Two"]);
    assert_eq!(world.read_json(backlog)["items"].as_array().unwrap().len(), 1);
}

#[test]
fn a_restore_that_could_not_bring_everything_back_fails() {
    let world = world();
    world.ok(&["task", "add", "ND-1", "--title", "One"]);
    let log = "_bus/events/events.jsonl";
    world.write(log, "");
    fs::remove_dir_all(world.repo.join(".git/teof/marks/lines")).unwrap();
    let ran = world.run(&["bus", "restore"]).expect(1);
    assert!(ran.stdout.contains("no copy of the rest was found"), "{}", ran.stdout);
}

#[test]
fn damage_of_gits_own_files_is_told_by_every_command_and_by_doctor() {
    let world = with_receipt();
    let event = ["bus", "event", "--event", "status", "--summary", "goes on"];
    world.ok(&event);
    world.ok(&["bus", "commit"]);
    let commit = world.git(&["rev-parse", "HEAD"]);
    let object = world.repo.join(format!(".git/objects/{}/{}", &commit[..2], &commit[2..]));
    let branch = world.git(&["symbolic-ref", "HEAD"]);
    for broken in [object, world.repo.join(".git").join(&branch)] {
        let whole = fs::read(&broken).unwrap();
        fs::remove_file(&broken).unwrap();
        fs::write(&broken, "").unwrap();
        world.ok(&event);
        for command in [&["bus", "commit"][..], &["bus", "verify"], &["bus", "restore", "--dry-run"]] {
            let ran = world.run(command);
            assert_ne!(ran.code, 70, "{command:?}: {}", ran.stderr);
        }
        let told = world.run(&["doctor"]).expect(1).stdout;
        assert!(told.contains("git's own files are damaged") && !told.contains("no commit yet"), "{told}");
        fs::remove_file(&broken).unwrap();
        fs::write(&broken, whole).unwrap();
        world.ok(&["bus", "commit"]);
    }
}
