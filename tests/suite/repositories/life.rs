//! The whole life of a piece of work (run, shown, merged, taken back) in kinds of repositories where it could go wrong.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::World;
use crate::harness::agents::{DONE, Fake};

/// A repository with some history at `world.repo`; other places are made from it.
fn plain() -> World {
    let world = World::bare_of_teof();
    for n in 1..4 {
        world.write("src/code.txt", &"line\n".repeat(n));
        world.git(&["add", "."]);
        world.git(&["commit", "-qm", "Code"]);
    }
    world
}

/// The same, with what `make` does to it: it gives back the folder to work in.
fn made(make: impl Fn(&World) -> PathBuf) -> World {
    let mut world = plain();
    world.git(&["config", "--global", "protocol.file.allow", "always"]);
    world.git(&["config", "uploadpack.allowFilter", "true"]);
    world.repo = make(&world);
    world
}

fn clone_to(world: &World, to: &Path, options: &[&str]) {
    let from = format!("file://{}", world.repo.display());
    world.git(&[&["clone", "-q", "--no-local"], options, &["--", &from, to.to_str().unwrap()]].concat());
}

/// Sets teof up, has one job done, approves it and takes it back; gives back where the job worked.
fn lives(kind: &str, world: &World, init: &[&str]) -> PathBuf {
    let coder = Fake::new(&world.folder(), "coder", &format!("echo two >> src/code.txt\n{DONE}"));
    world.ok(&[&["init", "--agent", "manager"], init].concat());
    world.ok(&["init", "--agent", "worker-1"]);
    let head = "[coordinator]\nretries = 0\n[pipeline]\nstages = [\"coder\"]\n[roles.coder]\nagent = \"coder\"\n";
    world.write("teof.toml", &format!("{head}{}", coder.settings()));
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "Set up"]);
    world.ok(&["consent", "grant", "--max-iterations", "5"]);
    let before = world.read("src/code.txt");
    world.ok(&["coordinator", "submit", "--objective", "Append two", "--test", "true"]);
    let ran = world.run(&["coordinator", "run", "--until-idle"]);
    let waiting = world.json(&["review", "list"]);
    let job = waiting[0]["job"].as_str().unwrap_or_else(|| panic!("{kind}: {ran:?}")).to_owned();
    let rows = world.json(&["worktree", "list"]);
    let row = |state: &str| {
        let found = rows["worktrees"].as_array().unwrap().iter().find(|row| row["state"] == state);
        PathBuf::from(found.unwrap_or_else(|| panic!("{kind}: no {state} in {rows:#}"))["path"].as_str().unwrap())
    };
    assert_eq!(row("hub"), world.repo, "{kind}");
    let place = row("review");
    assert!(place.join("src/code.txt").exists(), "{kind}");
    world.ok(&["review", "show", &job]);
    world.ok(&["review", "approve", &job]);
    assert_eq!(world.read("src/code.txt"), format!("{before}two\n"), "{kind}");
    world.ok(&["review", "revert", &job]);
    assert_eq!(world.read("src/code.txt"), before, "{kind}");
    world.ok(&["bus", "commit"]);
    assert_eq!(world.git(&["status", "--porcelain"]), "", "{kind}: nothing but the record was left");
    world.ok(&["preflight", "full"]);
    let (wrong, _) = crate::doctor::codes(world);
    assert!(wrong.is_empty(), "{kind}: {wrong:?}");
    place
}

#[test]
fn work_in_a_submodule_leaves_no_trace_in_the_repository_around_it() {
    let world = made(|world| {
        let outer = world.folder().join("outer");
        world.git(&["init", "-q", "-b", "main", outer.to_str().unwrap()]);
        world.git_in(&outer, &["submodule", "--quiet", "add", world.repo.to_str().unwrap(), "libs/sub"]);
        world.git_in(&outer, &["commit", "-qm", "Add a submodule"]);
        let sub = outer.join("libs/sub");
        world.git_in(&sub, &["switch", "-q", "main"]);
        sub
    });
    let place = lives("submodule", &world, &["--hub", "."]);
    let outer = world.folder().join("outer");
    assert!(!place.starts_with(&outer), "{}", place.display());
    assert_eq!(world.git_in(&outer, &["status", "--porcelain"]), " M libs/sub");
    world.ok(&["init", "--dedicated"]);
    assert!(world.json(&["worktree", "list"]).to_string().contains("/record"));
    assert_eq!(world.git_in(&outer, &["status", "--porcelain"]), " M libs/sub");
}

