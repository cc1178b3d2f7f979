//! What the guard on a worker's result sees, whatever was done to hide it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use teof::guard::result::{self, Limits, Report, Subject, Surroundings, dotgit};

use crate::harness::World;

/// A repository with a worker's worktree on its own branch.
struct Work {
    world: World,
    tree: PathBuf,
    base: String,
    before: Surroundings,
}

const BRANCH: &str = "agent/codex-1/task";

impl Work {
    fn new() -> Work {
        let world = World::bare_of_teof();
        world.write("src/lib.rs", "fn one() {}\nfn two() {}\nfn three() {}\n");
        world.write(".gitignore", "target/\n*.log\n");
        world.git(&["add", "."]);
        world.git(&["commit", "-qm", "More"]);
        let base = world.git(&["rev-parse", "HEAD"]);
        let tree = world.folder().join("work");
        world.git(&["worktree", "add", "-q", "--no-track", "-b", BRANCH, tree.to_str().unwrap()]);
        let before = dotgit::observe(&world.repo.join(".git"), &world.repo.join(".git/worktrees/work"));
        Work { world, tree, base, before }
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn git(&self, args: &[&str]) -> String {
        self.world.git_in(&self.tree, args)
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-qm", "Work"]);
    }

    fn check(&self) -> Report {
        self.check_with(&Limits { diff_lines: 200, ..Limits::default() })
    }

    fn check_with(&self, limits: &Limits) -> Report {
        let common = self.world.repo.join(".git");
        let subject = Subject {
            common_dir: &common,
            git_dir: &common.join("worktrees/work"),
            worktree: &self.tree,
            branch: BRANCH,
            base: &self.base,
            before: Some(&self.before),
        };
        result::check(&subject, limits).unwrap()
    }
}

fn codes(report: &Report) -> Vec<(&str, &str)> {
    report.findings.iter().map(|found| (found.code.as_str(), found.path.as_deref().unwrap_or_default())).collect()
}

#[test]
fn clean_work_is_counted_and_passes() {
    let work = Work::new();
    work.write("src/lib.rs", "fn one() {}\nfn second() {}\nfn three() {}\nfn four() {}\n");
    work.write("src/new.rs", "// new\n");
    work.write("target/debug/out.bin", "x");
    work.write("run.log", "x");
    work.commit();
    let report = work.check();
    assert_eq!(codes(&report), []);
    assert_eq!((report.added, report.removed, report.ignored), (3, 1, 2));
    assert_eq!(report.tip, work.git(&["rev-parse", "HEAD"]));
    let paths: Vec<_> = report.changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, ["src/lib.rs", "src/new.rs"]);
}

#[test]
fn a_diff_over_the_limit_is_blocked_with_its_largest_files() {
    let work = Work::new();
    work.write("big.txt", "line\n".repeat(300));
    work.commit();
    let report = work.check();
    assert_eq!(codes(&report), [("diff.too_large", "")]);
    assert!(report.blocked());
    assert!(report.findings[0].message.contains("300 changed lines, limit 200 (largest: big.txt 300)"));
}

#[test]
fn attributes_and_replace_objects_and_renames_hide_nothing() {
    let work = Work::new();
    work.write(".gitattributes", "* -diff -text filter=hide\n");
    work.write("src/lib.rs", "x\n".repeat(250));
    work.commit();
    // For git itself, the commit now is the base.
    work.git(&["replace", "HEAD", &work.base]);
    assert_eq!(work.git(&["diff", "--stat", &work.base, "HEAD"]), "");
    let report = work.check();
    assert_eq!(report.added, 251);
    let found = codes(&report);
    assert!(found.contains(&("diff.too_large", "")), "{found:?}");
    assert!(found.contains(&("path.protected", ".gitattributes")), "{found:?}");
    assert!(found.contains(&("git.surroundings", "")), "{found:?}");

    let work = Work::new();
    work.git(&["mv", "src/lib.rs", "src/moved.rs"]);
    work.commit();
    let report = work.check();
    assert_eq!((report.added, report.removed), (3, 3));
}

