//! Each kind of tampering with a commit or the record behind it fails the check that is named.

use super::*;

/// Makes a copy of the sample, tampers with it, and expects that the verification of the returned commit fails for
/// each of these reasons: the check's name, and a part of what it says.
#[track_caller]
fn fails(reasons: &[&str], tamper: impl Fn(&Sample) -> String) {
    let sample = Sample::new();
    let commit = tamper(&sample);
    let ran = sample.verify(&[&commit, "--json"]).expect(1);
    let found = checks(&ran);
    for reason in reasons {
        let (check, why) = reason.split_once(": ").unwrap();
        let is_it = |(name, outcome, message): &(String, String, String)| {
            (name.as_str(), outcome.as_str()) == (check, "failed") && message.contains(why)
        };
        assert!(found.iter().any(is_it), "{reason}: {found:#?}");
    }
}

macro_rules! tampering {
    ($($name:ident fails $reasons:expr => $tamper:expr;)*) => {
        $(#[test]
        fn $name() {
            fails(&$reasons, $tamper);
        })*
    };
}

/// Tampers with the record on top of the sample.
fn record(tamper: impl Fn(&Sample)) -> impl Fn(&Sample) -> String {
    move |sample| {
        tamper(sample);
        sample.commit_all();
        sample.commit()
    }
}

