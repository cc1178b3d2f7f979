//! Jobs' worktrees: made by many at once, made ready, listed, found, and cleaned away without loss.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use teof::base::Clock;
use teof::base::lock::FileLock;
use teof::hub::Hub;
use teof::hub::worktrees::{self, Wanted};

use crate::harness::World;
use crate::harness::agents::{DONE, Fake};
use crate::harness::work::{SEAT, TASK, UNCONFINED};

/// A world in which jobs can be run by hand.
pub struct Grove {
    pub world: World,
    base: String,
}

impl Grove {
    pub fn new() -> Grove {
        Grove::at(World::with_work(&[(".gitignore", "build/\n")]))
    }

    /// With the hub's commit as the base of its jobs.
    pub fn at(world: World) -> Grove {
        Grove { base: world.git(&["rev-parse", "HEAD"]), world }
    }

    pub fn settings(&self, text: &str) {
        self.world.write("teof.toml", text);
    }

    /// These settings, and a person's consent to them.
    fn consent(&self, settings: &str) {
        self.world.grant(settings);
    }

    /// Runs one command as a job's whole work; gives back the outcome.
    pub fn run(&self, job: &str, run: &str, command: &str, copied: &[&str]) -> Value {
        let receipt = "mkdir -p _report/agent/codex-1 && echo '{}' > _report/agent/codex-1/tests.json";
        let order = self.world.order(json!({
            "order": format!("order-{job}"), "job": job, "commands": [receipt, command],
            "expected_receipts": [{"path": "_report/agent/codex-1/tests.json"}],
            "rollback": {"base_commit": self.base}, "base_commit": self.base, "guardrails.copied": copied,
        }));
        let path = format!("_report/agent/manager/manifests/manifest-{job}.json");
        self.world.write(&path, &format!("{order:#}\n"));
        let ran = self.world.run(&["foreman", "run", &path, "--execute", "--run", run]);
        self.world.outcome(run).unwrap_or_else(|| panic!("no outcome: {ran:?}"))
    }

    /// A job that has succeeded.
    fn finished(&self, job: &str) -> PathBuf {
        let outcome = self.run(job, &format!("{job}.1"), &format!("echo {job} > {job}.txt"), &[]);
        assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
        self.worktree(job)
    }

    pub fn home(&self) -> PathBuf {
        self.world.folder().join("repo.worktrees")
    }

    pub fn worktree(&self, job: &str) -> PathBuf {
        self.home().join(job)
    }

    fn clean(&self, args: &[&str]) -> Value {
        self.world.json(&[&["worktree", "clean"], args].concat())
    }

    pub fn row(&self, path: &Path) -> Option<Value> {
        let list = self.world.json(&["worktree", "list"]);
        let rows = list["worktrees"].as_array().unwrap();
        rows.iter().find(|row| row["path"] == path.to_str().unwrap()).cloned()
    }

    /// A person's own worktree.
    fn persons(&self, path: &Path, branch: &str) {
        self.world.git(&["worktree", "add", "-q", "-b", branch, path.to_str().unwrap()]);
    }
}

fn removed(cleaned: &Value) -> Vec<String> {
    let paths = cleaned["removed"].as_array().unwrap().iter().map(|gone| gone["path"].as_str().unwrap());
    paths.map(|path| path.rsplit('/').next().unwrap().to_owned()).collect()
}

pub fn findings<'a>(outcome: &'a Value, code: &str) -> Vec<&'a str> {
    let all = outcome["findings"].as_array().unwrap().iter().filter(|found| found["code"] == code);
    all.map(|found| found["path"].as_str().unwrap_or_default()).collect()
}

