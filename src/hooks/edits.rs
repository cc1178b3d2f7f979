//! Which paths a tool call changes. Pure.

use std::path::{Component, Path, PathBuf};

use super::call::Call;
use super::shell_writes;
use crate::agents::monitor;
use crate::base::text;

/// Tools that change the file that they name, as the programs call them; tools of MCP servers by their last part.
const EDITORS: [&str; 20] = [
    "write",
    "edit",
    "multiedit",
    "notebookedit",
    "write_file",
    "create_file",
    "replace",
    "edit_file",
    "edit_notebook",
    "delete",
    "delete_file",
    "search_replace",
    "strreplace",
    "str_replace",
    "str_replace_based_edit_tool",
    "insert_edit_into_file",
    "move_file",
    "create",
    "insert",
    "update_file",
];
/// Where such a tool names the file.
const PATHS: [&str; 8] =
    ["file_path", "notebook_path", "filePath", "path", "target_file", "target_notebook", "source", "destination"];
/// Tools that run a command line, and where they have it.
const SHELLS: [&str; 7] =
    ["bash", "shell", "run_shell_command", "exec_command", "local_shell", "powershell", "execute"];
const COMMANDS: [&str; 2] = ["command", "cmd"];
const PATCH: &str = "*** Begin Patch";

/// A path that a call changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Absolute, without `.` and `..`.
    pub path: PathBuf,
    /// Found in a command line: such a reading may be wrong.
    pub is_guess: bool,
}

/// The paths that a call changes, each once. `cwd` is where the program works.
pub fn of(call: &Call, cwd: &Path) -> Vec<Change> {
    let mut found: Vec<Change> = Vec::new();
    let mut add = |path: &str, is_guess: bool| {
        let change = Change { path: normal(&cwd.join(path)), is_guess };
        if !path.is_empty() && !found.iter().any(|known| known.path == change.path) {
            found.push(change);
        }
    };
    patch(call).into_iter().flat_map(patched).for_each(|path| add(path, false));
    if is_patch_tool(call) {
        return found;
    }
    if let Some(line) = command(call) {
        shell_writes::of(line).iter().for_each(|path| add(path, true));
    } else if is_editor(call.tool.as_deref().unwrap_or_default()) {
        PATHS.iter().filter_map(|key| call.argument(key)).for_each(|path| add(path, false));
    }
    found
}

/// The patch in codex's format that a call applies, with its own tool or in a command line.
pub fn patch(call: &Call) -> Option<&str> {
    let texts = ["command", "cmd", "input", "patch"].iter().filter_map(|key| call.argument(key));
    let text = call.input.as_str().into_iter().chain(texts).find(|text| text.contains(PATCH))?;
    (is_patch_tool(call) || text.contains("apply_patch")).then_some(text)
}

/// Whether a call applies a patch and does nothing else.
pub fn is_patch_tool(call: &Call) -> bool {
    call.tool.as_deref() == Some("apply_patch")
}

/// What a call does, for the rules about dangerous operations. The text of a patch is written, not run; the rest of its
/// command line is.
pub fn operation(call: &Call, changes: &[Change]) -> String {
    if patch(call).is_none() {
        return monitor::operation(&call.input);
    }
    let mut parts: Vec<String> = changes.iter().map(|change| change.path.display().to_string()).collect();
    if let Some(line) = command(call).filter(|_| !is_patch_tool(call)) {
        // As a shell reads it: a here-document is a command only where a shell reads it.
        let line_of =
            |words: &Vec<String>| words.iter().map(|word| text::shell_word(word)).collect::<Vec<_>>().join(" ");
        parts.extend(monitor::shell_commands(line).iter().map(line_of));
    }
    parts.join("\n")
}

/// The command line that a call runs.
fn command(call: &Call) -> Option<&str> {
    let tool = call.tool.as_deref().unwrap_or_default().to_lowercase();
    let runs = SHELLS.contains(&tool.as_str());
    COMMANDS.iter().find_map(|key| call.argument(key)).filter(|_| runs)
}