#[test]
fn work_with_a_git_directory_elsewhere_lies_beside_the_checkout() {
    let world = made(|world| {
        let (folder, git_dir) = (world.folder().join("apart"), world.folder().join("gits/apart.git"));
        fs::create_dir(world.folder().join("gits")).unwrap();
        clone_to(world, &folder, &["--separate-git-dir", git_dir.to_str().unwrap()]);
        folder
    });
    let place = lives("separate git directory", &world, &["--hub", "."]);
    assert_eq!(place.parent(), Some(&*world.folder().join("apart.worktrees")));
}

#[test]
fn work_in_clones_that_are_cut_is_merged_and_taken_back() {
    for options in [&["--depth=1"][..], &["--depth=2"], &["--filter=blob:none"]] {
        let world = made(|world| {
            let folder = world.folder().join("clone");
            clone_to(world, &folder, options);
            folder
        });
        lives(&options.join(" "), &world, &[]);
    }
}

#[test]
fn work_in_folders_and_on_branches_with_odd_names_is_merged_and_taken_back() {
    let odd = made(|world| {
        let folder = world.folder().join("-it's \"a\" $(touch planted) repo");
        clone_to(world, &folder, &[]);
        folder
    });
    // A branch whose name is a tag's, a folder's and a remote's as well.
    odd.git(&["branch", "-m", "main", "src"]);
    odd.git(&["tag", "src", "HEAD~1"]);
    odd.git(&["remote", "rename", "origin", "src"]);
    lives("odd names", &odd, &[]);
    assert!(!odd.folder().join("planted").exists() && !odd.exists("planted"));
}

#[test]
fn work_in_an_ignored_folder_of_another_repository_lies_beside_it() {
    let world = made(|world| {
        world.write(".gitignore", "/vendor*/\n");
        world.git(&["add", "."]);
        world.git(&["commit", "-qm", "Ignore"]);
        let folder = world.repo.join("vendor/tool");
        fs::create_dir_all(world.repo.join("vendor")).unwrap();
        clone_to(world, &folder, &[]);
        folder
    });
    let outer = world.folder().join("repo");
    let place = lives("nested", &world, &[]);
    assert_eq!(place.parent(), Some(&*outer.join("vendor/tool.worktrees")));
    assert_eq!(world.git_in(&outer, &["status", "--porcelain"]), "");
}

#[test]
fn work_in_a_worktree_of_a_bare_repository_is_merged_and_taken_back() {
    let world = made(|world| {
        let bare = world.folder().join("project/.git");
        clone_to(world, &bare, &["--bare"]);
        let folder = world.folder().join("project/trunk");
        world.git_in(&bare, &["worktree", "add", "-q", folder.to_str().unwrap(), "main"]);
        folder
    });
    let place = lives("bare with worktrees", &world, &["--hub", "."]);
    assert_eq!(place.parent(), Some(&*world.folder().join("project.worktrees")));
}

#[test]
fn files_that_a_partial_clone_lacks_are_named_before_the_job_starts() {
    let world = made(|world| {
        world.git(&["switch", "-qc", "release"]);
        world.write("src/code.txt", "of the release\n");
        world.git(&["commit", "-qam", "Release"]);
        world.git(&["switch", "-q", "main"]);
        let folder = world.folder().join("clone");
        clone_to(world, &folder, &["--filter=blob:none"]);
        folder
    });
    world.git(&["branch", "-q", "--no-track", "release", "origin/release"]);
    let coder = Fake::new(&world.folder(), "coder", &format!("echo two >> src/code.txt\n{DONE}"));
    world.ok(&["init", "--agent", "manager"]);
    world.ok(&["init", "--agent", "worker-1"]);
    let head = "[git]\ntarget = \"release\"\n[pipeline]\nstages = [\"coder\"]\n[roles.coder]\nagent = \"coder\"\n";
    world.write("teof.toml", &format!("{head}{}", coder.settings()));
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "Set up"]);
    world.ok(&["consent", "grant", "--continuous", "--require-execute", "false"]);
    world.ok(&["coordinator", "submit", "--objective", "Append two", "--test", "true"]);
    assert_eq!(crate::doctor::codes(&world).0, ["repository.incomplete"]);
    let ran = world.run(&["coordinator", "run", "--until-idle"]).expect(1);
    assert!((ran.stdout + &ran.stderr).contains("this partial clone lacks required files") && coder.calls() == 0);
    world.follow("fetch everything, then try again: git fetch --refetch --no-filter");
    let plan = world.json(&["plan", "list"]);
    let plan = plan["plans"][0]["plan_id"].as_str().unwrap_or_else(|| panic!("{plan}")).to_owned();
    world.ok(&["coordinator", "submit", &format!("{plan}-S1")]);
    world.ok(&["coordinator", "run", "--until-idle"]);
    assert_eq!((coder.calls(), world.json(&["review", "list"]).as_array().unwrap().len()), (1, 1));
}