tampering! {
    a_changed_envelope fails ["envelope: differs from its digest in the ledger"] => record(|s| s.edit(&s.envelope(), "\"rounds\": 2", "\"rounds\": 1"));
    a_changed_envelope_with_a_right_hash_of_its_own fails ["envelope: differs from its digest in the ledger"] => record(|s| {
        s.edit(&s.envelope(), "\"rounds\": 2", "\"rounds\": 1");
        s.reseal(&s.envelope());
    });
    an_envelope_rewritten_with_the_whole_record fails ["chain heads: the ledger in HEAD does not have the line", "later commits: the ledger in HEAD does not have the line"] => record(|s| {
        s.edit(&s.envelope(), "\"rounds\": 2", "\"rounds\": 1");
        s.rewrite(&s.envelope());
    });
    a_changed_prompt_hash fails ["envelope: differs from its digest in the ledger"] => record(|s| {
        s.edit(&s.envelope(), "\"prompt_sha256\": \"", "\"prompt_sha256\": \"0");
        s.reseal(&s.envelope());
    });
    a_changed_output_of_a_test fails ["envelope: differs from its digest in the ledger"] => record(|s| {
        s.edit(&s.envelope(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", &"0".repeat(64));
        s.reseal(&s.envelope());
    });
    a_flipped_guard fails ["tests: envelope and bundle differ about the test"] => record(|s| {
        let path = s.envelope();
        let mut said: Value = serde_json::from_str(&s.world.read(&path)).unwrap();
        said["tests"][0]["status"] = json!("failed");
        s.world.write(&path, &format!("{said:#}"));
        s.rewrite(&path);
    });
    a_deleted_envelope fails ["envelope: the record has no envelope", "chain heads: the log did not have the report of the run"] => record(|s| fs::remove_file(s.world.repo.join(s.envelope())).unwrap());
    a_changed_order fails ["order: differs from its digest in the ledger", "order: the envelope followed an order with another digest"] => record(|s| s.edit(&s.order(), "\"diff_limit\": ", "\"diff_limit\": 9"));
    an_order_with_another_goal fails ["order: order and bundle have another title"] => record(|s| {
        s.edit(&s.order(), "\"title\": \"Greet in French when asked\"", "\"title\": \"Greet in Dutch\"");
        s.rewrite(&s.order());
    });
    a_changed_base fails ["bundle: differs from its digest in the ledger", "envelope: envelope and bundle name another base", "decision: the decision is about another bundle"] => record(|s| {
        let base = s.world.git(&["rev-parse", &format!("{}^", s.jobs[0])]);
        let said: Value = serde_json::from_str(&s.world.read(&s.bundle())).unwrap();
        s.edit(&s.bundle(), said["base_commit"].as_str().unwrap(), &base);
        s.reseal(&s.bundle());
    });
    a_base_changed_with_the_whole_record fails ["chain heads: the ledger in HEAD does not have the line"] => record(|s| {
        let base = s.world.git(&["rev-parse", &format!("{}^", s.jobs[0])]);
        let said: Value = serde_json::from_str(&s.world.read(&s.bundle())).unwrap();
        for path in [s.bundle(), s.envelope(), s.order()] {
            s.edit(&path, said["base_commit"].as_str().unwrap(), &base);
            s.reseal(&path);
        }
        s.rewrite(&s.bundle());
    });
    another_agent_in_the_bundle fails ["agents: envelope and bundle name other agents for stage coder (round 2)", "agents: the commit names scripted:none, the bundle scripted:opus"] => record(|s| {
        s.edit(&s.bundle(), "\"model\": \"none\"", "\"model\": \"opus\"");
        s.rewrite(&s.bundle());
    });
    a_removed_line_of_the_ledger fails ["envelope: the record has no envelope", "chain heads: the ledger in HEAD does not have the line"] => record(|s| s.without(LEDGER, &s.envelope()));
    a_removed_line_of_the_log fails ["log: is missing", "chain heads: the log in HEAD does not have the line"] => record(|s| s.without(LOG, &s.envelope()));
    a_log_that_was_cut_off fails ["chain heads: the log in HEAD does not have the line", "later commits: the log in HEAD does not have the line"] => record(|s| s.cut(LOG, 20));
    a_log_without_its_last_decision fails ["approver: the log has no event of the decision", "log: is missing"] => record(|s| s.without(LOG, &s.decision()));
    a_ledger_that_was_cut_off fails ["chain heads: the ledger in HEAD does not have the line"] => record(|s| s.cut(LEDGER, 13));
    a_ledger_cut_before_the_decision fails ["decision: no decision about j2"] => record(|s| s.cut(LEDGER, 16));
    a_rewritten_event_with_a_new_id fails ["log: is missing", "chain heads: the log in HEAD lost the line"] => record(|s| {
        let mut lines = s.world.lines(LOG);
        let at = lines.iter().position(|line| line["event"] == "claim").unwrap();
        lines[at]["summary"] = json!("somebody else claimed it");
        let Value::Object(mut line) = lines[at].clone() else { panic!("not an object") };
        line.shift_remove("id");
        let sealed = String::from_utf8(event::seal(&line).0).unwrap();
        let old: Vec<_> = s.world.read(LOG).split_inclusive('\n').map(str::to_owned).collect();
        s.world.write(LOG, &[&old[..at], &[sealed], &old[at + 1..]].concat().concat());
    });
    a_rewritten_event_with_its_whole_chain fails ["chain heads: the log in HEAD does not have the line"] => record(|s| {
        let mut lines = s.world.lines(LOG);
        let at = lines.iter().position(|line| line["event"] == "claim").unwrap();
        lines[at]["summary"] = json!("somebody else claimed it");
        s.chain(LOG, lines);
    });
    another_approver_in_the_decision fails ["approver: the event of the decision says something else", "approver: memory/log.jsonl says something else"] => record(|s| {
        s.edit(&s.decision(), "\"by\": \"Ann\"", "\"by\": \"Eve\"");
        s.rewrite(&s.decision());
    });
    another_approver_in_the_whole_record fails ["approver: the commit says that Ann approved it, the decision says Eve"] => record(|s| {
        s.edit(&s.decision(), "\"by\": \"Ann\"", "\"by\": \"Eve\"");
        s.edit(LOG, "\"by\":\"Ann\"", "\"by\":\"Eve\"");
        s.edit(MEMORY, "\"actor\":\"Ann\"", "\"actor\":\"Eve\"");
        s.rewrite(&s.decision());
    });
    a_way_to_recognise_the_approver_changed_in_the_whole_record fails ["later commits: the log in HEAD does not have the line", "later commits: the ledger in HEAD does not have the line"] => record(|s| {
        s.edit(&s.decision(), "\"recognised\": \"neither\"", "\"recognised\": \"terminal\"");
        let lines = s.world.lines(LOG).into_iter().map(|mut line| {
            let is_its = line["event"] == "review" && line.to_string().contains(&s.decision());
            if is_its {
                line["meta"]["recognised"] = json!("terminal");
            }
            line
        });
        s.chain(LOG, lines.collect());
        s.rewrite(&s.decision());
    });
    a_deleted_decision fails ["decision: no decision about j2"] => record(|s| {
        s.world.git(&["rm", "-q", &s.decision()]);
        s.relist();
    });
    a_removed_line_of_the_memory_log fails ["approver: has no line of the decision"] => record(|s| s.without(MEMORY, &s.decision()));
    another_tree fails ["decision: this commit differs from it"] => |s| {
        let tree = s.other_tree();
        let old = s.commit();
        let said = s.world.git(&["log", "-1", "--format=%B", &old]);
        s.world.git(&["commit-tree", &tree, "-p", &format!("{old}^"), "-m", &said])
    };
    another_tree_with_a_decision_that_names_it fails ["tree: the change is not that of the reviewed commit"] => |s| {
        let tree = s.other_tree();
        s.forge(|said| said, Some(&tree), None)
    };
    another_parent fails ["parent: and the target was at"] => |s| {
        let other = format!("{}^", s.jobs[0]);
        s.forge(|said| said, None, Some(&other))
    };
    a_merge_of_something_else fails ["parent: it also merges"] => |s| {
        let (tree, below) = (format!("{}^{{tree}}", s.commit()), format!("{}^", s.commit()));
        let hidden = s.world.git(&["commit-tree", &tree, "-p", &below, "-m", "Hidden"]);
        s.forge(|said| said, None, Some(&format!("{below} {hidden}")))
    };
    another_parent_hidden_by_a_shallow_clone fails ["parent: and the target was at"] => |s| {
        let other = format!("{}^", s.jobs[0]);
        let new = s.forge(|said| said, None, Some(&other));
        s.world.write(".git/shallow", &format!("{new}\n"));
        new
    };
    a_hidden_part_of_the_message fails ["message: has a NUL byte"] => |s| {
        let raw = s.world.git(&["cat-file", "commit", &s.commit()]);
        s.world.write(".git/raw", &raw.replacen("\n\n", "\n\nShown\0\n\n", 1));
        let path = s.world.repo.join(".git/raw");
        s.decide_on(&s.world.git(&["hash-object", "-t", "commit", "-w", "--literally", path.to_str().unwrap()]))
    };
    another_approver_in_the_commit fails ["approver: the commit says that Eve approved it, the decision says Ann"] => |s| s.forge(|said| said.replace("By: Ann", "By: Eve"), None, None);
    another_agent_in_the_commit fails ["agents: the commit names opus:4"] => |s| s.forge(|said| said.replace("scripted:none", "opus:4"), None, None);
    the_job_of_another_commit fails ["message: the commit's Teof-Run is not the decision's run"] => |s| {
        let said = |said: String| {
            let line = said.lines().find(|line| line.starts_with("Teof-Run: ")).unwrap().to_owned();
            said.replace(&line, &line.replace("-2.1", "-1.1"))
        };
        s.forge(said, None, None)
    };
    trailers_of_a_job_on_a_persons_commit fails ["decision: this commit differs from it"] => |s| {
        let said = s.world.git(&["log", "-1", "--format=%B", &s.commit()]);
        s.world.write("person.txt", "by hand\n");
        s.world.git(&["add", "-A"]);
        s.world.git(&["commit", "-qm", &said]);
        s.world.git(&["rev-parse", "HEAD"])
    };
    a_doubled_trailer fails ["message: the commit has Teof-Reviewed-By more than once"] => |s| {
        s.forge(|said| said.trim_end().to_owned() + "\nTeof-Reviewed-By: Ann\n", None, None)
    };
    damaged_chain_heads fails ["chain heads: the commit's Teof-Log and Teof-Ledger cannot be read"] => |s| s.forge(|said| said.replace("Teof-Log: 2", "Teof-Log: x"), None, None);
    chain_heads_of_another_state fails ["chain heads: lines where the commit covers 25"] => |s| {
        s.forge(|said| said.replace("Teof-Log: 26 ", "Teof-Log: 25 "), None, None)
    };
    a_run_that_did_not_succeed fails ["envelope: the run did not succeed"] =>
        record(|s| s.set(&s.envelope(), "/verdict", json!("failed")));
    an_envelope_of_another_job fails ["envelope: envelope and bundle name another job"] =>
        record(|s| s.set(&s.envelope(), "/job", json!("20260101T000000Z-9")));
    an_envelope_of_another_commit fails ["envelope: envelope and bundle name another commit"] =>
        record(|s| s.set(&s.envelope(), "/git/commit", json!("0".repeat(40))));
    a_call_of_another_agent fails ["agents: stage planner (round 1) has a call of opus"] =>
        record(|s| s.set(&s.envelope(), "/stages/0/calls/0/agent", json!("opus")));
    a_stage_of_another_commit fails ["agents: envelope and bundle differ about stage planner (round 1)"] =>
        record(|s| s.set(&s.bundle(), "/stages/0/commit", json!("0".repeat(40))));
    a_bundle_without_stages fails ["agents: envelope and bundle list other stages"] =>
        record(|s| s.set(&s.bundle(), "/stages", json!([])));
    a_bundle_without_tests fails ["tests: envelope and bundle list other tests"] =>
        record(|s| s.set(&s.bundle(), "/tests", json!([])));
    a_failed_test_in_the_bundle fails ["tests: failed"] =>
        record(|s| s.set(&s.bundle(), "/tests/0/passed", json!(false)));
    a_finding_that_stops_in_the_bundle fails ["tests: a guard stopped it: too large"] => record(|s| {
        let finding = json!([{"code": "diff.too_large", "severity": "high", "message": "too large"}]);
        s.set(&s.bundle(), "/findings", finding);
    });
    a_decision_about_another_seat fails ["decision: the decision names another seat than the bundle"] =>
        record(|s| s.set(&s.decision(), "/agent_id", json!("worker-1")));
    a_decision_whose_test_failed fails ["decision: failed on the merged tree"] =>
        record(|s| s.set(&s.decision(), "/tests/0/passed", json!(false)));
    a_deleted_order fails ["order: is in the ledger and not in the record"] =>
        record(|s| fs::remove_file(s.world.repo.join(s.order())).unwrap());
    a_deleted_bundle fails ["bundle: the record has no bundle"] =>
        record(|s| fs::remove_file(s.world.repo.join(s.bundle())).unwrap());
    a_changed_line_of_the_ledger fails ["ledger: "] => record(|s| s.edit(LEDGER, &s.envelope(), &s.order()));
}

#[test]
fn a_changed_receipt_and_a_deleted_one() {
    let why = "is not what the bundle names";
    for delete in [false, true] {
        let sample = Sample::new();
        let path = sample.file("worker-1/greetings", ".txt");
        match delete {
            true => drop(sample.world.git(&["rm", "-q", &path])),
            false => sample.world.write(&path, "hello\n"),
        }
        sample.commit_all();
        let found = checks(&sample.verify(&[&sample.jobs[0], "--json"]).expect(1));
        let is_it = |(name, outcome, message): &(String, String, String)| {
            (name.as_str(), outcome.as_str()) == ("receipts", "failed") && message.contains(why)
        };
        assert!(found.iter().any(is_it), "{found:#?}");
    }
}

#[test]
fn a_commit_of_before_the_chain_heads_is_verified_and_said_to_have_none() {
    let sample = Sample::new();
    let old = |said: String| said.lines().filter(|line| !line.starts_with("Teof-L")).collect::<Vec<_>>().join("\n");
    let commit = sample.forge(old, None, None);
    let found = checks(&sample.verify(&[&commit, "--json"]).expect(0));
    assert!(found.iter().any(|(name, outcome, _)| name == "chain heads" && outcome == "unchecked"), "{found:#?}");
    sample.verify(&[&commit, "--strict"]).expect(1);
}

#[test]
fn a_record_older_than_the_commit_is_told_with_the_command_that_fetches_it() {
    let sample = Sample::new();
    let commit = sample.commit();
    sample.world.git(&["reset", "-q", "--hard", &commit]);
    let ran = sample.verify(&[&commit]).expect(1);
    assert!(ran.stdout.contains("older than the commit") && ran.stdout.contains("git fetch origin"), "{}", ran.stdout);
}

#[test]
fn grafts_are_refused() {
    let sample = Sample::new();
    let (commit, other) = (sample.commit(), sample.jobs[0].clone());
    sample.world.write(".git/info/grafts", &format!("{commit} {other}\n"));
    assert_eq!(sample.world.refused(&["verify", &commit])["code"], "verify.grafts");
    sample.world.write(".git/info/grafts", "");
    sample.verify(&[&commit]).expect(0);
}

#[test]
fn a_record_on_a_branch_of_somebody_does_not_win_over_the_records_own() {
    let sample = Sample::new();
    let forged = sample.forge(|said| said.replacen("Greet", "Do not greet", 1), None, None);
    sample.verify(&[&forged]).expect(0);
    sample.world.git(&["update-ref", "refs/remotes/origin/a/teof/record", "HEAD"]);
    sample.world.git(&["reset", "-q", "--hard", &sample.record]);
    let found = checks(&sample.verify(&[&forged, "--json"]).expect(1));
    let is_it = |(name, outcome, message): &(String, String, String)| {
        (name.as_str(), outcome.as_str()) == ("decision", "failed") && message.contains("this commit differs from it")
    };
    assert!(found.iter().any(is_it), "{found:#?}");
    sample.verify(&[&sample.commit()]).expect(0);
}

#[test]
fn where_the_record_has_a_branch_of_its_own_no_other_branch_counts() {
    let sample = Sample::new();
    let (commit, set_up) = (sample.commit(), format!("{}^", sample.jobs[0]));
    sample.world.git(&["branch", "teof/record", &set_up]);
    let refused = sample.world.refused(&["verify", &commit]);
    assert_eq!(refused["code"], "verify.other_record", "{refused}");
    assert!(refused.to_string().contains("record of teof/record"), "{refused}");
    sample.verify(&[&commit, "--record", "teof/record"]).expect(1);
    sample.verify(&[&commit, "--record", "HEAD"]).expect(0);
    sample.world.git(&["update-ref", "refs/heads/teof/record", &sample.record]);
    sample.verify(&[&commit]).expect(0);
}

#[test]
fn a_branch_of_the_records_name_without_a_ledger_does_not_hide_the_record() {
    let sample = Sample::new();
    let root = sample.world.git(&["rev-list", "--max-parents=0", "HEAD"]);
    sample.world.git(&["branch", "teof/record", &root]);
    sample.verify(&[&sample.commit()]).expect(0);
}

#[test]
fn a_record_branch_that_goes_on_from_heads_record_counts_beside_one_that_does_not() {
    let sample = Sample::new();
    let set_up = format!("{}^", sample.jobs[0]);
    sample.world.git(&["remote", "add", "origin", "nowhere"]);
    sample.world.git(&["update-ref", "refs/remotes/origin/teof/record", &set_up]);
    let refused = sample.world.refused(&["verify", &sample.commit()]);
    assert_eq!(refused["code"], "verify.other_record", "{refused}");
    sample.world.git(&["update-ref", "refs/heads/teof/record", &sample.record]);
    sample.verify(&[&sample.commit()]).expect(0);
}

/// What a commit of the record says of the record before it.
#[track_caller]
fn record_commit(sample: &Sample, args: &[&str], code: i32) -> Ran {
    sample.world.git(&["add", "-A"]);
    sample.world.git(&["commit", "-qm", "Commit the record\n\nTeof-Record: _bus _plans _report"]);
    sample.verify(&[&["HEAD~1..HEAD"], args].concat()).expect(code)
}

#[test]
fn a_commit_of_the_record_that_takes_lines_out_of_it_fails() {
    for log in [LEDGER, LOG, MEMORY] {
        let sample = Sample::new();
        sample.cut(log, 2);
        let ran = record_commit(&sample, &[], 1);
        assert!(ran.stdout.contains("append-only"), "{log}: {}", ran.stdout);
        assert!(sample.verify(&["HEAD"]).expect(1).stdout.starts_with("FAILED"), "{log}");
    }
    // Sealing moves lines, and a merge may order them anew.
    let sample = Sample::new();
    let lines = sample.world.read(LOG);
    let (old, new) = lines.split_at(lines.find('\n').unwrap() + 1);
    sample.world.write("_bus/events/events-20260101T000000Z.jsonl", old);
    sample.world.write(LOG, new);
    let turned: Vec<_> = sample.world.read(LEDGER).lines().rev().map(str::to_owned).collect();
    sample.world.write(LEDGER, &(turned.join("\n") + "\n"));
    record_commit(&sample, &["--require"], 0);
}

#[test]
fn a_consent_in_a_commit_of_the_record_needs_the_event_of_its_grant() {
    const CONSENT: &str = "docs/automation/autonomy-consent.json";
    let sample = Sample::new();
    let permits = "{\"auto_enabled\": true, \"continuous\": true, \"allow_apply\": true}\n";
    sample.world.write(CONSENT, permits);
    record_commit(&sample, &[], 0);
    let ran = sample.verify(&["HEAD~1..HEAD", "--require"]).expect(1);
    assert!(ran.stdout.contains("consent: ") && ran.stdout.contains("has no grant of it"), "{}", ran.stdout);
    sample.world.write(CONSENT, "{\"auto_enabled\": false}\n");
    record_commit(&sample, &["--require"], 0);
    let grant = json!({"ts": "2026-01-05T10:00:00Z", "agent_id": "operator", "event": "consent", "summary": "granted",
        "meta": {"consent_sha256": digest::sha256(permits.as_bytes())}});
    let line = String::from_utf8(event::seal(grant.as_object().unwrap()).0).unwrap();
    sample.world.write(LOG, &(sample.world.read(LOG) + &line));
    sample.world.write(CONSENT, permits);
    record_commit(&sample, &["--require"], 0);
    // The same file again is another grant.
    sample.world.write(CONSENT, "{\"auto_enabled\": false}\n");
    record_commit(&sample, &["--require"], 0);
    sample.world.write(CONSENT, permits);
    record_commit(&sample, &["--require"], 1);
}