fn is_editor(tool: &str) -> bool {
    let name = tool.rsplit("__").next().unwrap_or(tool).to_lowercase();
    EDITORS.contains(&name.as_str())
}

/// The paths in the headers of a patch.
fn patched(patch: &str) -> impl Iterator<Item = &str> {
    const HEADERS: [&str; 4] = ["*** Update File: ", "*** Add File: ", "*** Delete File: ", "*** Move to: "];
    patch.lines().filter_map(|line| HEADERS.iter().find_map(|header| line.strip_prefix(header))).map(str::trim)
}

/// The path without `.` and `..`, by its text alone.
fn normal(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                found.pop();
            }
            Component::CurDir => {}
            part => found.push(part),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn call(tool: &str, input: Value) -> Call {
        let text = json!({ "session_id": "s", "tool_name": tool, "tool_input": input }).to_string();
        Call::parse(text.as_bytes()).unwrap()
    }

    fn found(tool: &str, input: Value) -> Vec<String> {
        of(&call(tool, input), Path::new("/w")).into_iter().map(|change| change.path.display().to_string()).collect()
    }

    #[test]
    fn the_paths_that_a_tool_changes_are_found() {
        let patch =
            "*** Begin Patch\n*** Update File: a.rs\n*** Move to: sub/b.rs\n@@\n-x\n+sudo rm > c\n*** End Patch\n";
        for (tool, input, wanted) in [
            ("Write", json!({"file_path": "/w/a", "content": "x"}), vec!["/w/a"]),
            ("Edit", json!({"file_path": "src/../a", "old_string": "x"}), vec!["/w/a"]),
            ("NotebookEdit", json!({"notebook_path": "/w/n.ipynb"}), vec!["/w/n.ipynb"]),
            ("mcp__files__move_file", json!({"source": "a", "destination": "b"}), vec!["/w/a", "/w/b"]),
            ("apply_patch", json!({"command": patch}), vec!["/w/a.rs", "/w/sub/b.rs"]),
            ("Bash", json!({"command": format!("apply_patch <<'EOF'\n{patch}EOF")}), vec!["/w/a.rs", "/w/sub/b.rs"]),
            (
                "Bash",
                json!({"command": format!("cd sub; apply_patch <<'EOF'\n{patch}EOF\necho x > teof.toml")}),
                vec!["/w/a.rs", "/w/sub/b.rs", "/w/sub/teof.toml"],
            ),
            ("Bash", json!({"command": ": *** Begin Patch\n: \napply_patch --help; rm z"}), vec!["/w/z"]),
            ("Bash", json!({"command": "cat x > y"}), vec!["/w/y"]),
            ("run_shell_command", json!({"command": "rm -f z"}), vec!["/w/z"]),
            ("Read", json!({"file_path": "/w/a"}), vec![]),
            ("Grep", json!({"path": "/w"}), vec![]),
            ("Write", json!("text"), vec![]),
        ] {
            assert_eq!(found(tool, input.clone()), wanted, "{tool} {input}");
        }
    }

    #[test]
    fn a_patch_is_written_and_the_rest_of_its_line_is_run() {
        let patch = "*** Begin Patch\n*** Add File: /w/a\n+sudo rm b\n*** End Patch\n";
        let does = |tool: &str, line: String| operation(&call(tool, json!({ "command": line })), &[]);
        assert_eq!(does("apply_patch", patch.to_owned()), "");
        let line = format!("apply_patch <<EOF\n{patch}EOF\nsudo ls");
        assert!(does("Bash", line.clone()).contains("\nsudo ls") && !does("Bash", line).contains("sudo rm"));
        // A shell reads this one.
        let line = format!("apply_patch --help; bash <<EOF\n{patch}EOF\n");
        assert!(does("Bash", line).contains("sudo rm b"));
    }
}
