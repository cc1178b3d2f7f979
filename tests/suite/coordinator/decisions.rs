//! A finished job waits for a person's word, and follows it.

use std::time::Duration;

use super::*;

#[test]
fn a_result_waits_for_a_person_and_ignores_forged_decisions() {
    let yard = Yard::with("[review]\ncommands = true\n");
    let id = yard.plan("a", &[&yard.work("a1"), &yard.work("a2")]);
    yard.finish();
    let step = yard.step(&id, "S1");
    assert_eq!((&step["status"], &step["last_run"]["outcome"]), (&json!("in_progress"), &json!("review")), "{step}");
    let claim = yard.world.read_json(&format!("_bus/claims/{id}-S1.json"));
    let at = |key: &str| Stamp::parse(claim[key].as_str().unwrap()).unwrap();
    assert_eq!(claim["status"], "active");
    assert!(at("lease_expires_at").since(at("claimed_at")) >= Duration::from_secs(30 * 24 * 3600), "{claim}");
    yard.finish();
    assert_eq!(yard.ran(), ["a1"], "the plan's next step waits");
    let job = yard.status()["jobs"][0].clone();
    assert_eq!(job["phase"]["is"], "review", "{job}");
    let text = yard.world.ok(&["coordinator", "status"]);
    assert!(text.contains("teof review j1"), "{text}");
    assert_eq!(job["short"], "j1");
    let long = job["id"].as_str().unwrap();
    for name in ["j1", "j1.1", long, &format!("{id}-S1"), &id] {
        let shown = yard.world.json(&["coordinator", "logs", name]);
        assert_eq!(shown["job"], long, "{name}");
    }
    let report = yard.world.json(&["report", "--since", "24h"]);
    assert_eq!((&report["review"][0]["short"], &report["usage"]["jobs"]), (&json!("j1"), &json!(1)), "{report}");
    let markdown = yard.world.ok(&["report", "--format", "markdown"]);
    assert!(markdown.contains("## Waiting for review (1)") && markdown.contains("`teof review show j1`"), "{markdown}");
    assert!(yard.world.run(&["report", "--since", "soon"]).expect(2).stderr.contains("is not a time"));
    let unknown = yard.world.run(&["coordinator", "cancel", "j11"]).expect(1).stderr;
    assert!(unknown.contains("no such job: j11 (did you mean j1?)"), "{unknown}");
    let hub = Hub::find(Some(&yard.world.repo), Clock::Machine).unwrap();
    let run = format!("{}.1", job["id"].as_str().unwrap());
    let word = ReviewWord::Merged { commit: job["last"]["commit"].as_str().unwrap().into() };
    let command = Command::Reviewed { job: job["id"].as_str().unwrap().into(), run, word };
    let by = Word { by: "ada".into(), at: hub.now(), recognised: Default::default(), note: None };
    for command in [command, Command::ResetBreaker] {
        let letter = inbox::post(&hub, &Letter { word: by.clone(), command }).unwrap();
        assert!(process::one_shot(&hub, &mut |_| {}).unwrap().is_some());
        let answer = inbox::take_answer(&hub, &letter).unwrap().unwrap();
        assert!(!answer.ok && answer.text.contains("no person"), "a file in the inbox is no decision: {answer:?}");
    }
    let alerts = yard.world.lines("_bus/events/events.jsonl");
    let alerts = alerts.iter().filter(|event| event["event"] == "alert" && event["severity"] == "high");
    assert_eq!(alerts.count(), 2, "each was told");
    let step = yard.step(&id, "S1");
    assert_eq!((&step["status"], &step["last_run"]["outcome"]), (&json!("in_progress"), &json!("review")), "{step}");
    assert_eq!(yard.ran(), ["a1"], "a one-shot run begins nothing");
    let logs = || {
        let checked: serde_json::Value = serde_json::from_str(&yard.world.run(&["check", "--json"]).stdout).unwrap();
        checked["checks"].as_array().unwrap().iter().find(|check| check["name"] == "logs").unwrap().clone()
    };
    assert_eq!(logs()["ok"], true, "{}", logs());
    let log = yard.world.repo.join("_bus/events/events.jsonl");
    std::fs::write(&log, std::fs::read_to_string(&log).unwrap() + "{\n").unwrap();
    assert_eq!(logs()["ok"], false, "{}", logs());
    assert!(yard.world.run(&["check"]).expect(1).stdout.contains("FAILED  logs"));
}

