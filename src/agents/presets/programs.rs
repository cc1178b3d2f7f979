//! What belongs to a program however it is spoken to: its variables, keys, logins and own folders.

use std::time::Duration;

use super::preset::{PLAIN, Preset};

pub(super) const CLAUDE: Preset = Preset {
    // IS_SANDBOX is set by whoever runs teof in a container; teof never sets it.
    env: &["ANTHROPIC_BASE_URL", "CLAUDE_CONFIG_DIR", "IS_SANDBOX"],
    set: &[("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1"), ("DISABLE_AUTOUPDATER", "1"), ("TZ", "UTC")],
    keys: &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"],
    logins: &[".claude/.credentials.json"],
    own: &["$CLAUDE_CONFIG_DIR/|~/.claude/", "~/.claude.json", "/tmp/claude-{uid}/", "/tmp/cc-socks/"],
    ..PLAIN
};

pub(super) const CODEX: Preset = Preset {
    keys: &["CODEX_API_KEY", "OPENAI_API_KEY"],
    logins: &[".codex/auth.json"],
    own: &["$CODEX_HOME/|~/.codex/"],
    ..PLAIN
};

pub(super) const GEMINI: Preset = Preset {
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
};

pub(super) const OPENCODE: Preset = Preset {
    env: &["OPENCODE_CONFIG", "OPENCODE_CONFIG_DIR", "OPENCODE_DISABLE_MODELS_FETCH"],
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
};

/// A fork of opencode, with its stream.
pub(super) const KILO: Preset = Preset {
    env: &["KILO_CONFIG", "KILO_CONFIG_DIR", "KILO_DISABLE_MODELS_FETCH", "KILO_ORG_ID"],
    keys: &["KILO_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY", "GEMINI_API_KEY"],
    logins: &[".local/share/kilo/auth.json", ".config/kilo/kilo.json"],
    own: &[
        "$XDG_DATA_HOME/kilo/|~/.local/share/kilo/",
        "$XDG_STATE_HOME/kilo/|~/.local/state/kilo/",
        "$XDG_STATE_HOME/kilo-sandbox-policy/|~/.local/state/kilo-sandbox-policy/",
        "$XDG_CONFIG_HOME/kilo/|~/.config/kilo/",
        "$XDG_CACHE_HOME/kilo/|~/.cache/kilo/",
        "/tmp/kilo/",
    ],
    stagger: OPENCODE.stagger,
    ..PLAIN
};

pub(super) const QWEN: Preset = Preset {
    model_args: Some(&["-m", "{model}"]),
    env: &["OPENAI_BASE_URL", "OPENAI_MODEL", "QWEN_HOME"],
    set: &[("QWEN_CODE_NO_RELAUNCH", "true"), ("QWEN_CODE_SUPPRESS_YOLO_WARNING", "1")],
    keys: &["OPENAI_API_KEY", "DASHSCOPE_API_KEY"],
    logins: &[".qwen/oauth_creds.json", ".qwen/settings.json"],
    own: &["$QWEN_HOME/|~/.qwen/"],
    ..PLAIN
};

pub(super) const CURSOR: Preset = Preset {
    keys: &["CURSOR_API_KEY"],
    logins: &[".config/cursor/auth.json"],
    own: &["~/.cursor/", "~/.config/cursor/"],
    ..PLAIN
};
