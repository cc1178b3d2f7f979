//! Creates or reuses a job's worktree: chooses the branch, parks uncommitted work, and resets the folder to the job's
//! last checkpoint.
//!
//! Never uses a folder or branch of others, except the free one that is the task's by [`convention`].

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use git2::{Oid, Repository};

use super::branch::{self, Chosen};
use super::checkpoint::Parked;
use super::convention;
use super::job_refs;
use super::metadata::{WorktreeMetadata, setup_state};
use super::place::{Place, WAIT, Wanted, home};
use super::registry::{self, Registered};
use super::unfinished;
use crate::base::lock::FileLock;
use crate::base::{Refusal, Result, files, names};
use crate::hub::Hub;
use crate::hub::git::{object_ids, partial};

/// Creates the job's worktree, or reuses it and continues from its last checkpoint.
///
/// # Errors
/// When the branch is not the seat's, the base is not a commit, or git cannot create the worktree.
pub fn prepare(hub: &Hub, wanted: &Wanted) -> Result<Place> {
    names::check_id("job", wanted.job)?;
    names::check_id("run", wanted.run)?;
    branch::check(hub, wanted)?;
    let lock = hub.local("locks/worktrees.lock");
    let lock = FileLock::acquire(&lock, WAIT, "lock.wait", &format!("worktree for job {}", wanted.job))?;
    unfinished::repair(hub)?;
    for reference in [format!("refs/heads/{}", wanted.branch), job_refs::reference(wanted.job)] {
        registry::clear_stale(&hub.common_dir.join(format!("{reference}.lock")));
    }
    let repo = Repository::open(&hub.common_dir).context("open the repository")?;
    let base = commit(&repo, wanted.base)?;
    partial::check_files(&repo, base)?;
    let known = registry::all(&hub.common_dir);
    let adopted = convention::adopted(hub, wanted, &known);
    let Chosen { branch, base, checkpoints } = branch::choose(&repo, wanted, base, &known, adopted)?;
    // The branch may have moved on since the order was made.
    let adopted = adopted.filter(|found| registry::head_of(found).as_deref() == Some(&branch));
    let (root, git_dir) = (PathBuf::new(), PathBuf::new());
    let mut place = Place { root, git_dir, branch, base, checkpoints, parked: None, is_new: false };
    let of = |job: &str| known.iter().find(|w| w.job() == Some(job) && w.is_there() && w.is_whole());
    let own = of(wanted.job);
    lock.check()?;
    let before = || wanted.before.iter().find_map(|job| of(job).filter(|found| !convention::is_adopted(found)));
    let reused = match own.or_else(before) {
        Some(ours) => {
            in_home(hub, ours)?;
            reuse(&mut place, ours, wanted)?
        }
        None => match adopted {
            Some(found) => reuse(&mut place, found, wanted)?,
            None => false,
        },
    };
    if !reused {
        create(hub, &mut place, wanted, &known)?;
        place.is_new = true;
        setup_state::mark_created(hub, &place.git_dir)?;
    } else if own.is_none() {
        // On another base, the set-up runs again.
        setup_state::forget(hub, &place.git_dir)?;
    }
    let old = WorktreeMetadata::read(&place.git_dir);
    let made_at = old.made_at.or(Some(hub.now()));
    let folders = old.folders.or_else(|| registry::folders_of(&place.root));
    let adopted = old.adopted || (own.is_none() && adopted.is_some_and(|found| found.git_dir == place.git_dir));
    let (task, agent) = (wanted.task.into(), wanted.agent.into());
    WorktreeMetadata { task, agent, made_at, folders, adopted, ..old }.write(&place.git_dir)?;
    Ok(place)
}

/// Git's file about a worktree can be edited to name any folder; only folders in the home are teof's.
fn in_home(hub: &Hub, found: &Registered) -> Result<()> {
    let home = home(hub)?;
    if convention::is_adopted(found) || home.canonicalize().is_ok_and(|home| found.root.parent() == Some(&home)) {
        return Ok(());
    }
    Err(Refusal::guard("worktree.not_ours", format!("{} is not a worktree of teof", found.root.display()))
        .because(format!("it is not in {}; nothing there was changed", home.display()))
        .next(format!("check what changed {}", found.git_dir.join("gitdir").display()))
        .next("repair the worktree: git worktree repair <its folder>")
        .into())
}

