//! Agents that speak the Agent Client Protocol. Those that stand for another preset's program are named after it; the
//! commands of those that were not tried are those of the protocol's registry.

use super::preset::{PLAIN, Preset};
use super::programs::{CLAUDE, CODEX, CURSOR, GEMINI, KILO, OPENCODE, QWEN};
use crate::model::agent::Format;

const ACP: Preset = acp(PLAIN);

/// A program as it is spoken to over the protocol: sessions are resumed, and models chosen, without arguments.
const fn acp(program: Preset) -> Preset {
    Preset { format: Format::Acp, model_args: None, resume_args: Some(&[]), ..program }
}

pub(super) const PRESETS: [Preset; 14] = [
    Preset {
        name: "claude-acp",
        tried: Some("0.101.0"),
        command: &["claude-agent-acp"],
        // It asks us, not a classifier.
        options: &[("mode", "default")],
        ..acp(CLAUDE)
    },
    Preset {
        name: "codex-acp",
        tried: Some("2.6.0"),
        command: &["codex-acp"],
        env: &["CODEX_HOME", "OPENAI_BASE_URL", "CODEX_PATH", "CODEX_CONFIG", "MODEL_PROVIDER"],
        set: &[("NO_BROWSER", "1"), ("TZ", "UTC")],
        options: &[("mode", "agent")],
        confined: &[("agent", "agent-full-access")],
        ..acp(CODEX)
    },
    Preset {
        name: "gemini-acp",
        tried: Some("0.61.0"),
        command: &["gemini", "--acp", "--skip-trust"],
        // It overwrites a session before it loads it.
        resume_args: None,
        model_args: GEMINI.model_args,
        ..acp(GEMINI)
    },
    Preset {
        name: "opencode-acp",
        tried: Some("1.18.33"),
        command: &["opencode", "acp"],
        // It asks, and is answered by the rules of the monitor.
        set: &[(
            "OPENCODE_CONFIG_CONTENT",
            "{\"permission\":{\"bash\":\"ask\",\"edit\":\"ask\",\"webfetch\":\"ask\"}}",
        )],
        ..acp(OPENCODE)
    },
    Preset {
        name: "qwen-acp",
        tried: Some("0.24.4"),
        command: &["qwen", "--acp"],
        model_args: QWEN.model_args,
        ..acp(QWEN)
    },
    Preset {
        name: "kilo-acp",
        command: &["kilo", "acp"],
        set: &[
            ("KILO_CONFIG_CONTENT", "{\"permission\":{\"bash\":\"ask\",\"edit\":\"ask\",\"webfetch\":\"ask\"}}"),
            ("KILO_DISABLE_AUTOUPDATE", "true"),
        ],
        ..acp(KILO)
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
        name: "kimi",
        tried: Some("2.1.0"),
        command: &["kimi", "acp"],
        env: &["KIMI_CODE_HOME", "KIMI_MODEL_NAME", "KIMI_MODEL_PROVIDER_TYPE", "KIMI_MODEL_BASE_URL"],
        set: &[("KIMI_CODE_NO_AUTO_UPDATE", "1")],
        // It asks, and is answered by the rules of the monitor.
        options: &[("mode", "default")],
        keys: &["KIMI_API_KEY", "KIMI_MODEL_API_KEY"],
        logins: &[".kimi-code/config.toml"],
        own: &["$KIMI_CODE_HOME/|~/.kimi-code/"],
        ..ACP
    },
    Preset {
        name: "vibe",
        command: &["vibe-acp"],
        env: &["VIBE_HOME"],
        options: &[("mode", "ask")],
        keys: &["MISTRAL_API_KEY"],
        logins: &[".vibe/.env", ".vibe/config.toml"],
        own: &["$VIBE_HOME/|~/.vibe/"],
        ..ACP
    },
    Preset { name: "cursor-acp", command: &["cursor-agent", "acp"], ..acp(CURSOR) },
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
        tried: Some("0.215.0"),
        command: &["droid", "exec", "--output-format", "acp"],
        // It asks, and is answered by the rules of the monitor.
        options: &[("autonomy_level", "normal")],
        set: &[("DROID_DISABLE_AUTO_UPDATE", "true"), ("FACTORY_DROID_AUTO_UPDATE_ENABLED", "false")],
        keys: &["FACTORY_API_KEY"],
        logins: &[".factory/auth.v2.file"],
        own: &["~/.factory/"],
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
