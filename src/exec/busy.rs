//! Publishes since when a process of ours has been busy, without writing a file: its main thread is named `teof`
//! while it waits and `teof <seconds since 1970>` while it works. `ps` shows the name.

/// The process name of teof.
const NAME: &str = "teof";

/// Publishes when this thread started its current work, in seconds since 1970; `None` while it waits.
pub fn set_busy_since(at: Option<i64>) {
    let name = at.map_or_else(|| NAME.to_owned(), |at| format!("{NAME} {at}"));
    // Where threads have no names, nothing is published.
    let _ = std::ffi::CString::new(name).map(|name| rustix::thread::set_name(&name));
}

/// When the main thread of a process started its current work, as published by that process.
pub fn busy_since(pid: i32) -> Option<i64> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?)
}

fn parse(name: &str) -> Option<i64> {
    name.trim_end().strip_prefix(NAME)?.strip_prefix(' ')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_name_shows_since_when_a_process_is_busy() {
        assert_eq!(parse("teof 1796000000\n"), Some(1_796_000_000));
        assert_eq!(parse("teof\n"), None);
        assert_eq!(parse("bash 1796000000\n"), None);
        // The kernel keeps 15 bytes of a name.
        assert!(format!("{NAME} {}", i64::from(u32::MAX)).len() <= 15);
    }
}
