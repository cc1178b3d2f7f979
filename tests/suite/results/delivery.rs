//! What becomes of a result: a person's own commits, a revert, a retry that fails, signed merges, what is counted.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// Work that waits for review; gives back its task and job.
fn finished(site: &Site) -> (String, String) {
    let task = site.submit("Append two");
    assert_eq!(site.run().code, 0);
    (task, site.waiting())
}

#[test]
fn newer_commits_are_merged_only_when_the_person_says_so() {
    for include in [true, false] {
        let site = Site::new("", &format!("echo tow >> src/code.txt\n{DONE}"));
        let (_, job) = finished(&site);
        let folder = site.world.folder().join("repo.worktrees").join(&job);
        fs::write(folder.join("src/code.txt"), "one\ntwo\n").unwrap();
        site.world.git_in(&folder, &["commit", "-qam", "Spell it right"]);
        let own = site.world.git_in(&folder, &["rev-parse", "HEAD"]);
        assert!(site.world.ok(&["review", "show", &job]).contains("Spell it right (Tester)"));
        let error = site.world.refused(&["review", "approve", &job]);
        assert!(error["code"] == "review.newer_commits" && error["commits"][0]["id"] == own, "{error}");
        assert_eq!(site.world.refused(&["review", "approve", &job, "--with-newer", "HEAD"])["code"], error["code"]);
        assert_eq!(site.world.read("src/code.txt"), "one\n", "nothing is merged before");
        let args: &[&str] = if include { &["--with-newer", &own] } else { &["--without-newer"] };
        site.world.ok(&[&["review", "approve", &job], args].concat());
        assert_eq!(site.world.read("src/code.txt"), if include { "one\ntwo\n" } else { "one\ntow\n" });
        site.world.ok(&["review", "revert", &job]);
        assert_eq!(site.world.read("src/code.txt"), "one\n", "all that came in is taken back");
    }
}

#[test]
fn a_reverted_step_waits_for_a_persons_word_and_the_note_reaches_the_coder() {
    let site = Site::appending("");
    let (task, job) = finished(&site);
    site.world.ok(&["review", "approve", &job]);
    // The record's history says done, and so does the next approval's check of it.
    site.world.ok(&["bus", "commit"]);
    let said = site.world.ok(&["review", "revert", &job, "--note", "it broke the totals"]);
    assert!(said.starts_with("Reverted j1 ") && said.contains("teof review retry j1"), "{said}");
    let shown = site.job(&task);
    assert_eq!((&shown["state"], &shown["phase"]["ending"]), (&json!("reverted"), &json!("reverted")));
    for (view, told) in
        [("status", "reverted by Tester: it broke the totals"), ("report", " (by Tester: it broke the totals)")]
    {
        let said = site.world.ok(&[view]);
        assert!(said.contains(told), "{view}: {said}");
    }
    let ran = site.run();
    assert_eq!((ran.code, site.coder.calls()), (0, 1), "nobody starts it again: {}", ran.stderr);
    assert!(ran.stderr.contains("to do it again: teof review retry j1"), "{}", ran.stderr);
    assert_eq!(site.world.json(&["review", "retry", "--all-blocked"]), json!([]), "a person decided that");
    site.world.ok(&["review", "retry", "j1", "--note", "count the last line, too"]);
    assert!(!site.world.ok(&["status"]).contains("reverted"), "it is queued again");
    assert!(!site.world.ok(&["task", "list"]).contains("orphaned"));
    assert_eq!(site.run().code, 0);
    assert_eq!(site.coder.calls(), 2);
    let prompt = site.coder.prompt(2);
    assert!(prompt.contains("it broke the totals") && prompt.contains("count the last line, too"), "{prompt}");
    assert!(site.world.ok(&["logs", "j1"]).contains("retried  as j2"));
    let again = site.waiting();
    site.world.ok(&["review", "approve", &again]);
    site.world.ok(&["review", "revert", &again, "--note", "still wrong", "--redo"]);
    assert_eq!(site.run().code, 0);
    assert!(site.coder.calls() == 3 && site.coder.prompt(3).contains("still wrong"), "{}", site.coder.prompt(3));
}

#[test]
fn a_rejections_note_reaches_whoever_does_the_work_again() {
    let site = Site::appending("");
    let (task, job) = finished(&site);
    site.world.ok(&["review", "reject", &job, "--note", "use the new format"]);
    site.world.ok(&["coordinator", "submit", &task]);
    assert_eq!(site.run().code, 0);
    assert!(site.coder.prompt(2).contains("use the new format"), "{}", site.coder.prompt(2));
}