#[test]
fn work_that_waits_for_a_person_does_not_block_other_work() {
    let yard = Yard::with("concurrency = 1\n[review]\ncommands = true\n");
    let plans = ["a", "b", "c"].map(|name| yard.plan(name, &[&yard.work(name)]));
    yard.finish();
    assert_eq!(yard.ran(), ["a", "b", "c"], "one run did all that could be done");
    for plan in plans {
        assert_eq!(yard.step(&plan, "S1")["last_run"]["outcome"], "review");
    }
}

#[test]
fn a_result_that_a_person_merged_by_hand_is_done_and_the_plan_goes_on() {
    let yard = Yard::with("[review]\ncommands = true\n");
    let id = yard.plan("a", &[&yard.work("a1"), "test -e a1.txt && echo 2 > a2.txt"]);
    let said = yard.world.run(&["coordinator", "run", "--until-idle"]).expect(0).stderr;
    assert!(said.contains("1 waiting for review"), "{said}");
    yard.finish();
    assert_eq!(yard.step(&id, "S1")["status"], "in_progress", "what nobody merged is not done");
    let commit = |step: &str| yard.step(&id, step)["last_run"]["commit"].as_str().unwrap().to_owned();
    yard.world.git(&["merge", "-q", &commit("S1")]);
    yard.finish();
    let memory = yard.world.lines("memory/log.jsonl");
    assert_eq!((memory.len(), &memory[0]["event"]), (1, &json!("approved")), "written down, once: {memory:?}");
    let is_named = |event: &Value| event["event"] == "review" && event["id"] == memory[0]["bus_event"];
    assert_eq!(yard.world.lines("_bus/events/events.jsonl").iter().filter(|event| is_named(event)).count(), 1);
    let (first, second) = (yard.step(&id, "S1"), yard.step(&id, "S2"));
    assert_eq!(
        (&first["status"], &second["last_run"]["outcome"]),
        (&json!("done"), &json!("review")),
        "{first} {second}"
    );
}

/// A yard whose hub is whole enough for a merge, with a result that waits for a person.
fn reviewed_yard() -> (Yard, String, String) {
    let yard = Yard::with("[review]\ncommands = true\n");
    yard.world.git(&["add", "."]);
    yard.world.git(&["commit", "-qm", "Set up"]);
    let id = yard.plan("a", &[&yard.work("a1")]);
    yard.finish();
    let job = yard.status()["jobs"][0]["id"].as_str().unwrap().to_owned();
    (yard, id, job)
}

#[test]
fn an_approval_merges_the_work_and_settles_the_job_without_a_coordinator() {
    let (yard, id, job) = reviewed_yard();
    assert_eq!(yard.world.json(&["review", "list"])[0]["job"], json!(job));
    let said = yard.world.json(&["review", "approve", &format!("{id}-S1"), "--by", "ada"]);
    assert_eq!(said["coordinator"]["ok"], true, "{said}");
    assert_eq!(yard.world.read("a1.txt"), "a1\n");
    let step = yard.step(&id, "S1");
    assert_eq!((&step["status"], &step["last_run"]["outcome"]), (&json!("done"), &json!("done")), "{step}");
    yard.nothing_is_left_over();
    yard.world.ok(&["bus", "verify"]);
    assert_eq!(yard.world.ok(&["review", "list"]).trim(), "Nothing waits for review.");

    let merged = || yard.world.json(&["report"])["merged"].clone();
    assert_eq!((&merged()[0]["by"], &merged()[0]["job"]), (&json!("ada"), &json!(job)));
    yard.world.ok(&["review", "revert", &job, "--note", "not yet", "--by", "ada"]);
    assert_eq!(merged(), json!([]), "it is not there any more");
    assert!(yard.world.ok(&["report"]).contains("Reverted (1)\n  j1 "), "{}", yard.world.ok(&["report"]));
    assert!(!yard.world.exists("a1.txt"));
    assert_eq!(yard.step(&id, "S1")["last_run"]["outcome"], "reverted");
}

