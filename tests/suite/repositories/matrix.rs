//! Every command on every kind of repository: it does what it does in a plain one, or it refuses with a code and a
//! way out. No command ends with a fault, and none commits anything but the record.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::World;

/// How each leaf of the command tree is called, in an order in which a plain repository has work for most.
const COMMANDS: &[&str] = &[
    "init --agent a1",
    "version",
    "guide",
    "schema claim",
    "completions bash",
    "man",
    "session-boot --no-sync --agent a1 --allow-branch-mismatch",
    "session-boot --agent a1 --allow-branch-mismatch",
    "check",
    "check --fix",
    "doctor",
    "doctor --fix",
    "agent list",
    "agent use a1",
    "agent save put-away --allow-dirty --agent a1",
    "agent restore put-away --manifest-only",
    "agent doctor",
    "agent try own",
    "agent setup claude --check",
    "agent plugin",
    "hook session-start",
    "task add Q-1 --title t",
    "task list",
    "import beads --agent a1",
    "export",
    "task assign Q-1 --to a1 --agent a1",
    "task pickup Q-1 --agent a1",
    "task seed Q-3 --engineer a2 --agent a1 --scaffold",
    "task sync --agent a1",
    "bus claim Q-2 --agent a1 --allow-unassigned",
    "bus pause Q-2 --agent a1 --reason r",
    "bus takeover Q-2 --agent a1 --reason r",
    "bus release Q-2 --agent a1",
    "bus event --event observation --summary s --agent a1",
    "bus message --task manager-report --type status --summary s --agent a1",
    "bus ping --agent a1",
    "bus heartbeat --agent a1",
    "manager-report --agent a1",
    "seat list",
    "seat retire a1 --agent operator",
    "seat revive a1 --agent operator",
    "bus directive --task D-1 --summary s --agent a1",
    "bus inbox --agent a1",
    "bus status",
    "bus watch --limit 1",
    "bus commit",
    "bus verify",
    "bus restore --dry-run",
    "bus restore",
    "plan new walk --summary s --checkpoint c --priority high --impact-score 1 --layer L4 --systemic-scale 4 --allow-unclaimed --actor a1",
    "plan list",
    "plan step add {plan} --title t --command true --test true",
    "plan step set {plan} S1 --note n --command true --test true",
    "plan show {plan}",
    "plan approve {plan}",
    "plan validate --strict",
    "plan hygiene",
    "plan status {plan} in_progress",
    "receipts add _report/agent/a1/proof.txt --agent a1",
    "receipts verify",
    "receipts index",
    "receipts metrics",
    "receipts hygiene --keep",
    "receipts retire _report/agent/a1/no-such-file.txt --reason r",
    "plan attach {plan} S1 --file _report/agent/a1/proof.txt --agent a1",
    "operator whoami",
    "operator token",
    "operator list",
    "operator revoke t1",
    "consent show",
    "trust git --dry-run",
    "trust git",
    "consent grant --max-iterations 1",
    "conductor --dry-run",
    "coordinator status",
    "coordinator submit --objective o",
    "coordinator explain",
    "coordinator metrics",
    "session watch --once",
    "session note J-1 x",
    "coordinator pause",
    "coordinator resume",
    "coordinator cancel J-1",
    "coordinator answer J-1 yes",
    "coordinator reassign Q-1 --to a1",
    "coordinator skip Q-1",
    "coordinator stop",
    "coordinator reset-breaker",
    "coordinator logs {plan}-S1",
    "service unit",
    "service unit --launchd --user",
    "service install --user",
    "service health",
    "notify list",
    "notify test",
    "coordinator run --until-idle --max-jobs 1",
    "do J-1 --yes",
    "run --until-idle --max-jobs 1",
    "top",
    "mcp",
    "status",
    "logs {plan}-S1",
    "foreman run no-such-order.json",
    "review",
    "approve J-1",
    "review list",
    "review show J-1",
    "review approve J-1",
    "review approve --all-passing",
    "review reject J-1 --note n",
    "review retry J-1 --note n",
    "review retry --all-blocked",
    "review revert J-1",
    "consent revoke",
    "plan checkpoint {plan} satisfied",
    "preflight core",
    "preflight full",
    "verify",
    "report",
    "dashboard",
    "dashboard report --agent a1",
    "dashboard clear a1 --agent a1",
    "dashboard reassign a1 --to a1 --agent a1",
    "scan",
    "session list",
    "session show no-such-session",
    "session logs no-such-session",
    "session cancel no-such-session",
    "session continue no-such-session --note n",
    "session archive no-such-session --agent a1",
    "session start --mode autonomous --task Q-1",
    "session start --mode dispatch --task Q-1 --agent no-such-seat",
    "session attach no-such-session",
    "seat show a1",
    "session brief Q-1 --preset operator --agent a1",
    "session wrap --worked w --agent a1",
    "links list",
    "links show l",
    "consensus record D-2 --summary s --agent a1",
    "consensus ledger",
    "consensus dashboard",
    "consensus escalate --agent a1",
    "consensus sweep --agent a1",
    "consensus weekly --agent a1",
    "worktree list",
    "worktree find Q-1",
    "worktree new Q-1",
    "worktree shell Q-1",
    "worktree clean",
    "bus commit",
    "init --dedicated",
];

