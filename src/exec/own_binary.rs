//! Finds our own binary, also after its file was replaced.

use std::ffi::OsString;

/// On Linux the running one, even if its file was replaced meanwhile. For our own children.
pub(super) fn own_binary() -> std::io::Result<OsString> {
    if cfg!(target_os = "linux") {
        return Ok("/proc/self/exe".into());
    }
    std::env::current_exe().map(Into::into)
}

/// The same for a program that another process starts, which must be able to do so when we are gone.
pub fn own_file() -> std::io::Result<OsString> {
    let own = std::env::current_exe()?;
    // A file that was replaced has another name by now.
    Ok(if own.exists() { own.into() } else { format!("/proc/{}/exe", std::process::id()).into() })
}