#[test]
fn many_makers_at_once_get_each_their_own_worktree_and_write_no_configuration() {
    let grove = Grove::new();
    grove.world.git(&["config", "branch.autoSetupMerge", "always"]);
    let config = grove.world.read(".git/config");
    let names: Vec<_> = (0..12).map(|n| format!("job-{n}")).collect();
    let make = |job: &str| {
        let hub = Hub::find(Some(&grove.world.repo), Clock::Machine).unwrap();
        let branch = format!("agent/{SEAT}/docs");
        let wanted =
            Wanted { job, task: TASK, run: "run-1", agent: SEAT, branch: &branch, base: &grove.base, before: &[] };
        worktrees::prepare(&hub, &wanted).unwrap()
    };
    std::thread::scope(|scope| {
        let makers: Vec<_> = names.iter().map(|job| scope.spawn(|| make(job))).collect();
        let mut branches: Vec<_> = makers.into_iter().map(|maker| maker.join().unwrap().branch).collect();
        branches.sort();
        branches.dedup();
        assert_eq!(branches.len(), names.len(), "{branches:?}");
    });
    for job in &names {
        let reason = grove.world.read(&format!(".git/worktrees/{job}/locked"));
        assert_eq!(reason.trim(), format!("teof job {job} run run-1"));
        assert_eq!(grove.world.git_in(&grove.worktree(job), &["status", "--porcelain"]), "");
    }
    assert_eq!(grove.world.read(".git/config"), config, "two writers of it would stop each other");
}

#[test]
fn copied_files_keep_their_mode_and_no_commit_holds_them() {
    let grove = Grove::new();
    grove.world.write(".env", "TOKEN=xyz\n");
    grove.world.write("deep/er/.env", "B=1\n");
    fs::set_permissions(grove.world.repo.join(".env"), fs::Permissions::from_mode(0o600)).unwrap();
    let copied = [".env", "deep/er/.env", "none.env", "src/code.txt"];
    let outcome =
        grove.run("job-1", "job-1.1", "cat .env deep/er/.env >&2; echo x > new.txt; echo more >> .env", &copied);
    assert_eq!(outcome["verdict"], "succeeded", "git ignores none of them: {outcome:#}");
    assert_eq!(findings(&outcome, "worktree.not_copied"), ["none.env", "src/code.txt"]);
    let commit = outcome["commit"].as_str().unwrap();
    let changed = grove.world.git(&["diff", "--name-only", &grove.base, commit]);
    assert_eq!(changed, "new.txt");
    let copy = grove.worktree("job-1").join(".env");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);

    // Nor does the ref that keeps what is uncommitted when the worktree goes.
    fs::write(grove.worktree("job-1").join("half.txt"), "half done").unwrap();
    assert_eq!(grove.row(&grove.worktree("job-1")).unwrap()["dirty"], true);
    let cleaned = grove.clean(&["--all-finished"]);
    let kept = cleaned["removed"][0]["kept_under"][0].as_str().unwrap();
    let parked = grove.world.git(&["diff", "--name-only", commit, kept]);
    assert!(parked.contains("half.txt") && !parked.contains(".env"), "{parked}");
}

#[test]
fn nothing_is_copied_through_a_link_or_from_git_or_the_record() {
    let grove = Grove::new();
    fs::write(grove.world.folder().join("secret"), "x").unwrap();
    symlink(grove.world.folder().join("secret"), grove.world.repo.join("link")).unwrap();
    symlink(grove.world.folder(), grove.world.repo.join("folder")).unwrap();
    for (n, path) in
        ["link", "folder/secret", ".git/config", "_bus/events/events.jsonl", "../secret"].iter().enumerate()
    {
        let outcome = grove.run(&format!("job-{n}"), &format!("run-{n}"), "touch ran", &[path]);
        assert_eq!(outcome["verdict"], "blocked", "{path}: {outcome:#}");
        assert!(!grove.worktree(&format!("job-{n}")).join("ran").exists(), "{path}");
    }
}

#[test]
fn the_set_up_runs_once_and_its_tracked_changes_are_reverted() {
    let grove = Grove::new();
    let ran = grove.world.folder().join("ran");
    grove.world.trust_settings(&format!(
        "[worktrees]\nsetup = [\"echo once >> {}\", \"test -f .env && mkdir build && touch build/out && echo y > src/code.txt && echo z > new\"]\n{}",
        ran.display(),
        UNCONFINED
    ));
    grove.world.write(".env", "A=1\n");
    let work =
        "test -f build/out -a -f .env -a ! -e new && grep -q one src/code.txt && test -e ../go && echo x > x.txt";
    let first = grove.run("job-1", "job-1.1", work, &[".env"]);
    assert_eq!(first["verdict"], "failed", "{first:#}");
    assert_eq!(findings(&first, "worktree.setup_changed"), ["new", "src/code.txt"]);
    let envelope = grove.world.read_json(first["envelope"].as_str().unwrap());
    assert_eq!(envelope["setup"].as_array().unwrap().len(), 2, "{envelope:#}");

    fs::write(grove.home().join("go"), "").unwrap();
    let second = grove.run("job-1", "job-1.2", work, &[".env"]);
    assert_eq!(second["verdict"], "succeeded", "{second:#}");
    assert_eq!(fs::read_to_string(&ran).unwrap(), "once\n");
    let changed = grove.world.git(&["diff", "--name-only", &grove.base, second["commit"].as_str().unwrap()]);
    assert_eq!(changed, "x.txt");
}

