//! Reads the files and the output of other tools: bounded, and never through links.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value};

use super::foreign::Tool;
use crate::base::{Refusal, Result, files, text};
use crate::hub::git::bounded_process;

/// The largest file of another tool, in bytes.
pub const MAX: u64 = 64 << 20;
/// How long a program may take.
const LIMIT: Duration = Duration::from_secs(120);

/// A file, as text.
///
/// # Errors
/// `import.not_found`, and when it is no regular file or too large.
pub fn file(tool: Tool, path: &Path) -> Result<String> {
    match files::read(path, MAX)? {
        Some(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        None => Err(missing(tool, path)),
    }
}

/// Nothing of the tool is there.
pub fn missing(tool: Tool, path: &Path) -> anyhow::Error {
    let name = tool.as_str();
    Refusal::not_found("import.not_found", format!("no {name} data at {}", text::safe(&path.display().to_string())))
        .next(format!("name its file or folder: teof import {name} PATH"))
        .into()
}

/// The content is not what the tool writes.
pub fn odd(tool: Tool, path: &Path, why: &str) -> anyhow::Error {
    let name = tool.as_str();
    let shown = text::safe(&path.display().to_string());
    Refusal::guard("import.unreadable", format!("{shown} is not what {name} writes"))
        .because(text::clip(&text::safe(why), 300))
        .next(format!("see what is read from where: teof import {name} --help"))
        .into()
}

/// A JSON document.
///
/// # Errors
/// `import.unreadable`; as [`file`].
pub fn json(tool: Tool, path: &Path) -> Result<Value> {
    serde_json::from_str(&file(tool, path)?).map_err(|e| odd(tool, path, &e.to_string()))
}

/// The output of a program. `otherwise` is how its tasks come here when it fails.
///
/// # Errors
/// `import.no_program`, `import.failed`; `remote.timed_out` when it takes too long.
pub fn output(tool: Tool, command: &mut Command, otherwise: &str) -> Result<Vec<u8>> {
    let (program, name) = (command.get_program().to_string_lossy().into_owned(), tool.as_str());
    let failed =
        |why: String| Refusal::guard("import.failed", format!("{program} failed")).because(why).next(otherwise);
    let output = bounded_process::run(command, &program, LIMIT, &|| {}).map_err(|e| match Refusal::of(&e) {
        Some(refusal) if refusal.code == "remote.too_much" => {
            failed(format!("it printed too much: {}", refusal.reason.as_deref().unwrap_or_default())).into()
        }
        Some(_) => e,
        None => Refusal::guard("import.no_program", format!("cannot run {program}, which reads {name}"))
            .because(format!("{e:#}"))
            .next(format!("install {program}, then: teof import {name}"))
            .into(),
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(failed(text::clip(&text::safe_block(String::from_utf8_lossy(&output.stderr).trim()), 600)).into())
}

/// A text field; numbers count as text.
pub fn word(of: &Map<String, Value>, key: &str) -> String {
    match of.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// A list of texts; numbers count as texts.
pub fn words(of: &Map<String, Value>, key: &str) -> Vec<String> {
    let list = of.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let word = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    list.iter().filter_map(word).collect()
}

/// The word for a priority, whatever the tool calls it.
pub fn priority(text: &str) -> Option<&'static str> {
    match text.trim().to_lowercase().as_str() {
        "critical" | "urgent" | "highest" => Some("urgent"),
        "high" | "h" => Some("high"),
        "medium" | "normal" | "m" => Some("medium"),
        "low" | "lowest" | "l" => Some("low"),
        _ => None,
    }
}