#[test]
fn a_filter_and_a_text_conversion_never_run() {
    let work = Work::new();
    let trace = work.world.folder().join("trace");
    let program = format!("touch {}; cat", trace.display());
    for key in ["filter.evil.clean", "filter.evil.smudge", "diff.evil.textconv", "diff.evil.command"] {
        work.git(&["config", key, &program]);
    }
    work.git(&["config", "core.fsmonitor", &program]);
    work.write(".gitattributes", "* filter=evil diff=evil\n");
    work.write("src/lib.rs", "changed\n");
    let report = work.check();
    assert!(!trace.exists());
    let high = report.findings.iter().filter(|found| found.code == "git.surroundings").count();
    assert_eq!(high, 5, "{:?}", codes(&report));
    assert!(report.findings.iter().any(|found| found.message.contains("filter.evil.clean")));
}

#[test]
fn changes_of_denied_paths_are_reported() {
    let work = Work::new();
    for path in ["_plans/x.plan.json", "Vault/a.md", "AGENT_MANIFEST.codex-9.json", "teof.toml", "sub/.env"] {
        work.write(path, "{}\n");
    }
    work.commit();
    let limits = Limits { diff_lines: 200, copied: vec![".env".into()], ..Limits::default() };
    let report = work.check_with(&limits);
    assert_eq!(
        codes(&report),
        [
            ("path.denied", "AGENT_MANIFEST.codex-9.json"),
            ("path.denied", "Vault/a.md"),
            ("path.denied", "_plans/x.plan.json"),
            ("path.secret", "sub/.env"),
            ("path.denied", "teof.toml"),
        ]
    );
}

#[test]
fn links_and_nested_repositories_and_protected_files_need_a_person() {
    let work = Work::new();
    symlink("/etc/passwd", work.tree.join("link")).unwrap();
    work.write(".github/workflows/ci.yml", "on: push\n");
    let nested = work.tree.join("nested");
    fs::create_dir(&nested).unwrap();
    work.world.git_in(&nested, &["init", "-q"]);
    fs::write(nested.join("x"), "x").unwrap();
    work.world.git_in(&nested, &["add", "."]);
    work.world.git_in(&nested, &["commit", "-qm", "x"]);
    work.commit();
    let report = work.check();
    assert_eq!(
        codes(&report),
        [("path.protected", ".github/workflows/ci.yml"), ("path.link", "link"), ("path.submodule", "nested")]
    );
    assert!(report.needs_person() && !report.blocked());
}

#[test]
fn history_rewritten_below_the_base_is_seen_also_behind_a_graft() {
    let work = Work::new();
    work.git(&["commit", "-q", "--amend", "-m", "Rewritten"]);
    let tip = work.git(&["rev-parse", "HEAD"]);
    assert_eq!(codes(&work.check()), [("history.rewritten", "")]);
    fs::create_dir_all(work.world.repo.join(".git/info")).unwrap();
    fs::write(work.world.repo.join(".git/info/grafts"), format!("{tip} {}\n", work.base)).unwrap();
    let found = work.check();
    assert!(codes(&found).contains(&("history.rewritten", "")), "{:?}", codes(&found));
    assert!(codes(&found).contains(&("git.surroundings", "")));
}

#[test]
fn a_replaced_git_dir_is_seen_and_not_read() {
    let work = Work::new();
    work.write("src/lib.rs", "changed\n");
    work.commit();
    let decoy = work.world.folder().join("decoy");
    work.world.git(&["init", "-q", decoy.to_str().unwrap()]);
    fs::write(work.tree.join(".git"), format!("gitdir: {}/.git\n", decoy.display())).unwrap();
    let report = work.check();
    assert_eq!(codes(&report), [("git.replaced", ".git")]);
    assert_eq!((report.added, report.removed), (1, 3), "the true branch was judged");

    for replace in [|path: &Path| fs::create_dir(path).unwrap(), |path: &Path| symlink("/tmp", path).unwrap()] {
        fs::remove_file(work.tree.join(".git")).unwrap();
        replace(&work.tree.join(".git"));
        assert_eq!(codes(&work.check()), [("git.replaced", ".git")]);
        let _ = fs::remove_dir(work.tree.join(".git"));
        let _ = fs::remove_file(work.tree.join(".git"));
        fs::write(work.tree.join(".git"), "x").unwrap();
    }
}