#[test]
fn a_failed_set_up_stops_the_run_and_is_retried() {
    let grove = Grove::new();
    grove.settings("[worktrees]\nsetup = [\"echo no such registry >&2; test -e ../go\"]\n");
    let work = "echo x > x.txt";
    let outcome = grove.run("job-1", "job-1.1", work, &[]);
    assert_eq!(outcome["verdict"], "failed");
    assert!(outcome["reason"].as_str().unwrap().contains("set-up failed"), "{outcome:#}");
    assert!(!grove.worktree("job-1").join("x.txt").exists());
    let envelope = grove.world.read_json(outcome["envelope"].as_str().unwrap());
    assert!(envelope["setup"][0]["tail"].as_str().unwrap().contains("no such registry"), "{envelope:#}");
    fs::write(grove.home().join("go"), "").unwrap();
    assert_eq!(grove.run("job-1", "job-1.2", work, &[])["verdict"], "succeeded");
}

#[test]
fn unattended_only_the_set_up_that_was_granted_runs() {
    let grove = Grove::new();
    grove.run("job-1", "job-1.1", "echo x > x.txt", &[]);
    grove.consent("[commands]\ndefault = [\"true\"]\n[worktrees]\nsetup = [\"true\"]\n");
    let path = "_report/agent/manager/manifests/manifest-job-1.json";
    let mut order = grove.world.read_json(path);
    order["commands"] = json!(["true"]);
    order["expected_receipts"] = json!([]);
    order["guardrails"]["tests"] = json!(["true"]);
    let mut reason = |job: &str, setup: Option<&str>| {
        order["job"] = json!(job);
        grove.world.write(path, &order.to_string());
        let mut teof = grove.world.teof(&["foreman", "run", path, "--execute", "--unattended", "--run", job]);
        if let Some(setup) = setup {
            teof.env("TEOF_WORKTREES_SETUP", setup);
        }
        teof.output().unwrap();
        let outcome: Value = serde_json::from_str(&grove.world.read(&format!(".git/teof/runs/{job}.json"))).unwrap();
        (outcome["verdict"].as_str().unwrap().to_owned(), outcome["reason"].as_str().unwrap().to_owned())
    };
    let (verdict, why) = reason("job-2", Some("touch planted"));
    assert!(verdict == "paused" && why.contains("set-up command not trusted: touch planted"), "{verdict}: {why}");
    assert!(!grove.worktree("job-2").join("planted").exists());
    assert_eq!(reason("job-3", None).0, "succeeded");
}

#[test]
fn the_coordinator_removes_what_the_settings_do_not_keep() {
    let grove = Grove::new();
    let root = grove.finished("job-1");
    grove.consent("");
    grove.world.ok(&["coordinator", "run", "--until-idle"]);
    assert!(root.exists(), "it is kept for a week");
    grove.consent("[worktrees]\nkeep = 0\n");
    let ran = grove.world.run(&["coordinator", "run", "--until-idle"]).expect(0);
    assert!(!root.exists() && ran.stderr.contains("worktree of job-1 removed"), "{}", ran.stderr);
}

#[test]
fn the_coordinator_does_not_wait_for_whoever_has_the_worktrees() {
    let grove = Grove::new();
    let root = grove.finished("job-1");
    grove.consent("[worktrees]\nkeep = 0\n");
    let held = FileLock::try_acquire(&grove.world.repo.join(".git/teof/locks/worktrees.lock"), "x").unwrap().unwrap();
    let ran = grove.world.run(&["coordinator", "run", "--until-idle"]).expect(0);
    assert!(root.exists() && !ran.stderr.contains("not removed"), "{}", ran.stderr);
    drop(held);
    grove.world.ok(&["coordinator", "run", "--until-idle"]);
    assert!(!root.exists());
}