/// Commands of the tree that are not called: they make a repository of their own, or serve until they are stopped.
const NOT_CALLED: [&str; 2] = ["quickstart", "web"];

#[test]
fn every_command_is_walked() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md")).unwrap();
    let heads: Vec<&str> =
        page.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(" teof ")).collect();
    let is_group = |head: &&&str| heads.iter().any(|other| other.starts_with(&format!("{head} ")));
    for leaf in heads.iter().filter(|head| !is_group(head) && !NOT_CALLED.contains(head)) {
        let called = COMMANDS.iter().any(|line| *line == *leaf || line.starts_with(&format!("{leaf} ")));
        assert!(called, "no line of COMMANDS calls teof {leaf}");
    }
}

/// A repository of some kind, and the folder in which commands are called.
struct Place {
    world: World,
    folder: PathBuf,
}

impl Place {
    fn plain() -> Place {
        let world = World::bare_of_teof();
        world.write("src/code.c", "int main;\n");
        world.git(&["add", "."]);
        world.git(&["commit", "-qm", "Code"]);
        let folder = world.repo.clone();
        Place { world, folder }
    }

    /// With the record set up and committed.
    fn ready() -> Place {
        let place = Place::plain();
        place.world.ok(&["init", "--agent", "a1"]);
        place.world.git(&["add", "."]);
        place.world.git(&["commit", "-qm", "Set up teof"]);
        place.world.ok(&["session-boot", "--no-sync", "--agent", "a1"]);
        place
    }

    fn at(mut self, folder: PathBuf) -> Place {
        self.folder = folder;
        self
    }

    fn git(&self, args: &[&str]) -> String {
        self.world.git_in(&self.folder, args)
    }

    /// The commits of all branches, as a person's git sees them.
    fn commits(&self) -> Vec<String> {
        let listed = self.try_git(&["rev-list", "--branches"]).unwrap_or_default();
        listed.lines().map(str::to_owned).collect()
    }

    /// What git prints, if it succeeds; the kind may be one that git itself refuses.
    fn try_git(&self, args: &[&str]) -> Option<String> {
        let mut command = Command::new("git");
        self.world.clear(&mut command);
        let output = command.args(args).current_dir(&self.folder).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }
}

