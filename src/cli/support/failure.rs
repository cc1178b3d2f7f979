//! Prints an error and picks its exit code.

use std::io::Write;
use std::process::ExitCode;

use rustix::fs::OFlags;
use serde_json::{Map, Value, json};

use crate::base::{Exit, Refusal, json, text};
use crate::hub::git::errors;

/// Reports an error of a command on stderr.
pub fn report(error: &anyhow::Error, as_json: bool) -> ExitCode {
    let refusal = match Refusal::of(error) {
        Some(refusal) => refusal.clone(),
        None => errors::explain(error).unwrap_or_else(|| fault(error)),
    };
    show(&refusal, as_json)
}

/// Reports a command line that clap refused; help and version are no failures.
pub fn usage(error: &clap::Error, as_json: bool) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
    let rendered = error.render().to_string();
    let safe = text::safe_block(&rendered);
    if error.use_stderr() && !as_json && safe != rendered {
        // Clap repeats the arguments as they are, and a script may have them from anywhere.
        let _ = write!(std::io::stderr(), "{safe}");
        return ExitCode::from(error.exit_code() as u8);
    }
    if matches!(error.kind(), DisplayHelp | DisplayVersion) || !as_json {
        let printed = error.print().and_then(|()| flush_stdout());
        return match printed {
            Err(e) if !error.use_stderr() => ExitCode::from(unwritten(&e, as_json) as u8),
            _ => ExitCode::from(error.exit_code() as u8),
        };
    }
    // The first paragraph names the arguments that are meant; usage and tips follow it.
    let said: Vec<&str> = rendered.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let message = said.join(" ").trim_start_matches("error: ").to_owned();
    show(&Refusal::usage("usage", message).next("see: teof --help"), true)
}

/// Flushes stdout. The standard library takes one that is open for reading only for written.
pub fn flush_stdout() -> std::io::Result<()> {
    let mut stdout = std::io::stdout();
    let flags = rustix::fs::fcntl_getfl(&stdout)?;
    if flags & OFlags::ACCMODE == OFlags::RDONLY {
        return Err(rustix::io::Errno::BADF.into());
    }
    stdout.flush()
}

/// Says that stdout could not be written, and gives the exit code.
pub fn unwritten(error: &std::io::Error, as_json: bool) -> i32 {
    let refusal = match error.kind() {
        std::io::ErrorKind::BrokenPipe => Refusal::guard("stdout.closed", "the reader of stdout closed it")
            .because("not everything was printed; what the command did before is done"),
        _ => Refusal::guard("stdout.unwritable", "stdout could not be written")
            .because(format!("{error}; what the command did before is done"))
            .next("make room, or send the output somewhere else"),
    };
    show(&refusal, as_json);
    refusal.exit as i32
}

fn fault(error: &anyhow::Error) -> Refusal {
    let causes: Vec<String> = error.chain().skip(1).map(|cause| cause.to_string()).collect();
    let refusal = Refusal::new(Exit::Fault, "fault", error.to_string());
    let refusal = if causes.is_empty() { refusal } else { refusal.because(causes.join(": ")) };
    refusal.next("this is a fault of teof or of the machine; with TEOF_LOG=debug it says more")
}

fn show(refusal: &Refusal, as_json: bool) -> ExitCode {
    let shown = if as_json { json::printable(json::pretty(&document(refusal))) } else { render(refusal) };
    let _ = writeln!(std::io::stderr(), "{shown}");
    ExitCode::from(refusal.exit as u8)
}

/// `{"error": {code, message, reason, next, exit, …data}}`
fn document(refusal: &Refusal) -> Value {
    let mut map = Map::new();
    map.insert("code".into(), json!(refusal.code));
    map.insert("message".into(), json!(refusal.message));
    map.insert("reason".into(), json!(refusal.reason));
    map.insert("next".into(), json!(refusal.next));
    map.insert("exit".into(), json!(refusal.exit as u8));
    for (key, value) in &refusal.data {
        map.entry(key.clone()).or_insert_with(|| value.clone());
    }
    json!({ "error": map })
}

fn render(refusal: &Refusal) -> String {
    let mut lines = vec![format!("teof: {}", text::safe(&refusal.message))];
    if let Some(reason) = &refusal.reason {
        lines.push(format!("  why:  {}", text::safe_block(reason).replace('\n', "\n        ")));
    }
    for next in &refusal.next {
        lines.push(format!("  next: {}", text::safe(next)));
    }
    lines.join("\n")
}
