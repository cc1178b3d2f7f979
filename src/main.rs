use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = teof::exec::become_program() {
        return code;
    }
    ExitCode::SUCCESS
}
