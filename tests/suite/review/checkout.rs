//! People who have the target checked out: their work stays as it is.

use super::*;

#[test]
fn a_persons_staged_and_unstaged_work_is_there_afterwards_byte_for_byte() {
    let desk = Desk::new();
    desk.world.write("src/other.txt", "staged\n");
    desk.world.write("fresh/staged.txt", "staged\n");
    desk.world.git(&["add", "src/other.txt", "fresh/staged.txt"]);
    desk.world.write("src/other.txt", "staged, and changed since\n");
    desk.world.write("src/notes.txt", "changed\n");
    desk.world.write("untracked.txt", "untracked\n");
    let (files, index, status) = desk.persons();
    desk.merged();
    let (files_now, index_now, status_now) = desk.persons();
    let is_merged = |path: &str| path.ends_with("src/code.txt") || path.ends_with("src/new.txt");
    let touched = |path: &PathBuf| is_merged(&path.to_string_lossy());
    let rest = |files: Vec<(PathBuf, Vec<u8>)>| files.into_iter().filter(|(p, _)| !touched(p)).collect::<Vec<_>>();
    assert_eq!(rest(files_now), rest(files));
    let rest = |index: &str| index.lines().filter(|line| !is_merged(line)).collect::<Vec<_>>().join("\n");
    assert_eq!(rest(&index_now), rest(&index), "what is staged stays staged");
    let code = |status: &str| {
        status
            .lines()
            .filter(|line| !line.contains(" _") && !line.contains("memory/"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(code(&status_now), code(&status));
    assert_eq!(desk.world.read("src/code.txt"), "one\n2\nthree\n");
}

#[test]
fn approve_refuses_when_uncommitted_files_are_in_the_way() {
    let modify = |desk: &Desk| desk.world.write("src/code.txt", "mine\n");
    let stage = |desk: &Desk| {
        desk.world.write("src/code.txt", "mine\n");
        desk.world.git(&["add", "src/code.txt"]);
        desk.world.write("src/code.txt", "mine, changed since\n");
    };
    let leave = |desk: &Desk| desk.world.write("src/new.txt", "mine\n");
    let ignore = |desk: &Desk| {
        fs::write(desk.world.repo.join(".git/info/exclude"), "new.txt\n").unwrap();
        desk.world.write("src/new.txt", "mine\n");
    };
    let hide = |desk: &Desk| {
        desk.world.git(&["update-index", "--assume-unchanged", "src/code.txt"]);
        desk.world.write("src/code.txt", "mine\n");
    };
    type Case<'a> = (&'a str, &'a dyn Fn(&Desk));
    let cases: [Case; 5] = [
        ("src/code.txt", &modify),
        ("src/code.txt", &stage),
        ("src/new.txt", &leave),
        ("src/new.txt", &ignore),
        ("src/code.txt", &hide),
    ];
    for (at, (path, change)) in cases.into_iter().enumerate() {
        let desk = Desk::writing(&["touch ../ran"]);
        change(&desk);
        let (main, before) = (desk.main(), desk.persons());
        let index = fs::read(desk.world.repo.join(".git/index")).unwrap();
        let refused = desk.refused();
        assert_eq!(
            (&refused["code"], &refused["files"]),
            (&json!("target.in_the_way"), &json!([path])),
            "{at}: {refused}"
        );
        assert_eq!(desk.main(), main);
        assert_eq!(desk.persons(), before);
        assert_eq!(fs::read(desk.world.repo.join(".git/index")).unwrap(), index);
        assert!(desk.memory().is_empty());
    }
}

#[test]
fn a_git_in_the_middle_of_something_is_not_disturbed() {
    let desk = Desk::new();
    let lock = desk.world.repo.join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    assert_eq!(desk.refused()["code"], "target.busy");
    assert!(lock.exists());
    fs::remove_file(lock).unwrap();
    desk.merged();
}

#[test]
fn a_branch_that_a_rebase_or_a_bisect_elsewhere_will_put_back_is_not_moved() {
    let rebase = |desk: &Desk, at: &std::path::Path| {
        // The command that git is to run between the commits does not pass, and git waits for a person.
        let mut git = std::process::Command::new("git");
        desk.world.clear(&mut git);
        git.args(["rebase", "-q", "--exec", "false", "main~1"]).current_dir(at).output().unwrap();
    };
    let bisect = |desk: &Desk, at: &std::path::Path| {
        for _ in 0..2 {
            desk.world.git_in(at, &["commit", "-q", "--allow-empty", "-m", "A person's"]);
        }
        desk.world.git_in(at, &["bisect", "start", "main", "main~2"]);
    };
    type Case<'a> = (&'a str, &'a dyn Fn(&Desk, &std::path::Path), &'a [&'a str]);
    let cases: [Case; 2] = [("a rebase", &rebase, &["rebase", "--abort"]), ("a bisect", &bisect, &["bisect", "reset"])];
    for (operation, begin, end) in cases {
        let desk = Desk::tested(&["touch $HOME/ran"]);
        desk.leave_main();
        desk.world.trust_settings(UNCONFINED);
        let folder = desk.world.folder().join("persons");
        desk.world.git(&["worktree", "add", "-q", folder.to_str().unwrap(), "main"]);
        begin(&desk, &folder);
        let main = desk.main();
        assert!(!desk.world.read(".git/worktrees/persons/HEAD").starts_with("ref:"), "it is on no branch meanwhile");
        let refused = desk.refused();
        assert_eq!(refused["code"], "target.busy", "{refused}");
        let reason = refused.to_string();
        assert!(reason.contains(operation) && reason.contains(folder.to_str().unwrap()), "{reason}");
        assert_eq!(desk.main(), main);
        assert!(!desk.world.folder().join("home/ran").exists(), "it is told before the tests run");
        desk.world.git_in(&folder, end);
        desk.merged();
        assert_eq!(fs::read_to_string(folder.join("src/code.txt")).unwrap(), "one\n2\nthree\n");
    }
}

#[test]
fn a_worktree_whose_link_is_relative_follows_the_merge() {
    let desk = Desk::new();
    desk.leave_main();
    let folder = desk.world.folder().join("persons");
    desk.world.git(&["worktree", "add", "-q", folder.to_str().unwrap(), "main"]);
    // As `git worktree add --relative-paths` writes it.
    desk.world.write(".git/worktrees/persons/gitdir", "../../../../persons/.git\n");
    fs::write(folder.join(".git"), "gitdir: ../repo/.git/worktrees/persons\n").unwrap();
    fs::write(folder.join("src/new.txt"), "mine\n").unwrap();
    assert_eq!(desk.refused()["code"], "target.in_the_way");
    fs::remove_file(folder.join("src/new.txt")).unwrap();
    desk.merged();
    assert_eq!(fs::read_to_string(folder.join("src/code.txt")).unwrap(), "one\n2\nthree\n");
    assert_eq!(desk.world.git_in(&folder, &["status", "--porcelain"]), "");
}

#[test]
fn only_leftover_temporary_worktrees_are_removed() {
    let desk = Desk::new();
    let at = |name: &str| desk.world.folder().join(name);
    let scratch = at("repo.worktrees/review-killed");
    let add = |folder: &PathBuf, reason: &str| {
        let args = ["worktree", "add", "-q", "--detach", "--lock", "--reason", reason, folder.to_str().unwrap()];
        desk.world.git(&args);
    };
    add(&scratch, "teof review killed");
    fs::remove_file(scratch.join(".git")).unwrap();
    // On a disk that is not there at this moment.
    desk.world.git(&["worktree", "add", "-q", "--detach", at("away").to_str().unwrap()]);
    fs::rename(at("away"), at("unplugged")).unwrap();
    // Somebody's folder, under a reason that says it is ours.
    add(&at("precious"), "teof review precious");
    fs::remove_file(at("precious/.git")).unwrap();
    desk.merged();
    assert_eq!(desk.leftovers(), [] as [&str; 0]);
    assert!(desk.world.exists(".git/worktrees/away/gitdir"));
    assert!(at("precious/src/code.txt").exists());
    fs::rename(at("unplugged"), at("away")).unwrap();
    assert_eq!(desk.world.git_in(&at("away"), &["status", "--porcelain"]), "");
}

#[test]
fn a_target_that_git_cannot_move_stays_clean() {
    for lock in ["refs/heads/main.lock", "HEAD.lock"] {
        let desk = Desk::new();
        desk.world.write("src/other.txt", "mine\n");
        let before = desk.persons();
        let lock = desk.world.repo.join(".git").join(lock);
        fs::write(&lock, "").unwrap();
        let refused = desk.refused();
        assert_eq!(refused["code"], "target.busy", "{refused}");
        assert!(refused["reason"].to_string().contains(".lock"), "{refused}");
        fs::remove_file(lock).unwrap();
        assert!(desk.persons() == before, "something of the merge is there");
        desk.merged();
        assert_eq!(desk.world.read("src/other.txt"), "mine\n");
    }
}

#[test]
fn approve_ignores_the_persons_merge_options() {
    for wish in ["--squash", "-s ours", "--no-commit"] {
        let desk = Desk::new();
        desk.world.git(&["config", "branch.main.mergeoptions", wish]);
        let merged = desk.merged();
        assert_eq!(merged["merge_commit"], desk.main(), "{wish}");
        assert_eq!(desk.world.read("src/new.txt"), "new\n", "{wish}");
    }
}

#[test]
fn a_merge_interrupted_by_a_kill_is_undone_and_repeated() {
    for index_written in [true, false] {
        let desk = Desk::new();
        let from = desk.main();
        desk.world.git(&["merge", "-q", "--no-ff", "-m", "Halfway", &desk.commit]);
        let to = desk.main();
        desk.world.git(&["update-ref", "refs/heads/main", &from]);
        if !index_written {
            desk.world.git(&["read-tree", &from]);
        }
        let (root, git_dir) = (desk.world.repo.clone(), desk.world.repo.join(".git"));
        let moving = json!({"root": root, "git_dir": git_dir, "branch": "main", "from": from, "to": to});
        desk.world.write(".git/teof/review/moving.json", &moving.to_string());
        desk.world.write("src/other.txt", "mine\n");
        // A no moves nothing: what was left is taken back all the same.
        desk.world.refused(&["review", "reject", JOB, "--note", " "]);
        let status = desk.world.git(&["status", "--porcelain", "-uall", "--", "src"]);
        assert_eq!(status, " M src/other.txt", "index written: {index_written}");
        assert_eq!(desk.world.read("src/code.txt"), "one\ntwo\nthree\n");
        desk.merged();
        assert_eq!(desk.world.read("src/new.txt"), "new\n");
        assert_eq!(desk.world.git(&["status", "--porcelain", "--", "src"]), " M src/other.txt");
    }
}

#[test]
fn a_merge_that_git_could_not_finish_is_undone() {
    let desk = Desk::new();
    desk.world.write("src/other.txt", "mine\n");
    let before = desk.persons();
    // A filter of the person's own configuration fails in the middle, as a full disk would have git fail.
    let home = desk.world.folder().join("home");
    let broken = "[filter \"broken\"]\n\tsmudge = false\n\trequired = true\n[core]\n\tattributesFile = ~/attributes\n";
    fs::write(home.join(".gitconfig"), broken).unwrap();
    fs::write(home.join("attributes"), "new.txt filter=broken\n").unwrap();
    assert_eq!(desk.refused()["code"], "target.in_the_way");
    assert!(desk.persons() == before, "something of the merge is there");
    fs::remove_file(home.join(".gitconfig")).unwrap();
    desk.merged();
    assert_eq!(desk.world.read("src/other.txt"), "mine\n");
}

#[test]
fn a_git_directory_that_lies_elsewhere_hides_nobodys_checkout() {
    let desk = Desk::new();
    let store = desk.world.folder().join("store.git");
    desk.world.git(&["init", "-q", "--separate-git-dir", store.to_str().unwrap()]);
    let hub = store.join("teof/hub");
    if hub.exists() {
        fs::remove_file(hub).unwrap();
    }
    let root = desk.world.repo.display().to_string();
    desk.world.ok(&["init", "--hub", &root, "--agent", "manager"]);
    desk.world.git(&["add", "."]);
    desk.world.git(&["commit", "-qm", "Set up"]);
    desk.world.write("src/other.txt", "mine\n");
    desk.merged();
    assert_eq!(desk.world.read("src/new.txt"), "new\n", "the person's checkout follows");
    assert_eq!(desk.world.git(&["status", "--porcelain", "--", "src"]), " M src/other.txt");
}

#[test]
fn switching_branches_during_a_merge_keeps_the_branch() {
    let desk = Desk::new();
    let before = desk.main();
    desk.world.git(&["branch", "mine"]);
    let folder = desk.world.folder().join("slow");
    fs::create_dir(&folder).unwrap();
    let real = std::env::var("PATH").unwrap();
    let real = real.split(':').map(|folder| format!("{folder}/git")).find(|git| fs::exists(git).unwrap()).unwrap();
    // The real git; somebody else switches just before it merges.
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *\" merge --ff-only \"*) {real} -C '{}' switch -q mine ;; esac\nexec {real} \"$@\"\n",
        desk.world.repo.display()
    );
    fs::write(folder.join("git"), script).unwrap();
    fs::set_permissions(folder.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut approve = desk.world.teof(&["review", "approve", JOB, "--by", "Ann", "--json"]);
    let output = approve.env("PATH", path).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((desk.main(), desk.tip("mine")), (before.clone(), Some(before)));
    assert_eq!(desk.world.git(&["status", "--porcelain", "--", "src"]), "");
    desk.world.git(&["switch", "-q", "main"]);
    desk.merged();
}

#[test]
fn a_target_in_a_worktree_that_is_away_or_under_another_name_does_not_move_alone() {
    let mut desk = Desk::new();
    desk.world.git(&["branch", "release"]);
    desk.plan = json!({"target_branch": "release"});
    desk.bundle(&[]);
    let linked = desk.world.folder().join("linked");
    let at = linked.to_str().unwrap();
    desk.world.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/release"]);
    desk.world.git(&["worktree", "add", "-q", "--no-checkout", "--detach", at]);
    desk.world.git_in(&linked, &["symbolic-ref", "HEAD", "refs/heads/alias"]);
    desk.world.git_in(&linked, &["reset", "-q", "--hard"]);
    let moved = desk.world.folder().join("moved");
    fs::rename(&linked, &moved).unwrap();
    let refused = desk.refused();
    assert_eq!((&refused["code"], desk.tip("release")), (&json!("target.away"), Some(desk.base.clone())), "{refused}");
    // A folder that lies in the hub and has lost its link is not the hub.
    fs::create_dir_all(&linked).unwrap();
    desk.refused();
    assert_eq!(desk.tip("release"), Some(desk.base.clone()));
    fs::remove_dir(&linked).unwrap();
    fs::rename(&moved, &linked).unwrap();
    desk.merged();
    assert_eq!(fs::read_to_string(linked.join("src/new.txt")).unwrap(), "new\n", "its files follow");
}

#[test]
fn a_sparse_checkout_that_leaves_the_record_out_does_not_cost_it() {
    for how in [&["--cone", "src"][..], &["--no-cone", "/src/"]] {
        let desk = Desk::new();
        desk.world.git(&["config", "core.sparseCheckout", "true"]);
        desk.world.git(&[&["sparse-checkout", "set"], how].concat());
        // Files of the record that are written there do not follow the patterns until git moves the checkout.
        desk.world.git(&["ls-tree", "-r", "--name-only", "main", "_bus", "_plans", "_report"]).lines().for_each(
            |path| {
                desk.world.write(path, &desk.show(&format!("main:{path}")));
            },
        );
        desk.world.ok(&["bus", "commit"]);
        let (main, log) = (desk.main(), desk.memory());
        let refused = desk.refused();
        assert_eq!(refused["code"], "repository.sparse", "{refused}");
        assert_eq!((desk.main(), desk.memory()), (main, log));
        assert!(desk.world.exists(&desk.path) && desk.world.exists("_plans/.gitkeep"), "the record stays");
        desk.world.follow(refused["next"][0].as_str().unwrap());
        desk.merged();
        assert_eq!(desk.world.read("src/code.txt"), "one\n2\nthree\n");
        assert!(desk.world.exists(&desk.path) && desk.world.exists("_plans/.gitkeep"), "the record stays");
        assert_eq!(desk.memory().len(), 1);
    }
}