fn commit(repo: &Repository, name: &str) -> Result<Oid> {
    let found = repo.revparse_single(name).and_then(|object| object.peel_to_commit());
    found.map(|commit| commit.id()).map_err(|e| {
        Refusal::guard("order.base_unknown", format!("base commit {name:?} is not in this repository"))
            .because(e.message().to_owned())
            .next("fetch it, or assign the work again")
            .into()
    })
}

/// Reuses the worktree of an earlier attempt: its uncommitted work is kept under a ref, and the worktree is reset to
/// the last checkpoint. `false` when that work cannot be kept; then the worktree is left to people unchanged.
fn reuse(place: &mut Place, ours: &Registered, wanted: &Wanted) -> Result<bool> {
    place.root.clone_from(&ours.root);
    place.git_dir.clone_from(&ours.git_dir);
    let lock = ours.git_dir.join("locked");
    for name in ["HEAD.lock", "index.lock"] {
        registry::clear_stale(&ours.git_dir.join(name));
    }
    let repository = place.repository()?;
    let tip = place.tip();
    match repository.park(tip, ours.run().unwrap_or(wanted.run))? {
        Parked::Impossible(_) => {
            let text = registry::kept_reason(wanted.job, ours.run().unwrap_or_default());
            files::replace(&lock, text.as_bytes())?;
            return Ok(false);
        }
        Parked::Under(name) => place.parked = Some(name),
        Parked::Nothing => {}
    }
    repository.ensure_branch(&place.branch, tip, ours.run().unwrap_or(wanted.run))?;
    // Written as a whole: a worktree without its reason belongs to no job.
    files::replace(&lock, registry::reason(wanted.job, wanted.run).as_bytes())?;
    repository.reset(&place.branch, tip)?;
    Ok(true)
}

