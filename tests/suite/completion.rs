//! The ids that shells complete: asked for in real shells; nothing is written, and nothing hostile is shown.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::harness::World;
use crate::harness::agents::DONE;
use crate::results::Site;

/// Calls the script of `teof completions bash` as bash does, and prints what it offers.
const BASH: &str = r#"
source <(teof completions bash) || exit 9
offer() { COMP_WORDS=(teof $1 "$2"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=(); _teof teof "$2" x; echo "${COMPREPLY[*]}"; }
offer 'review approve' ''
offer 'review retry' j
offer 'bus claim' ''
offer 'bus release --task =' T
offer 'plan show' ''
offer 'rev' ''
"#;

const ZSH: &str = r#"
compdef() { :; }
_describe() { print -l -- "${found[@]}"; }
source <(teof completions zsh)
words=(teof review approve ""); CURRENT=4; _teof
"#;

const FISH: &str = r#"teof completions fish | source; complete -C "teof review approve ""#;

fn is_here(shell: &str) -> bool {
    Command::new(shell).arg("--version").output().is_ok_and(|ran| ran.status.success())
}

fn in_shell(world: &World, shell: &str, script: &str) -> String {
    let path = world.folder().join("script");
    fs::write(&path, script).unwrap();
    let ran = world.shell(&format!("{shell} {}", path.display())).expect(0);
    assert_eq!(ran.stderr, "", "{shell}");
    ran.stdout
}

#[test]
fn shells_complete_ids_without_writing_files_or_printing_control_characters() {
    let site = Site::new("", &format!("[ \"${{PWD##*-}}\" = 2 ] && exit 1; echo two >> src/code.txt\n{DONE}"));
    ["Append two", "Append three"].iter().for_each(|objective| drop(site.submit(objective)));
    assert_eq!(site.run().code, 1, "the second is blocked");
    let world = &site.world;
    let item = |id: &str, title: &str| json!({"id": id, "title": title, "status": "pending"});
    let items = [item("FREE-1", "\u{1b}[31mred\n\u{202e}"), item("T-2", "held"), item("bad\u{1b}[31m", "no")];
    world.write("_plans/next-development.todo.json", &json!({"version": 0, "items": items}).to_string());
    world.shell("TEOF_AGENT=worker-1 teof bus claim T-2 --allow-unassigned --allow-stale-session").expect(0);
    let plan = site.plan("append-three");

    let all = "find . -type f -printf '%p %T@ %s\\n' | sort";
    let before = world.shell(all).stdout;
    let offered = in_shell(world, "bash", BASH);
    let lines: Vec<_> = offered.lines().collect();
    assert_eq!(lines[..2], ["j1", "j2 j1"], "what waits; what waits or is blocked");
    assert_eq!(lines[2], "FREE-1 append-three", "what nobody has");
    assert_eq!(lines[3], "T-2");
    assert!(lines[4].split(' ').any(|id| id == plan), "{lines:?}");
    for line in
        ["bus claim ''", "bus event --task ''", "task list --agent ''", "nonsense x ''", "bus claim --plan=''", "''"]
    {
        let ran = world.shell(&format!("teof __complete {line}")).expect(0);
        assert_eq!(ran.stderr, "", "{line}");
        let obeyed = |c: char| (c.is_control() && c != '\t' && c != '\n') || c == '\u{202e}';
        assert!(!ran.stdout.contains(obeyed), "{line}: {:?}", ran.stdout);
        assert!(ran.stdout.lines().all(|line| line.split('\t').count() == 2), "{line}: {:?}", ran.stdout);
    }
    let nowhere = world.shell("cd / && teof __complete bus claim '' && teof __complete --root /nowhere review show ''");
    assert_eq!((nowhere.code, nowhere.stdout + &nowhere.stderr), (0, String::new()), "no ids, and no complaint");
    world.shell("teof __complete init --hub ''").expect(1);
    assert_eq!(world.shell(all).stdout, before, "nothing was written");

    if is_here("zsh") {
        assert_eq!(in_shell(world, "zsh", ZSH), "j1:append-two: needs review\n");
    }
    if is_here("fish") {
        assert_eq!(in_shell(world, "fish", FISH), "j1\tappend-two: needs review\n");
    }
}
