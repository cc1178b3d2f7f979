//! Turns signals into messages, so that the terminal is given back before any of them ends or stops the process.

use std::io;
use std::sync::mpsc::Sender;

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;

use super::Message;

/// Those that end the process.
pub const ENDING: [i32; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// Handles the signals from now on; [`run`] sends them.
///
/// # Errors
/// When a handler cannot be installed.
pub fn handle() -> io::Result<Signals> {
    Signals::new(ENDING.into_iter().chain([SIGCONT, SIGTSTP, SIGWINCH]))
}

pub fn run(mut signals: Signals, out: &Sender<Message>) {
    for signal in signals.forever() {
        if out.send(Message::Signal(signal)).is_err() {
            return;
        }
    }
}

/// Has the kernel send SIGHUP when the process that started us is gone: nobody looks at the screen then.
pub fn end_with_parent() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::HUP));
}