#[test]
fn a_worktree_of_a_task_that_is_being_run_stays() {
    let grove = Grove::new();
    let root = grove.finished("job-1");
    let lock = grove.world.repo.join(format!(".git/teof/locks/run-{TASK}.lock"));
    let held = FileLock::try_acquire(&lock, "run x").unwrap().unwrap();
    assert_eq!(removed(&grove.clean(&["--all-finished"])), Vec::<String>::new());
    assert!(root.exists());
    drop(held);
    assert_eq!(removed(&grove.clean(&["--all-finished"])), ["job-1"]);
}

#[test]
fn a_killed_clean_loses_nothing_and_the_next_finishes_it() {
    let grove = Grove::new();
    for n in 1..=3 {
        let job = format!("job-{n}");
        let root = grove.finished(&job);
        fs::write(root.join("half.txt"), "half done").unwrap();
        (0..40).for_each(|n| fs::create_dir_all(root.join(format!("build/{n}/a/b/c"))).unwrap());
        let mut child = grove.world.spawn(&["worktree", "clean", "--all-finished"]);
        while root.exists() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        grove.clean(&["--all-finished"]);
        assert_eq!(fs::read_dir(grove.home()).unwrap().count(), 0);
        assert!(grove.row(&root).is_none());
        assert_eq!(grove.world.git(&["show", &format!("refs/teof/parked/{job}.1:half.txt")]), "half done");
    }
}

#[test]
fn cleaning_parks_what_is_uncommitted_and_keeps_commits() {
    let grove = Grove::new();
    let root = grove.finished("job-1");
    let row = grove.row(&root).unwrap();
    assert_eq!((row["state"].as_str(), row["task"].as_str()), (Some("finished"), Some(TASK)));
    assert_eq!((row["dirty"].as_bool(), row["job"].as_str()), (Some(false), Some("job-1")), "{row}");
    fs::write(root.join("half.txt"), "half done").unwrap();
    // A commit that is on no branch.
    grove.world.git_in(&root, &["switch", "-q", "--detach"]);
    fs::write(root.join("own.txt"), "own").unwrap();
    grove.world.git_in(&root, &["add", "own.txt"]);
    grove.world.git_in(&root, &["commit", "-qm", "Own"]);
    // What is outside is not reached, and folders without write permission are no obstacle.
    let outside = grove.world.folder().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "x").unwrap();
    fs::create_dir_all(root.join("build/cache")).unwrap();
    symlink(&outside, root.join("build/link")).unwrap();
    fs::write(root.join("build/cache/x"), "x").unwrap();
    fs::set_permissions(root.join("build/cache"), fs::Permissions::from_mode(0o500)).unwrap();

    assert_eq!(removed(&grove.clean(&[])), Vec::<String>::new(), "retention");
    assert_eq!(removed(&grove.clean(&["--all-finished", "--dry-run"])), ["job-1"]);
    assert!(root.exists());
    let cleaned = grove.clean(&["--all-finished"]);
    assert_eq!(removed(&cleaned), ["job-1"], "{cleaned:#}");
    assert!(!root.exists() && grove.row(&root).is_none());
    assert_eq!(fs::read_dir(grove.home()).unwrap().count(), 0);
    assert!(outside.join("precious").exists());
    assert_eq!(grove.world.git(&["show", "agent/codex-1/docs:job-1.txt"]), "job-1");
    assert_eq!(grove.world.git(&["show", "refs/teof/moved/job-1.1:own.txt"]), "own");
    assert_eq!(grove.world.git(&["show", "refs/teof/parked/job-1.1:half.txt"]), "half done");
}

#[test]
fn clean_never_touches_foreign_worktrees() {
    let grove = Grove::new();
    let (inside, locked) = (grove.home().join("job-9"), grove.home().join("job-8"));
    grove.persons(&inside, "feature/a");
    grove.persons(&locked, "feature/b");
    grove.world.git(&["worktree", "lock", "--reason", "my teof job 8", locked.to_str().unwrap()]);
    let nested = grove.finished("job-1");
    grove.world.git_in(&nested, &["init", "-q", "inner"]);
    fs::write(nested.join("inner/precious"), "x").unwrap();
    let moved = grove.finished("job-2");
    let elsewhere = grove.world.folder().join("elsewhere");
    fs::rename(&moved, &elsewhere).unwrap();
    grove.world.git_in(&elsewhere, &["worktree", "repair"]);
    for _ in 0..2 {
        let cleaned = grove.clean(&["--all-finished"]);
        assert_eq!(removed(&cleaned), Vec::<String>::new(), "{cleaned:#}");
        assert_eq!(cleaned["kept"].as_array().unwrap().len(), 5);
    }
    assert!(inside.join("src/code.txt").exists() && locked.join("src/code.txt").exists() && elsewhere.exists());
    assert!(nested.join("inner/precious").exists());
    assert_eq!(grove.row(&nested).unwrap()["state"], "kept");
    assert_eq!(grove.row(&inside).unwrap()["state"], "not_ours");
    assert_eq!(grove.row(&grove.world.repo).unwrap()["state"], "hub");
}

