//! The manifests of the plugin, one for each program that installs it. Pure.

use serde_json::{Value, json};

use super::hooks::document;

const NAME: &str = "teof";
const ABOUT: &str =
    "Coordinate coding agents in one repository: claims, plans, receipts and guards that hold for every agent";
const LICENSE: &str = "MIT OR Apache-2.0";
const VERSION: &str = env!("CARGO_PKG_VERSION");

const README: &str = include_str!("readme.md");

/// Every manifest, by its path in the plugin.
pub fn all() -> Vec<(&'static str, String)> {
    let plugin = || json!({ "name": NAME, "version": VERSION, "description": ABOUT, "author": { "name": NAME }, "license": LICENSE });
    let mut cursor = plugin();
    cursor["hooks"] = json!("./hooks/cursor.json");
    cursor["mcpServers"] = json!("./.mcp.json");
    let marketplace = json!({
        "name": NAME,
        "owner": { "name": NAME },
        "description": ABOUT,
        "plugins": [{ "name": NAME, "source": "./", "description": ABOUT }],
    });
    let gemini = json!({ "name": NAME, "version": VERSION, "description": ABOUT, "mcpServers": servers() });
    vec![
        ("README.md", README.to_owned()),
        (".claude-plugin/plugin.json", document(&plugin())),
        (".claude-plugin/marketplace.json", document(&marketplace)),
        (".codex-plugin/plugin.json", document(&plugin())),
        (".cursor-plugin/plugin.json", document(&cursor)),
        (".cursor-plugin/marketplace.json", document(&marketplace)),
        ("gemini/gemini-extension.json", document(&gemini)),
        (".mcp.json", document(&json!({ "mcpServers": servers() }))),
    ]
}

fn servers() -> Value {
    json!({ NAME: server() })
}

/// The MCP server, as every program but Codex has it in its settings.
pub fn server() -> Value {
    json!({ "command": "teof", "args": ["mcp"] })
}

/// Whether a file is of this plugin, in any version: it describes, starts and calls teof alone.
pub fn is_own(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(Value::Object(document)) = serde_json::from_str(&text) else {
        return text.lines().next() == README.lines().next() || text.starts_with(&format!("---\nname: {NAME}\n"));
    };
    let servers = document.get("mcpServers").and_then(Value::as_object);
    let only_own = servers.is_none_or(|servers| servers.keys().all(|name| name == NAME));
    let is_hooks = document.get("hooks").is_some_and(calls_only_teof);
    only_own
        && (document.get("name").is_some_and(|name| name == NAME)
            || is_hooks
            || (servers.is_some() && document.len() == 1))
}

/// Whether each hook of a hooks file runs a command of teof.
fn calls_only_teof(hooks: &Value) -> bool {
    let is_call =
        |hook: &Value| hook.get("command").and_then(Value::as_str).is_some_and(|line| line.starts_with("teof hook "));
    let is_own = |entry: &Value| match entry.get("hooks").and_then(Value::as_array) {
        Some(hooks) => hooks.iter().all(is_call),
        None => is_call(entry),
    };
    let events = hooks.as_object().filter(|events| !events.is_empty());
    events.is_some_and(|events| {
        events.values().all(|entries| entries.as_array().is_some_and(|all| all.iter().all(is_own)))
    })
}
