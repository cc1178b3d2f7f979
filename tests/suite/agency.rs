//! The orchestrator request's table of manual tests, row by row, with a real coordinator, real workers
//! and fake agents; and three agents at once while everything is killed at random.

use std::fs;
use std::path::PathBuf;
use std::process::Child;

use serde_json::{Value, json};

use crate::harness::{World, until};

/// A fake agent: it plans, codes, and reviews, as the test tells it by files in `$HOME/own`.
///
/// - `log`: a line per call, `<role> <task>`;
/// - `spend-<role>` makes that role say that it used 5000 tokens;
/// - `hold-<role>` makes that role wait until the file is gone;
/// - `reject` holds how many more reviews say no; `wrong` how many more of the coder's passes do it wrong.
const AGENT: &str = r##"
say() { printf '%s\n' "$1"; }
prompt=$(cat)
case "$prompt" in
  "# Plan "*) role=planner ;;
  "# Review "*) role=reviewer ;;
  *) role=coder ;;
esac
case ${1:-claude} in
  claude) say '{"type":"system","subtype":"init","session_id":"s-'$$'","model":"m"}' ;;
  codex) say '{"type":"thread.started","thread_id":"s-'$$'"}' ;;
  gemini) say '{"type":"init","session_id":"s-'$$'","model":"m"}' ;;
esac
echo "$role $TEOF_TASK" >> "$HOME/own/log"
[ -e "$HOME/own/spend-$role" ] && say '{"type":"assistant","message":{"id":"m","role":"assistant","content":[{"type":"text","text":"x"}],"usage":{"input_tokens":5000,"output_tokens":0}}}'
while [ -e "$HOME/own/hold-$role" ]; do sleep 0.02; done
take() { # counts a file down; succeeds while it was above zero, for one of those that try at once
  left=$(cat "$HOME/own/$1" 2>/dev/null || echo 0)
  [ "$left" -gt 0 ] && mv "$HOME/own/$1" "$HOME/own/$1.$$" 2>/dev/null && echo $((left - 1)) > "$HOME/own/$1"
}
answer='\"analysis\":\"'$role' of '$TEOF_TASK'\",\"commands\":[],\"receipts\":[]'
case $role in
  coder)
    if take wrong; then echo wrong >> "$TEOF_TASK.txt"; else echo right > "$TEOF_TASK.txt"; fi ;;
  reviewer)
    if take reject
    then answer="$answer"',\"verdict\":\"reject\",\"confidence\":40,\"findings\":[{\"file\":\"README.md\",\"line\":1,\"message\":\"say it better\"}]'
    else answer="$answer"',\"verdict\":\"approve\",\"confidence\":95,\"findings\":[]'
    fi
    ;;
esac
case "$prompt" in *"say it better"*)
  [ $role = planner ] || echo "$role heard" >> "$HOME/own/log"
  [ $role = coder ] && echo better >> "$TEOF_TASK.txt" ;;
esac
case ${1:-claude} in
  claude) say '{"type":"result","subtype":"success","is_error":false,"usage":{"input_tokens":100,"output_tokens":10},"total_cost_usd":0.01,"result":"{'"$answer"'}"}' ;;
  codex)
    say '{"type":"item.completed","item":{"id":"i","type":"agent_message","text":"{'"$answer"'}"}}'
    say '{"type":"turn.completed","usage":{"input_tokens":100,"cached_input_tokens":0,"output_tokens":10}}' ;;
  gemini)
    say '{"type":"message","role":"assistant","content":"{'"$answer"'}","delta":true}'
    say '{"type":"result","status":"success","stats":{"total_tokens":110,"input_tokens":100,"output_tokens":10}}' ;;
esac
"##;

/// A repository whose feature requests are worked by the fake agent, in a person's name.
struct Agency {
    world: World,
}

impl Agency {
    fn new() -> Agency {
        Self::with("")
    }

