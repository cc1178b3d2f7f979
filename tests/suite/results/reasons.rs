//! A blocked job says why, wherever a person looks; one whose agent asks something waits for the answer.

use super::*;

#[test]
fn output_of_a_failed_set_up_is_shown_with_the_job() {
    let site = Site::appending("[worktrees]\nsetup = [\"echo 'E: registry says 403' >&2; exit 3\"]");
    let task = site.submit("Append two");
    assert_eq!(site.run().code, 1, "a blocked job shows in the exit code");
    assert_eq!(site.coder.calls(), 0);
    for (view, said) in site.views(&task) {
        let own_line = view == "bus status" && said.contains("last output of") && said.contains(": E: registry")
            || said.lines().any(|line| line.contains("registry says 403") && !line.contains("exit 3: exit"));
        assert!(own_line, "{view}: {said}");
    }
    let (listed, reason) =
        (site.world.ok(&["task", "list"]), site.job(&task)["last"]["reason"].as_str().unwrap().to_owned());
    assert!(listed.contains(&format!("{reason}; more: teof logs j1")), "{listed}");
    let file = site.job(&task)["last"]["output"]["file"].as_str().unwrap().to_owned();
    assert!(fs::read_to_string(&file).unwrap().contains("registry says 403"));
    assert!(site.world.ok(&["coordinator", "logs", &task]).contains(&file), "where all of it lies");
}

#[test]
fn the_last_output_of_a_failed_agent_is_shown_without_secrets() {
    let site = Site::new("", "echo 'panic: password = \"q7Rk2Zp9Xw4Tn8Vb3Lm1\" is wrong for db' >&2; exit 1");
    let task = site.submit("Append two");
    assert_eq!(site.run().code, 1);
    for (view, said) in site.views(&task).into_iter().filter(|(view, _)| *view != "bus status") {
        assert!(said.contains("is wrong for db") && !said.contains("q7Rk2Zp9"), "{view}: {said}");
    }
}

#[test]
fn a_secret_in_a_result_is_hidden_in_its_diff_and_what_is_printed_deletes_it() {
    let secret = concat!("ghp", "_16C7e42F292c6912E7710c838347Ae178B4a");
    let site = Site::new("", &format!("echo 'token = \"{secret}\"' >> src/code.txt\n{DONE}"));
    let task = site.submit("Append two");
    assert_eq!(site.run().code, 1);
    let commit = site.job(&task)["last"]["commit"].as_str().unwrap().to_owned();
    let diff = site.world.ok(&["review", "show", "j1", "--diff"]);
    assert!(!diff.contains(secret) && diff.contains("+token = \"[redacted:"), "{diff}");
    let json = site.world.json(&["review", "show", "j1", "--diff"]);
    assert!(!json.to_string().contains(secret) && json["diff"].to_string().contains("[redacted:"), "{json}");
    site.world.ok(&["review", "reject", "j1", "--note", "It has a secret"]);
    let commands = diff.lines().find(|line| line.contains("git branch -D ")).unwrap_or_else(|| panic!("{diff}"));
    assert_ne!(site.world.git(&["branch", "--list", "agent/*"]), "");
    site.world.shell(commands).expect(0);
    assert_eq!(site.world.git(&["for-each-ref", "--contains", &commit]), "", "no ref leads to it");
}

#[test]
fn a_test_that_fails_in_every_pass_shows_what_it_printed() {
    // On the base it fails with other words.
    let site = Site::appending(
        "[guard]\ntests = [\"! grep -q zero src/code.txt; echo expected 3, got `tail -1 src/code.txt`; exit 1\"]",
    );
    let task = site.submit("Append two");
    assert_eq!(site.run().code, 1);
    assert_eq!(site.coder.calls(), 3);
    assert!(site.coder.prompt(2).contains("it also fails on main without any change"), "{}", site.coder.prompt(2));
    for (view, said) in site.views(&task).into_iter().filter(|(view, _)| *view != "logs") {
        assert!(said.contains("expected 3, got two"), "{view}: {said}");
    }
    let status = site.world.ok(&["status"]);
    let said: Vec<_> = status.lines().filter(|line| line.contains("got two")).collect();
    assert_eq!(said, ["  | expected 3, got two"], "one line of the output is enough there: {status}");
}