fn create(hub: &Hub, place: &mut Place, wanted: &Wanted, known: &[Registered]) -> Result<()> {
    let home = home(hub)?;
    fs::create_dir_all(&home).with_context(|| format!("create {}", home.display()))?;
    place.root = (1..1000)
        .map(|n| home.join(if n == 1 { wanted.job.to_owned() } else { format!("{}-{n}", wanted.job) }))
        .find(|root| fs::symlink_metadata(root).is_err() && known.iter().all(|w| w.root != *root))
        .context("no free folder for the worktree")?;
    let root = place.root.to_str().context("the worktree's path is not UTF-8")?;
    let (tip, reason) = (place.tip().to_string(), registry::reason(wanted.job, wanted.run));
    let git = hub.git();
    let branch = format!("refs/heads/{}", place.branch);
    // An existing teof branch keeps its commits; a missing one is created at the base, without upstream.
    // Compare-and-swap: a branch that somebody moves or creates meanwhile is not overwritten.
    let repo = Repository::open(&hub.common_dir)?;
    let old = repo.refname_to_id(&branch).unwrap_or_else(|_| object_ids::null(&repo));
    if !old.is_zero() && old != place.tip() {
        job_refs::keep(&repo, "moved", wanted.run, old)?;
    }
    let old = old.to_string();
    git.run(&["update-ref", &branch, &tip, &old])?;
    // --force: an earlier worktree of this job may still be registered on the branch, its folder gone.
    // --no-checkout: git would run the repository's own filters on what it writes.
    let add = ["worktree", "add", "--force", "--no-checkout", "--lock", "--reason", &reason, "--quiet"];
    git.run(&[&add[..], &[root, &place.branch]].concat())?;
    // Resolved now, so that a link found later must have been put there.
    place.root = place.root.canonicalize()?;
    place.git_dir = registry::all(&hub.common_dir)
        .into_iter()
        .find(|w| w.root == place.root)
        .map(|w| w.git_dir)
        .context("git created no worktree")?;
    place.repository()?.reset(&place.branch, place.tip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Clock, Stamp};
    use crate::hub::git::Git;
    use crate::hub::worktrees::checkpoint::{Checkpoint, Mark};

    struct World {
        _dir: tempfile::TempDir,
        hub: Hub,
        base: String,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path().canonicalize().unwrap().join("repo");
            fs::create_dir(&root).unwrap();
            let git = Git::at(&root);
            git.run(&["init", "-q", "-b", "main"]).unwrap();
            for (path, text) in [("_bus/a", "bus"), ("_plans/a", ""), ("_report/a", ""), ("code/a", "1")] {
                fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
                fs::write(root.join(path), text).unwrap();
            }
            git.run(&["add", "."]).unwrap();
            git.run(&["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "base"]).unwrap();
            let base = git.run(&["rev-parse", "HEAD"]).unwrap();
            Self { hub: Hub::find(Some(&root), Clock::Machine).unwrap(), _dir: dir, base }
        }

        fn wanted<'a>(&'a self, job: &'a str, run: &'a str) -> Wanted<'a> {
            Wanted { job, task: "T-1", run, agent: "codex-1", branch: "agent/codex-1/a", base: &self.base, before: &[] }
        }

        fn prepare(&self, job: &str, run: &str) -> Place {
            prepare(&self.hub, &self.wanted(job, run)).unwrap()
        }
    }

    fn commit_all(place: &Place, run: &str, job: &str) -> Checkpoint {
        let repository = place.repository().unwrap();
        let snapshot = repository.snapshot(place.tip()).unwrap();
        let mark = Mark { agent: "codex-1", job, run, stage: "commands", round: 1, title: "work\n\nTeof-Job: x" };
        place.commit(snapshot.tree, &mark, Stamp::from_unix(1_000_000_000)).unwrap()
    }

    #[test]
    fn a_half_made_worktree_is_kept_and_another_is_created() {
        let world = World::new();
        let first = world.prepare("job-1", "run-1");
        // What git has written when it is killed early: the link, the reason, and no HEAD yet.
        for name in ["HEAD", "commondir"] {
            fs::remove_file(first.git_dir.join(name)).unwrap();
        }
        let second = world.prepare("job-1", "run-2");
        assert_ne!(second.root, first.root);
        assert!(second.root.join("code/a").exists() && first.root.exists());
        assert_eq!(world.prepare("job-1", "run-3").root, second.root, "and that one is found again");
    }

    #[test]
    fn a_worktree_whose_files_a_power_cut_emptied_is_moved_aside_and_its_work_stays() {
        let world = World::new();
        let first = world.prepare("job-1", "run-1");
        fs::write(first.root.join("code/b"), "half done").unwrap();
        for name in ["HEAD", "commondir", "gitdir", "locked"] {
            fs::write(first.git_dir.join(name), "").unwrap();
        }
        assert_eq!(unfinished::find(&world.hub.common_dir).len(), 1);
        let second = world.prepare("job-1", "run-2");
        assert!(second.root != first.root && first.root.join("code/b").exists());
        assert_eq!(unfinished::find(&world.hub.common_dir).len(), 0, "it is out of git's way");
    }

    #[test]
    fn a_retry_continues_from_the_last_checkpoint_and_loses_no_uncommitted_work() {
        let world = World::new();
        let first = world.prepare("job-1", "run-1");
        assert!(first.root.ends_with("repo.worktrees/job-1"), "{first:?}");
        fs::write(first.root.join("code/a"), "2").unwrap();
        fs::write(first.root.join("_bus/a"), "changed").unwrap();
        let checkpoint = commit_all(&first, "run-1", "job-1");
        fs::write(first.root.join("code/b"), "half done").unwrap();

        let again = world.prepare("job-1", "run-2");
        assert!(first.is_new && !again.is_new);
        assert_eq!((&again.root, &again.branch, again.base), (&first.root, &first.branch, first.base));
        assert_eq!(again.checkpoints, [checkpoint]);
        assert_eq!(fs::read_to_string(again.root.join("code/a")).unwrap(), "2");
        assert_eq!(fs::read_to_string(again.root.join("_bus/a")).unwrap(), "bus", "owned paths are the base's");
        assert!(!again.root.join("code/b").exists());
        let parked = again.parked.unwrap();
        assert_eq!(parked, "refs/teof/parked/run-1");
        assert_eq!(world.hub.git().run(&["show", &format!("{parked}:code/b")]).unwrap(), "half done");
        assert_eq!(world.hub.git().run(&["show", &format!("{parked}:_bus/a")]).unwrap(), "changed");
        let status = Git::at(&again.root).run(&["status", "--porcelain"]).unwrap();
        assert_eq!(status, "", "a person finds a clean worktree");
    }

    #[test]
    fn commits_of_others_on_the_branch_do_not_change_checkpoints() {
        let world = World::new();
        let first = world.prepare("job-1", "run-1");
        fs::write(first.root.join("code/a"), "2").unwrap();
        let checkpoint = commit_all(&first, "run-1", "job-1");
        let git = Git::at(&first.root);
        let own = |args: &[&str]| git.run(&[&["-c", "user.name=t", "-c", "user.email=t@t"], args].concat()).unwrap();
        for (n, deed) in [&["commit", "-qm", "own"][..], &["commit", "-q", "--amend", "--no-edit"]].iter().enumerate() {
            fs::write(first.root.join("code/b"), format!("own {n}")).unwrap();
            own(&["add", "."]);
            own(deed);
            let tip = own(&["rev-parse", "HEAD"]);
            let again = world.prepare("job-1", &format!("run-{}", n + 2));
            assert_eq!((&again.branch, &again.checkpoints), (&first.branch, &vec![checkpoint.clone()]), "{deed:?}");
            let kept = own(&["for-each-ref", "--format=%(objectname)", "refs/teof/moved"]);
            assert!(kept.contains(&tip), "{deed:?}: what was there is kept");
        }
        own(&["checkout", "-q", "--detach"]);
        own(&["branch", "-q", "-D", &first.branch]);
        let again = world.prepare("job-1", "run-4");
        assert_eq!((again.branch, again.checkpoints), (first.branch, vec![checkpoint]), "the branch is made again");
    }

    #[test]
    fn commits_before_the_first_checkpoint_keep_the_jobs_branch() {
        let world = World::new();
        let first = world.prepare("job-1", "run-1");
        let git = Git::at(&first.root);
        git.run(&["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "own"]).unwrap();
        let again = world.prepare("job-1", "run-2");
        assert_eq!((again.branch, again.base, again.checkpoints.len()), (first.branch, first.base, 0));
    }

    #[test]
    fn a_worktree_whose_folder_was_deleted_is_made_again_at_its_checkpoint() {
        let world = World::new();
        let first = world.prepare("job-1", "run-1");
        fs::write(first.root.join("code/a"), "2").unwrap();
        commit_all(&first, "run-1", "job-1");
        fs::remove_dir_all(&first.root).unwrap();
        let again = world.prepare("job-1", "run-2");
        assert_eq!(fs::read_to_string(again.root.join("code/a")).unwrap(), "2");
    }

    #[test]
    fn no_filter_of_the_repository_runs_when_a_worktree_is_made() {
        let world = World::new();
        let ran = world.hub.common_dir.join("ran");
        let git = world.hub.git();
        git.run(&["config", "filter.evil.smudge", &format!("touch '{}'; cat", ran.display())]).unwrap();
        fs::write(world.hub.common_dir.join("info/attributes"), "code/* filter=evil\n").unwrap();
        let place = world.prepare("job-1", "run-1");
        assert_eq!(fs::read_to_string(place.root.join("code/a")).unwrap(), "1");
        assert!(!ran.exists());
    }

    #[test]
    fn git_locks_of_a_killed_worker_are_removed() {
        let world = World::new();
        let first = world.prepare("job-1", "run-1");
        fs::write(first.root.join("code/b"), "half done").unwrap();
        let refs = world.hub.common_dir.join("refs");
        fs::create_dir_all(refs.join("teof/parked")).unwrap();
        fs::create_dir_all(refs.join("teof/jobs")).unwrap();
        for lock in [
            refs.join("heads/agent/codex-1/a.lock"),
            refs.join("teof/parked/run-1.lock"),
            refs.join("teof/jobs/job-1.lock"),
            first.git_dir.join("HEAD.lock"),
            first.git_dir.join("index.lock"),
        ] {
            fs::write(lock, "").unwrap();
        }
        let again = world.prepare("job-1", "run-2");
        assert_eq!(again.parked.as_deref(), Some("refs/teof/parked/run-1-2"));
        commit_all(&again, "run-2", "job-1");
        assert_eq!(Git::at(&again.root).run(&["status", "--porcelain"]).unwrap(), "");
    }

    #[test]
    fn a_worktree_with_a_nested_repository_is_kept() {
        let world = World::new();
        let first = world.prepare("job-1", "run-1");
        fs::create_dir(first.root.join("inner")).unwrap();
        Git::at(&first.root.join("inner")).run(&["init", "-q"]).unwrap();
        fs::write(first.root.join("inner/precious"), "x").unwrap();
        let again = world.prepare("job-1", "run-2");
        assert_ne!(again.root, first.root);
        assert_eq!(again.branch, first.branch);
        assert!(first.root.join("inner/precious").exists());
        assert_eq!(world.prepare("job-1", "run-3").root, again.root);
    }

    #[test]
    fn branches_that_hold_anything_else_are_left_alone() {
        let world = World::new();
        let first = world.prepare("job-1", "run-1");
        fs::write(first.root.join("code/a"), "2").unwrap();
        let kept = commit_all(&first, "run-1", "job-1").commit;
        let second = world.prepare("job-2", "run-2");
        assert_eq!(second.branch, "agent/codex-1/a-2");
        assert_ne!(second.root, first.root);
        assert_eq!(first.repository().unwrap().repo().refname_to_id("refs/heads/agent/codex-1/a").unwrap(), kept);

        let git = world.hub.git();
        git.run(&["switch", "-qc", "agent/codex-1/person"]).unwrap();
        let wanted = Wanted { branch: "agent/codex-1/person", ..world.wanted("job-3", "run-3") };
        assert_eq!(prepare(&world.hub, &wanted).unwrap().branch, "agent/codex-1/person-2", "somebody works there");
        let rebase = ["-c", "user.name=t", "-c", "user.email=t@t", "rebase", "-q", "--root", "--exec", "false"];
        assert!(!git.succeeds(&rebase).unwrap());
        assert_eq!(world.hub.branch(), None, "a rebase is on no branch");
        let wanted = Wanted { job: "job-4", ..wanted };
        assert_eq!(prepare(&world.hub, &wanted).unwrap().branch, "agent/codex-1/person-3", "and comes back to it");
    }

    #[test]
    fn no_worker_works_on_the_main_branch_or_another_seats() {
        let world = World::new();
        for branch in ["main", "agent/codex-2/a", "agent/codex-1/", "agent/codex-1/../x", "agent/codex-1/-\n"] {
            let error = prepare(&world.hub, &Wanted { branch, ..world.wanted("job-1", "run-1") }).unwrap_err();
            assert_eq!(Refusal::of(&error).unwrap().code, "branch.not_the_seats", "{branch}");
        }
        world.hub.git().run(&["branch", "agent/codex-1"]).unwrap();
        let error = prepare(&world.hub, &world.wanted("job-1", "run-1")).unwrap_err();
        assert_eq!(Refusal::of(&error).unwrap().code, "branch.in_the_way");
        let error = prepare(&world.hub, &Wanted { base: "0123456789", ..world.wanted("j", "r") }).unwrap_err();
        assert_eq!(Refusal::of(&error).unwrap().code, "order.base_unknown");
    }

    #[test]
    fn a_foreign_worktree_is_neither_used_nor_changed() {
        let world = World::new();
        let home = home(&world.hub).unwrap();
        fs::create_dir_all(home.join("job-1")).unwrap();
        fs::write(home.join("job-1/precious"), "x").unwrap();
        let place = world.prepare("job-1", "run-1");
        assert!(place.root.ends_with("job-1-2"));
        assert_eq!(fs::read_to_string(home.join("job-1/precious")).unwrap(), "x");
    }
}
