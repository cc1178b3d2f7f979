//! Agents that misbehave in every way that real ones were seen to: each ends in the right verdict, in
//! bounded time and memory, with nothing left running and nothing lost.

use std::fs;

use serde_json::{Value, json};
use teof::exec::ProcessTree;

use crate::harness::World;
use crate::harness::work::UNCONFINED;

const RUN: &str = "run-1";

/// Says what a program prints as claude's stream does.
const SPEAK: &str = r##"
say() { printf '%s\n' "$1"; }
begin() { say '{"type":"system","subtype":"init","session_id":"s-1","model":"m"}'; }
result() { say '{"type":"result","subtype":"success","is_error":false,"session_id":"s-1","usage":{"input_tokens":10,"output_tokens":5},"result":"{\"analysis\":\"'"$1"'\",\"commands\":[],\"receipts\":[]}"}'; }
prompt=$(cat)
begin
"##;

/// A seat with a claim, a fresh session, and an order for one coder whose program is `script`.
struct Bench {
    world: World,
    order: Value,
}

impl Bench {
    fn new(script: &str) -> Bench {
        let world = World::with_work(&[]);
        let program = world.folder().join("agent.sh");
        fs::write(&program, format!("{SPEAK}{script}\n")).unwrap();
        let settings = format!(
            "[worker]\ngrace = \"1s\"\nafter_result = \"1s\"\n[agents.fake]\ncommand = [\"sh\", {:?}]\nformat = \"claude\"\n[roles.coder]\nagent = \"fake\"\n{UNCONFINED}",
            program.display().to_string()
        );
        world.trust_settings(&settings);
        let order = world.order(json!({
            "guardrails.tests": ["true"], "stages": ["coder"], "roles": {"coder": {"agent": "fake"}},
        }));
        Bench { world, order }
    }

    fn with(mut self, key: &str, value: Value) -> Bench {
        self.order["guardrails"][key] = value;
        self
    }

    /// Runs the order, with at most `megabytes` of address space for the foreman and all it starts.
    fn run_within(&self, megabytes: u64) -> Value {
        let path = "_report/agent/manager/manifests/manifest-1.json";
        self.world.write(path, &format!("{:#}\n", self.order));
        let line = format!("ulimit -v {}; exec \"$@\"", megabytes * 1024);
        let mut command = std::process::Command::new("sh");
        self.world.clear(&mut command);
        let teof = env!("CARGO_BIN_EXE_teof");
        let args = ["-c", &line, "sh", teof, "foreman", "run", path, "--execute", "--run", RUN];
        let output = command.args(args).current_dir(&self.world.repo).output().unwrap();
        let outcome = self.world.repo.join(format!(".git/teof/runs/{RUN}.json"));
        let bytes = fs::read(outcome).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
        let marks = [("TEOF_RUN", RUN.to_owned()), ("TEOF_ROOT", self.world.repo.display().to_string())];
        let marks = marks.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let left = ProcessTree { marks, ..ProcessTree::default() }.living();
        assert!(left.is_empty(), "still running: {left:?}");
        serde_json::from_slice(&bytes).unwrap()
    }

    fn run(&self) -> Value {
        self.run_within(4096)
    }

    /// The file in the reviewed commit.
    fn result(&self, outcome: &Value, path: &str) -> String {
        self.world.git(&["show", &format!("{}:{path}", outcome["commit"].as_str().unwrap())])
    }

    fn branches_are_as_they_were(&self) {
        assert_eq!(self.world.git(&["log", "-1", "--format=%s", "main"]), "Content");
    }
}

fn codes(outcome: &Value) -> Vec<&str> {
    outcome["findings"].as_array().unwrap().iter().filter_map(|found| found["code"].as_str()).collect()
}

#[track_caller]
fn expect(outcome: &Value, verdict: &str, reason: &str) {
    assert_eq!(outcome["verdict"], verdict, "{outcome:#}");
    assert!(outcome["reason"].as_str().unwrap().contains(reason), "{outcome:#}");
}