#[test]
fn clean_keeps_foreign_content_in_a_finished_worktree() {
    let grove = Grove::new();
    fs::write(grove.world.repo.join(".git/info/exclude"), ".worktrees/\nvendor/\n").unwrap();
    let first = grove.finished("job-1");
    grove.persons(&first.join(".worktrees/mine"), "feature/c");
    let second = grove.finished("job-2");
    // Another repository's worktree, at a path that git ignores.
    let other = grove.world.folder().join("other");
    let at = |path: &Path| path.to_str().unwrap().to_owned();
    grove.world.git(&["clone", "-q", &at(&grove.world.repo), &at(&other)]);
    grove.world.git_in(&other, &["worktree", "add", "-q", "--detach", &at(&second.join("vendor/tool"))]);
    let third = grove.finished("job-3");
    fs::remove_file(third.join(".git")).unwrap();
    grove.world.git_in(&third, &["init", "-q"]);
    for _ in 0..2 {
        let cleaned = grove.clean(&["--all-finished"]);
        assert_eq!(removed(&cleaned), Vec::<String>::new(), "{cleaned:#}");
    }
    assert!(first.join(".worktrees/mine/src/code.txt").exists() && second.join("vendor/tool/src/code.txt").exists());
    assert!(third.join(".git/HEAD").exists());
    assert_eq!(grove.row(&first).unwrap()["state"], "kept");
}

#[test]
fn the_newest_finished_worktrees_are_kept() {
    let grove = Grove::new();
    grove.settings("[worktrees]\nkeep = 2\n");
    for job in ["job-1", "job-2", "job-3"] {
        grove.finished(job);
    }
    // One second is too coarse to tell them apart: the first is made older.
    let path = grove.world.repo.join(".git/teof/runs/job-2.1.json");
    let mut outcome: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    outcome["finished_at"] = json!(Clock::Machine.now().minus(Duration::from_secs(60)));
    fs::write(&path, outcome.to_string()).unwrap();
    assert_eq!(removed(&grove.clean(&[])), ["job-2"]);
    assert_eq!(removed(&grove.clean(&[])), Vec::<String>::new());
    grove.settings("[worktrees]\nkeep_for = \"0s\"\n");
    assert_eq!(removed(&grove.clean(&[])).len(), 2);
}

#[test]
fn a_removal_that_was_cut_short_is_finished_by_the_next() {
    let grove = Grove::new();
    // Killed after the folder was renamed, and after git's folder about it was moved too.
    for job in ["job-1", "job-2"] {
        let root = grove.finished(job);
        fs::rename(&root, grove.home().join(format!(".teof-removed-{job}"))).unwrap();
    }
    fs::create_dir_all(grove.world.repo.join(".git/teof/removed")).unwrap();
    let record = |folder: &str| grove.world.repo.join(".git").join(folder).join("job-2");
    fs::rename(record("worktrees"), record("teof/removed")).unwrap();
    // Not a removal of ours, whatever it is called.
    fs::create_dir_all(grove.home().join(".teof-removed-mine")).unwrap();
    let cleaned = grove.clean(&["--all-finished"]);
    assert_eq!(removed(&cleaned), ["job-1"]);
    assert_eq!(cleaned["finished"].as_array().unwrap().len(), 1);
    let left: Vec<_> = fs::read_dir(grove.home()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".teof-removed-mine"]);
    assert!(!record("teof/removed").exists() && !record("worktrees").exists());
    assert_eq!(grove.world.git(&["show", "agent/codex-1/docs-2:job-2.txt"]), "job-2");
}

