//! Agent CLIs: what their streams come to, how they are called, and what the doctor says of them.

mod acp;
mod calls;
mod codex_app;
mod corpus;
mod doctor;
mod recorded;
mod streams;
mod trial;

use std::path::Path;

use teof::agents::{Exit, Outcome, Stream, Verdict};
use teof::base::Stamp;
use teof::model::agent::{Format, Usage};

/// A call that printed `stdout` in chunks of `size` bytes.
fn outcome(
    format: Format,
    stdout: &[u8],
    size: usize,
    earlier: Option<Usage>,
    exit: &Exit,
    stderr: &str,
    now: Stamp,
) -> Outcome {
    let mut stream = Stream::new(format, earlier);
    for chunk in stdout.chunks(size) {
        stream.take(chunk);
    }
    stream.into_outcome(exit, stderr.as_bytes(), now)
}

/// A verdict as a word: `succeeded`, `failed:<kind>`, `limited:<until>`, `nothing`.
fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Succeeded => "succeeded".to_owned(),
        Verdict::Failed { kind, .. } => format!("failed:{}", kind.as_str()),
        Verdict::RateLimited { until, .. } => {
            format!("limited:{}", until.map_or_else(|| "?".to_owned(), |at| at.to_string()))
        }
        Verdict::NoResult { .. } => "nothing".to_owned(),
    }
}

fn usage(input: u64, cached: u64, output: u64, cost: Option<f64>) -> Usage {
    Usage { input_tokens: input, cached_tokens: cached, output_tokens: output, cost_usd: cost }
}

fn same(a: Usage, b: Usage) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
    let costs = match (a.cost_usd, b.cost_usd) {
        (Some(a), Some(b)) => near(a, b),
        (a, b) => a == b,
    };
    costs && Usage { cost_usd: None, ..a } == Usage { cost_usd: None, ..b }
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/agents");
    std::fs::read(folder.join(format!("{name}.ndjson"))).unwrap()
}