#[test]
fn a_silent_agent_is_stopped_and_suspended() {
    let bench = Bench::new("sleep 1000").with("no_output", json!("1s"));
    expect(&bench.run(), "paused", "no output for too long");
}

#[test]
fn an_agent_without_progress_is_stopped_and_suspended() {
    let bench = Bench::new("while :; do echo '{\"type\":\"noise\"}'; sleep 0.1; done").with("no_event", json!("1s"));
    expect(&bench.run(), "paused", "no progress for too long");
}

#[test]
fn an_agent_over_a_limit_failed_and_is_not_suspended() {
    let bench = Bench::new("head -c 30000000 /dev/zero > big; sleep 1000");
    let settings = bench.world.read("teof.toml");
    bench.world.write("teof.toml", &format!("{settings}[worker.limits]\ndisk = \"20m\"\ncpus = \"64\"\n"));
    let outcome = bench.run();
    expect(&outcome, "failed", "worker.limits.disk = \"20m\"");
    assert_eq!(
        (&outcome["suspended"], &outcome["needs_person"]),
        (&Value::Null, &Value::Null),
        "an attempt: {outcome:#}"
    );
    let envelope = bench.world.read_json(outcome["envelope"].as_str().unwrap());
    let reported = envelope["limits"].as_array().unwrap();
    assert_eq!(reported[1], json!({"what": "disk", "limit": "20m", "by": "watch"}), "{reported:?}");
    assert!(["cgroup", "none"].contains(&reported[0]["by"].as_str().unwrap()), "{reported:?}");
}

#[test]
fn an_agent_is_stopped_at_its_time_limit() {
    let talk = "while :; do say '{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"hm\"}]}}'; sleep 0.1; done";
    expect(&Bench::new(talk).with("wall", json!("1s")).run(), "failed", "time limit reached");
}

#[test]
fn a_flood_of_100_mb_is_bounded_and_its_result_counts() {
    let flood = "echo three >> src/code.txt
        line=$(head -c 900 /dev/zero | tr '\\0' x)
        yes '{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"'$line'\"}]}}' | head -c 100000000; echo
        yes complaint | head -c 100000000 >&2
        result done";
    let bench = Bench::new(flood);
    // Two floods, and the git objects that libgit2 maps, in less than the floods together.
    let outcome = bench.run_within(190);
    expect(&outcome, "succeeded", "");
    assert_eq!(bench.result(&outcome, "src/code.txt"), "one\ntwo\nthree");
}

#[test]
fn one_line_without_end_is_bounded_too() {
    let bench = Bench::new("head -c 100000000 /dev/zero | tr '\\0' x; echo; echo three >> src/code.txt; result done");
    expect(&bench.run_within(190), "succeeded", "");
}

#[test]
fn an_agent_that_ignores_sigterm_is_killed() {
    let bench = Bench::new("trap '' TERM; while :; do sleep 1000; done").with("no_output", json!("1s"));
    expect(&bench.run(), "paused", "no output for too long");
}

#[test]
fn a_double_fork_is_found() {
    let away = "echo three >> src/code.txt
        setsid sh -c 'setsid sh -c \"sleep 1000\" >/dev/null 2>&1 &' >/dev/null 2>&1
        result done";
    expect(&Bench::new(away).run(), "succeeded", "");
}

#[test]
fn output_that_stays_open_after_the_end_is_not_waited_for() {
    expect(&Bench::new("echo three >> src/code.txt; sleep 1000 & result done").run(), "succeeded", "");
}

#[test]
fn a_process_that_lingers_after_its_result_is_stopped() {
    expect(&Bench::new("echo three >> src/code.txt; result done; sleep 1000").run(), "succeeded", "");
}

