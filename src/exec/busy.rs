//! Since when a process of ours has been at one thing, told without writing anything: its main thread is called
//! `teof` while it waits, and `teof <seconds since 1970>` while it works. `ps` shows it, and so does the kernel to
//! whoever asks whether it still moves.

/// What every process of ours is called.
const NAME: &str = "teof";

/// Says since when this thread has been at what it does now, in seconds since 1970; `None` while it waits.
pub fn say_busy_since(at: Option<i64>) {
    let name = at.map_or_else(|| NAME.to_owned(), |at| format!("{NAME} {at}"));
    // Where a thread has no name, nobody is told.
    let _ = std::ffi::CString::new(name).map(|name| rustix::thread::set_name(&name));
}

/// Since when the main thread of a process has been at one thing, as it says itself.
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
    fn a_name_tells_since_when_a_process_is_busy() {
        assert_eq!(parse("teof 1796000000\n"), Some(1_796_000_000));
        assert_eq!(parse("teof\n"), None);
        assert_eq!(parse("bash 1796000000\n"), None);
        // The kernel keeps 15 bytes of a name.
        assert!(format!("{NAME} {}", i64::from(u32::MAX)).len() <= 15);
    }
}