    fn with(settings: &str) -> Agency {
        let world = World::new();
        let seat = |id: &str, role: &str| json!({"agent_id": id, "desired_roles": [role]}).to_string();
        world.write("AGENT_MANIFEST.json", &seat("manager", "manager"));
        for (id, role) in
            [("worker-1", "engineer"), ("worker-2", "engineer"), ("worker-3", "engineer"), ("critic", "reviewer")]
        {
            world.write(&format!("AGENT_MANIFEST.{id}.json"), &seat(id, role));
        }
        fs::create_dir_all(world.folder().join("home/own")).unwrap();
        let program = world.folder().join("agent.sh");
        fs::write(&program, AGENT).unwrap();
        let program = program.display().to_string();
        world.write(
            "teof.toml",
            &format!(
                "[coordinator]\nretry_first = \"0s\"\nretry_later = \"0s\"\npoll_min = \"1s\"\n[guard]\ntests = [\"! grep -rq wrong --include=*.txt .\"]\n\
                 [worker]\ngrace = \"1s\"\n[agents.fake]\ncommand = [\"sh\", {program:?}]\nformat = \"claude\"\nenv = [\"HOME\"]\nwrite = [\"~/own/\"]\n\
                 [agents.second]\ncommand = [\"sh\", {program:?}, \"codex\"]\nformat = \"codex\"\nenv = [\"HOME\"]\nwrite = [\"~/own/\"]\n\
                 [agents.third]\ncommand = [\"sh\", {program:?}, \"gemini\"]\nformat = \"gemini\"\nenv = [\"HOME\"]\nwrite = [\"~/own/\"]\n\
                 [roles.coder]\nagent = \"fake\"\n{settings}\n"
            ),
        );
        let agency = Agency { world };
        agency.world.ok(&["consent", "grant", "--continuous", "--allow-apply"]);
        agency.world.git(&["add", "."]);
        agency.world.git(&["commit", "-qm", "Set up"]);
        agency
    }

    /// A planned feature request in the vault, committed.
    fn request(&self, id: &str, priority: &str) -> String {
        let path = format!("vault/10_features/03_planned/{id}.md");
        let text = format!(
            "---\nid: {id}\ntitle: Write {id}\nstatus: planned   # a comment\npriority: {priority}\n---\n\n# Write {id}\n\nA file is wanted.\n\n## Acceptance\n\nThe file says right.\n"
        );
        self.world.write(&path, &text);
        self.world.git(&["add", "vault"]);
        self.world.git(&["commit", "-qm", &format!("Request {id}")]);
        path
    }

    /// A plan with one step for an agent; gives back its task.
    fn plan(&self, name: &str, agent: &str) -> String {
        let id = format!("2026-01-05-{name}");
        let plan = json!({"version": 0, "plan_id": id, "created": "2026-01-05T10:00:00Z", "actor": "manager",
            "summary": name, "priority": 2, "impact_score": 1, "layer": "L5", "systemic_scale": 6,
            "systemic_targets": ["S4", "S6"], "layer_targets": ["L5"], "status": "queued",
            "steps": [{"id": "S1", "title": name, "status": "queued", "notes": "", "receipts": [], "agent": agent}],
            "checkpoint": {"description": "it says right", "owner": "manager", "status": "pending"}, "links": [],
            "receipts": []});
        self.world.write(&format!("_plans/{id}.plan.json"), &format!("{plan:#}\n"));
        format!("{id}-S1")
    }

    fn home(&self, name: &str) -> PathBuf {
        self.world.folder().join("home/own").join(name)
    }

    fn tell(&self, name: &str, text: &str) {
        fs::write(self.home(name), text).unwrap();
    }

