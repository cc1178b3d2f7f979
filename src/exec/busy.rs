//! Publishes since when a process of ours has been busy or waiting, without writing a file: its main thread is named
//! `teof <seconds since 1970>` while it works and `teof-<seconds since 1970>` while it waits. `ps` shows the name.

/// The process name of teof.
const NAME: &str = "teof";

/// What the main thread of a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It works since this moment, in seconds since 1970.
    Works(i64),
    /// It waits since this moment for something to do.
    Waits(i64),
}

/// Publishes what this thread does from now on.
pub fn publish_turn(turn: Turn) {
    let name = match turn {
        Turn::Works(since) => format!("{NAME} {since}"),
        Turn::Waits(since) => format!("{NAME}-{since}"),
    };
    // Where threads have no names, nothing is published.
    let _ = std::ffi::CString::new(name).map(|name| rustix::thread::set_name(&name));
}

/// What the main thread of a process does, as published by that process.
pub fn turn_of(pid: i32) -> Option<Turn> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?)
}

fn parse(name: &str) -> Option<Turn> {
    let rest = name.trim_end().strip_prefix(NAME)?;
    match rest.strip_prefix(' ') {
        Some(since) => since.parse().ok().map(Turn::Works),
        None => rest.strip_prefix('-')?.parse().ok().map(Turn::Waits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_name_shows_since_when_a_process_works_or_waits() {
        assert_eq!(parse("teof 1796000000\n"), Some(Turn::Works(1_796_000_000)));
        assert_eq!(parse("teof-1796000000\n"), Some(Turn::Waits(1_796_000_000)));
        assert_eq!(parse("teof\n"), None);
        assert_eq!(parse("bash 1796000000\n"), None);
        // The kernel keeps 15 bytes of a name.
        assert!(format!("{NAME} {}", i64::from(u32::MAX)).len() <= 15);
    }
}