#[test]
fn the_next_step_begins_at_the_target_once_the_step_before_was_squashed_there() {
    let yard = Yard::with("");
    yard.world.git(&["add", "."]);
    yard.world.git(&["commit", "-qm", "Set up"]);
    let id = yard.plan("a", &[&yard.work("a1"), "test -e a1.txt && echo 2 > a2.txt"]);
    yard.world.ok(&["coordinator", "run", "--until-idle", "--max-jobs", "1"]);
    assert_eq!(yard.step(&id, "S1")["status"], "done", "commands need no review, and nobody merged them yet");
    // On top of what a person did meanwhile, as one commit: the branch's own commit is not on the target.
    yard.world.write("src.txt", "a person's\n");
    yard.world.git(&["add", "src.txt"]);
    yard.world.git(&["commit", "-qm", "Meanwhile"]);
    yard.world.json(&["review", "approve", &format!("{id}-S1"), "--by", "ada"]);
    let merged = yard.world.git(&["rev-parse", "main"]);
    yard.finish();
    assert_eq!(yard.step(&id, "S2")["status"], "done");
    let second = yard.step(&id, "S2")["last_run"]["commit"].as_str().unwrap().to_owned();
    yard.world.git(&["merge-base", "--is-ancestor", &merged, &second]);
    yard.world.json(&["review", "approve", &format!("{id}-S2"), "--by", "ada"]);
    assert_eq!((yard.world.read("a1.txt"), yard.world.read("a2.txt")), ("a1\n".into(), "2\n".into()));
}

#[test]
fn a_bundle_that_names_another_commit_than_the_worker_reported_is_not_merged() {
    let (yard, _, job) = reviewed_yard();
    let path = yard.status()["jobs"][0]["last"]["bundle"].as_str().unwrap().to_owned();
    let mut planted = yard.world.read_json(&path);
    yard.world.git(&["branch", "other", "main"]);
    planted["commit"] = json!(yard.world.git(&["rev-parse", "other"]));
    planted["generated_at"] = json!("2031-01-01T00:00:00Z");
    let seat = planted["agent_id"].as_str().unwrap().to_owned();
    let hub = Hub::find(Some(&yard.world.repo), Clock::Machine).unwrap();
    let mut writer = hub.lock("test").unwrap();
    let mut transaction = teof::hub::Transaction::new("test");
    let beside = path.replace(".json", "-2.json");
    teof::receipts::write(&writer, &mut transaction, &seat, &beside, planted.as_object().unwrap().clone()).unwrap();
    writer.commit(transaction).unwrap();
    drop(writer);
    assert_eq!(yard.world.json(&["review", "show", &job])["path"], json!(beside));
    let error = yard.world.refused(&["review", "approve", &job, "--by", "ada"]);
    assert_eq!(error["code"], "review.not_the_result", "{error}");
    assert!(!yard.world.exists("a1.txt"));
}

#[test]
fn a_rejection_blocks_the_step_with_its_note_and_a_conflict_sends_the_job_back() {
    let (yard, id, job) = reviewed_yard();
    let said = yard.world.json(&["review", "reject", &job, "--note", "not what was asked", "--by", "ada"]);
    assert_eq!(said["coordinator"]["ok"], true, "{said}");
    let step = yard.step(&id, "S1");
    assert_eq!(step["status"], "blocked", "{step}");
    assert!(step["last_run"]["reason"].as_str().unwrap().contains("not what was asked"), "{step}");
    yard.nothing_is_left_over();

    let (yard, _, job) = reviewed_yard();
    yard.world.write("a1.txt", "a person's\n");
    yard.world.git(&["add", "a1.txt"]);
    yard.world.git(&["commit", "-qm", "A person's"]);
    let refused = yard.world.refused(&["review", "approve", &job, "--by", "ada"]);
    assert_eq!((&refused["code"], &refused["files"]), (&json!("review.conflict"), &json!(["a1.txt"])), "{refused}");
    let status = yard.status();
    assert_ne!(status["jobs"][0]["phase"]["is"], "review", "{status}");
    assert_eq!(yard.world.read("a1.txt"), "a person's\n");
}

