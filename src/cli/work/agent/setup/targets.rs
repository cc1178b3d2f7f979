//! Where each program has its settings.

use std::path::{Path, PathBuf};

use clap::{Command, ValueEnum};
use serde_json::json;

use super::super::plugin::hooks::{self, For};
use super::super::plugin::{manifests, skill};
use super::change::Change;
use crate::base::{Result, env};

/// A program that teof can be installed into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Program {
    /// Claude Code
    Claude,
    /// Codex
    Codex,
    /// Cursor
    Cursor,
    /// Gemini CLI
    Gemini,
}

impl Program {
    pub const ALL: [Program; 4] = [Program::Claude, Program::Codex, Program::Cursor, Program::Gemini];

    pub fn name(self) -> &'static str {
        match self {
            Program::Claude => "claude",
            Program::Codex => "codex",
            Program::Cursor => "cursor",
            Program::Gemini => "gemini",
        }
    }

    /// The program's file.
    pub fn command(self) -> &'static str {
        match self {
            Program::Cursor => "cursor-agent",
            other => other.name(),
        }
    }
}

/// For whom.
pub enum Place {
    /// A person: their home folder.
    User(PathBuf),
    /// Everybody who works in a worktree.
    Project(PathBuf),
}

impl Place {
    /// The folder of a program's settings; `variable` may name another one for a person.
    fn folder(&self, name: &str, variable: &str) -> PathBuf {
        match self {
            Place::User(home) => env::var(variable).map_or_else(|| home.join(name), PathBuf::from),
            Place::Project(root) => root.join(name),
        }
    }
}

/// What an installation changes.
pub fn changes(program: Program, place: &Place, tree: &Command) -> Result<Vec<Change>> {
    match program {
        Program::Claude => claude(place, tree),
        Program::Codex => codex(place, tree),
        Program::Cursor => cursor(place, tree),
        Program::Gemini => gemini(place, tree),
    }
}

const MCP: &str = "mcp server";
const SERVERS: [&str; 2] = ["mcpServers", "teof"];

fn claude(place: &Place, tree: &Command) -> Result<Vec<Change>> {
    let name = Program::Claude.name();
    let folder = place.folder(".claude", "CLAUDE_CONFIG_DIR");
    let mut entries = hooks::of(For::Claude);
    let servers = match place {
        Place::User(home) => {
            let own = env::var("CLAUDE_CONFIG_DIR").map(PathBuf::from);
            own.unwrap_or_else(|| home.clone()).join(".claude.json")
        }
        Place::Project(root) => {
            // A person's would also answer where teof is not set up.
            entries.push(hooks::worktree());
            root.join(".mcp.json")
        }
    };
    Ok(vec![
        Change::hooks(name, folder.join("settings.json"), json!({}), &entries)?,
        Change::entry(name, MCP, servers, SERVERS, manifests::server())?,
        own_skill(name, &folder, tree)?,
    ])
}

fn codex(place: &Place, tree: &Command) -> Result<Vec<Change>> {
    let name = Program::Codex.name();
    let folder = place.folder(".codex", "CODEX_HOME");
    let server = [("command", toml::Value::from("teof")), ("args", toml::Value::from(vec!["mcp"]))];
    let skills = match place {
        Place::User(_) => folder.clone(),
        Place::Project(root) => root.join(".agents"),
    };
    Ok(vec![
        Change::hooks(name, folder.join("hooks.json"), json!({}), &hooks::of(For::Claude))?,
        Change::table(name, MCP, folder.join("config.toml"), "mcp_servers.teof", &server)?,
        own_skill(name, &skills, tree)?,
    ])
}

fn cursor(place: &Place, tree: &Command) -> Result<Vec<Change>> {
    let name = Program::Cursor.name();
    let folder = match place {
        Place::User(home) => home.join(".cursor"),
        Place::Project(root) => root.join(".cursor"),
    };
    Ok(vec![
        Change::hooks(name, folder.join("hooks.json"), json!({ "version": 1 }), &hooks::of(For::Cursor))?,
        Change::entry(name, MCP, folder.join("mcp.json"), SERVERS, manifests::server())?,
        own_skill(name, &folder, tree)?,
    ])
}

fn gemini(place: &Place, tree: &Command) -> Result<Vec<Change>> {
    let name = Program::Gemini.name();
    let folder = match place {
        Place::User(home) => env::var("GEMINI_CLI_HOME").map_or_else(|| home.clone(), PathBuf::from).join(".gemini"),
        Place::Project(root) => root.join(".gemini"),
    };
    let settings = folder.join("settings.json");
    let hooks = Change::hooks(name, settings.clone(), json!({}), &hooks::of(For::Gemini))?;
    // Both are in one file: the second change starts from the first.
    let both = hooks.and_entry(SERVERS, manifests::server())?;
    Ok(vec![both, own_skill(name, &folder, tree)?])
}

fn own_skill(program: &'static str, folder: &Path, tree: &Command) -> Result<Change> {
    Change::own(program, "skill", folder.join("skills/teof/SKILL.md"), skill(tree))
}