#[test]
fn a_second_result_after_background_work_is_the_one_that_counts() {
    let later = "say '{\"type\":\"system\",\"subtype\":\"background_tasks_changed\",\"tasks\":[{\"id\":\"b\"}]}'
        result early; sleep 3
        echo three >> src/code.txt
        say '{\"type\":\"system\",\"subtype\":\"background_tasks_changed\",\"tasks\":[]}'
        begin; result late";
    // The grace after a result is one second, and this one comes after three.
    let bench = Bench::new(later);
    let outcome = bench.run();
    expect(&outcome, "succeeded", "");
    let envelope = bench.world.read(outcome["envelope"].as_str().unwrap());
    assert!(envelope.contains("late") && bench.result(&outcome, "src/code.txt").contains("three"), "{envelope}");
}

#[test]
fn exit_code_0_without_a_result_is_no_success() {
    expect(&Bench::new("echo three >> src/code.txt; exit 0").run(), "failed", "result");
}

#[test]
fn a_result_with_a_failing_exit_code_fails() {
    expect(&Bench::new("echo three >> src/code.txt; result done; exit 3").run(), "failed", "3");
}

#[test]
fn success_without_changes_is_retried_and_then_blocked() {
    let bench = Bench::new("echo x >> \"$HOME/passes\"; result done");
    let outcome = bench.run();
    expect(&outcome, "blocked", "the coder changed nothing");
    let passes = fs::read_to_string(bench.world.folder().join("home/passes")).unwrap();
    assert_eq!(passes.lines().count(), 3, "three passes in all");
}

#[test]
fn success_with_failing_tests_goes_back_and_is_blocked_in_the_end() {
    let bench = Bench::new("echo x >> src/code.txt; result done").with("tests", json!(["grep four src/code.txt"]));
    let outcome = bench.run();
    expect(&outcome, "blocked", "grep four");
    assert_eq!(bench.result(&outcome, "src/code.txt"), "one\ntwo\nx\nx\nx", "everything is kept");
}

#[test]
fn a_diff_beyond_the_limit_is_blocked_at_once() {
    let bench = Bench::new("seq 1 100 > src/big.txt; result done");
    let outcome = bench.run();
    expect(&outcome, "blocked", "100 changed lines");
    assert_eq!((codes(&outcome).contains(&"diff.too_large"), &outcome["passes"]), (true, &json!(1)), "no second pass");
}

#[test]
fn files_over_the_size_limit_are_not_read() {
    let bench = Bench::new("truncate -s 1T src/huge.bin; result done");
    let outcome = bench.run();
    expect(&outcome, "blocked", "the largest file is src/huge.bin");
    assert!(bench.world.folder().join("repo.worktrees/job-1/src/huge.bin").exists(), "it is left as it is");
    bench.branches_are_as_they_were();
}

#[test]
fn folders_that_are_too_deep_to_read_are_blocked_at_once() {
    let deep =
        |levels| format!("d=$(printf 'd/%.0s' $(seq {levels})); mkdir -p \"$d\"; echo x > \"$d/f\"; result done");
    let outcome = Bench::new(&deep(100)).run();
    expect(&outcome, "blocked", "d/d/d");
    assert!(codes(&outcome).contains(&"worktree.too_deep"), "{outcome}");
    expect(&Bench::new(&deep(99)).run(), "succeeded", "");
}

#[test]
fn line_ends_that_git_warns_of_are_kept_as_it_converts_them() {
    let bench = Bench::new("printf 'one\\ntwo\\nthree\\n' > src/code.txt; result done");
    bench.world.git(&["config", "core.autocrlf", "true"]);
    bench.world.git(&["config", "core.safecrlf", "true"]);
    let outcome = bench.run();
    expect(&outcome, "succeeded", "");
    assert_eq!(bench.result(&outcome, "src/code.txt"), "one\ntwo\nthree");
}