#[test]
fn another_branch_and_a_lost_branch_are_seen() {
    let work = Work::new();
    work.git(&["switch", "-qc", "elsewhere"]);
    assert_eq!(codes(&work.check()), [("git.head_moved", "")]);
    work.git(&["branch", "-D", BRANCH]);
    let report = work.check();
    assert!(codes(&report).contains(&("git.branch_missing", "")) && report.blocked());
}

#[test]
fn a_branch_that_became_another_name_of_another_branch_is_seen() {
    let work = Work::new();
    work.git(&["symbolic-ref", &format!("refs/heads/{BRANCH}"), "refs/heads/main"]);
    let report = work.check();
    assert!(codes(&report).contains(&("git.branch_replaced", "")) && report.blocked(), "{:?}", codes(&report));
}

#[test]
fn a_result_that_lacks_objects_is_blocked_wherever_they_are_missing() {
    let work = Work::new();
    work.write("deep/new.rs", "fn new() {}\n");
    work.commit();
    for object in ["HEAD:src/lib.rs", "HEAD:src", "HEAD:deep/new.rs", "HEAD:deep", "HEAD^{tree}"] {
        let id = work.git(&["rev-parse", object]);
        let file = work.world.repo.join(".git/objects").join(&id[..2]).join(&id[2..]);
        let aside = work.world.folder().join("aside");
        fs::rename(&file, &aside).unwrap();
        let report = work.check();
        assert!(codes(&report).contains(&("git.object_missing", "")) && report.blocked(), "{object}: {report:?}");
        assert!(report.findings.iter().any(|found| found.message.contains(&id)), "{object}: {report:?}");
        fs::rename(&aside, &file).unwrap();
    }
    assert!(work.check().findings.is_empty());
}

#[test]
fn planted_alternates_are_seen() {
    let work = Work::new();
    let info = work.world.repo.join(".git/objects/info");
    fs::create_dir_all(&info).unwrap();
    fs::write(info.join("alternates"), format!("{}\n", work.world.folder().display())).unwrap();
    let report = work.check();
    assert_eq!(codes(&report), [("git.surroundings", "")]);
    assert!(report.findings[0].message.contains("alternates") && report.needs_person());
}

#[test]
fn uncommitted_files_are_named_and_fifos_do_not_block() {
    let work = Work::new();
    work.write("src/done.rs", "// done\n");
    work.commit();
    work.write("src/lib.rs", "changed\n");
    work.write("left.txt", "left\n");
    fs::remove_file(work.tree.join("README.md")).unwrap();
    for fifo in ["pipe", "sub/.gitignore"] {
        fs::create_dir_all(work.tree.join("sub")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(work.tree.join(fifo)).status().unwrap();
        assert!(made.success());
    }
    work.write("sub/x.txt", "x\n");
    work.write("_report/agent/x/tests.json", "{}\n");
    let report = work.check();
    let message = &report.findings.iter().find(|found| found.code == "folder.uncommitted").unwrap().message;
    assert_eq!(message, "4 files differ from the commit: README.md, left.txt, src/lib.rs, sub/x.txt");
    let special: Vec<_> = codes(&report).into_iter().filter(|(code, _)| *code == "folder.special").collect();
    assert_eq!(special.len(), 2, "{special:?}");
    assert!(report.changes.iter().any(|change| change.path == "src/done.rs" && change.committed));
    assert!(report.changes.iter().any(|change| change.path == "left.txt" && !change.committed));
}

#[test]
fn a_secret_in_the_work_blocks_it_and_is_not_repeated() {
    let work = Work::new();
    let secret = ["AKIA", "Q7RK2ZP9XW4TN8VB"].concat();
    work.write("src/config.rs", format!("// one\nconst KEY: &str = \"{secret}\";\n"));
    work.commit();
    let report = work.check();
    assert_eq!(codes(&report), [("secret.in_result", "src/config.rs")]);
    assert_eq!(report.findings[0].line, Some(2));
    assert!(!format!("{report:?}").contains(&secret));
}