#[test]
fn tests_that_fail_without_any_change_block_the_job_after_two_passes() {
    let site = Site::appending("[guard]\ntests = [\"echo no module calc in 0.$$ s; exit 1\"]");
    let task = site.submit("Append two");
    assert_eq!(site.run().code, 1);
    assert_eq!(site.coder.calls(), 2, "a third pass would not help either");
    assert!(site.coder.prompt(2).contains("it also fails on main without any change"), "{}", site.coder.prompt(2));
    for (view, said) in site.views(&task).into_iter().filter(|(view, _)| *view != "bus status") {
        assert!(said.contains("the tests fail on main without any change: echo no module"), "{view}: {said}");
    }
    // A person who answers that with a note wants it done here.
    site.world.ok(&["review", "retry", "j1", "--note", "Make the tests pass"]);
    assert_eq!(site.run().code, 1);
    assert_eq!(site.coder.calls(), 5);
    assert!(site.coder.prompt(3).contains("Make the tests pass"));
    // A person who does not want it any more dismisses it.
    let diff = site.world.ok(&["review", "show", "j2", "--diff"]);
    assert!(diff.contains("what it changed so far") && diff.contains("diff --git") && diff.contains("\n+"), "{diff}");
    let blocked = || site.world.json(&["status"])["summary"]["blocked"].clone();
    assert_eq!(blocked(), json!(["j2"]));
    site.world.ok(&["coordinator", "skip", "j2"]);
    assert_eq!(blocked(), json!([]));
    let said = site.world.ok(&["logs", "j2"]);
    assert!(said.contains("dismissed  skipped") && !said.contains("review reject"), "{said}");
    site.world.ok(&["coordinator", "resume", "j2"]);
    let refused = site.world.refused(&["coordinator", "cancel", "j2"]);
    assert_eq!(refused["next"][0], "to dismiss it: teof review reject j2 --note \"...\"");
    let said = site.world.ok(&["review", "reject", "j2", "--note", "Not wanted"]);
    assert!(said.contains("is rejected") && said.contains("teof review retry j2"), "{said}");
    assert_eq!(blocked(), json!([]));
    let report = site.world.json(&["report"]);
    assert_eq!(report["blocked"], json!([]), "{report:#}");
    assert_eq!(site.run().code, 0, "what a person dismissed is no failure");
    site.world.ok(&["review", "retry", "j2"]);
}

#[test]
fn an_agent_that_asks_waits_for_an_answer_and_goes_on_in_its_session() {
    let site = Site::appending("");
    let question = "I looked at it.\n\nShould the amounts be rounded up or down?";
    site.coder.on(1, &format!("answer '{question}'"));
    let task = site.submit("Round the amounts");
    let ran = site.run();
    assert_eq!(ran.code, 5, "something waits for a person: {}", ran.stderr);
    assert_eq!(site.coder.calls(), 1, "it is not asked again in vain");
    for (view, said) in site.views(&task) {
        assert!(said.contains("rounded up or down?"), "{view}: {said}");
    }
    let status = site.world.ok(&["coordinator", "status"]);
    assert!(status.contains("question") && status.contains("coordinator answer j1"), "{status}");

    for verb in ["retry", "reject"] {
        let refused = site.world.refused(&["review", verb, "j1", "--note", "Round up"]);
        assert_eq!(refused["next"][0], "answer its question: teof coordinator answer j1 \"...\"", "{refused}");
    }
    let plan = &site.plan(&task);
    site.world.run(&["coordinator", "answer", plan, " "]).expect(2);
    let long = site.world.refused(&["coordinator", "answer", plan, &"x".repeat(16_001)]);
    assert_eq!((&long["code"], &long["exit"]), (&json!("text.too_long"), &json!(2)), "{long}");
    site.world.ok(&["coordinator", "answer", plan, "Round up"]);
    assert!(
        site.world.refused(&["coordinator", "answer", plan, "Down"])["message"]
            .as_str()
            .unwrap()
            .contains("no open question")
    );
    assert_eq!(site.run().code, 0);
    let session = site.coder.args(1).trim().trim_start_matches("--session-id=").to_owned();
    assert_eq!(site.coder.args(2).trim(), format!("--resume={session}"), "the same session goes on");
    assert!(site.coder.prompt(2).contains("> The answer: Round up"), "{}", site.coder.prompt(2));
    let job = site.waiting();
    site.world.ok(&["review", "approve", &job]);
    assert_eq!(site.world.read("src/code.txt"), "one\ntwo\n");
}