#[test]
fn denied_paths_are_blocked_and_the_record_stays_as_it_is() {
    let bench =
        Bench::new("echo '[worker]' > teof.toml; mkdir -p vault; echo x > vault/a.md; echo x > _plans/x; result done");
    let outcome = bench.run();
    expect(&outcome, "blocked", "teof.toml");
    assert!(!bench.world.exists("_plans/x") && !bench.world.exists("vault/a.md"));
    bench.branches_are_as_they_were();
}

#[test]
fn a_rewritten_history_is_reported_and_kept() {
    let rewrite = "git -c user.name=a -c user.email=a@a commit -q --amend -m mine 2>/dev/null
        echo three >> src/code.txt; git update-ref refs/heads/main HEAD 2>/dev/null; result done";
    let bench = Bench::new(rewrite);
    let main = bench.world.git(&["rev-parse", "main"]);
    let outcome = bench.run();
    assert_ne!(outcome["verdict"], "succeeded", "{outcome:#}");
    let all = bench.world.git(&["log", "--all", "--format=%H"]);
    assert!(all.contains(&main), "the base is still there");
}

#[test]
fn a_secret_in_the_work_is_blocked_and_repeated_nowhere() {
    let secret = concat!("ghp", "_16C7e42F292c6912E7710c838347Ae178B4a");
    let bench = Bench::new(&format!("echo 'token = \"{secret}\"' >> src/code.txt; result 'the token is {secret}'"));
    let outcome = bench.run();
    expect(&outcome, "blocked", "secret");
    let told = bench.world.read(outcome["envelope"].as_str().unwrap());
    assert!(!told.contains(secret) && !outcome.to_string().contains(secret), "{told}");
}

#[test]
fn a_secret_in_the_name_of_a_file_is_repeated_nowhere() {
    let secret = concat!("ghp", "_16C7e42F292c6912E7710c838347Ae178B4a");
    // The second one is denied, so that a finding and the reason name it.
    for name in [secret.to_owned(), format!("secret/{secret}")] {
        let bench =
            Bench::new(&format!("mkdir -p secret; echo x > {name}; result done")).with("denied", json!(["secret/"]));
        let outcome = bench.run();
        assert!(!outcome.to_string().contains(secret), "{outcome:#}");
        let mut grep = std::process::Command::new("grep");
        let found = grep.args(["-rn", secret, "_report", "_bus"]).current_dir(&bench.world.repo).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "{name}");
    }
}

#[test]
fn bytes_that_are_no_text_and_lines_that_are_cut_cost_nothing_else() {
    let odd = "printf '\\377\\376 no text\\n{\"type\":\"assis\\n\\n{\\n'
        printf '{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"\\377\"}]}}\\n'
        echo three >> src/code.txt; result done; printf '{\"type\":\"half'";
    let bench = Bench::new(odd);
    let outcome = bench.run();
    expect(&outcome, "succeeded", "");
    assert_eq!(bench.result(&outcome, "src/code.txt"), "one\ntwo\nthree");
}

/// A folder of somebody's, with names that git tracks and names that it does not, and what is in it.
fn victim(bench: &Bench, name: &str) -> std::path::PathBuf {
    let victim = bench.world.folder().join(name);
    fs::create_dir_all(victim.join("src")).unwrap();
    for path in ["diary.txt", "src/code.txt"] {
        fs::write(victim.join(path), "precious").unwrap();
    }
    victim
}

#[track_caller]
fn is_untouched(victim: &std::path::Path) {
    for path in ["diary.txt", "src/code.txt"] {
        assert_eq!(fs::read_to_string(victim.join(path)).unwrap(), "precious", "{path}");
    }
}

/// The same bench with another program, which may name the victim.
fn attacked(name: &str, script: impl Fn(&str) -> String) -> (Bench, std::path::PathBuf) {
    let bench = Bench::new("");
    let victim = victim(&bench, name);
    let text = format!("{SPEAK}{}\n", script(&victim.display().to_string()));
    fs::write(bench.world.folder().join("agent.sh"), text).unwrap();
    (bench, victim)
}

