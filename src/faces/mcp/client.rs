//! Tells when the process that started the server is gone, although its end of stdin may still be open elsewhere.

use std::future;

/// Returns when the parent process has ended. Where the system cannot tell, only the end of stdin ends the server.
pub async fn parent_is_gone() {
    #[cfg(target_os = "linux")]
    if let Some(gone) = watch() {
        // Without the thread it would never come.
        if gone.await.is_ok() {
            return;
        }
    }
    future::pending().await
}

#[cfg(target_os = "linux")]
fn watch() -> Option<tokio::sync::oneshot::Receiver<()>> {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::process::{PidfdFlags, getppid, pidfd_open};

    // In a container the parent may be outside.
    let pid = getppid()?;
    let parent = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    // Gone before it was opened, its number may be another process's.
    if getppid() != Some(pid) {
        return None;
    }
    let (tell, gone) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        while poll(&mut [PollFd::new(&parent, PollFlags::IN)], None) == Err(rustix::io::Errno::INTR) {}
        let _ = tell.send(());
    });
    Some(gone)
}