#[test]
fn a_question_in_the_answers_json_waits_too_and_a_job_that_ended_says_so() {
    let site = Site::appending("");
    site.coder.on(1, "answer '{\"analysis\": \"Two ways.\", \"question\": \"Round up or down?\"}'");
    site.coder.on(2, "answer '{\"analysis\": \"I looked.\\nTo how many digits?\", \"commands\": []}'");
    let task = site.submit("Round the amounts");
    for (answer, question) in [("Up", "Round up or down?"), ("Two", "To how many digits?")] {
        assert_eq!(site.run().code, 5);
        assert_eq!(site.job(&task)["phase"]["is"], "question");
        assert!(site.job(&task)["last"]["question"].as_str().unwrap().ends_with(question), "{}", site.job(&task));
        let said = site.world.run(&["coordinator", "answer", "j1", answer]).expect(0);
        assert!(said.stderr.contains("continue it: teof run"), "{}", said.stderr);
    }
    assert!(site.coder.prompt(1).contains("\"question\""), "the prompt says how to ask");
    assert_eq!(site.run().code, 0);
    site.world.ok(&["review", "reject", "j1", "--note", "No"]);
    for command in [["coordinator", "answer", "j1", "Up"], ["session", "note", "j1", "Up"]] {
        let refused = site.world.refused(&command);
        assert_eq!((&refused["message"], &refused["exit"]), (&json!("j1 has ended (rejected)"), &json!(1)));
        assert_eq!(refused["next"][0], "to retry it: teof review retry j1");
    }
    let started = site.world.refused(&["do", "j1"]);
    assert_eq!(
        (&started["message"], &started["code"]),
        (&format!("j1 is a job of {task}").into(), &"task.is_job".into())
    );
    assert_eq!(started["next"][0], format!("do its task: teof do {task}"));
}

#[test]
fn the_longest_answer_and_note_reach_the_agent_whole_and_longer_ones_are_refused() {
    let site = Site::appending("");
    site.coder.on(1, &format!("answer '{} up or down?'", "I looked. ".repeat(300)));
    site.submit("Round the amounts");
    assert_eq!(site.run().code, 5);
    let words = |end: &str| format!("{}{end}", "x".repeat(16_000 - end.len()));
    site.world.ok(&["coordinator", "answer", "j1", &words("END-ANSWER")]);
    assert_eq!(site.run().code, 0);
    assert!(site.coder.prompt(2).contains("END-ANSWER\n"), "{}", site.coder.prompt(2));

    for command in [["review", "retry"], ["review", "reject"], ["session", "continue"]] {
        let refused = site.world.refused(&[command[0], command[1], "j1", "--note", &words("too long")[..].repeat(2)]);
        assert_eq!(refused["reason"], "it has 32000 characters; an agent gets at most 16000", "{command:?}: {refused}");
    }
    for args in [["--objective", &words("two words").repeat(2)], ["--notes", &words("too long").repeat(2)]] {
        let more = if args[0] == "--notes" { ["--objective", "Append two"] } else { ["--notes", "x"] };
        let refused = site.world.refused(&[["coordinator", "submit"], ["--test", "true"], args, more].concat());
        assert_eq!(refused["code"], "text.too_long", "{refused}");
    }
    let site = Site::appending("");
    site.submit("Append two");
    assert_eq!(site.run().code, 0);
    site.world.ok(&["review", "retry", "j1", "--note", &words("END-NOTE")]);
    assert_eq!(site.run().code, 0);
    assert!(site.coder.prompt(2).contains("END-NOTE\n"), "{}", site.coder.prompt(2));
}

