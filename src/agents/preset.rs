//! The built-in agents: how each is called unattended.
//!
//! `verified` ones were run like this, and their output is what the parsers were written for; the others follow
//! their vendors' documentation. Each has an allow-list of environment variables, so that nothing of a surrounding
//! agent's session (`CLAUDECODE`, `CLAUDE_CODE_…`) reaches an agent.

use std::time::Duration;

use super::agent::Agent;
use crate::model::agent::{Format, PromptVia};

/// What every agent needs to reach its service where there is a proxy.
const NETWORK: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "NODE_EXTRA_CA_CERTS",
];

/// How an agent is called, as text that lives as long as the program.
pub(super) struct Preset {
    pub name: &'static str,
    verified: bool,
    command: &'static [&'static str],
    prompt: PromptVia,
    format: Format,
    output_in_file: bool,
    session_args: Option<&'static [&'static str]>,
    resume_args: Option<&'static [&'static str]>,
    model_args: Option<&'static [&'static str]>,
    budget_args: Option<&'static [&'static str]>,
    env: &'static [&'static str],
    set: &'static [(&'static str, &'static str)],
    /// One of these variables, or of these files below HOME, lets it in.
    keys: &'static [&'static str],
    logins: &'static [&'static str],
    stagger: Duration,
    /// See [`Agent::own_paths`]; each was seen to be needed, or follows the vendor's documentation.
    own: &'static [&'static str],
    /// See [`Agent::confined`].
    confined: &'static [(&'static str, &'static str)],
}

const PLAIN: Preset = Preset {
    name: "",
    verified: false,
    command: &[],
    prompt: PromptVia::Stdin,
    format: Format::Claude,
    output_in_file: false,
    session_args: None,
    resume_args: None,
    model_args: Some(&["--model", "{model}"]),
    budget_args: None,
    env: &[],
    set: &[],
    keys: &[],
    logins: &[],
    stagger: Duration::ZERO,
    own: &[],
    confined: &[],
};

