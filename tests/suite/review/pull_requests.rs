//! With a pull request the approval is its merge.

use super::*;

/// A `gh` that keeps its pull request in a file, and merges into the bare remote.
pub const GH: &str = r#"#!/bin/sh
echo "$*" >> "$HOME/gh.calls"
[ -z "$GIT_DIR$GIT_WORK_TREE$GIT_INDEX_FILE" ] || { echo "it is to find another repository" >&2; exit 1; }
state="$HOME/gh.state"; remote="$HOME/remote.git"
case "$1 $2" in
"pr list") others=$(cat "$HOME/gh.others" 2>/dev/null); ours=
  [ -e "$state" ] && ours="{\"number\":7,\"url\":\"https://x/pull/7\",\"isCrossRepository\":false,\"headRefOid\":\"$(cat "$state")\"}"
  printf '[%s%s%s]' "$others" "${others:+${ours:+,}}" "$ours";;
"pr create") [ -e "$HOME/gh.broken" ] && { echo "no network" >&2; exit 1; }
  git -C "$remote" rev-parse "$5" > "$state"; echo draft > "$HOME/gh.draft"; echo https://x/pull/7;;
"pr view") if [ "$5" = autoMergeRequest ]; then
    [ ! -e "$HOME/gh.old" ] || { echo 'Unknown JSON field: "autoMergeRequest"' >&2; exit 1; }
    [ -e "$HOME/gh.auto" ] && echo '{"autoMergeRequest":{"mergeMethod":"SQUASH"}}' || echo '{"autoMergeRequest":null}'; exit; fi
  head=$(cat "$state")
  case "$5" in *statusCheckRollup*) checks=$(cat "$HOME/gh.checks" 2>/dev/null || echo '[]')
    printf '{"author":{"login":"teof"},"headRefOid":"%s","reviews":[],"statusCheckRollup":%s}' "$head" "$checks"; exit;; esac
  merged=$(cat "$HOME/gh.merged" 2>/dev/null)
  if [ -n "$merged" ]; then st=MERGED; mc="{\"oid\":\"$merged\"}"; else st=$(cat "$HOME/gh.is" 2>/dev/null || echo OPEN); mc=null; fi
  [ -e "$HOME/gh.draft" ] && draft=true || draft=false
  printf '{"state":"%s","isDraft":%s,"mergedAt":null,"mergeCommit":%s,"headRefOid":"%s","baseRefName":"%s","mergedBy":{"login":"ann"}}' "$st" "$draft" "$mc" "$head" "$(cat "$HOME/gh.base" 2>/dev/null || echo main)";;
"pr close") [ -e "$HOME/gh.broken" ] && { echo "no network" >&2; exit 1; }
  echo CLOSED > "$HOME/gh.is";;
"repo view") echo '{"url":"https://x/o/r"}';;
"api --hostname") echo '[]';;
"pr ready") rm "$HOME/gh.draft";;
"pr merge") [ "$4" != --disable-auto ] || { rm "$HOME/gh.auto"; exit; }
  [ -e "$HOME/gh.draft" ] && exit 1
  [ "$6" = "$(cat "$state")" ] || exit 1
  cd "$remote" && tree=$(git merge-tree --write-tree main "$6") && new=$(git commit-tree "$tree" -p main -p "$6" -m merge) &&
  git update-ref refs/heads/main "$new" && echo "$new" > "$HOME/gh.merged";;
*) echo "gh: unknown $*" >&2; exit 1;;
esac
"#;

/// A desk with a remote, that `gh`, and consent to let results leave.
pub(super) fn shop() -> (Desk, String) {
    let desk = Desk::tested(&["true"]);
    let home = desk.world.folder().join("home");
    let remote = home.join("remote.git");
    desk.world.git(&["init", "-q", "--bare", "-b", "main", remote.to_str().unwrap()]);
    desk.world.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    desk.world.git(&["push", "-q", "origin", "main"]);
    let path = desk.put_on_path("gh", GH);
    (desk, path)
}

pub(super) fn calls(desk: &Desk) -> String {
    fs::read_to_string(desk.world.folder().join("home/gh.calls")).unwrap_or_default()
}

impl Desk {
    /// `teof` with the stand-in on its search path.
    pub(super) fn with(&self, path: &str, args: &[&str]) -> Ran {
        Ran::of(self.world.teof(args).env("PATH", path).output().unwrap(), args)
    }

    /// Its pull request, as a draft.
    pub(super) fn opened(&self) {
        self.world.git(&["push", "-q", "origin", &format!("{}:refs/heads/{BRANCH}", self.commit)]);
        fs::write(self.world.folder().join("home/gh.state"), format!("{}\n", self.commit)).unwrap();
        fs::write(self.world.folder().join("home/gh.draft"), "draft").unwrap();
        self.remember(7);
    }

    fn remember(&self, number: u64) {
        let state = json!({"number": number, "url": "https://x/pull/7", "branch": BRANCH, "commit": self.commit});
        self.world.write(&format!(".git/teof/review/{JOB}.json"), &state.to_string());
    }
}