/// Calls every command, and holds each to the oracle. Gives back the exit codes.
fn walk(kind: &str, place: &Place) -> Vec<(&'static str, i32)> {
    let settings = place.world.folder().join("home/.config/teof/config.toml");
    fs::create_dir_all(settings.parent().unwrap()).unwrap();
    fs::write(settings, "[agents.own]\ncommand = [\"sh\", \"-c\", \"cat > /dev/null; echo ready\"]\n").unwrap();
    let mut before = place.commits();
    let on_disk = fs::read(place.folder.join("src/code.c")).ok();
    let mut plan = String::from("no-such-plan");
    let mut codes = Vec::new();
    for line in COMMANDS {
        if line.starts_with("receipts add") {
            let proof = place.folder.join("_report/agent/a1/proof.txt");
            let _ = fs::create_dir_all(proof.parent().unwrap()).and_then(|()| fs::write(&proof, "proof\n"));
        }
        let words = line.replace("{plan}", &plan);
        let args: Vec<&str> = words.split(' ').chain(["--json"]).collect();
        let output = place.world.teof(&args).current_dir(&place.folder).stdin(Stdio::null()).output().unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let code = output.status.code().unwrap_or(-1);
        let said = format!("{kind}: teof {} ended with {code}\n{stdout}\n{stderr}", args.join(" "));
        assert!((0..=6).contains(&code), "{said}");
        assert!(!stderr.contains("panicked"), "{said}");
        if code != 0 {
            // Checks answer on stdout; a refusal is the last JSON document on stderr.
            let refusal = stderr.find('{').and_then(|at| serde_json::from_str::<Value>(&stderr[at..]).ok());
            let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
            let is_answer = is_json(&stdout) || (!stdout.is_empty() && stdout.lines().all(is_json));
            match refusal {
                Some(refusal) => {
                    let error = &refusal["error"];
                    assert!(!error["code"].as_str().unwrap_or_default().is_empty(), "{said}");
                    assert!(error["code"] != "fault" && !error["next"][0].is_null(), "{said}");
                }
                None => assert!(is_answer, "{said}"),
            }
        }
        if line.starts_with("init --agent") {
            // As `init` says; a person's commit may take anything.
            let add = ["-c", "core.safecrlf=false", "add", "--sparse", "."];
            let commit = ["-c", "core.hooksPath=/dev/null", "commit", "-qm", "Set up teof", "--no-gpg-sign"];
            let _ = place.try_git(&add).and_then(|_| place.try_git(&commit));
            before = place.commits();
        }
        if line.starts_with("plan new") && code == 0 {
            let answer: Value = serde_json::from_str(&stdout).unwrap();
            plan = answer["plan_id"].as_str().unwrap().to_owned();
        }
        codes.push((*line, code));
    }
    assert_eq!(fs::read(place.folder.join("src/code.c")).ok(), on_disk, "{kind}: the code on disk");
    for commit in place.commits().iter().filter(|commit| !before.contains(commit)) {
        // The first commit of the record's own branch has no parent, and work that a job commits lies on its own
        // branch.
        let changed = place.git(&["show", "--format=", "--name-only", "--no-renames", "-z", commit]);
        let outside: Vec<&str> = changed.split('\0').filter(|name| !name.is_empty() && !is_ours(name)).collect();
        assert!(outside.is_empty(), "{kind}: {commit} changes {outside:?}");
    }
    codes
}

/// What teof may commit: the record, and on the record's own branch the settings, seats and attributes.
fn is_ours(path: &str) -> bool {
    teof::hub::paths::is_record(path)
        || [".gitattributes", "teof.toml"].contains(&path)
        || path.starts_with("AGENT_MANIFEST")
}

/// The kind works: every command answers as in a plain repository.
fn works(kind: &str, place: &Place) {
    use std::sync::OnceLock;
    static PLAIN: OnceLock<Vec<(&str, i32)>> = OnceLock::new();
    let plain = PLAIN.get_or_init(|| {
        let codes = walk("plain", &Place::plain());
        let done = codes.iter().filter(|(_, code)| *code == 0).count();
        assert!(done >= 58, "too little works in a plain repository: {codes:?}");
        codes
    });
    let codes = walk(kind, place);
    let differ: Vec<_> = plain.iter().zip(&codes).filter(|(plain, here)| plain != here).collect();
    assert!(differ.is_empty(), "{kind}: plain and here differ: {differ:?}");
}

/// Every command that reads or writes the repository refuses with this code.
#[track_caller]
fn refuses(kind: &str, place: &Place, code: &str) {
    let args = ["bus", "claim", "X-1", "--agent", "a1", "--json"];
    let output = place.world.teof(&args).current_dir(&place.folder).output();
    let said = String::from_utf8_lossy(&output.unwrap().stderr).into_owned();
    assert!(said.contains(&format!("\"{code}\"")), "{kind}: {said}");
    let codes = walk(kind, place);
    let works: Vec<_> = codes.iter().filter(|(_, code)| *code == 0).map(|(line, _)| *line).collect();
    assert!(works.len() < 12, "{kind}: {works:?}");
}

