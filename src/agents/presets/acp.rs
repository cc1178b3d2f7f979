//! Agents that speak the Agent Client Protocol. Those that stand for a program above are named after it; the commands of
//! those that were not tried are those of the protocol's registry.

use std::time::Duration;

use super::preset::{PLAIN, Preset};
use crate::model::agent::Format;

/// Sessions are resumed without arguments.
const ACP: Preset = Preset { format: Format::Acp, model_args: None, resume_args: Some(&[]), ..PLAIN };

pub(super) const PRESETS: [Preset; 13] = [
    Preset {
        name: "claude-acp",
        tried: Some("0.101.0"),
        command: &["claude-agent-acp"],
        env: &["ANTHROPIC_BASE_URL", "CLAUDE_CONFIG_DIR", "IS_SANDBOX"],
        set: &[("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1"), ("DISABLE_AUTOUPDATER", "1"), ("TZ", "UTC")],
        // It asks us, not a classifier.
        options: &[("mode", "default")],
        keys: &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"],
        logins: &[".claude/.credentials.json"],
        own: &["$CLAUDE_CONFIG_DIR/|~/.claude/", "~/.claude.json", "/tmp/claude-{uid}/", "/tmp/cc-socks/"],
        ..ACP
    },
    Preset {
        name: "codex-acp",
        tried: Some("2.6.0"),
        command: &["codex-acp"],
        env: &["CODEX_HOME", "OPENAI_BASE_URL", "CODEX_PATH", "CODEX_CONFIG", "MODEL_PROVIDER"],
        set: &[("NO_BROWSER", "1"), ("TZ", "UTC")],
        options: &[("mode", "agent")],
        keys: &["CODEX_API_KEY", "OPENAI_API_KEY"],
        logins: &[".codex/auth.json"],
        own: &["$CODEX_HOME/|~/.codex/"],
        confined: &[("agent", "agent-full-access")],
        ..ACP
    },
    Preset {
        name: "gemini-acp",
        tried: Some("0.61.0"),
        command: &["gemini", "--acp", "--skip-trust"],
        // It overwrites a session before it loads it.
        resume_args: None,
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
        ..ACP
    },
    Preset {
        name: "opencode-acp",
        tried: Some("1.18.33"),
        command: &["opencode", "acp"],
        env: &["OPENCODE_CONFIG", "OPENCODE_CONFIG_DIR", "OPENCODE_DISABLE_MODELS_FETCH"],
        // It asks, and is answered by the rules of the monitor.
        set: &[(
            "OPENCODE_CONFIG_CONTENT",
            "{\"permission\":{\"bash\":\"ask\",\"edit\":\"ask\",\"webfetch\":\"ask\"}}",
        )],
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
        ..ACP
    },
    Preset {
        name: "qwen-acp",
        tried: Some("0.24.4"),
        command: &["qwen", "--acp"],
        model_args: Some(&["-m", "{model}"]),
        env: &["OPENAI_BASE_URL", "OPENAI_MODEL", "QWEN_HOME"],
        set: &[("QWEN_CODE_NO_RELAUNCH", "true"), ("QWEN_CODE_SUPPRESS_YOLO_WARNING", "1")],
        keys: &["OPENAI_API_KEY", "DASHSCOPE_API_KEY"],
        logins: &[".qwen/oauth_creds.json", ".qwen/settings.json"],
        own: &["$QWEN_HOME/|~/.qwen/"],
        ..ACP
    },
    Preset {
        name: "copilot",
        tried: Some("1.0.102"),
        command: &["copilot", "--acp"],
        env: &[
            "COPILOT_PROVIDER_BASE_URL",
            "COPILOT_PROVIDER_TYPE",
            "COPILOT_PROVIDER_API_KEY",
            "COPILOT_MODEL",
            "COPILOT_OFFLINE",
        ],
        options: &[("allow_all", "off")],
        // Not GH_TOKEN: it could push.
        keys: &["COPILOT_GITHUB_TOKEN"],
        logins: &[".copilot/config.json"],
        own: &["~/.copilot/", "$XDG_CACHE_HOME/copilot/|~/.cache/copilot/"],
        ..ACP
    },
    Preset {
        name: "cursor-acp",
        command: &["cursor-agent", "acp"],
        keys: &["CURSOR_API_KEY"],
        logins: &[".config/cursor/auth.json"],
        own: &["~/.cursor/", "~/.config/cursor/"],
        ..ACP
    },
    Preset {
        name: "goose",
        command: &["goose", "acp"],
        env: &["GOOSE_PROVIDER", "GOOSE_MODEL"],
        keys: &["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "OPENROUTER_API_KEY"],
        logins: &[".config/goose/config.yaml"],
        own: &["~/.config/goose/", "~/.local/share/goose/", "~/.local/state/goose/"],
        ..ACP
    },
    Preset {
        name: "auggie",
        command: &["auggie", "--acp"],
        set: &[("AUGMENT_DISABLE_AUTO_UPDATE", "1")],
        keys: &["AUGMENT_SESSION_AUTH"],
        logins: &[".augment/session.json"],
        own: &["~/.augment/"],
        ..ACP
    },
    Preset {
        name: "droid",
        command: &["droid", "exec", "--output-format", "acp"],
        set: &[("DROID_DISABLE_AUTO_UPDATE", "true"), ("FACTORY_DROID_AUTO_UPDATE_ENABLED", "false")],
        keys: &["FACTORY_API_KEY"],
        own: &["~/.factory/"],
        ..ACP
    },
    Preset {
        name: "kimi",
        command: &["kimi", "acp"],
        keys: &["KIMI_API_KEY"],
        logins: &[".kimi/config.toml"],
        own: &["~/.kimi/"],
        ..ACP
    },
    Preset {
        name: "vibe",
        command: &["vibe-acp"],
        keys: &["MISTRAL_API_KEY"],
        logins: &[".vibe/.env"],
        own: &["~/.vibe/"],
        ..ACP
    },
    Preset {
        name: "qoder",
        command: &["qodercli", "--acp"],
        keys: &["QODER_PERSONAL_ACCESS_TOKEN"],
        own: &["~/.qoder/"],
        ..ACP
    },
];
