//! `teof agent setup` and `plugin`, and the section for agents in AGENTS.md.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::World;

fn json_of(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_committed_plugin_is_what_the_binary_makes() {
    let world = World::bare_of_teof();
    world.ok(&["agent", "plugin", "--output", "made"]);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugin");
    let files = world.json(&["agent", "plugin"])["files"].clone();
    let names: Vec<&str> = files.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    for name in &names {
        let (made, committed) = (world.read(&format!("made/{name}")), fs::read_to_string(committed.join(name)));
        assert!(committed.is_ok_and(|text| text == made), "plugin/{name}: cargo run -- agent plugin --output plugin");
    }
    let skill = world.read("made/skills/teof/SKILL.md");
    assert!(skill.starts_with("---\nname: teof\n") && skill.contains("teof bus claim --next"), "{skill}");
    let left = |folder: &Path| fs::read_dir(folder).unwrap().count();
    assert_eq!(left(&committed), left(&world.repo.join("made")), "files of older versions");
}

#[test]
fn setup_adds_its_own_entries_and_keeps_what_is_there() {
    let world = World::bare_of_teof();
    let home = world.folder().join("home");
    let settings = home.join(".claude/settings.json");
    fs::create_dir_all(home.join(".claude")).unwrap();
    let mine = "{\n    \"model\": \"opus\",\n    \"hooks\": {\"PreToolUse\": [{\"hooks\": [{\"type\": \"command\", \"command\": \"mine\"}]},\n        {\"hooks\": [{\"type\": \"command\", \"command\": \"teof hook of-an-older-version\"}, {\"type\": \"command\", \"command\": \"mine too\"}]}]}\n}\n";
    fs::write(&settings, mine).unwrap();
    fs::create_dir_all(home.join(".codex")).unwrap();
    fs::write(home.join(".codex/config.toml"), "# Mine\nmodel = \"x\"\n").unwrap();
    let names = ["claude", "codex", "cursor", "gemini"];
    let with = |more: &[&str]| world.run(&[&["agent", "setup"], &names[..], more].concat());

    assert_eq!(world.refused(&["agent", "setup", "claude"])["code"], "setup.unconfirmed");
    with(&["--check"]).expect(1);
    assert_eq!(fs::read_to_string(&settings).unwrap(), mine, "nothing was written");
    with(&["--yes"]).expect(0);
    with(&["--check"]).expect(0);
    let text = fs::read_to_string(&settings).unwrap();
    assert!(text.starts_with("{\n    \"model\": \"opus\",\n"), "{text}");
    let hooks = json_of(&settings)["hooks"].clone();
    let commands: Vec<&Value> =
        hooks["PreToolUse"].as_array().unwrap().iter().map(|group| &group["hooks"][0]["command"]).collect();
    assert_eq!(commands, ["mine", "teof hook before-tool", "mine too"]);
    assert_eq!(json_of(&home.join(".claude.json"))["mcpServers"]["teof"]["args"][0], "mcp");
    let config = fs::read_to_string(home.join(".codex/config.toml")).unwrap();
    assert!(config.starts_with("# Mine\nmodel = \"x\"\n") && config.contains("[mcp_servers.teof]"), "{config}");
    assert_eq!(json_of(&home.join(".codex/hooks.json"))["hooks"]["Stop"][0]["hooks"][0]["command"], "teof hook stop");
    assert_eq!(json_of(&home.join(".cursor/hooks.json"))["version"], 1);
    let gemini = json_of(&home.join(".gemini/settings.json"));
    assert_eq!(gemini["hooks"]["BeforeTool"][0]["hooks"][0]["command"], "teof hook before-tool");
    assert!(gemini["mcpServers"]["teof"].is_object());

    let before = fs::read_to_string(&settings).unwrap();
    with(&["--yes"]).expect(0);
    assert_eq!(fs::read_to_string(&settings).unwrap(), before, "a second time changes nothing");
    fs::write(home.join(".gemini/skills/teof/SKILL.md"), "old").unwrap();
    let report = world.run(&["agent", "setup", "gemini", "--check", "--json"]).expect(1);
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!((&report["ok"], &report["files"][1]["state"]), (&false.into(), &"differs".into()), "{report}");
}

#[test]
fn setup_in_a_repository_writes_there_and_refuses_what_it_cannot_edit() {
    let world = World::bare_of_teof();
    world.ok(&["agent", "setup", "claude", "codex", "--project", "--yes"]);
    for path in [
        ".claude/settings.json",
        ".mcp.json",
        ".claude/skills/teof/SKILL.md",
        ".codex/hooks.json",
        ".agents/skills/teof/SKILL.md",
    ] {
        assert!(world.exists(path), "{path}");
    }
    let settings = json_of(&world.repo.join(".claude/settings.json"));
    assert_eq!(settings["hooks"]["WorktreeCreate"][0]["hooks"][0]["command"], "teof hook worktree-create");
    world.write(".codex/config.toml", "[mcp_servers.teof]\ncommand = \"other\"\n");
    assert_eq!(world.refused(&["agent", "setup", "codex", "--project", "--yes"])["code"], "setup.table");
    assert_eq!(world.read(".codex/config.toml"), "[mcp_servers.teof]\ncommand = \"other\"\n");
    world.write(".claude/settings.json", "{ torn");
    assert!(!world.run(&["agent", "setup", "claude", "--project", "--yes"]).stderr.is_empty());
    assert_eq!(world.read(".claude/settings.json"), "{ torn");
}

#[test]
fn the_section_for_agents_is_written_once_and_kept_up_to_date() {
    let world = World::bare_of_teof();
    world.write("CLAUDE.md", "# Mine\n");
    world.ok(&["init", "--agent-docs"]);
    let (agents, claude) = (world.read("AGENTS.md"), world.read("CLAUDE.md"));
    assert!(agents.starts_with("<!-- teof:begin") && agents.contains("| `teof bus claim` | Claim a task"), "{agents}");
    assert_eq!(claude, format!("# Mine\n\n{agents}"));
    world.write("AGENTS.md", &format!("{}\n# More\n", agents.replace("| `teof", "| `old")));
    world.ok(&["init", "--agent-docs"]);
    assert_eq!(world.read("AGENTS.md"), format!("{agents}\n# More\n"));
    assert_eq!(world.read("CLAUDE.md"), claude);
}
