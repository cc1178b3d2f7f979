//! What a preset makes of a notification: a program, its arguments and what it reads.
//!
//! Text of agents is data: it stands in JSON, in a quoted value or behind `--`. An address or a token is never an
//! argument, because every user of the machine sees those.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::base::{Result, env, files, json as document, text};
use crate::coordinator::state::notice::Notice;
use crate::hub::settings::notify::{Notify, Preset, Topic, is_url};

/// A program and what it reads from stdin.
#[derive(Debug)]
pub struct Call {
    pub argv: Vec<String>,
    pub stdin: String,
}

/// The longest address or token that is read from a file, in bytes.
const MAX_SECRET: u64 = 16 << 10;

/// # Errors
/// Why a file with an address or a token cannot be used.
pub fn call(receiver: &Notify, notice: &Value, about: &Notice) -> Result<Call> {
    let Some(preset) = receiver.preset else {
        return Ok(Call { argv: receiver.command.clone(), stdin: document::compact(notice) + "\n" });
    };
    let (title, body) = (title(notice, about), body(about));
    if preset == Preset::Desktop {
        return Ok(Call { argv: desktop(about, &title, &body), stdin: String::new() });
    }
    let url = match receiver.url_file.is_empty() {
        true => receiver.url.clone(),
        false => secret(&receiver.url_file)?,
    };
    anyhow::ensure!(is_url(&url), "{} holds no address that begins with https:// or http://", receiver.url_file);
    let token = match receiver.token_file.is_empty() {
        true => None,
        false => Some(secret(&receiver.token_file)?),
    };
    let (url, data) = match preset {
        Preset::Webhook | Preset::Desktop => (url, notice.clone()),
        Preset::Slack => (url, json!({"text": format!("*{}*\n{}", markup(&title), markup(&body))})),
        Preset::Ntfy => {
            let (server, topic) = url.rsplit_once('/').unwrap_or((&url, ""));
            let priority = if about.event.is_urgent() { 4 } else { 3 };
            let data = json!({"topic": topic, "title": title, "message": body, "priority": priority,
                "tags": [about.event.as_str()]});
            (server.to_owned(), data)
        }
    };
    let seconds = receiver.timeout.as_secs().max(1).to_string();
    let argv = ["curl", "--silent", "--show-error", "--fail", "--max-time", &seconds, "--config", "-"];
    Ok(Call { argv: argv.map(str::to_owned).to_vec(), stdin: curl(&url, token.as_deref(), &data) })
}

/// `app: j7 needs an answer`
fn title(notice: &Value, about: &Notice) -> String {
    let what = match about.event {
        Topic::Completed => "is done",
        Topic::Failed => "is blocked",
        Topic::Question => "needs an answer",
        Topic::Stuck => "is stuck",
        Topic::Approval => "needs your approval",
        Topic::Breaker => "the breaker opened",
        Topic::Recovered => "recovered",
        Topic::Limit => "at a limit",
        Topic::Problem => "needs attention",
        Topic::Test => "this is a test",
    };
    let project = notice.get("project").and_then(Value::as_str).unwrap_or("teof");
    let job = about.job.as_ref().filter(|_| about.event != Topic::Breaker);
    let job = job.map(|job| format!("{job} ")).unwrap_or_default();
    format!("{project}: {job}{what}")
}

fn body(about: &Notice) -> String {
    match about.left_out {
        0 => about.text.clone(),
        n => format!("{} (and {} before it)", about.text, text::counted(n, "notification")),
    }
}

/// Both programs take the text as arguments of their own; a notification server may read markup in the body.
fn desktop(about: &Notice, title: &str, body: &str) -> Vec<String> {
    if cfg!(target_os = "macos") {
        let script = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run";
        return ["osascript", "-e", script, title, body].map(str::to_owned).to_vec();
    }
    let urgency = if about.event.is_urgent() { "--urgency=critical" } else { "--urgency=normal" };
    let body = markup(body);
    ["notify-send", "--app-name=teof", urgency, "--", title, &body].map(str::to_owned).to_vec()
}