pub(super) const PRESETS: [Preset; 8] = [
    Preset {
        name: "claude",
        verified: true,
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
        // IS_SANDBOX is set by whoever runs teof in a container; teof never sets it.
        env: &["ANTHROPIC_BASE_URL", "CLAUDE_CONFIG_DIR", "IS_SANDBOX"],
        set: &[("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1"), ("DISABLE_AUTOUPDATER", "1"), ("TZ", "UTC")],
        keys: &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"],
        logins: &[".claude/.credentials.json"],
        own: &["$CLAUDE_CONFIG_DIR/|~/.claude/", "~/.claude.json", "/tmp/claude-{uid}/", "/tmp/cc-socks/"],
        ..PLAIN
    },
    Preset {
        name: "codex",
        verified: true,
        // `resume` takes neither -C nor -s: the same setting as -c works for both.
        command: &["codex", "exec", "{flags}", "--json", "-c", "sandbox_mode=\"workspace-write\"", "-"],
        format: Format::Codex,
        resume_args: Some(&["resume", "{session}"]),
        model_args: Some(&["-m", "{model}"]),
        env: &["CODEX_HOME", "OPENAI_BASE_URL"],
        set: &[("TZ", "UTC")],
        keys: &["CODEX_API_KEY", "OPENAI_API_KEY"],
        logins: &[".codex/auth.json"],
        own: &["$CODEX_HOME/|~/.codex/"],
        confined: &[("sandbox_mode=\"workspace-write\"", "sandbox_mode=\"danger-full-access\"")],
        ..PLAIN
    },
    Preset {
        name: "gemini",
        verified: true,
        command: &["gemini", "-o", "stream-json", "--approval-mode", "yolo", "--skip-trust"],
        format: Format::Gemini,
        // Seen when a tool printed more than some 150 kB.
        output_in_file: true,
        session_args: Some(&["--session-id", "{session}"]),
        resume_args: Some(&["--resume", "{session}"]),
        model_args: Some(&["-m", "{model}"]),
        env: &[
            "GOOGLE_GEMINI_BASE_URL",
            "GOOGLE_GENAI_USE_VERTEXAI",
            "GOOGLE_CLOUD_PROJECT",
            "GOOGLE_CLOUD_LOCATION",
            "GEMINI_CLI_HOME",
        ],
        set: &[("GEMINI_CLI_NO_RELAUNCH", "true")],
        keys: &["GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS"],
        logins: &[".gemini/oauth_creds.json"],
        own: &["$GEMINI_CLI_HOME/.gemini/|~/.gemini/"],
        ..PLAIN
    },
    Preset {
        name: "opencode",
        verified: true,
        command: &["opencode", "run", "--format", "json", "--auto", "--dir", "{worktree}"],
        format: Format::Opencode,
        resume_args: Some(&["--session", "{session}"]),
        env: &["OPENCODE_CONFIG", "OPENCODE_CONFIG_DIR", "OPENCODE_DISABLE_MODELS_FETCH"],
        set: &[("OPENCODE_CONFIG_CONTENT", "{\"permission\":\"allow\"}")],
        keys: &["OPENCODE_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY", "GEMINI_API_KEY"],
        logins: &[".local/share/opencode/auth.json", ".config/opencode/opencode.json"],
        own: &[
            "$XDG_DATA_HOME/opencode/|~/.local/share/opencode/",
            "~/.local/state/opencode/",
            "$XDG_CONFIG_HOME/opencode/|~/.config/opencode/",
            "/tmp/opencode/",
        ],
        // Starts at the same time collide on its database.
        stagger: Duration::from_secs(2),
        ..PLAIN
    },
    Preset {
        name: "qwen",
        verified: true,
        command: &["qwen", "--output-format", "stream-json", "--yolo"],
        output_in_file: true,
        session_args: Some(&["--session-id", "{session}"]),
        resume_args: Some(&["--resume", "{session}"]),
        model_args: Some(&["-m", "{model}"]),
        env: &["OPENAI_BASE_URL", "OPENAI_MODEL", "QWEN_HOME"],
        set: &[("QWEN_CODE_NO_RELAUNCH", "true"), ("QWEN_CODE_SUPPRESS_YOLO_WARNING", "1")],
        keys: &["OPENAI_API_KEY", "DASHSCOPE_API_KEY"],
        logins: &[".qwen/oauth_creds.json", ".qwen/settings.json"],
        own: &["$QWEN_HOME/|~/.qwen/"],
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
        keys: &["CURSOR_API_KEY"],
        logins: &[".config/cursor/auth.json"],
        own: &["~/.cursor/", "~/.config/cursor/"],
        ..PLAIN
    },
    Preset {
        name: "aider",
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
            // No person is there to agree to what it would fetch or run.
            "--no-detect-urls",
            "--no-suggest-shell-commands",
            "--chat-history-file",
            "{scratch}/aider.chat.md",
            "--input-history-file",
            "{scratch}/aider.input",
        ],
        prompt: PromptVia::File,
        format: Format::Text,
        env: &["OPENAI_API_BASE", "OLLAMA_API_BASE"],
        keys: &["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY", "DEEPSEEK_API_KEY"],
        logins: &[".aider.conf.yml", ".env"],
        own: &["~/.aider/"],
        ..PLAIN
    },
];

impl Preset {
    pub fn agent(&self) -> Agent {
        let list = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<String>>();
        Agent {
            name: self.name.to_owned(),
            preset: Some(self.name.to_owned()),
            verified: self.verified,
            command: list(self.command),
            args: Vec::new(),
            prompt: self.prompt,
            format: self.format,
            output_in_file: self.output_in_file,
            session_args: self.session_args.map(list),
            resume_args: self.resume_args.map(list),
            model_args: self.model_args.map(list),
            budget_args: self.budget_args.map(list),
            model: None,
            env: [self.keys, self.env, &NETWORK].concat().into_iter().map(str::to_owned).collect(),
            set: self.set.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            keys: list(self.keys),
            logins: list(self.logins),
            stagger: self.stagger,
            own: list(self.own),
            write: Vec::new(),
            confined: self.confined.iter().map(|&(from, to)| (from.to_owned(), to.to_owned())).collect(),
        }
    }
}
