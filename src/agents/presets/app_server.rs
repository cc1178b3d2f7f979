//! codex as a server, which also takes messages while it works and reports the account's limits.

use super::preset::Preset;
use super::programs::CODEX;
use crate::model::agent::Format;

pub(super) const PRESETS: [Preset; 1] = [Preset {
    name: "codex-app",
    tried: Some("0.171.0"),
    command: &["codex", "app-server"],
    format: Format::CodexAppServer,
    model_args: None,
    resume_args: Some(&[]),
    env: &["CODEX_HOME", "OPENAI_BASE_URL"],
    set: &[("TZ", "UTC")],
    options: &[("approvalPolicy", "never"), ("sandbox", "workspace-write")],
    // Where teof confines it, it asks before most of what it does, and is answered by the rules of the monitor.
    confined: &[("never", "untrusted"), ("workspace-write", "danger-full-access")],
    ..CODEX
}];