/// Sets configuration keys of the repository.
fn configure(place: &Place, settings: &[(&str, &str)]) {
    settings.iter().for_each(|(key, value)| drop(place.world.git(&["config", key, value])));
}

/// Sets configuration keys of the person: programs that the repository itself names would have to be trusted first.
fn configure_person(place: &Place, settings: &[(&str, &str)]) {
    settings.iter().for_each(|(key, value)| drop(place.world.git(&["config", "--global", key, value])));
}

/// A clone of a plain repository with a `file:` remote, which may be shallow or partial.
fn clone(options: &[&str]) -> Place {
    let place = Place::plain();
    configure(&place, &[("uploadpack.allowFilter", "true")]);
    let (from, to) = (format!("file://{}", place.world.repo.display()), place.world.folder().join("clone"));
    let args = [&["clone", "-q", "--no-local"], options, &[&from, to.to_str().unwrap()]].concat();
    place.world.git(&args);
    place.at(to)
}

#[test]
fn sha256_works() {
    let place = Place::plain();
    let folder = place.world.folder().join("sha256");
    place.world.git(&["init", "-q", "-b", "main", "--object-format=sha256", folder.to_str().unwrap()]);
    fs::create_dir(folder.join("src")).unwrap();
    fs::write(folder.join("src/code.c"), "int main;\n").unwrap();
    let place = place.at(folder);
    place.git(&["add", "."]);
    place.git(&["commit", "-qm", "Code"]);
    works("sha256", &place);
}

#[test]
fn reftable_is_refused() {
    let place = Place::plain();
    let folder = place.world.folder().join("reftable");
    // Git before 2.45 knows no reftable.
    if place.try_git(&["clone", "-q", "--ref-format=reftable", ".", folder.to_str().unwrap()]).is_some() {
        let place = place.at(folder);
        refuses("reftable", &place, "repository.reftable");
        assert!(!place.folder.join("_bus").exists() && place.git(&["worktree", "list"]).lines().count() == 1);
    }
}

#[test]
fn line_ending_settings_and_filters_change_nothing() {
    let place = Place::plain();
    place.world.write(".gitattributes", "* text=auto eol=crlf filter=rot\n*.gitattributes !filter\n");
    place.world.git(&["add", ".gitattributes"]);
    place.world.git(&["commit", "-qm", "Attributes"]);
    configure_person(&place, &[("core.autocrlf", "true"), ("core.safecrlf", "true")]);
    let rot = "tr a-z n-za-m";
    configure_person(&place, &[("filter.rot.clean", rot), ("filter.rot.smudge", rot), ("filter.rot.required", "true")]);
    works("line endings and a filter", &place);
    let stored = place.git(&["show", "HEAD:_bus/events/events.jsonl"]);
    assert_eq!(stored, fs::read_to_string(place.folder.join("_bus/events/events.jsonl")).unwrap().trim_end());
    // One that is not installed: git itself fails on the files that it is for.
    configure_person(&place, &[("filter.rot.clean", "no-such-program")]);
    place.world.write("README.md", "changed\n");
    for args in [&["session-boot", "--no-sync", "--agent", "a1"][..], &["bus", "commit"], &["doctor"], &["status"]] {
        let ran = place.world.run(args);
        assert!((0..=6).contains(&ran.code), "{args:?}: {ran:?}");
    }
}

#[test]
fn core_worktree_elsewhere_changes_nothing() {
    let place = Place::plain();
    configure(&place, &[("core.worktree", place.world.folder().to_str().unwrap())]);
    let walked = walk("core.worktree", &place);
    configure(&place, &[("core.worktree", place.world.repo.to_str().unwrap())]);
    assert!(walked.contains(&("bus commit", 0)), "{walked:?}");
    assert_eq!(place.git(&["show", "HEAD:src/code.c"]), "int main;");
}

#[test]
fn a_work_tree_that_is_called_bare_is_refused() {
    let place = Place::plain();
    configure(&place, &[("core.bare", "true")]);
    refuses("core.bare", &place, "hub.unknown");
}

