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
