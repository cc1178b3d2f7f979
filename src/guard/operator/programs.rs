//! Recognises coding agents by their programs among the parent processes, and by environment variables. Pure.
//!
//! Only exact names count: a false alarm costs a person a token, and a longer list does not stop a program that
//! hides its name.

use std::path::Path;

/// The programs, with the packages in whose folders an interpreter finds their scripts.
const PROGRAMS: [(&str, &[&str]); 12] = [
    ("claude", &["claude-code", "claude-agent-acp"]),
    ("codex", &["codex-acp"]),
    ("gemini", &["gemini-cli"]),
    ("opencode", &["opencode-ai"]),
    ("qwen", &["qwen-code"]),
    ("cursor-agent", &["cursor-cli"]),
    ("amp", &["@sourcegraph"]),
    ("goose", &[]),
    ("aider", &[]),
    ("copilot", &["copilot-cli", "github-copilot"]),
    ("crush", &["@charmland"]),
    ("auggie", &["@augmentcode"]),
];

/// Variables that agents set for the commands they run and that people do not set themselves. Left out: settings such
/// as CODEX_HOME, GEMINI_API_KEY or AIDER_MODEL, and variables that an editor sets for its terminals
/// (CURSOR_TRACE_ID, CLAUDE_CODE_SSE_PORT, GEMINI_CLI_IDE_SERVER_PORT, TERM_PROGRAM).
const VARIABLES: [(&str, &str); 21] = [
    ("CLAUDECODE", "claude"),
    ("CLAUDE_CODE", "claude"),
    ("CLAUDE_CODE_ENTRYPOINT", "claude"),
    ("CLAUDE_CODE_CHILD_SESSION", "claude"),
    ("CODEX_SANDBOX", "codex"),
    ("CODEX_SANDBOX_NETWORK_DISABLED", "codex"),
    ("CODEX_CI", "codex"),
    ("CODEX_THREAD_ID", "codex"),
    ("GEMINI_CLI", "gemini"),
    ("OPENCODE", "opencode"),
    ("OPENCODE_CLIENT", "opencode"),
    ("QWEN_CODE", "qwen"),
    ("CURSOR_AGENT", "cursor-agent"),
    ("GOOSE_TERMINAL", "goose"),
    ("AMP_CURRENT_THREAD_ID", "amp"),
    ("AMP_THREAD_ID", "amp"),
    ("CRUSH", "crush"),
    ("AUGMENT_AGENT", "auggie"),
    ("ANTIGRAVITY_AGENT", "antigravity"),
    ("CLINE_ACTIVE", "cline"),
    ("COPILOT_CLI", "copilot"),
];

/// Set by several agents to their own name, which may be followed by a version: only agents set it.
const AI_AGENT: &str = "AI_AGENT";
/// Set by several agents to their own name, and by other programs to anything.
const AGENT: &str = "AGENT";

/// Programs that run a script which is named by their first argument.
const INTERPRETERS: [&str; 9] = ["node", "nodejs", "bun", "deno", "python", "sh", "bash", "dash", "zsh"];

/// Which agent a process is, from the file that it runs and its arguments (its own name first).
pub fn known(program: Option<&Path>, arguments: &[String]) -> Option<&'static str> {
    let run = program.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
    let called = arguments.first().map(String::as_str).unwrap_or_default();
    let is_interpreter = [run.as_str(), called].into_iter().any(|path| {
        // python3.12 is python.
        let name = stem(path).trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        INTERPRETERS.contains(&name)
    });
    let script = match is_interpreter {
        true => script(arguments.get(1..).unwrap_or_default()),
        false => None,
    };
    [Some(run.as_str()), Some(called), script].into_iter().flatten().find_map(named)
}

/// The script that an interpreter runs: its first argument that is not an option, or the module after `-m`.
/// What follows `-c` or `-e` is code.
fn script(arguments: &[String]) -> Option<&str> {
    let mut arguments = arguments.iter().map(String::as_str);
    while let Some(argument) = arguments.next() {
        match argument {
            "-m" => return arguments.next(),
            "-c" | "-e" | "--eval" | "-p" => return None,
            option if option.starts_with('-') => {}
            script => return Some(script),
        }
    }
    None
}

fn named(path: &str) -> Option<&'static str> {
    let name = stem(path);
    let folders = || path.split('/').rev().skip(1);
    let found = PROGRAMS.iter().find(|(program, packages)| {
        name == *program || packages.contains(&name) || folders().any(|folder| packages.contains(&folder))
    });
    // `@openai/codex/bin/codex.js` is named by its file, `@github/copilot/index.js` by its folder.
    let by_scope = || {
        let scoped = path.split('/').zip(path.split('/').skip(1)).find(|(scope, _)| scope.starts_with('@'));
        scoped.and_then(|(_, package)| PROGRAMS.iter().find(|(program, _)| *program == package))
    };
    found.or_else(by_scope).map(|(program, _)| *program)
}

/// The file's name without a script's ending.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.trim_end_matches(" (deleted)");
    [".js", ".mjs", ".cjs", ".py", ".exe"].into_iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// The variable that shows an agent, and that agent; `value` reads the environment.