#[test]
fn a_task_finds_its_worktree_by_its_job_or_by_the_end_of_its_name() {
    let grove = Grove::new();
    let own = grove.finished("job-1");
    let persons = grove.world.folder().join("mine");
    grove.persons(&persons, "feature/auth-05A");
    let found = |task: &str| grove.world.json(&["worktree", "find", task]);
    assert_eq!(found(TASK)["worktree"]["path"], own.to_str().unwrap());
    let by_name = found("implement-auth-05A");
    assert_eq!(
        (by_name["found_by"].as_str(), by_name["worktree"]["path"].as_str()),
        (Some("branch"), persons.to_str())
    );
    assert_eq!(grove.world.refused(&["worktree", "find", "implement-noauth-05A"])["code"], "worktree.missing");
    grove.persons(&grove.world.folder().join("other"), "fix/05A");
    assert_eq!(grove.world.refused(&["worktree", "find", "implement-auth-05A"])["code"], "worktree.ambiguous");
}

/// Branches and worktrees that people made for tasks before anybody worked on them.
fn with_branches_of_tasks() -> (World, PathBuf, PathBuf, PathBuf) {
    let world = World::bare_of_teof();
    let agent = Fake::new(&world.folder(), "fake", &format!("echo x >> note.txt\n{DONE}"));
    for seat in ["manager", "worker-1"] {
        world.ok(&["init", "--agent", seat, "-q"]);
    }
    let settings = "[coordinator]\npoll_min = \"1s\"\nrecord = false\n[pipeline]\nstages = [\"coder\"]\n";
    world.write("teof.toml", &format!("{}[roles.coder]\nagent = \"fake\"\n{settings}", agent.settings()));
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Set up"]);
    let [clean, dirty, open] = ["auth", "pay", "log"].map(|name| world.folder().join(name));
    let branches = [(&clean, "feature/auth-05a"), (&dirty, "feature/pay-06b"), (&open, "feature/log-07c")];
    for (path, branch) in branches {
        world.git(&["worktree", "add", "-q", "-b", branch, path.to_str().unwrap()]);
    }
    fs::write(dirty.join("draft.txt"), "mine\n").unwrap();
    (world, clean, dirty, open)
}

#[test]
fn a_job_works_in_the_free_worktree_whose_branch_ends_like_its_task_and_gives_it_back() {
    let (world, clean, dirty, open) = with_branches_of_tasks();
    let head = |folder: &Path| world.git_in(folder, &["rev-parse", "HEAD"]);
    let (before, untouched) = (head(&clean), head(&dirty));
    world.ok(&["consent", "grant", "--max-jobs", "3"]);
    let submit = |name| world.ok(&["coordinator", "submit", "--objective", name, "--name", name, "--test", "true"]);
    submit("implement-auth-05a");
    submit("implement-pay-06b");
    world.ok(&["coordinator", "run", "--until-idle"]);
    assert_eq!(world.git_in(&clean, &["branch", "--show-current"]), "feature/auth-05a");
    assert_ne!(head(&clean), before);
    assert_eq!(fs::read_to_string(clean.join("note.txt")).unwrap(), "x\n");
    let shown = world.json(&["review", "show", "j1"]);
    assert_eq!(shown["bundle"]["branch"], "feature/auth-05a", "{shown:#}");

    assert_eq!((head(&dirty), dirty.join("draft.txt").exists()), (untouched, true));
    let log = world.json(&["logs", "j2"])["text"].as_str().unwrap().to_owned();
    assert!(log.contains("a worktree of its own: ") && log.contains("pay has uncommitted changes"), "{log}");
    assert!(!dirty.join("note.txt").exists());

    // A person's terminal, which is alive as long as this test.
    let pid = std::process::id().cast_signed();
    let folder = world.sessions().join("terminal-1");
    fs::create_dir(&folder).unwrap();
    let terminal = json!({"id": "terminal-1", "mode": "dispatch", "status": "running", "branch": "feature/log-07c",
        "log": folder.join("stream.log"), "process": {"pid": pid, "started": teof::exec::started(pid)}});
    fs::write(folder.join("metadata.json"), terminal.to_string()).unwrap();
    submit("write-log-07c");
    world.ok(&["approve", "j1"]);
    world.ok(&["coordinator", "run", "--until-idle"]);
    assert!(world.exists("note.txt"), "merged");
    let log = world.json(&["logs", "j3"])["text"].as_str().unwrap().to_owned();
    assert!(log.contains("a worktree of its own: terminal-1 is open on feature/log-07c"), "{log}");
    assert!(!open.join("note.txt").exists());
    let listed = world.git(&["worktree", "list", "--porcelain"]);
    let own = listed.split("\n\n").find(|one| one.contains(clean.to_str().unwrap())).unwrap();
    assert!(own.contains("feature/auth-05a") && !own.contains("locked"), "{own}");
    world.json(&["worktree", "clean", "--all-finished"]);
    assert!(clean.join("note.txt").exists(), "it is a person's again");
}

