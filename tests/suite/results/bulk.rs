//! Decisions about several jobs at once: refusals of one do not stop the others, and the last line counts.

use std::os::unix::process::ExitStatusExt;

use rustix::process::{Pid, Signal};

use super::*;
use crate::harness::until;
use crate::harness::work::UNCONFINED;

/// Two changes that conflict, one of its own, one that fails, and one with the marks of a conflict in it.
const WORK: &str = r#"case ${PWD##*-} in
  1|2) echo "$PWD" > src/code.txt ;;
  4) [ -e "$here/fixed" ] || exit 1; echo 4 > src/4.txt ;;
  5) printf '<<<<<<< a\nx\n=======\ny\n>>>>>>> b\n' > src/5.txt ;;
  *) echo page > "src/${PWD##*-}.txt" ;;
esac"#;

/// A test that goes on for as long as there is a file.
const HELD: &str = "while [ -e $HOME/hold ] && [ -e src/3.txt ]; do touch $HOME/held; sleep 0.02; done";

fn last_line(ran: &Ran) -> &str {
    ran.stdout.lines().last().unwrap_or_default()
}

#[test]
fn several_decisions_are_taken_one_by_one_and_a_refusal_stops_no_other() {
    let site = Site::new(&format!("[guard]\ntests = [{HELD:?}]\n{UNCONFINED}"), &format!("{WORK}\n{DONE}"));
    for (what, said) in [("approve --all-passing", "Nothing to approve"), ("retry --all-blocked", "Nothing to retry")] {
        let args = [&["review"], what.split(' ').collect::<Vec<_>>().as_slice()].concat();
        assert!(site.world.ok(&args).starts_with(said), "{what}");
        assert_eq!(site.world.json(&args), json!([]), "{what}");
    }
    for n in 1..=5 {
        site.world.ok(&["coordinator", "submit", "--objective", &format!("Write page {n}")]);
    }
    assert_eq!(site.run().code, 1, "one is blocked");

    // The third is tested again, because the first one moved the target. A person who has decided can still stop.
    let home = site.world.folder().join("home");
    fs::write(home.join("hold"), "").unwrap();
    let mut stopped = site.world.spawn(&["approve", "j1", "j3", "--by", "ada"]);
    until("the third is tested", || home.join("held").exists());
    rustix::process::kill_process(Pid::from_child(&stopped), Signal::TERM).unwrap();
    fs::remove_file(home.join("hold")).unwrap();
    assert_eq!(stopped.wait().unwrap().signal(), Some(Signal::TERM.as_raw()));

    // The second is in conflict once the first is merged, and goes back to its coder; the fifth has a finding.
    let approved = site.world.run(&["approve", "--all-passing", "--by", "ada"]);
    assert_eq!((approved.code, last_line(&approved)), (1, "Approved 1 of 2: j2 was refused"), "{approved:?}");
    assert!(approved.stderr.contains("error: j2 is in conflict with main\ncause: "), "{approved:?}");
    assert!(approved.stderr.contains("nothing was merged, and the job goes back to the coder"), "{approved:?}");
    assert!(approved.stderr.contains("j5 is left to you: medium: "), "{approved:?}");
    assert!(approved.stderr.contains("look at what is left, then decide: teof review j5"), "{approved:?}");
    assert!(approved.stdout.contains("j3 Write page 3 is merged") && !approved.stdout.contains("j5"), "{approved:?}");
    assert_eq!(site.world.git(&["rev-list", "--count", "--grep=^Teof-Reviewed-By", "main"]), "2");

    // What the coordinator refuses to queue is not decided either: as if the fifth were blocked, and queued meanwhile.
    let saved = site.world.repo.join(".git/teof/coordinator/state.json");
    let state = fs::read_to_string(&saved).unwrap();
    let mut blocked: Value = serde_json::from_str(&state).unwrap();
    blocked["jobs"][4]["phase"] = json!({"is": "over", "ending": "blocked", "at": "2026-01-05T10:00:00Z"});
    fs::write(&saved, blocked.to_string()).unwrap();
    site.world.ok(&["coordinator", "submit", blocked["jobs"][4]["task"].as_str().unwrap()]);
    let refused = site.world.refused(&["review", "retry", "j5", "--note", "again"]);
    assert!(refused["message"].to_string().contains("already queued"), "{refused}");
    fs::write(&saved, state).unwrap();

    // One result each; the exit code is the highest: 4 for what is not there, over 1 for what was decided.
    let ran = site.world.run(&["review", "reject", "j1", "j5", "nobody", "j5", "--note", "no", "--json"]);
    let list: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {ran:?}"));
    let brief: Vec<_> = list.as_array().unwrap().iter().map(|one| (&one["name"], &one["ok"])).collect();
    assert_eq!(brief, [(&json!("j1"), &json!(false)), (&json!("j5"), &json!(true)), (&json!("nobody"), &json!(false))]);
    assert_eq!((ran.code, &list[0]["error"]["code"]), (4, &json!("review.decided")), "{list:#}");
    assert_eq!((&list[1]["short"], &list[1]["decision"]["decision"]), (&json!("j5"), &json!("rejected")), "{list:#}");

    // What is blocked is queued again, except what a person said no to: that takes their word by name.
    fs::write(site.coder.file("fixed"), "").unwrap();
    let blocked = site.world.run(&["review", "retry", "--all-blocked"]).expect(0);
    assert_eq!(last_line(&blocked), "Retried 1 of 1", "{blocked:?}");
    assert!(blocked.stdout.starts_with("j4: ") && blocked.stdout.contains("queued"), "{blocked:?}");
    let again = site.world.run(&["review", "retry", "j4", "j2", "--note", "x"]);
    assert_eq!((again.code, last_line(&again)), (1, "Retried 1 of 2: j4 was refused"), "{again:?}");
    assert!(again.stdout.contains("j2: ") && again.stdout.contains("gets one more note"), "{again:?}");
    let single = site.world.json(&["review", "retry", "j5"]);
    assert_eq!((&single["short"], &single["coordinator"]["ok"]), (&json!("j5"), &json!(true)), "{single}");
    let queued = site.world.json(&["coordinator", "status"])["submissions"].as_array().unwrap().len();
    assert_eq!(queued, 2);

    // How the first attempt ended no longer matters once the work is queued or done again.
    assert!(!site.world.ok(&["report"]).contains("Blocked"), "{}", site.world.ok(&["report"]));
    site.run();
    let (status, report) = (site.world.ok(&["status"]), site.world.ok(&["report"]));
    assert!(!status.contains("j4 ") && !report.contains("Blocked"), "{status}\n{report}");
    // The second was sent back and has two orders; it is one job.
    let jobs = site.world.json(&["status"])["totals"]["chosen"].clone();
    assert_eq!(site.world.json(&["report"])["usage"]["jobs"], jobs, "{report}");
}