pub fn by_variable(value: impl Fn(&str) -> Option<String>) -> Option<(&'static str, &'static str)> {
    let own = VARIABLES.iter().find(|(name, _)| value(name).is_some()).copied();
    let ai_agent = || value(AI_AGENT).filter(|set| !["0", "false", "no"].contains(&set.as_str()));
    own.or_else(|| Some((AI_AGENT, by_name(&ai_agent()?).unwrap_or("that AI_AGENT names"))))
        .or_else(|| Some((AGENT, by_name(&value(AGENT)?)?)))
}

/// The agent that a variable names: `Goose`, `claude_code`, `claude-code/2.1.332`.
fn by_name(set: &str) -> Option<&'static str> {
    let set = set.to_lowercase().replace('_', "-");
    let name = set.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or_default();
    let known = |(program, packages): &&(&str, &[&str])| *program == name || packages.contains(&name);
    PROGRAMS.iter().find(known).map(|(program, _)| *program)
}

/// Whether a name in small letters is an agent's.
pub fn is_name(name: &str) -> bool {
    PROGRAMS.iter().any(|(program, packages)| *program == name || packages.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(program: &str, arguments: &[&str]) -> Option<&'static str> {
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        known(Some(Path::new(program)), &arguments)
    }

    #[test]
    fn agents_are_known_as_binaries_as_scripts_and_by_their_package() {
        for (program, arguments, agent) in [
            ("/home/a/.local/share/claude/versions/2.1.332", &["claude", "-p"][..], "claude"),
            ("/usr/bin/node", &["claude"], "claude"),
            ("/usr/bin/node", &["node", "/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js"], "claude"),
            ("/usr/bin/node", &["node", "--no-warnings", "/usr/local/bin/gemini", "-p", "x"], "gemini"),
            ("/usr/bin/node", &["node", "/lib/node_modules/@google/gemini-cli/dist/index.js"], "gemini"),
            ("/usr/bin/node", &["node", "/lib/node_modules/@qwen-code/qwen-code/cli.js"], "qwen"),
            ("/usr/bin/node", &["node", "/lib/node_modules/@sourcegraph/amp/dist/main.js"], "amp"),
            ("/usr/bin/node", &["node", "/lib/node_modules/@github/copilot/index.js"], "copilot"),
            ("/opt/codex", &["/opt/codex", "exec"], "codex"),
            ("/usr/bin/bun", &["bun", "/home/a/opencode-ai/bin/index.ts"], "opencode"),
            ("/usr/bin/python3.12", &["/usr/bin/python3.12", "/home/a/.local/bin/aider"], "aider"),
            ("/usr/bin/python3", &["python3", "-m", "aider"], "aider"),
            ("/usr/bin/bash", &["bash", "/home/a/.local/bin/cursor-agent"], "cursor-agent"),
            ("/usr/bin/goose (deleted)", &[], "goose"),
        ] {
            assert_eq!(process(program, arguments), Some(agent), "{program} {arguments:?}");
        }
    }

    #[test]
    fn lookalikes_of_secrets_are_not_found() {
        for (program, arguments) in [
            ("/usr/bin/bash", &["-bash"][..]),
            ("/usr/bin/bash", &["bash", "-c", "claude --version"]),
            ("/usr/bin/vim", &["vim", "claude"]),
            ("/usr/bin/git", &["git", "log", "codex"]),
            ("/home/claude/bin/run", &["run"]),
            ("/usr/bin/node", &["node", "/srv/gemini/server.js"]),
            ("/usr/bin/codex-editor", &["codex-editor"]),
            ("/usr/bin/make", &["make", "-C", "/src/goose"]),
        ] {
            assert_eq!(process(program, arguments), None, "{program} {arguments:?}");
        }
    }

    #[test]
    fn only_variables_set_by_agents_count() {
        let set = |name: &'static str, value: &'static str| {
            by_variable(move |asked| (asked == name).then(|| value.to_owned())).map(|(_, agent)| agent)
        };
        assert_eq!(set("CLAUDECODE", "1"), Some("claude"));
        assert_eq!(set("CODEX_SANDBOX", "seatbelt"), Some("codex"));
        assert_eq!(set("AGENT", "amp"), Some("amp"));
        assert_eq!(set("AI_AGENT", "Goose"), Some("goose"));
        assert_eq!(set("AI_AGENT", "claude_code/2.1.332"), Some("claude"));
        assert_eq!(set("AI_AGENT", "somebody-new"), Some("that AI_AGENT names"));
        assert_eq!(set("AMP_THREAD_ID", "T-1"), Some("amp"));
        for (name, value) in [
            ("AGENT", "jenkins"),
            ("AI_AGENT", "0"),
            ("CODEX_HOME", "/x"),
            ("AIDER_MODEL", "m"),
            ("GEMINI_API_KEY", "k"),
            // A person in the terminal of an editor.
            ("TERM_PROGRAM", "vscode"),
            ("CURSOR_TRACE_ID", "x"),
            ("CLAUDE_CODE_SSE_PORT", "1234"),
            ("GEMINI_CLI_IDE_SERVER_PORT", "1234"),
            ("QWEN_CODE_IDE_SERVER_PORT", "1234"),
            ("OPENCODE_CALLER", "vscode"),
        ] {
            assert_eq!(set(name, value), None, "{name}");
        }
    }
}
