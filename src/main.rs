//! Parse, run, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    match teof::exec::become_program() {
        Some(code) => code,
        None => teof::cli::main(),
    }
}
