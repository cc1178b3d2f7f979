//! Agents that print a stream of their own.

use super::preset::{PLAIN, Preset};
use super::programs::{CLAUDE, CODEX, CURSOR, GEMINI, KILO, OPENCODE, QWEN};
use crate::model::agent::{Format, PromptVia};

pub(super) const PRESETS: [Preset; 9] = [
    Preset {
        name: "claude",
        tried: Some("2.1.332"),
        command: &[
            "claude",
            "-p",
            "--verbose",
            "--output-format",
            "stream-json",
            "--permission-mode",
            "bypassPermissions",
            "--disallowedTools=AskUserQuestion",
            "--strict-mcp-config",
        ],
        session_args: Some(&["--session-id={session}"]),
        // The form with = keeps an id from being read as a flag.
        resume_args: Some(&["--resume={session}"]),
        budget_args: Some(&["--max-budget-usd={budget}"]),
        ..CLAUDE
    },
    Preset {
        name: "codex",
        tried: Some("0.171.0"),
        // `resume` takes neither -C nor -s: the same setting as -c works for both.
        command: &["codex", "exec", "{flags}", "--json", "-c", "sandbox_mode=\"workspace-write\"", "-"],
        format: Format::Codex,
        resume_args: Some(&["resume", "{session}"]),
        model_args: Some(&["-m", "{model}"]),
        env: &["CODEX_HOME", "OPENAI_BASE_URL"],
        set: &[("TZ", "UTC")],
        confined: &[("sandbox_mode=\"workspace-write\"", "sandbox_mode=\"danger-full-access\"")],
        ..CODEX
    },
    Preset {
        name: "gemini",
        tried: Some("0.61.0"),
        command: &["gemini", "-o", "stream-json", "--approval-mode", "yolo", "--skip-trust"],
        format: Format::Gemini,
        // Seen when a tool printed more than some 150 kB.
        output_in_file: true,
        session_args: Some(&["--session-id", "{session}"]),
        resume_args: Some(&["--resume", "{session}"]),
        ..GEMINI
    },
    Preset {
        name: "opencode",
        tried: Some("1.18.33"),
        command: &["opencode", "run", "--format", "json", "--auto", "--dir", "{worktree}"],
        format: Format::Opencode,
        resume_args: Some(&["--session", "{session}"]),
        set: &[("OPENCODE_CONFIG_CONTENT", "{\"permission\":\"allow\"}")],
        ..OPENCODE
    },
    Preset {
        name: "qwen",
        tried: Some("0.24.4"),
        command: &["qwen", "--output-format", "stream-json", "--yolo"],
        output_in_file: true,
        session_args: Some(&["--session-id", "{session}"]),
        resume_args: Some(&["--resume", "{session}"]),
        ..QWEN
    },
    Preset {
        name: "kilo",
        tried: Some("7.7.7"),
        command: &["kilo", "run", "--format", "json", "--auto", "--dir", "{worktree}"],
        format: Format::Opencode,
        resume_args: Some(&["--session", "{session}"]),
        set: &[("KILO_CONFIG_CONTENT", "{\"permission\":\"allow\"}"), ("KILO_DISABLE_AUTOUPDATE", "true")],
        ..KILO
    },
    Preset {
        name: "aider",
        tried: Some("0.86.2"),
        command: &[
            "aider",
            "--message-file",
            "{prompt_file}",
            "--yes-always",
            "--no-stream",
            // The foreman commits, and a history in the worktree would be a change.
            "--no-auto-commits",
            "--no-gitignore",
            "--no-pretty",
            "--no-check-update",
            // --yes-always would agree to what it asks else: to be watched, to open pages in a browser, and to fetch or
            // run what an answer mentions.
            "--no-analytics",
            "--no-show-model-warnings",
            "--no-show-release-notes",
            "--no-detect-urls",
            "--no-suggest-shell-commands",
            "--chat-history-file",
            "{scratch}/aider.chat.md",
            "--input-history-file",
            "{scratch}/aider.input",
        ],
        prompt: PromptVia::File,
        format: Format::Text,
        // It breaks lines at this width, within the strings of an answer too.
        set: &[("COLUMNS", "10000")],
        env: &["OPENAI_API_BASE", "OLLAMA_API_BASE"],
        keys: &["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY", "DEEPSEEK_API_KEY"],
        logins: &[".aider.conf.yml", ".env"],
        own: &["~/.aider/"],
        ..PLAIN
    },
    Preset {
        name: "amp",
        command: &["amp", "{flags}", "--execute", "--stream-json", "--dangerously-allow-all"],
        resume_args: Some(&["threads", "continue", "{session}"]),
        model_args: None,
        env: &["AMP_URL"],
        keys: &["AMP_API_KEY"],
        logins: &[".local/share/amp/secrets.json"],
        own: &["~/.local/share/amp/", "~/.config/amp/"],
        ..PLAIN
    },
    Preset {
        name: "cursor-agent",
        command: &["cursor-agent", "-p", "--output-format", "stream-json", "--force"],
        resume_args: Some(&["--resume", "{session}"]),
        ..CURSOR
    },
];