    /// What the agent was called for, in order: `<role> <task>`.
    fn log(&self) -> Vec<String> {
        fs::read_to_string(self.home("log")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn begin(&self) -> Child {
        self.world.spawn(&["coordinator", "run", "--until-idle"])
    }

    fn finish(&self) {
        self.finish_with(0);
    }

    /// 1: a job ended blocked.
    fn finish_with(&self, code: i32) {
        let ran = self.world.run(&["coordinator", "run", "--until-idle"]);
        assert_eq!(ran.code, code, "{}", ran.stderr);
    }

    /// What the checkpoints of a job say: stage, round, run and commit, a line each.
    fn checkpoints(&self, job: &str) -> Vec<String> {
        let text = self.world.git(&["for-each-ref", "--format=%(contents)", &format!("refs/teof/jobs/{job}")]);
        text.lines().filter_map(|line| Some(line.strip_prefix("Teof-Stage: ")?.to_owned())).collect()
    }

    fn job(&self, task: &str) -> Value {
        let status = self.world.json(&["coordinator", "status", "--limit", "1000"]);
        let all = ["finished", "jobs"].map(|list| status[list].as_array().unwrap().clone()).concat();
        all.iter()
            .rev()
            .find(|job| job["task"] == task)
            .unwrap_or_else(|| panic!("no job of {task}: {status:#}"))
            .clone()
    }

    /// `review`, `done`, `blocked`, or where else the job stands.
    fn phase(&self, task: &str) -> String {
        let phase = &self.job(task)["phase"];
        let ending = phase["ending"].as_str().filter(|_| phase["is"] == "over");
        ending.or(phase["is"].as_str()).unwrap_or_default().to_owned()
    }

    /// The file of the task in the commit that waits for review.
    fn result(&self, task: &str) -> String {
        let job = self.job(task);
        assert_eq!(job["phase"]["is"], "review", "{job:#}");
        let commit = job["last"]["commit"].as_str().unwrap();
        self.world.git(&["show", &format!("{commit}:{task}.txt")])
    }
}

#[test]
fn an_agent_that_needs_a_person_is_called_once_and_its_job_is_blocked() {
    let keyless = "cat > /dev/null; echo called >> $HOME/own/log; echo 'Invalid API key' >&2; exit 1";
    let agency = Agency::with(&format!(
        "[agents.keyless]\ncommand = [\"sh\", \"-c\", {keyless:?}]\nformat = \"claude\"\nenv = [\"HOME\"]\nwrite = [\"~/own/\"]\n"
    ));
    let task = agency.plan("locked", "keyless");
    agency.finish_with(1);
    assert_eq!((agency.log().len(), agency.phase(&task).as_str()), (1, "blocked"));
    let reason = agency.job(&task)["last"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("Invalid API key") && reason.contains("teof agent doctor keyless"), "{reason}");
}

#[test]
fn the_main_loop_discovers_a_planned_request_in_the_vault() {
    let agency = Agency::new();
    agency.request("FR-2", "low");
    agency.request("FR-1", "high");
    let dry = agency.world.json(&["coordinator", "run", "--dry-run"]);
    assert_eq!(dry["decisions"][0]["task"], "FR-1", "the more urgent one comes first: {dry:#}");
    agency.finish();
    assert_eq!((agency.phase("FR-1").as_str(), agency.phase("FR-2").as_str()), ("review", "review"));
}

#[test]
fn a_dispatch_makes_a_worktree_and_invokes_the_agent_there() {
    let agency = Agency::new();
    agency.request("FR-1", "high");
    agency.tell("hold-coder", "");
    let mut coordinator = agency.begin();
    until("the coder's call", || agency.log().contains(&"coder FR-1".to_owned()));
    let job = agency.job("FR-1")["id"].as_str().unwrap().to_owned();
    let worktree = agency.world.folder().join("repo.worktrees").join(&job);
    assert!(worktree.join("README.md").exists(), "{}", worktree.display());
    let branch = agency.world.git_in(&worktree, &["branch", "--show-current"]);
    assert!(branch.starts_with("agent/worker-"), "{branch}");
    fs::remove_file(agency.home("hold-coder")).unwrap();
    assert!(coordinator.wait().unwrap().success());
    assert!(!agency.world.exists("FR-1.txt"), "the person's own worktree is as it was");
}

#[test]
fn a_requests_status_is_in_progress_from_its_dispatch_and_done_with_its_merge() {
    let agency = Agency::new();
    let path = agency.request("FR-1", "high");
    let before = agency.world.read(&path);
    agency.finish();
    let during = agency.world.read(&path);
    assert_eq!(during, before.replace("status: planned ", "status: in-progress "), "one word, and nothing else");
    let job = agency.job("FR-1")["id"].as_str().unwrap().to_owned();
    agency.world.ok(&["review", "approve", &job]);
    assert_eq!(agency.world.read(&path), before.replace("status: planned ", "status: done "));
    assert_eq!(agency.world.git(&["show", "main:FR-1.txt"]), "right");
    assert_eq!(agency.world.read("FR-1.txt"), "right\n", "the checked out target has it too");
    assert_eq!(agency.phase("FR-1"), "done");
}

#[test]
fn stages_come_in_order() {
    let agency = Agency::new();
    agency.request("FR-1", "high");
    agency.finish();
    assert_eq!(agency.log(), ["planner FR-1", "coder FR-1", "reviewer FR-1"]);
    let job = agency.job("FR-1")["id"].as_str().unwrap().to_owned();
    let stages: Vec<_> =
        agency.checkpoints(&job).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(stages, ["planner", "coder", "tester", "reviewer"], "a checkpoint after each");
}

#[test]
fn a_rejected_review_goes_back_to_the_coder_with_its_issues() {
    let agency = Agency::new();
    agency.request("FR-1", "high");
    agency.tell("reject", "1");
    agency.finish();
    let wanted = ["planner FR-1", "coder FR-1", "reviewer FR-1", "coder FR-1", "coder heard", "reviewer FR-1"];
    assert_eq!(agency.log(), wanted, "the coder was told what the reviewer found");
    assert_eq!(agency.result("FR-1"), "right\nbetter");
}

#[test]
fn the_loop_ends_after_three_passes_and_keeps_everything() {
    let agency = Agency::new();
    agency.request("FR-1", "high");
    agency.tell("wrong", "9");
    agency.finish_with(1);
    assert_eq!(agency.log().iter().filter(|line| *line == "coder FR-1").count(), 3);
    assert_eq!(agency.phase("FR-1"), "blocked");
    let report = agency.world.lines("_bus/messages/manager-report.jsonl");
    let told = report
        .iter()
        .any(|line| line["summary"].as_str().is_some_and(|text| text.contains("FR-1") && text.contains("blocked")));
    assert!(told, "{report:#?}");
    let job = agency.job("FR-1")["id"].as_str().unwrap().to_owned();
    let passes = agency.checkpoints(&job).iter().filter(|line| line.starts_with("coder ")).count();
    assert_eq!(passes, 3, "every pass has its checkpoint");
}

/// A stand-in for `gh`: it keeps what it was asked in files, and says that it has one pull request.
const GH: &str = r##"#!/bin/sh
echo "$*" >> "$HOME/own/gh-log"
case "$1 $2" in
  "--version "*) echo "gh version 2.60.0" ;;
  "auth status"*) exit 0 ;;
  "pr list"*) [ -e "$HOME/own/gh-pr" ] && cat "$HOME/own/gh-pr" || echo '[]' ;;
  "pr create"*)
    while [ $# -gt 0 ]; do [ "$1" = --body-file ] && cp "$2" "$HOME/own/gh-body"; shift; done
    echo '[{"number":7,"url":"https://example.invalid/pr/7","state":"OPEN","isDraft":true}]' > "$HOME/own/gh-pr"
    echo "https://example.invalid/pr/7" ;;
  "pr view"*) echo '{"number":7,"url":"https://example.invalid/pr/7","state":"OPEN","isDraft":true,"mergedAt":null,"mergeCommit":null}' ;;