#[test]
fn settings_of_a_person_change_nothing() {
    let place = Place::plain();
    let hooks = place.world.folder().join("hooks");
    fs::create_dir(&hooks).unwrap();
    for hook in ["pre-commit", "commit-msg", "reference-transaction", "post-checkout", "post-index-change"] {
        fs::write(hooks.join(hook), "#!/bin/sh\nexit 1\n").unwrap();
        fs::set_permissions(hooks.join(hook), fs::Permissions::from_mode(0o755)).unwrap();
    }
    configure_person(
        &place,
        &[
            ("core.hooksPath", hooks.to_str().unwrap()),
            ("core.fsmonitor", "/nonexistent"),
            ("core.splitIndex", "true"),
            ("core.untrackedCache", "true"),
            ("index.version", "4"),
            ("core.quotePath", "true"),
            ("core.preferSymlinkRefs", "false"),
            ("core.logAllRefUpdates", "false"),
            ("color.ui", "always"),
            ("column.ui", "always"),
            ("log.showSignature", "true"),
            ("log.date", "relative"),
            ("format.pretty", "oneline"),
            ("status.short", "true"),
            ("status.branch", "true"),
            ("status.showUntrackedFiles", "no"),
            ("status.relativePaths", "true"),
            ("diff.external", "/nonexistent"),
            ("diff.noprefix", "true"),
            ("diff.renames", "copies"),
            ("commit.gpgSign", "true"),
            ("gpg.program", "/nonexistent"),
            ("commit.template", "/nonexistent"),
            ("user.useConfigOnly", "true"),
            ("merge.ff", "false"),
            ("merge.autoStash", "true"),
            ("submodule.recurse", "true"),
            ("checkout.defaultRemote", "elsewhere"),
            ("core.excludesFile", "/nonexistent"),
            ("core.attributesFile", "/nonexistent"),
            ("i18n.commitEncoding", "latin1"),
        ],
    );
    works("a person's settings", &place);
}

#[test]
fn per_worktree_configuration_and_linked_worktrees_work() {
    let place = Place::plain();
    place.world.git(&["config", "extensions.worktreeConfig", "true"]);
    place.world.git(&["config", "--worktree", "core.sparseCheckout", "false"]);
    let linked = place.world.folder().join("linked");
    place.world.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
    let link = place.world.folder().join("link");
    std::os::unix::fs::symlink(&place.world.repo, &link).unwrap();
    let place = place.at(link);
    works("worktreeConfig, over a link", &place);
    place.world.ok(&["init", "--hub", place.world.repo.to_str().unwrap(), "--agent", "a1"]);
    walk("a linked worktree", &place.at(linked));
}

#[test]
fn a_sparse_checkout_works_once_it_has_the_record() {
    let place = Place::plain();
    place.world.write("docs/deep/a.md", "a\n");
    place.world.git(&["add", "."]);
    place.world.git(&["commit", "-qm", "Docs"]);
    place.world.git(&["sparse-checkout", "set", "--sparse-index", "src"]);
    let refused = place.world.refused(&["init", "--agent", "a1"]);
    assert_eq!(refused["code"], "repository.sparse");
    assert!(!place.world.exists("_bus"));
    place.world.follow(refused["next"][0].as_str().unwrap());
    works("sparse", &place);
    assert_eq!(place.git(&["show", "HEAD:docs/deep/a.md"]), "a");
}

#[test]
fn shallow_and_partial_clones_work() {
    works("shallow", &clone(&["--depth=1"]));
    works("partial", &clone(&["--filter=blob:none"]));
}

#[test]
fn ignore_rules_hide_nothing_of_the_record() {
    let place = Place::plain();
    let rules = place.world.folder().join("ignore");
    fs::write(&rules, "*.jsonl\n*.json\n*.txt\n").unwrap();
    configure_person(&place, &[("core.excludesFile", rules.to_str().unwrap())]);
    let walked = walk("excludes", &place);
    assert!(walked.contains(&("bus commit", 0)), "{walked:?}");
    assert!(place.git(&["ls-files"]).contains("_bus/events/events.jsonl"));
    // Whoever hides a whole folder of the record means it, and is told.
    let place = Place::plain();
    place.world.write(".git/info/exclude", "/_bus/\n");
    walk("a hidden folder", &place);
    let answer = place.world.json(&["bus", "commit"]);
    assert!(answer["why"].as_str().unwrap().contains("git ignores all of _bus/"), "{answer}");
}