#[test]
fn with_a_pull_request_the_approval_is_its_merge_and_the_local_target_stays() {
    let (desk, path) = shop();
    desk.opened();
    let main = desk.main();
    let said = desk.with(&path, &["review", "approve", JOB, "--by", "Ann"]).expect(0);
    assert!(said.stdout.contains("pull request 7") && said.stdout.contains("git pull"), "{}", said.stdout);
    assert_eq!(desk.main(), main, "the local target is the person's to bring up to date");
    assert!(
        calls(&desk).contains(&format!("pr merge 7 --merge --match-head-commit {}", desk.commit)),
        "{}",
        calls(&desk)
    );
    desk.world.git(&["merge-base", "--is-ancestor", &desk.commit, "refs/remotes/origin/main"]);
    assert_eq!(desk.memory()[0]["merge_commit"], json!(desk.world.git(&["rev-parse", "refs/remotes/origin/main"])));
    let again = desk.with(&path, &["review", "approve", JOB]).expect(0);
    assert!(again.stdout.contains("already"), "{}", again.stdout);
    assert_eq!(desk.memory().len(), 1);
}

#[test]
fn approve_refuses_a_pull_request_with_another_head() {
    let (desk, path) = shop();
    fs::write(desk.world.folder().join("home/gh.state"), format!("{}\n", desk.base)).unwrap();
    desk.remember(7);
    let ran = desk.with(&path, &["review", "approve", JOB]).expect(1);
    assert!(ran.stderr.contains("differs from the reviewed commit"), "{}", ran.stderr);
    assert!(!calls(&desk).contains("pr merge"));
    assert!(desk.memory().is_empty());
}

#[test]
fn gh_ignores_git_location_variables() {
    let (desk, path) = shop();
    desk.opened();
    let elsewhere = desk.world.folder().join("elsewhere");
    desk.world.git(&["init", "-q", elsewhere.to_str().unwrap()]);
    let args = ["review", "approve", JOB, "--by", "Ann"];
    let mut teof = desk.world.teof(&args);
    teof.env("PATH", &path).env("GIT_DIR", elsewhere.join(".git")).env("GIT_INDEX_FILE", elsewhere.join("index"));
    Ran::of(teof.output().unwrap(), &args).expect(0);
    assert_eq!(desk.memory().len(), 1);
}