/// Escapes what a notification server reads as markup and Slack as links and mentions.
fn markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A configuration of curl, which reads it from stdin.
fn curl(url: &str, token: Option<&str>, data: &Value) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut lines = vec![
        format!("url = {}", quoted(url)),
        "proto = \"=http,https\"".to_owned(),
        "header = \"Content-Type: application/json\"".to_owned(),
        format!("data-raw = {}", quoted(&document::compact(data))),
    ];
    lines.extend(token.map(|token| format!("header = {}", quoted(&format!("Authorization: Bearer {token}")))));
    lines.join("\n") + "\n"
}

/// One line of a file.
fn secret(file: &str) -> Result<String> {
    let path = match file.strip_prefix("~/") {
        Some(rest) => PathBuf::from(env::var(env::HOME).unwrap_or_default()).join(rest),
        None => PathBuf::from(file),
    };
    let bytes = files::read(&path, MAX_SECRET)?.ok_or_else(|| anyhow::anyhow!("{} does not exist", path.display()))?;
    let line = String::from_utf8_lossy(&bytes).trim().to_owned();
    anyhow::ensure!(!line.is_empty() && !line.contains(char::is_control), "{} does not hold one line", path.display());
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;

    fn about(text: &str) -> Notice {
        Notice {
            version: 1,
            event: Topic::Question,
            at: Stamp::from_unix(0),
            text: text.into(),
            job: Some("j7".into()),
            task: None,
            title: None,
            seat: None,
            left_out: 2,
        }
    }

    #[test]
    fn text_of_agents_is_data_and_secrets_are_no_arguments() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).unwrap();
            dir.path().join(name).display().to_string()
        };
        let evil = "-x \"\\\" <!channel> url = \"http://evil\"";
        let notice = about(evil);
        let raw = json!({"project": "app", "text": evil});
        let of = |preset, url: &str| {
            let receiver = Notify {
                preset: Some(preset),
                url_file: file("url", url),
                token_file: file("t", "s3cret\n"),
                ..Notify::default()
            };
            call(&receiver, &raw, &notice).unwrap()
        };
        for (preset, url) in
            [(Preset::Webhook, "https://h/x"), (Preset::Slack, "https://s/x"), (Preset::Ntfy, "https://n/topic")]
        {
            let Call { argv, stdin } = of(preset, url);
            assert!(!argv.join(" ").contains("s3cret") && !argv.join(" ").contains("://"), "{argv:?}");
            // Each key stands once, at the start of a line.
            for key in ["url = ", "data-raw = ", "header = \"Authorization: Bearer s3cret\""] {
                assert_eq!(stdin.lines().filter(|line| line.starts_with(key)).count(), 1, "{stdin}");
            }
            assert_eq!(stdin.lines().count(), 5, "{stdin}");
        }
        assert!(of(Preset::Slack, "https://s/x").stdin.contains("&lt;!channel&gt;"));
        let ntfy = of(Preset::Ntfy, "https://n/topic").stdin;
        assert!(ntfy.contains("url = \"https://n\"") && ntfy.contains("\\\"topic\\\":\\\"topic\\\""), "{ntfy}");
        assert!(ntfy.contains("app: j7 needs an answer") && ntfy.contains("and 2 notifications before it"), "{ntfy}");
        let desktop = call(&Notify { preset: Some(Preset::Desktop), ..Notify::default() }, &raw, &notice).unwrap();
        assert!(desktop.argv.last().unwrap().starts_with("-x"), "{:?}", desktop.argv);
        let wrong =
            Notify { preset: Some(Preset::Slack), url_file: file("url", "file:///etc/passwd"), ..Notify::default() };
        assert!(call(&wrong, &raw, &notice).is_err());
    }
}
