//! An approval counts for the commits of the approved result alone.

use serde_json::Value;

use super::{Sample, checks};
use crate::results::Site;

/// The check of the decision about a commit: its outcome and message.
fn decision(site: &Site, range: &str) -> (String, String) {
    let ran = site.world.run(&["verify", range, "--unapproved", "--json"]);
    let found = checks(&ran).into_iter().find(|(name, ..)| name == "decision");
    let (_, outcome, message) = found.unwrap_or_else(|| panic!("{}", ran.stdout));
    (outcome, message)
}

fn reviewed(site: &Site) -> String {
    let listed = site.world.json(&["review", "list"]);
    listed[0]["commit"].as_str().map_or_else(|| panic!("{listed:#}"), str::to_owned)
}

/// A job whose first result was sent back, and whose second was approved; gives back the commits of both.
fn reworked(settings: &str) -> (Site, String, String, String) {
    let site = Site::appending(settings);
    site.submit("Append two");
    assert_eq!(site.run().code, 0);
    let (job, first) = (site.waiting(), reviewed(&site));
    site.world.ok(&["review", "retry", &job, "--note", "has a backdoor"]);
    assert_eq!(decision(&site, &first).0, "failed", "before anything else is approved");
    assert_eq!(site.run().code, 0);
    let second = reviewed(&site);
    assert_ne!(first, second);
    (site, job, first, second)
}

#[test]
fn a_commit_that_was_sent_back_is_not_approved_by_the_approval_of_the_next_result() {
    let (site, job, first, second) = reworked("");
    assert_eq!(decision(&site, &second), ("unchecked".into(), "no person has approved it yet".into()));
    site.world.ok(&["review", "approve", &job]);
    let (outcome, message) = decision(&site, &first);
    assert!(outcome == "failed" && message.contains("sent ") && message.contains("back"), "{message}");
    site.world.run(&["verify", &first]).expect(1);
    assert_eq!(decision(&site, &second).0, "ok");
    site.world.run(&["verify", &second]).expect(0);
}

#[test]
fn the_commits_below_a_merge_of_rework_are_approved_with_it_until_it_is_reverted() {
    let (site, job, first, second) = reworked("[review]\nmerge = \"merge\"\n");
    site.world.ok(&["review", "approve", &job]);
    let merge = site.world.git(&["rev-parse", "main"]);
    let range = format!("{merge}^..{merge}");
    site.world.run(&["verify", &range, "--require"]).expect(0);
    site.world.ok(&["review", "revert", &job, "--note", "not now"]);
    site.world.run(&["verify", &range, "--require"]).expect(0);
    for alone in [&first, &second] {
        let (outcome, message) = decision(&site, alone);
        assert_eq!(outcome, "failed", "{message}");
    }
    assert!(decision(&site, &second).1.contains("reverted"));
}

#[test]
fn a_change_that_a_person_reverted_does_not_come_back_with_the_trailers_of_its_job() {
    let sample = Sample::new();
    let commit = sample.commit();
    let said = sample.world.git(&["log", "-1", "--format=%B", &commit]);
    let of_job = |line: &&str| !["Teof-Reviewed-By", "Teof-L"].iter().any(|key| line.starts_with(key));
    let said = said.lines().filter(of_job).collect::<Vec<_>>().join("\n");
    sample.world.git(&["revert", "--no-edit", &commit]);
    sample.world.git(&["cherry-pick", "-n", &commit]);
    sample.world.git(&["commit", "-qm", &said]);
    let ran = sample.verify(&["HEAD", "--json"]).expect(1);
    let is_it = |(name, outcome, message): &(String, String, String)| {
        (name.as_str(), outcome.as_str()) == ("decision", "failed") && message.contains("this is another commit")
    };
    assert!(checks(&ran).iter().any(is_it), "{}", ran.stdout);
    sample.verify(&["main~1..main", "--require"]).expect(1);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["commits"][0]["role"], "offered");
}

#[test]
fn nothing_is_stated_of_a_commit_that_is_not_as_it_was_asked_for() {
    let site = Site::appending("");
    site.submit("Append two");
    assert_eq!(site.run().code, 0);
    let commit = reviewed(&site);
    let said = site.world.ok(&["verify", &commit, "--unapproved", "--statement"]);
    let file = site.world.folder().join("statement.json");
    std::fs::write(&file, said).unwrap();
    let file = file.to_str().unwrap();
    site.world.run(&["verify", &commit, "--unapproved", "--against", file]).expect(0);
    for args in [&["--statement"][..], &["--against", file], &["--unapproved", "--strict", "--statement"]] {
        let refused = site.world.refused(&[&["verify", &commit], args].concat());
        assert_eq!(refused["code"], "verify.no_statement", "{args:?}: {refused}");
    }
    site.world.ok(&["review", "approve", &site.waiting()]);
    let said = site.world.json(&["verify", "main"]);
    let guards = said["commits"][0]["evidence"]["guards"].as_array().unwrap().clone();
    let on_merge: Vec<_> = guards.iter().filter(|guard| guard["of"] == "merge").collect();
    let is_kept = |guard: &&Value| guard["output_sha256"].as_str().is_some_and(|sha256| sha256.len() == 64);
    assert!(!on_merge.is_empty() && on_merge.iter().all(is_kept), "{on_merge:#?}");
}