#[test]
fn leftover_processes_of_gh_do_not_block() {
    let (desk, _) = shop();
    desk.opened();
    let path = desk.put_on_path("gh", &GH.replacen('\n', "\nsleep 600 & echo $! > \"$HOME/left\"\n", 1));
    desk.with(&path, &["review", "approve", JOB, "--by", "Ann"]).expect(0);
    let left = fs::read_to_string(desk.world.folder().join("home/left")).unwrap();
    until("what it left is ended", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", left.trim())).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    });
}

#[test]
fn an_unterminated_answer_is_rejected() {
    let (desk, _) = shop();
    desk.opened();
    let path = desk.put_on_path("gh", "#!/bin/sh\nhead -c 20000000 /dev/zero\n");
    let ran = desk.with(&path, &["review", "approve", JOB, "--json"]).expect(1);
    assert!(ran.stderr.contains("remote.too_much"), "{}", ran.stderr);
    assert!(desk.memory().is_empty());
}

#[test]
fn rejection_closes_the_pull_request_and_stands_if_that_fails() {
    let (desk, path) = shop();
    desk.opened();
    let broken = desk.world.folder().join("home/gh.broken");
    fs::write(&broken, "").unwrap();
    let args = ["review", "reject", JOB, "--note", "not so", "--by", "Ann"];
    let said = desk.with(&path, &args).expect(0);
    assert!(said.stderr.contains("cannot close") && said.stderr.contains("no network"), "{}", said.stderr);
    assert_eq!((desk.memory().len(), &desk.memory()[0]["event"]), (1, &json!("rejected")));
    fs::remove_file(broken).unwrap();
    let said = desk.with(&path, &args).expect(0);
    assert!(!said.stderr.contains("cannot close"), "{}", said.stderr);
    assert_eq!(desk.memory().len(), 1, "decided once");
    assert_eq!(fs::read_to_string(desk.world.folder().join("home/gh.is")).unwrap().trim(), "CLOSED");
    desk.with(&path, &args).expect(0);
    assert_eq!(calls(&desk).matches("pr close 7").count(), 2, "{}", calls(&desk));
}

#[test]
fn rejection_is_refused_after_the_merge_of_the_pull_request() {
    let (desk, path) = shop();
    desk.opened();
    fs::write(desk.world.folder().join("home/gh.merged"), &desk.commit).unwrap();
    let ran = desk.with(&path, &["review", "reject", JOB, "--note", "not so", "--json"]).expect(1);
    assert!(ran.stderr.contains("review.merged"), "{}", ran.stderr);
    assert!(desk.memory().is_empty());
}

#[test]
fn an_unreviewed_merge_of_a_pull_request_is_recorded_as_such() {
    let (desk, path) = shop();
    desk.opened();
    let home = desk.world.folder().join("home");
    let slipped = desk.work(&[("src/new.txt", "slipped in\n")]);
    desk.world.git(&["push", "-q", "origin", &format!("{slipped}:refs/heads/main")]);
    fs::write(home.join("gh.state"), &slipped).unwrap();
    fs::write(home.join("gh.merged"), &slipped).unwrap();
    let said = desk.with(&path, &["review", "approve", JOB, "--by", "Ann", "--note", "fine", "--json"]).expect(0);
    let decision = serde_json::from_str::<Value>(&said.stdout).unwrap()["decision"].clone();
    let finding = &decision["findings"][0];
    assert_eq!((&finding["code"], &finding["severity"]), (&json!("pr.other_commit"), &json!("high")), "{decision}");
    for told in [&finding["message"], &decision["note"], &desk.memory()[0]["note"]] {
        let told = told.as_str().unwrap();
        assert!(told.contains(&slipped) && told.contains(&desk.commit), "{told}");
    }
    assert!(decision["note"].as_str().unwrap().starts_with("fine; "), "{decision}");
    assert_eq!(decision["target_before"], Value::Null, "nobody here knows what was there before: {decision}");
    let events = desk.world.lines("_bus/events/events.jsonl");
    let alarms: Vec<_> = events.iter().filter(|event| event["severity"] == "high").collect();
    assert!(alarms.len() == 1 && alarms[0]["summary"].as_str().unwrap().contains(&slipped), "{events:?}");
    desk.world.ok(&["bus", "verify"]);
}

#[test]
fn approve_refuses_a_pull_request_to_another_branch() {
    let (desk, path) = shop();
    desk.opened();
    fs::write(desk.world.folder().join("home/gh.base"), "release").unwrap();
    let ran = desk.with(&path, &["review", "approve", JOB, "--json"]).expect(1);
    assert!(ran.stderr.contains("pr.other_target") && ran.stderr.contains("release"), "{}", ran.stderr);
    assert!(!calls(&desk).contains("pr merge"), "{}", calls(&desk));
}

/// Work of two commits whose pull request was merged there without a merge commit, while a person's work came
/// in before it: `merge` makes it, in a worktree on the target.
fn merged_there(merge: &dyn Fn(&Desk, &std::path::Path)) -> (Desk, String) {
    let (mut desk, path) = shop();
    desk.commit = desk.work(&[("src/more.txt", "more\n")]);
    desk.bundle(&[]);
    desk.opened();
    desk.world.write("src/other.txt", "a person's\n");
    desk.world.git(&["commit", "-qam", "A person's"]);
    let folder = desk.world.folder().join("there");
    desk.world.git(&["worktree", "add", "-q", "--detach", folder.to_str().unwrap(), "main"]);
    merge(&desk, &folder);
    let merged = desk.world.git_in(&folder, &["rev-parse", "HEAD"]);
    desk.world.git_in(&folder, &["push", "-q", "origin", "HEAD:main"]);
    fs::write(desk.world.folder().join("home/gh.merged"), merged).unwrap();
    desk.with(&path, &["review", "approve", JOB, "--by", "Ann"]).expect(0);
    desk.world.git(&["merge", "-q", "--ff-only", "origin/main"]);
    (desk, path)
}

fn rebase(desk: &Desk, there: &std::path::Path) {
    desk.world.git_in(there, &["cherry-pick", &format!("{}..{}", desk.base, desk.commit)]);
}

fn squash(desk: &Desk, there: &std::path::Path) {
    desk.world.git_in(there, &["merge", "-q", "--squash", &desk.commit]);
    desk.world.git_in(there, &["commit", "-qm", "Squashed"]);
}

#[test]
fn revert_undoes_a_pull_request_however_it_was_merged() {
    for merge in [rebase, squash] {
        let (desk, path) = merged_there(&merge);
        assert!(desk.world.exists("src/new.txt") && desk.world.exists("src/more.txt"));
        desk.with(&path, &["review", "revert", JOB, "--note", "broke it", "--by", "Ann"]).expect(0);
        assert_eq!(desk.world.read("src/code.txt"), "one\ntwo\nthree\n");
        assert!(!desk.world.exists("src/new.txt") && !desk.world.exists("src/more.txt"));
        assert_eq!(desk.world.read("src/other.txt"), "a person's\n", "what came before it stays");
    }
}

#[test]
fn revert_refuses_a_pull_request_with_unclear_commits() {
    let (desk, path) = merged_there(&|desk, there| {
        rebase(desk, there);
        fs::write(there.join("src/code.txt"), "not as it was reviewed\n").unwrap();
        desk.world.git_in(there, &["commit", "-q", "--amend", "-a", "-m", "Rebased and changed"]);
    });
    let main = desk.main();
    let ran = desk.with(&path, &["review", "revert", JOB, "--json"]).expect(1);
    for part in ["review.unclear_merge", &main, &desk.world.git(&["rev-parse", "main~1"]), "Rebased and changed"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert_eq!((desk.main(), desk.memory().len()), (main, 1));
}