/// Waits until three of them are at work; says what each found where it works.
const TOGETHER: &str = r#"own=${PWD##*-}; touch "$here/here-$own"; n=0
while [ "$(ls "$here" | grep -c '^here-')" -lt 3 ]; do n=$((n + 1)); [ $n -lt 1200 ] || exit 1; sleep 0.05; done
ls src > "$here/seen-$own"; git branch --show-current > "$here/branch-$own"
echo page > "src/$own.txt""#;

#[test]
fn three_pipelines_work_at_once_each_in_its_own_worktree() {
    let site = Site::new("", &format!("{TOGETHER}\n{DONE}"));
    let tasks: Vec<_> = (1..=3).map(|n| site.submit(&format!("Write page {n}"))).collect();
    assert_eq!(site.run().code, 0);
    let read = |name: &str| fs::read_to_string(site.coder.file(name)).unwrap();
    let mut branches = Vec::new();
    for (n, task) in (1..).zip(&tasks) {
        let job = site.job(task);
        let commit = job["last"]["commit"].as_str().unwrap();
        let changed = site.world.git(&["diff", "--name-only", &format!("main...{commit}")]);
        assert_eq!((&job["phase"]["is"], changed.trim()), (&json!("review"), &*format!("src/{n}.txt")), "{job:#}");
        assert_eq!(read(&format!("seen-{n}")), "code.txt\n", "nothing of the others");
        branches.push(read(&format!("branch-{n}")));
    }
    branches.sort();
    branches.dedup();
    assert!(branches.len() == 3 && !branches.contains(&"main\n".to_owned()), "{branches:?}");
}