#[test]
fn a_question_beside_finished_work_is_no_reason_to_wait() {
    let site = Site::appending("");
    site.coder.on(1, "echo two >> src/code.txt\nanswer 'All done. Shall I write a test as well?'");
    let task = site.submit("Append two");
    assert_eq!(site.run().code, 0);
    assert_eq!(site.job(&task)["phase"]["is"], "review");
}

#[test]
fn a_job_that_waits_for_an_answer_can_be_cancelled() {
    let site = Site::new("", "answer 'Which one?'");
    let task = site.submit("Choose one");
    assert_eq!(site.run().code, 5);
    site.world.ok(&["coordinator", "cancel", &task]);
    site.run();
    assert_eq!(site.job(&task)["phase"]["ending"], "cancelled");
    assert!(site.world.ok(&["task", "list"]).contains("skipped"));
    let status = site.world.ok(&["status"]);
    assert!(status.contains("cancelled") && !status.contains("skipped"), "one row for the job: {status}");
}

#[test]
fn an_answer_and_a_note_stay_in_later_prompts_and_a_run_tells_only_what_happens_in_it() {
    let site = Site::appending("");
    site.coder.on(1, DONE).on(2, "answer '{\"analysis\": \"Two ways.\", \"question\": \"Round up or down?\"}'");
    let task = site.submit("Round the amounts");
    let ran = site.run();
    assert!(
        ran.code == 5 && ran.stderr.contains("coder, round 1") && ran.stderr.contains("changed nothing"),
        "{ran:?}"
    );
    site.world.ok(&["coordinator", "answer", &task, "Round up"]);
    let ran = site.run();
    assert!(ran.code == 0 && ran.stderr.contains("coder, round 2"), "{ran:?}");
    assert!(!ran.stderr.contains("coder, round 1") && !ran.stderr.contains("changed nothing"), "{}", ran.stderr);
    for note in ["name the unit", "in whole cents"] {
        site.world.ok(&["review", "retry", "j1", "--note", note]);
        assert_eq!(site.run().code, 0);
    }
    assert_eq!(site.coder.calls(), 5);
    let prompt = site.coder.prompt(5);
    for words in ["> Round up or down?", "> The answer: Round up", "> - name the unit", "> - in whole cents"] {
        assert_eq!(prompt.matches(words).count(), 1, "{words}: {prompt}");
    }
}

#[test]
fn a_stale_cache_of_the_work_does_not_make_the_base_fail() {
    // As Python's caches: by the second and the size of the source.
    let test = "k=$(stat -c %Y-%s src/code.txt); mkdir -p cache; [ -f cache/$k ] || cp src/code.txt cache/$k; ! grep two cache/$k";
    let site = Site::new(&format!("[guard]\ntests = ['{test}']"), &format!("printf 'six\\n' > src/code.txt\n{DONE}"));
    site.coder.on(1, &format!("printf 'two\\n' > src/code.txt\n{DONE}"));
    site.world.write(".gitignore", "cache/\n");
    site.world.git(&["add", ".gitignore"]);
    site.world.git(&["commit", "-qm", "Ignore the cache"]);
    site.submit("Count to two");
    let ran = site.run();
    let prompt = site.coder.prompt(2);
    assert!(prompt.contains("failed: exit code 1") && !prompt.contains("it also fails on"), "{ran:?} {prompt}");
}
