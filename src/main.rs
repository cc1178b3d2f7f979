//! Parse, run, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    match teof::exec::run_hidden_mode() {
        Some(code) => code,
        None => teof::cli::main(),
    }
}