#[test]
fn a_good_result_stays_approvable_after_a_failed_retry() {
    let site = Site::appending("");
    let (task, job) = finished(&site);
    site.coder.on(2, "exit 1").on(3, "exit 1");
    site.world.ok(&["review", "retry", &job, "--note", "make it shorter"]);
    assert_eq!(site.run().code, 1);
    assert_eq!(site.job(&task)["phase"]["ending"], "blocked");
    site.world.ok(&["review", "approve", &job]);
    assert_eq!(site.world.read("src/code.txt"), "one\ntwo\n");
    let plan = site.world.read_json(&format!("_plans/{}.plan.json", site.plan(&task)));
    assert_eq!((&plan["steps"][0]["status"], &plan["status"]), (&json!("done"), &json!("done")), "{plan:#}");
}

/// Signs as `ssh-keygen -Y sign -n git -f <key> <file>` does, wherever the tests run.
const SIGNER: &str = r#"#!/bin/sh
while [ $# -gt 1 ]; do [ "$1" = -f ] && key=$2; shift; done
[ -f "$key" ] || { echo "Couldn't load public key $key" >&2; exit 255; }
printf -- '-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n' > "$1.sig"
"#;

#[test]
fn merges_are_signed_as_the_persons_git_signs_or_refused_with_the_reason() {
    let site = Site::appending("");
    let (_, job) = finished(&site);
    let (key, signer) = (site.world.folder().join("key.pub"), site.world.folder().join("signer"));
    fs::write(&key, "ssh-ed25519 AAAA me\n").unwrap();
    fs::write(&signer, SIGNER).unwrap();
    fs::set_permissions(&signer, fs::Permissions::from_mode(0o755)).unwrap();
    let public = key.display().to_string();
    let global = |name: &str, value: &str| site.world.git(&["config", "--global", name, value]);
    global("gpg.ssh.program", &signer.display().to_string());
    global("gpg.format", "ssh");
    global("commit.gpgsign", "true");
    global("user.signingkey", "/nonexistent/key");
    let error = site.world.refused(&["review", "approve", &job]);
    assert!(error["code"] == "review.not_signed" && error["reason"].as_str().unwrap().contains("key"), "{error}");
    assert_eq!(site.world.read("src/code.txt"), "one\n");
    global("user.signingkey", &public);
    site.world.ok(&["review", "approve", &job]);
    let merge = site.world.git(&["log", "--format=%H", "--grep=^Teof-Reviewed-By", "-1"]);
    assert!(site.world.git(&["cat-file", "-p", &merge]).contains("BEGIN SSH SIGNATURE"), "{merge}");
}

#[test]
fn generated_files_count_for_no_limit_and_conflict_marks_need_a_person() {
    let marks = "printf '<<<<<<< a\\nx\\n=======\\ny\\n>>>>>>> b\\n' >> src/code.txt";
    let lock = "seq 1 900 > package-lock.json; seq 1 900 > api.gen.ts";
    let site =
        Site::new("[guard]\ngenerated = [\"package-lock.json\", \"*.gen.ts\"]", &format!("{lock}; {marks}\n{DONE}"));
    let (_, job) = finished(&site);
    let shown = site.world.ok(&["review", "show", &job]);
    assert!(shown.contains("conflict markers") && shown.contains("+900 -0 package-lock.json"), "{shown}");
}

#[test]
fn lfs_files_are_committed_as_pointers_and_fetched_ones_ignored() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 100000\n";
    let setup = "[worktrees]\nsetup = [\"yes asset | head -c 100000 > a.bin\"]";
    let site = Site::new(
        setup,
        &format!("echo content > b.bin; echo two >> src/code.txt; test $(wc -c < a.bin) = 100000 && {DONE}"),
    );
    site.world.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    site.world.write("a.bin", pointer);
    site.world.git(&["add", "."]);
    site.world.git(&["commit", "-qm", "An asset"]);
    let (task, _) = finished(&site);
    let commit = site.job(&task)["last"]["commit"].as_str().unwrap().to_owned();
    assert_eq!(site.world.git(&["show", &format!("{commit}:a.bin")]), pointer.trim_end());
    let made = site.world.git(&["show", &format!("{commit}:b.bin")]);
    assert!(made.starts_with("version https://git-lfs") && made.ends_with("size 8"), "{made}");
}

#[test]
fn agents_own_files_are_neither_work_nor_findings() {
    let litter =
        "mkdir -p .aider.tags.cache.v4; echo x > .aider.tags.cache.v4/cache.db; echo x > .aider.chat.history.md";
    let site = Site::new("", &format!("{litter}; echo x > src/.aider.md; echo two >> src/code.txt\n{DONE}"));
    site.submit("Append two");
    assert_eq!(site.run().code, 0);
    let bundle = site.world.json(&["review", "show", &site.waiting()])["bundle"].clone();
    let files: Vec<_> = bundle["diff"]["files"].as_array().unwrap().iter().map(|file| file["path"].clone()).collect();
    assert_eq!(files, [json!("src/.aider.md"), json!("src/code.txt")], "{bundle:#}");
    assert_eq!(bundle["findings"], json!([]), "{bundle:#}");
}