esac
"##;

#[test]
fn a_draft_pull_request_is_opened_for_a_finished_pipeline() {
    let agency = Agency::new();
    let bin = agency.world.folder().join("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(bin.join("gh"), GH).unwrap();
    fs::set_permissions(bin.join("gh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let remote = agency.world.folder().join("remote.git");
    agency.world.git(&["init", "-q", "--bare", remote.to_str().unwrap()]);
    agency.world.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    agency.world.git(&["push", "-q", "origin", "main"]);
    // It was not there when consent was granted.
    agency.world.ok(&["trust", "git"]);
    agency.request("FR-1", "high");
    let mut command = agency.world.teof(&["coordinator", "run", "--until-idle"]);
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    assert!(command.env("PATH", path).status().unwrap().success());
    let body = fs::read_to_string(agency.home("gh-body")).unwrap();
    assert!(body.contains("FR-1") && body.contains("coder"), "{body}");
    let asked = fs::read_to_string(agency.home("gh-log")).unwrap();
    assert!(asked.lines().any(|line| line.starts_with("pr create") && line.contains("--draft")), "{asked}");
    let events = agency.world.lines("_bus/events/events.jsonl");
    let opened = events.iter().find(|event| event["event"] == "pr_opened").expect("an event says so");
    assert_eq!((opened["pr"].to_string().trim_matches('"'), opened["task_id"].as_str()), ("7", Some("FR-1")));
    let pushed = agency.world.git_in(&remote, &["for-each-ref", "--format=%(refname)"]);
    let others: Vec<_> = pushed.lines().filter(|name| *name != "refs/heads/main").collect();
    assert!(others.len() == 1 && others[0].starts_with("refs/heads/agent/worker-"), "{pushed}");
    let changed = agency.world.git_in(&remote, &["diff", "--name-only", &format!("main...{}", others[0])]);
    assert_eq!(changed, "FR-1.txt", "nothing of the record leaves with the work");
    let commits = agency.world.git_in(&remote, &["rev-list", "--count", &format!("main..{}", others[0])]);
    assert_eq!(commits, "1", "the work alone, on what the remote has");
}

#[test]
fn three_pipelines_run_at_the_same_time_without_interference() {
    let agency = Agency::new();
    for id in ["FR-1", "FR-2", "FR-3"] {
        agency.request(id, "high");
    }
    agency.tell("hold-coder", "");
    let mut coordinator = agency.begin();
    until("three coders at once", || agency.log().iter().filter(|line| line.starts_with("coder")).count() == 3);
    fs::remove_file(agency.home("hold-coder")).unwrap();
    assert!(coordinator.wait().unwrap().success());
    for id in ["FR-1", "FR-2", "FR-3"] {
        assert_eq!((agency.phase(id).as_str(), agency.result(id).as_str()), ("review", "right"), "{id}");
    }
}

#[test]
fn a_crash_is_recovered_from_the_last_completed_stage() {
    let agency = Agency::new();
    agency.request("FR-1", "high");
    agency.tell("hold-reviewer", "");
    let mut coordinator = agency.begin();
    until("the reviewer's call", || agency.log().contains(&"reviewer FR-1".to_owned()));
    coordinator.kill().unwrap();
    coordinator.wait().unwrap();
    kill_workers(&agency);
    fs::remove_file(agency.home("hold-reviewer")).unwrap();
    agency.finish();
    let calls = |role: &str| agency.log().iter().filter(|line| line.starts_with(role)).count();
    assert_eq!((calls("planner"), calls("coder"), calls("reviewer")), (1, 1, 2), "{:?}", agency.log());
    assert_eq!((agency.phase("FR-1").as_str(), agency.result("FR-1").as_str()), ("review", "right"));
}

#[test]
fn a_graceful_shutdown_finishes_the_stage_saves_and_exits() {
    let agency = Agency::new();
    agency.request("FR-1", "high");
    agency.tell("hold-coder", "");
    let mut coordinator = agency.begin();
    until("the coder's call", || agency.log().contains(&"coder FR-1".to_owned()));
    let pid = rustix::process::Pid::from_child(&coordinator);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    fs::remove_file(agency.home("hold-coder")).unwrap();
    assert!(coordinator.wait().unwrap().success());
    assert_eq!(agency.log(), ["planner FR-1", "coder FR-1"], "the stage was finished, the next one not begun");
    agency.finish();
    assert_eq!(agency.log(), ["planner FR-1", "coder FR-1", "reviewer FR-1"], "and nothing was done twice");
    assert_eq!(agency.result("FR-1"), "right");
}

#[test]
fn a_more_urgent_request_pauses_a_running_job_after_its_stage_and_nothing_is_done_twice() {
    let agency = Agency::new();
    agency.request("FR-1", "low");
    agency.tell("hold-coder", "");
    let mut coordinator = agency.world.spawn(&["coordinator", "run", "--until-idle", "--concurrency", "1"]);
    until("the coder's call", || agency.log().contains(&"coder FR-1".to_owned()));
    agency.request("FR-2", "low");
    agency.request("FR-3", "low");
    let said = agency.world.ok(&["coordinator", "submit", "FR-3", "--priority", "urgent"]);
    assert!(said.contains("priority urgent"), "{said}");
    let explained = || agency.world.ok(&["coordinator", "explain", "FR-1"]);
    until("the decision", || explained().contains("is paused after its stage for FR-3"));
    assert!(agency.world.ok(&["status"]).contains("pauses after this stage for FR-3"));
    fs::remove_file(agency.home("hold-coder")).unwrap();
    assert!(coordinator.wait().unwrap().success());
    let log = agency.log();
    let first: Vec<_> = log.iter().take(6).map(String::as_str).collect();
    let wanted = ["planner FR-1", "coder FR-1", "planner FR-3", "coder FR-3", "reviewer FR-3", "reviewer FR-1"];
    assert_eq!(first, wanted, "it continues before FR-2 starts, and nothing is done twice: {log:?}");
    let events = agency.world.lines("_bus/events/events.jsonl");
    let paused: Vec<_> = events.iter().filter(|event| event["event"] == "preempted").collect();
    assert!(paused.len() == 1 && paused[0]["task_id"] == "FR-1", "{paused:?}");
}

#[test]
fn a_days_budget_stops_a_call_in_its_middle_and_the_work_continues_when_a_person_allows_more() {
    let agency = Agency::with("[budget]\nday_tokens = 1000\n");
    agency.request("FR-1", "high");
    agency.tell("spend-coder", "");
    agency.tell("hold-coder", "");
    let mut coordinator = agency.begin();
    // The coder's call never ends by itself.
    assert_eq!(coordinator.wait().unwrap().code(), Some(6));
    assert_eq!(agency.log(), ["planner FR-1", "coder FR-1"]);
    let status = agency.world.json(&["status"]);
    assert!(status["breaker"]["open"]["reason"].as_str().unwrap().contains("5110 tokens of 1000"), "{status:#}");
    let job = agency.job("FR-1");
    assert_eq!(job["phase"]["is"], "held", "{job:#}");
    assert!(job["last"]["reason"].as_str().unwrap().contains("in the middle of a call"), "{job:#}");
    fs::remove_file(agency.home("spend-coder")).unwrap();
    fs::remove_file(agency.home("hold-coder")).unwrap();
    let settings = agency.world.read("teof.toml").replace("day_tokens = 1000", "day_tokens = 100000");
    agency.world.write("teof.toml", &settings);
    agency.world.ok(&["consent", "grant", "--continuous", "--allow-apply"]);
    agency.world.ok(&["coordinator", "reset-breaker"]);
    agency.finish();
    assert_eq!(agency.log()[2..], ["coder FR-1", "reviewer FR-1"]);
    assert_eq!(agency.result("FR-1"), "right");
}

#[test]
fn a_granted_policy_merges_what_is_not_unusual_and_says_who_granted_it() {
    let agency = Agency::with("[review]\nauto = [\"low\"]\n");
    let shown = agency.world.ok(&["consent", "show"]);
    assert!(shown.contains("work of priority low is merged without a person"), "{shown}");
    agency.request("FR-1", "low");
    agency.finish();
    assert_eq!(agency.job("FR-1")["phase"]["ending"], "done", "{:#}", agency.job("FR-1"));
    assert_eq!(agency.world.git(&["show", "main:FR-1.txt"]), "right");
    let decision = |kind: &str| {
        let folder = fs::read_dir(agency.world.repo.join("_report/agent/manager/reviews")).unwrap().flatten();
        let mut names = folder.map(|entry| entry.file_name().into_string().unwrap());
        let name = names.find(|name| name.ends_with(&format!("-{kind}.json"))).expect("a decision");
        agency.world.read_json(&format!("_report/agent/manager/reviews/{name}"))
    };
    let approved = decision("approved");
    assert_eq!((&approved["recognised"], &approved["policy"]["granted_by"]), (&json!("policy"), &json!("Tester")));
    assert_eq!((&approved["policy"]["priority"], &approved["policy"]["confidence"]), (&json!("low"), &json!(90)));
    assert!(approved["bundle_sha256"].is_string() && approved["tests"][0]["passed"] == true, "{approved:#}");
    let events = agency.world.lines("_bus/events/events.jsonl");
    let event = events.iter().rfind(|event| event["event"] == "review").unwrap();
    assert_eq!(
        (&event["meta"]["recognised"], &event["meta"]["policy_granted_by"]),
        (&json!("policy"), &json!("Tester"))
    );

    agency.request("FR-2", "high");
    agency.finish();
    agency.result("FR-2");
    agency.world.ok(&["review", "revert", "FR-1", "--by", "ada", "--note", "not so"]);
    agency.request("FR-3", "low");
    agency.world.run(&["coordinator", "run", "--until-idle"]);
    agency.result("FR-3");
    let told = agency.world.read("_bus/messages/manager-report.jsonl");
    assert!(told.contains("a merge was reverted, and no person has approved work since"), "{told}");
    // What a policy does not do for the coordinator, it does for nobody.
    let refused = agency.world.refused(&["review", "approve", "FR-2", "--by-policy"]);
    assert_eq!(refused["code"], "review.policy", "{refused}");
    let mut seat = agency.world.teof(&["review", "approve", "FR-3", "--by-policy"]);
    assert_eq!(seat.env("TEOF_AGENT", "worker-1").output().unwrap().status.code(), Some(6));
}

#[test]
fn work_that_a_person_sends_back_reaches_the_coder_with_the_note_on_the_target_as_it_is_now() {
    let agency = Agency::new();
    agency.request("FR-1", "high");
    agency.finish();
    agency.world.write("meanwhile.txt", "a person's\n");
    agency.world.git(&["add", "meanwhile.txt"]);
    agency.world.git(&["commit", "-qm", "Meanwhile"]);
    let head = agency.world.git(&["rev-parse", "HEAD"]);
    agency.world.ok(&["review", "retry", "FR-1", "--note", "say it better", "--by", "ada"]);
    agency.finish();
    let log = agency.log();
    assert_eq!(
        log[3..],
        ["coder FR-1", "coder heard", "reviewer FR-1", "reviewer heard"],
        "coded and reviewed again, not planned: {log:?}"
    );
    assert_eq!(agency.result("FR-1"), "right\nbetter");
    let row = agency.world.json(&["review", "list"])[0].clone();
    let bundle = agency.world.json(&["review", "show", row["job"].as_str().unwrap()]);
    let bundle = if bundle["bundle"].is_object() { bundle["bundle"].clone() } else { bundle };
    assert_eq!(bundle["sent_back"][0]["message"], "say it better", "whoever decides is told what was asked for");
    let base = bundle["base_commit"].as_str().unwrap();
    agency.world.git(&["merge-base", "--is-ancestor", &head, base]);
    agency.world.ok(&["review", "approve", "FR-1", "--by", "ada"]);
    assert_eq!(agency.world.read("FR-1.txt"), "right\nbetter\n");
    assert_eq!(agency.phase("FR-1"), "done");
    let late = agency.world.refused(&["review", "retry", "FR-1", "--note", "once more", "--by", "ada"]);
    assert_eq!(late["code"], "review.over", "nobody would go on: {late}");
}

#[test]
fn a_conflict_goes_back_to_the_coder_and_its_fix_is_merged() {
    let agency = Agency::new();
    agency.request("FR-1", "high");
    agency.finish();
    agency.world.write("FR-1.txt", "a person's\n");
    agency.world.git(&["add", "FR-1.txt"]);
    agency.world.git(&["commit", "-qm", "A person's"]);
    let refused = agency.world.refused(&["review", "approve", "FR-1", "--by", "ada"]);
    assert_eq!(refused["code"], "review.conflict", "{refused}");
    agency.finish();
    let log = agency.log();
    assert_eq!(log[3..], ["coder FR-1", "reviewer FR-1"], "{log:?}");
    agency.world.ok(&["review", "approve", "FR-1", "--by", "ada"]);
    assert_eq!(agency.world.read("FR-1.txt"), "right\n");
    assert_eq!(agency.phase("FR-1"), "done");
}

/// The processes of this repository that carry a run's or a worker's mark.
fn marked(agency: &Agency) -> Vec<i32> {
    let root = format!("TEOF_ROOT={}", agency.world.repo.display());
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &i32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let dead = fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
        !dead && environ.split(|&b| b == 0).any(|entry| entry == root.as_bytes())
    })
    .collect()
}

/// Of these processes, the workers that the dice chose and whatever of their agents they chose too.
///
/// What a spared worker has started is spared: an agent that dies alone is that agent's failure, a test
/// that dies alone a failed test, and a few of those rightly block a job. Here nobody is at fault.
fn victims(pids: &[i32], chosen: impl Fn(i32) -> bool) -> Vec<i32> {
    let read = |pid: i32, what: &str| fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
    let spared = |pid: i32| read(pid, "cmdline").contains("\0foreman\0run\0") && !chosen(pid);
    let parent = |pid: i32| read(pid, "stat").rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok();
    let lives_on = |pid: i32| std::iter::successors(parent(pid), |up| parent(*up)).any(spared);
    pids.iter().copied().filter(|pid| chosen(*pid) && !lives_on(*pid)).collect()
}

fn kill_workers(agency: &Agency) {
    for pid in marked(agency) {
        kill(pid);
    }
    until("the workers' end", || marked(agency).is_empty());
}

fn kill(pid: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

#[test]
fn three_agents_on_three_requests_survive_kills_at_random_each_right_each_once() {
    let agency = Agency::new();
    let tasks =
        [("first", "fake"), ("second", "second"), ("third", "third")].map(|(name, agent)| agency.plan(name, agent));
    // At most two passes of one request can go wrong so, whoever gets them.
    agency.tell("wrong", "1");
    agency.tell("reject", "1");
    let mut dice = 0x9e37_79b9_u64;
    for _ in 0..14 {
        let before = agency.log().len();
        let mut coordinator = agency.begin();
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let calls = (dice >> 33) as usize % 3;
        // Killed after so many calls of agents more, or when there is nothing more to do.
        until("progress", || agency.log().len() >= before + calls || coordinator.try_wait().unwrap().is_some());
        let chosen = |pid: i32| !(dice >> 40).wrapping_add(pid as u64).is_multiple_of(3);
        victims(&marked(&agency), chosen).into_iter().for_each(kill);
        let _ = coordinator.kill();
        coordinator.wait().unwrap();
    }
    kill_workers(&agency);
    agency.finish();
    let status = agency.world.json(&["coordinator", "status", "--limit", "1000"]);
    assert_eq!(
        (status["jobs"].as_array().unwrap().len(), &status["finished"]),
        (3, &json!([])),
        "each once: {status:#}"
    );
    for id in &tasks {
        assert_eq!(agency.phase(id), "review", "{id}");
        assert_eq!(agency.result(id).lines().next(), Some("right"), "{id}");
        let job = agency.job(id)["id"].as_str().unwrap().to_owned();
        let checkpoints = agency.checkpoints(&job);
        let mut seen: Vec<_> = checkpoints.iter().map(|line| line.split(' ').take(2).collect::<String>()).collect();
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all, "no stage of {id} has two checkpoints: {checkpoints:?}");
    }
}