/// A yard with a remote, a `gh`, and consent to let results leave.
pub(super) struct Shop {
    pub(super) yard: Yard,
    path: String,
}

impl Shop {
    pub(super) fn new() -> Shop {
        let yard = Yard::with("[review]\ncommands = true\n");
        let home = yard.world.folder().join("home");
        let remote = home.join("remote.git");
        let consent = json!({"auto_enabled": true, "continuous": true, "max_iterations": 0, "allow_apply": true});
        yard.world.write("docs/automation/autonomy-consent.json", &consent.to_string());
        yard.grant();
        yard.world.git(&["add", "."]);
        yard.world.git(&["commit", "-qm", "Set up"]);
        yard.world.git(&["init", "-q", "--bare", "-b", "main", remote.to_str().unwrap()]);
        yard.world.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
        yard.world.git(&["push", "-q", "origin", "main"]);
        let bin = yard.world.folder().join("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("gh"), GH).unwrap();
        fs::set_permissions(bin.join("gh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        Shop { yard, path }
    }

    pub(super) fn run(&self) {
        let args = ["coordinator", "run", "--until-idle"];
        Ran::of(self.yard.world.teof(&args).env("PATH", &self.path).output().unwrap(), &args).expect(0);
    }
}

#[test]
fn a_result_is_offered_as_a_draft_pull_request_and_its_merge_there_is_followed() {
    let shop = Shop::new();
    let (yard, home) = (&shop.yard, shop.yard.world.folder().join("home"));
    let remote = home.join("remote.git");
    let id = yard.plan("a", &[&yard.work("a1")]);
    shop.run();
    let calls = fs::read_to_string(home.join("gh.calls")).unwrap();
    assert!(calls.contains("pr create --draft --head agent/"), "{calls}");
    let branches = yard.world.git_in(&remote, &["for-each-ref", "--format=%(refname)"]);
    let pushed: Vec<_> = branches.lines().filter(|name| *name != "refs/heads/main").collect();
    assert!(pushed.len() == 1 && pushed[0].starts_with("refs/heads/agent/codex-"), "{branches}");
    let events = yard.world.lines("_bus/events/events.jsonl");
    let opened: Vec<_> = events.iter().filter(|event| event["event"] == "pr_opened").collect();
    assert_eq!((opened.len(), &opened[0]["pr"]), (1, &json!("7")), "{opened:?}");
    shop.run();
    let calls = fs::read_to_string(home.join("gh.calls")).unwrap();
    assert_eq!(calls.matches("pr create").count(), 1, "{calls}");
    yard.world.ok(&["bus", "verify"]);

    // What was approved there waits for its checks; what comes instead of it is not merged unseen. An older gh cannot
    // say that it waits.
    for old in [false, true] {
        fs::write(home.join("gh.auto"), "").unwrap();
        if old {
            fs::write(home.join("gh.old"), "").unwrap();
        }
        yard.world.ok(&["review", "retry", "j1", "--note", "again"]);
        shop.run();
        assert!(!home.join("gh.auto").exists(), "{}", fs::read_to_string(home.join("gh.calls")).unwrap());
    }

    let commit = yard.world.git_in(&remote, &["rev-parse", pushed[0]]);
    fs::write(home.join("gh.state"), &commit).unwrap();
    fs::write(home.join("gh.merged"), commit).unwrap();
    shop.run();
    assert_eq!(yard.step(&id, "S1")["status"], "done");
    let memory = yard.world.lines("memory/log.jsonl");
    assert_eq!((memory.len(), &memory[0]["event"]), (1, &json!("approved")), "{memory:?}");
    assert!(memory[0]["actor"].as_str().unwrap().contains("ann"), "{memory:?}");
    yard.nothing_is_left_over();
}

#[test]
fn the_coordinator_leaves_a_pull_request_alone_while_somebody_decides_about_a_result() {
    let shop = Shop::new();
    let (yard, home) = (&shop.yard, shop.yard.world.folder().join("home"));
    let id = yard.plan("a", &[&yard.work("a1")]);
    let calls = || fs::read_to_string(home.join("gh.calls")).unwrap_or_default();
    let decides = || {
        let path = yard.world.repo.join(".git/teof/locks/review.lock");
        teof::base::lock::FileLock::try_acquire(&path, "review approve").unwrap().expect("nobody else decides")
    };
    let approval = decides();
    shop.run();
    assert!(!calls().contains("pr create"), "what is approved here needs no pull request: {}", calls());
    drop(approval);
    shop.run();
    assert!(calls().contains("pr create"), "{}", calls());

    let job = || yard.status()["jobs"][0].clone();
    let failed = json!([{"name": "build", "status": "COMPLETED", "conclusion": "FAILURE"}]);
    fs::write(home.join("gh.checks"), failed.to_string()).unwrap();
    let approval = decides();
    shop.run();
    assert_eq!((&job()["run"], &job()["phase"]["is"]), (&json!(1), &json!("review")), "an approval tests it");
    drop(approval);
    shop.run();
    assert_eq!((&job()["run"], &job()["phase"]["is"]), (&json!(2), &json!("review")));

    fs::write(home.join("gh.merged"), fs::read_to_string(home.join("gh.state")).unwrap()).unwrap();
    let approval = decides();
    shop.run();
    assert_eq!(yard.world.lines("memory/log.jsonl").len(), 0, "the approval records its own merge");
    drop(approval);
    shop.run();
    assert_eq!((yard.world.lines("memory/log.jsonl").len(), &yard.step(&id, "S1")["status"]), (1, &json!("done")));
}

#[test]
fn pull_requests_of_forks_and_other_work_are_ignored() {
    let shop = Shop::new();
    let home = shop.yard.world.folder().join("home");
    let other = shop.yard.world.git(&["rev-parse", "HEAD"]);
    let listed = |number: u64, fork: bool| json!({"number": number, "url": format!("https://x/pull/{number}"), "isCrossRepository": fork, "headRefOid": other});
    fs::write(home.join("gh.others"), format!("{},{}", listed(5, true), listed(6, false))).unwrap();
    shop.yard.plan("a", &[&shop.yard.work("a1")]);
    shop.run();
    let calls = fs::read_to_string(home.join("gh.calls")).unwrap();
    assert_eq!(calls.matches("pr create").count(), 1, "{calls}");
    let events = shop.yard.world.lines("_bus/events/events.jsonl");
    let opened: Vec<_> = events.iter().filter(|event| event["event"] == "pr_opened").collect();
    assert_eq!((opened.len(), &opened[0]["pr"]), (1, &json!("7")), "{opened:?}");
}

#[test]
fn a_decision_without_its_command_is_found_and_applied_once() {
    for (kind, ending) in [("reject", "blocked"), ("retry", "review")] {
        let (yard, id, job) = reviewed_yard();
        let hub = Hub::find(Some(&yard.world.repo), Clock::Machine).unwrap();
        let entry = teof::review::bundles::find(&hub, &job).unwrap();
        let input = teof::review::ReviewInput {
            by: "ada".into(),
            recognised: Default::default(),
            note: Some("not so".into()),
            job: teof::review::JobState::Finished,
            redo: false,
            newer: Default::default(),
            policy: None,
        };
        // Killed right after it was written down.
        match kind {
            "reject" => teof::review::reject(&hub, &entry, &input).unwrap(),
            _ => teof::review::retry(&hub, &entry, &input).unwrap(),
        };
        yard.finish();
        let step = yard.step(&id, "S1");
        assert_eq!(step["last_run"]["outcome"], ending, "{kind}: {step}");
        let calls = yard.ran().len();
        assert_eq!(calls, if kind == "retry" { 2 } else { 1 }, "{kind}");
        yard.finish();
        assert_eq!(yard.ran().len(), calls, "{kind} took effect once");
    }
}
