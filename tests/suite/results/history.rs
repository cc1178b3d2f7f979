//! What a day of work leaves in the history of the main branch: a changelog, and next to nothing of teof's own.

use super::*;

/// How many jobs are done.
const JOBS: usize = 14;

#[test]
fn fourteen_approved_jobs_leave_fourteen_commits_and_at_most_two_of_the_record() {
    let page = "echo page > src/$(basename \"$PWD\").txt";
    let site = Site::new("[guard]\ntests = [\"true\"]", &format!("{page}\n{DONE}"));
    for n in 2..=4 {
        let seat = json!({"agent_id": format!("worker-{n}"), "desired_roles": ["engineer"]}).to_string();
        site.world.write(&format!("AGENT_MANIFEST.worker-{n}.json"), &seat);
    }
    let settings = site.world.read("teof.toml").replace("[\"coder\"]", "[\"coder\", \"tester\"]");
    site.world.write("teof.toml", &settings.replace("retries = 0", "retries = 0\nqueue = 14\nconcurrency = 4"));
    site.world.git(&["add", "."]);
    site.world.git(&["commit", "-qm", "More seats"]);
    site.world.ok(&["consent", "grant", "--allow-apply", "--continuous"]);
    site.world.ok(&["bus", "commit"]);
    let start = site.world.git(&["rev-parse", "main"]);
    for n in 1..=JOBS {
        site.world.ok(&["coordinator", "submit", "--objective", &format!("Write page {n}")]);
    }
    site.world.run(&["coordinator", "run", "--until-idle"]).expect(0);
    let left = site.world.git(&["status", "--porcelain"]);
    assert_eq!(left, "", "the record is committed when the work is done: {}", site.world.git(&["diff"]));

    // A person decides about all of them, while no coordinator runs.
    let waiting = site.world.json(&["review", "list"]);
    let jobs: Vec<_> = waiting.as_array().unwrap().iter().map(|job| job["job"].as_str().unwrap().to_owned()).collect();
    assert_eq!(jobs.len(), JOBS, "{waiting:#}");
    let names: Vec<&str> = jobs.iter().map(String::as_str).collect();
    let said = site.world.ok(&[&["review", "approve"], names.as_slice()].concat());
    assert_eq!(said.lines().last(), Some("Approved 14 of 14"), "{said}");
    assert_eq!(site.world.run(&["coordinator", "run", "--until-idle"]).code, 0);
    site.world.ok(&["bus", "commit"]);
    assert_eq!(site.world.git(&["status", "--porcelain"]), "");

    let log = site.world.git(&["log", "--first-parent", "--reverse", "--format=%s", &format!("{start}..main")]);
    let (record, work): (Vec<_>, Vec<_>) = log.lines().partition(|subject| *subject == "Commit the record");
    assert!(record.len() <= 2, "{log}");
    let mut pages: Vec<_> = work.iter().map(|subject| (*subject).to_owned()).collect();
    let mut wanted: Vec<_> = (1..=JOBS).map(|n| format!("Write page {n}")).collect();
    pages.sort();
    wanted.sort();
    assert_eq!(pages, wanted, "it reads as a changelog: {log}");
    let all = site.world.git(&["rev-list", "--count", &format!("{start}..main")]);
    assert_eq!(all, log.lines().count().to_string(), "nothing came in beside the main line");
    let trees = site.world.git(&["log", "--format=%T", &format!("{start}~..main")]);
    let mut seen: Vec<_> = trees.lines().collect();
    seen.dedup();
    assert_eq!(seen.len(), trees.lines().count(), "no commit is empty");
    let whole = site.world.git(&["rev-list", "--count", "--all", "--not", &start]).parse::<usize>().unwrap();
    assert_eq!(whole, 2 * JOBS + record.len(), "a job's branch has its work, and no ref shows its stages");
    let branch = site.world.json(&["review", "show", &jobs[0]])["bundle"]["branch"].as_str().unwrap().to_owned();
    let commits = site.world.git(&["rev-list", "--count", &format!("{start}..{branch}")]);
    assert_eq!(commits, "1", "the tester changed nothing");

    // Everything that asks whether work was merged finds that it was.
    let refused = site.world.refused(&["review", "reject", &jobs[0], "--note", "too late"]);
    assert_eq!(refused["code"], "review.decided");
    let status = site.world.json(&["coordinator", "status", "--limit", "100"]);
    let done = |job: &&Value| job["phase"]["ending"] == "done";
    assert_eq!(status["finished"].as_array().unwrap().iter().filter(done).count(), JOBS, "{status:#}");
    site.world.ok(&["worktree", "clean", "--all-finished"]);
    assert_eq!(site.world.git(&["worktree", "list"]).lines().count(), 1);
    assert_eq!(site.world.git(&["for-each-ref", "refs/teof/jobs"]), "", "their checkpoints are forgotten");
    site.world.ok(&["review", "revert", &jobs[3], "--note", "wrong"]);
    let revert = site.world.git(&["log", "-1", "--format=%s", "main"]);
    assert!(revert.starts_with("Revert \"Write page "), "{revert}");
    let files = site.world.git(&["ls-tree", "-r", "--name-only", "main", "src"]);
    assert_eq!(files.lines().count(), JOBS, "one page of fourteen is gone, code.txt is there");
}