#[test]
fn a_link_in_place_of_the_worktree_is_not_followed() {
    for stages in [json!(["planner", "coder"]), json!(["coder"])] {
        let (mut bench, victim) =
            attacked("victim", |to| format!("W=$PWD; cd /; rm -rf \"$W\"; ln -s '{to}' \"$W\"; result done"));
        bench.order["stages"] = stages;
        let outcome = bench.run();
        assert!(codes(&outcome).contains(&"git.replaced"), "{outcome:#}");
        assert_ne!(outcome["verdict"], "succeeded", "{outcome:#}");
        is_untouched(&victim);
    }
}

#[test]
fn a_link_in_place_of_the_worktrees_folder_is_not_followed() {
    let (mut bench, victim) = attacked("other/job-1", |to| {
        format!(
            "P=$(dirname \"$PWD\"); cd /; mv \"$P\" \"$P-old\"; ln -s \"$(dirname '{to}')\" \"$P\"
            cp \"$P-old/job-1/.git\" \"$P/job-1/.git\"; result done"
        )
    });
    bench.order["stages"] = json!(["planner", "coder"]);
    let outcome = bench.run();
    assert!(codes(&outcome).contains(&"git.replaced"), "{outcome:#}");
    is_untouched(&victim);
}

#[test]
fn a_redirected_worktree_refuses_the_next_attempt() {
    let (bench, victim) = attacked("victim", |to| {
        format!("G=$(git rev-parse --absolute-git-dir); echo '{to}/.git' > \"$G/gitdir\"; exit 1")
    });
    bench.run();
    let args = ["foreman", "run", "_report/agent/manager/manifests/manifest-1.json", "--execute", "--run", "run-2"];
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_teof"));
    bench.world.clear(&mut command);
    command.args(args).current_dir(&bench.world.repo).output().unwrap();
    let outcome = fs::read(bench.world.repo.join(".git/teof/runs/run-2.json")).unwrap();
    let outcome: Value = serde_json::from_slice(&outcome).unwrap();
    assert!(codes(&outcome).contains(&"worktree.not_ours"), "{outcome:#}");
    is_untouched(&victim);
}

#[test]
fn a_worktree_of_somebody_else_is_not_taken_for_ones_own() {
    let (bench, victim) = attacked("victim", |_| {
        r#"G=$(git rev-parse --absolute-git-dir); home=$(dirname "$PWD"); other="$home/person"
        echo "$other/.git" > "$G/gitdir"
        echo "{\"folders\": [$(stat -c %i "$other"), $(stat -c %i "$home")]}" > "$G/teof.json"; exit 1"#
            .to_owned()
    });
    let home = bench.world.folder().join("repo.worktrees");
    let person = home.join("person");
    fs::create_dir_all(&home).unwrap();
    bench.world.git(&["worktree", "add", "-q", "-b", "mine", person.to_str().unwrap()]);
    fs::write(person.join("draft.txt"), "a person's").unwrap();
    bench.run();
    let args = ["foreman", "run", "_report/agent/manager/manifests/manifest-1.json", "--execute", "--run", "run-2"];
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_teof"));
    bench.world.clear(&mut command);
    command.args(args).current_dir(&bench.world.repo).output().unwrap();
    let outcome = fs::read(bench.world.repo.join(".git/teof/runs/run-2.json")).unwrap();
    let outcome: Value = serde_json::from_slice(&outcome).unwrap();
    assert!(codes(&outcome).contains(&"git.replaced"), "{outcome:#}");
    assert_eq!(fs::read_to_string(person.join("draft.txt")).unwrap(), "a person's");
    assert_eq!(bench.world.git(&["-C", person.to_str().unwrap(), "branch", "--show-current"]), "mine");
    is_untouched(&victim);
}

