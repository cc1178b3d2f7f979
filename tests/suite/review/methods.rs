//! A pull request is merged in a way that the repository allows, and waits where its branch is protected.

use super::pull_requests::{GH, calls, shop};
use super::*;

/// As `gh` 2.x answers for a repository that allows the ways of merging in `gh.allows`, and whose branch may be
/// protected: `gh.protected` says `auto` where GitHub merges by itself once everything is there.
const METHODS: &str = r#"#!/bin/sh
allows=$(cat "$HOME/gh.allows"); remote="$HOME/remote.git"
has() { case " $allows " in *" --$1 "*) printf true;; *) printf false;; esac; }
case "$1 $2" in
"repo view") echo "$*" >> "$HOME/gh.calls"
  printf '{"mergeCommitAllowed":%s,"rebaseMergeAllowed":%s,"squashMergeAllowed":%s}\n' $(has merge) $(has rebase) $(has squash); exit;;
"pr merge") echo "$*" >> "$HOME/gh.calls"
  [ "$(has ${4#--})" = true ] || { echo "GraphQL: Merge commits are not allowed on this repository. (mergePullRequest)" >&2; exit 1; }
  if [ -e "$HOME/gh.protected" ]; then
    case "$*" in *--auto*) ;; *)
      echo "X Pull request o/r#7 is not mergeable: the base branch policy prohibits the merge." >&2
      echo "To have the pull request merged after all the requirements have been met, add the \`--auto\` flag." >&2; exit 1;;
    esac
    [ "$(cat "$HOME/gh.protected")" = auto ] || { echo "GraphQL: Auto merge is not allowed for this repository (enablePullRequestAutoMerge)" >&2; exit 1; }
    exit 0
  fi
  cd "$remote" && tree=$(git merge-tree --write-tree main "$6") || exit 1
  case $4 in --merge) second="-p $6";; *) second=;; esac
  new=$(git commit-tree "$tree" -p main $second -m merged) && git update-ref refs/heads/main "$new" && echo "$new" > "$HOME/gh.merged"; exit;;
esac
exec "$HOME/gh-rest" "$@"
"#;

fn shop_that(allows: &str) -> (Desk, String) {
    let (desk, _) = shop();
    let home = desk.world.folder().join("home");
    fs::write(home.join("gh.allows"), allows).unwrap();
    fs::write(home.join("gh-rest"), GH).unwrap();
    fs::set_permissions(home.join("gh-rest"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = desk.put_on_path("gh", METHODS);
    desk.opened();
    (desk, path)
}

#[test]
fn a_pull_request_is_merged_in_a_way_that_the_repository_allows_and_taken_back() {
    for (allows, used) in [("--rebase", "--rebase"), ("--merge", "--merge"), ("--squash --merge --rebase", "--squash")]
    {
        let (desk, path) = shop_that(allows);
        desk.with(&path, &["review", "approve", JOB, "--by", "Ann"]).expect(0);
        let tried: Vec<_> =
            calls(&desk).lines().filter(|call| call.starts_with("pr merge")).map(str::to_owned).collect();
        assert!(tried.len() == 1 && tried[0].contains(&format!("7 {used} --match-head-commit")), "{allows}: {tried:?}");
        desk.world.git(&["merge", "-q", "--ff-only", "origin/main"]);
        desk.with(&path, &["review", "revert", JOB, "--by", "Ann"]).expect(0);
        assert_eq!(desk.world.read("src/code.txt"), "one\ntwo\nthree\n", "{allows}");
    }
}

#[test]
fn a_protected_branch_is_waited_for_or_the_refusal_says_what_it_lacks() {
    let (desk, path) = shop_that("--squash");
    let home = desk.world.folder().join("home");
    fs::write(home.join("gh.protected"), "auto").unwrap();
    let ran = desk.with(&path, &["review", "approve", JOB, "--by", "Ann", "--json"]).expect(1);
    assert!(ran.stderr.contains("pr.not_merged") && calls(&desk).contains("--auto"), "{}", ran.stderr);
    assert!(!home.join("gh.draft").exists() && desk.memory().is_empty(), "it is queued");

    fs::write(home.join("gh.protected"), "never").unwrap();
    fs::write(home.join("gh.draft"), "draft").unwrap();
    let ran = desk.with(&path, &["review", "approve", JOB, "--by", "Ann", "--json"]).expect(1);
    assert!(ran.stderr.contains("pr.protected") && ran.stderr.contains("Allow auto-merge"), "{}", ran.stderr);
    assert!(calls(&desk).contains("pr ready 7 --undo") && desk.memory().is_empty(), "{}", calls(&desk));
}