#[test]
fn interactive_agents_get_a_worktree_of_a_task_or_of_their_own() {
    let (world, clean, ..) = with_branches_of_tasks();
    let path = |args: &[&str]| world.json(&[&["worktree", "new"], args].concat());
    assert_eq!(path(&["implement-auth-05a"])["path"], clean.to_str().unwrap());
    let new = world.run(&["worktree", "new", "DOC-7", "--agent", "worker-1", "--json"]).expect(0);
    assert!(new.stderr.contains("no such task DOC-7"), "{}", new.stderr);
    let made: Value = serde_json::from_str(&new.stdout).unwrap();
    assert_eq!((&made["branch"], &made["made"]), (&json!("agent/worker-1/doc-7"), &json!(true)), "as a claim's");
    let own = world.folder().join("repo.worktrees/DOC-7");
    assert_eq!(made["path"], own.to_str().unwrap());
    // A start that was killed right after git made it.
    let locked = world.repo.join(".git/worktrees/DOC-7/locked");
    assert!(!locked.exists());
    fs::write(&locked, "teof: opening\n").unwrap();
    assert_eq!(path(&["DOC-7", "--agent", "worker-1"])["made"], false);
    assert!(!locked.exists(), "it is not locked for good");
    let shell = "echo 'echo $TEOF_AGENT; pwd; exit 3' | SHELL=/bin/sh teof worktree shell DOC-7 --agent worker-1";
    assert_eq!(world.shell(shell).expect(3).stdout.trim(), format!("worker-1\n{}", own.display()));

    let boot = ["session-boot", "--no-sync", "--agent", "worker-1"];
    assert!(world.ok(&boot).contains("teof session-boot --agent worker-1 --worktree"));
    let booted = world.json(&[&boot[..], &["--worktree"]].concat());
    assert_eq!((&booted["branch"], &booted["agent_id"]), (&json!("agent/worker-1/work"), &json!("worker-1")));
    assert_eq!(booted["worktree"], world.folder().join("repo.worktrees/worker-1").to_str().unwrap());
}

#[test]
fn a_tasks_worktree_is_there_and_neither_the_main_one_nor_another_seats() {
    let (world, ..) = with_branches_of_tasks();
    fn open<'a>(args: &[&'a str]) -> Vec<&'a str> {
        [&["worktree", "new"], args].concat()
    }
    let (own, home) = (["DOC-7", "--agent", "worker-1"], world.folder().join("repo.worktrees"));
    let first = world.json(&open(&own));
    let other = world.json(&open(&["DOC-7", "--agent", "manager"]));
    assert_eq!((&other["branch"], &other["made"]), (&json!("agent/manager/doc-7"), &json!(true)));
    assert_ne!(other["path"], first["path"]);
    assert_eq!(world.json(&open(&own))["path"], first["path"]);

    fs::remove_dir_all(home.join("DOC-7")).unwrap();
    let missing = world.refused(&open(&own));
    assert_eq!(missing["code"], "worktree.missing");
    world.follow(missing["next"][0].as_str().unwrap());
    let again = world.json(&open(&own));
    assert_eq!((&again["path"], &again["made"]), (&first["path"], &json!(true)));
    assert!(home.join("DOC-7/README.md").exists());

    world.git(&["switch", "-qc", "feature/report-07c"]);
    let linked = world.json(&open(&["write-report-07c", "--agent", "worker-1"]));
    assert_eq!(linked["path"], home.join("write-report-07c").to_str().unwrap());
    world.git(&["switch", "-qc", "agent/worker-1/doc-8"]);
    assert_eq!(world.refused(&open(&["DOC-8", "--agent", "worker-1"]))["code"], "branch.in_use");
    fs::create_dir(home.join("DOC-9")).unwrap();
    assert_eq!(world.refused(&open(&["DOC-9"]))["code"], "worktree.taken");
}