#[test]
fn changing_the_target_branch_is_reported() {
    let cherry = "git commit -qam mine; c=$(git rev-parse HEAD); git reset -q --hard HEAD~1
        GIT_COMMITTER_DATE=2020-01-01T00:00:00Z git cherry-pick $c >/dev/null
        git update-ref refs/heads/main HEAD";
    let orphan = "git update-ref refs/heads/main $(git commit-tree -m evil $(git write-tree))";
    for (script, code) in [
        (cherry, "git.merged"),
        (orphan, "git.target_moved"),
        ("git update-ref -d refs/heads/main", "git.target_moved"),
    ] {
        let who = "git config user.name Me; git config user.email me@example.invalid";
        let outcome = Bench::new(&format!("{who}\necho three >> src/code.txt\n{script}\nresult done")).run();
        assert!(codes(&outcome).contains(&code), "{script}: {outcome:#}");
    }
}

#[test]
fn settings_that_git_executes_and_exclusions_do_not_change_unseen() {
    let outcome = Bench::new(
        "echo three >> src/code.txt; git config pager.log evil; git config user.name Me
        echo '*.rs' >> $(git rev-parse --git-common-dir)/info/exclude; result done",
    )
    .run();
    let found = outcome["findings"].to_string();
    assert!(found.contains("config pager.log") && found.contains("info/exclude"), "{outcome:#}");
    assert!(codes(&outcome).contains(&"git.identity") && found.contains("user.name"), "{outcome:#}");
}

#[test]
fn leaving_deleting_or_replacing_the_branch_is_reported() {
    let who = "git config user.name Me; git config user.email me@example.invalid; echo three >> src/code.txt";
    let leaves = "git checkout -q -b feature-x; git commit -qam own";
    let deletes = "git checkout -q --detach; git branch -q -D agent/codex-1/docs";
    let replaces = "git symbolic-ref refs/heads/agent/codex-1/docs refs/heads/main";
    for (script, code) in
        [(leaves, "git.head_moved"), (deletes, "git.branch_missing"), (replaces, "git.branch_replaced")]
    {
        let bench = Bench::new(&format!("{who}; {script}; result done"));
        let outcome = bench.run();
        assert_eq!(outcome["verdict"], "blocked", "{outcome:#}");
        assert!(codes(&outcome).contains(&code), "{outcome:#}");
        if script == leaves {
            assert_eq!(bench.world.git(&["log", "-1", "--format=%s", &format!("refs/teof/moved/{RUN}")]), "own");
        }
        if script == replaces {
            assert_eq!(bench.world.git(&["show", "agent/codex-1/docs:src/code.txt"]).lines().last(), Some("three"));
            assert!(!bench.world.git(&["show", "main:src/code.txt"]).contains("three"));
        }

        let mut bench = Bench::new("");
        bench.order["stages"] = json!([]);
        bench.order["roles"] = json!({});
        bench.order["commands"] = json!([format!("{who}; {script}")]);
        let outcome = bench.run();
        assert!(codes(&outcome).contains(&code), "{outcome:#}");
    }
}

#[test]
fn a_job_whose_objects_git_lost_is_blocked_with_their_names() {
    for lost in ["HEAD:src/code.txt", "HEAD:src"] {
        let remove = "cd $(git rev-parse --git-common-dir)/objects; rm -f $(echo $id | sed 's|^..|&/|')";
        let bench = Bench::new(&format!("echo new > new.txt; (id=$(git rev-parse {lost}); {remove}); result done"));
        let id = bench.world.git(&["rev-parse", lost]);
        let outcome = bench.run();
        expect(&outcome, "blocked", &id);
        assert!(codes(&outcome).contains(&"git.object_missing"), "{outcome:#}");

        // A retry does not come as far as its worktree.
        fs::remove_file(bench.world.repo.join(format!(".git/teof/runs/{RUN}.json"))).unwrap();
        let outcome = bench.run();
        assert!(
            outcome["reason"].as_str().unwrap().starts_with("git's store lacks objects of the commit"),
            "{outcome:#}"
        );
        assert!(codes(&outcome).contains(&"git.object_missing"), "{outcome:#}");
    }
}