#[test]
fn repositories_without_a_main_worktree_are_refused_until_one_is_named() {
    let place = Place::plain();
    let bare = place.world.folder().join("bare.git");
    place.world.git(&["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    walk("bare", &Place::plain().at(bare));

    walk("a submodule", &submodule());
    let place = submodule();
    let init = place.world.teof(&["init", "--hub", ".", "--agent", "a1"]).current_dir(&place.folder).output().unwrap();
    assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
    walk("a submodule that is the hub", &place);

    let place = Place::plain();
    let (folder, git_dir) = (place.world.folder().join("apart"), place.world.folder().join("apart.git"));
    place.world.git(&["clone", "-q", "--separate-git-dir", git_dir.to_str().unwrap(), ".", folder.to_str().unwrap()]);
    walk("a separate git directory", &place.at(folder));
}

/// A repository that is a submodule of another one.
fn submodule() -> Place {
    let inner = Place::plain();
    let outer = inner.world.folder().join("outer");
    inner.world.git(&["init", "-q", "-b", "main", outer.to_str().unwrap()]);
    let from = inner.world.repo.to_str().unwrap().to_owned();
    inner.world.git_in(&outer, &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &from, "sub"]);
    inner.world.git_in(&outer, &["commit", "-qm", "Add a submodule"]);
    inner.at(outer.join("sub"))
}

#[test]
fn heads_that_name_no_commit_or_no_branch_end_no_command_with_a_fault() {
    let place = Place::plain();
    place.world.git(&["checkout", "-q", "--detach"]);
    walk("detached", &place);
    let place = Place::plain();
    place.world.git(&["update-ref", "-d", "HEAD"]);
    walk("unborn", &place);
    let place = Place::ready();
    place.world.git(&["switch", "-q", "-c", "elsewhere"]);
    walk("on another branch", &place);
}

#[test]
fn names_that_differ_by_case_alone_end_no_command_with_a_fault() {
    let place = Place::ready();
    place.world.ok(&["bus", "claim", "Twin-1", "--agent", "a1", "--allow-unassigned"]);
    let claim = place.world.read("_bus/claims/Twin-1.json");
    place.world.write("_bus/claims/tWIN-1.json", &claim.replace("Twin-1", "tWIN-1"));
    configure(&place, &[("core.ignoreCase", "true")]);
    walk("case twins", &place);
}

#[test]
fn a_dedicated_worktree_that_was_deleted_ends_no_command_with_a_fault() {
    let place = Place::plain();
    place.world.ok(&["init", "--dedicated", "--agent", "a1"]);
    fs::remove_dir_all(place.world.folder().join("repo.record")).unwrap();
    walk("a deleted dedicated worktree", &place);
}

#[test]
fn a_checkout_that_cannot_be_written_ends_no_command_with_a_fault() {
    let place = Place::ready();
    let set = |mode: u32| {
        for folder in ["_bus/events", "_bus/claims", "_report", "_plans", ".git/teof", ".git/objects", ".git"] {
            fs::set_permissions(place.folder.join(folder), fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    set(0o555);
    walk("read-only", &place);
    set(0o755);
}

#[test]
fn a_repository_of_another_user_is_refused() {
    let place = Place::ready();
    let owner = |path: &Path| std::os::unix::fs::lchown(path, Some(12345), None).is_ok();
    // Only root can give files away.
    if owner(&place.folder) && owner(&place.folder.join(".git")) && owner(&place.folder.join(".git/config")) {
        walk("another user's", &place);
        let refused = place.world.refused(&["bus", "commit"]);
        assert_eq!(refused["code"], "repository.owner", "{refused}");
        assert!(refused["next"][0].as_str().unwrap().contains("safe.directory"), "{refused}");
        // At once, and not after the retries of a job that cannot work there.
        place.world.ok(&["consent", "grant", "--max-jobs", "1"]);
        assert_eq!(place.world.refused(&["run", "--until-idle"])["code"], "repository.owner");
    }
}
