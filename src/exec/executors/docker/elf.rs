//! Whether our own binary runs in any image: a static one needs no loader and no library of the image.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The program header that names a loader.
const PT_INTERP: u32 = 3;

/// Our own binary, if it needs nothing of an image.
pub(super) fn own_static_binary() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    (cfg!(target_os = "linux") && is_static(&own) == Some(true)).then_some(own)
}

/// Whether an executable of 64 bits and this machine's byte order names no loader; `None` when it is none.
fn is_static(path: &Path) -> Option<bool> {
    let mut file = File::open(path).ok()?;
    let mut header = [0; 64];
    file.read_exact(&mut header).ok()?;
    // ELF64 header: e_phoff at 32, e_phentsize at 54, e_phnum at 56.
    let is_elf64 = header.starts_with(b"\x7fELF\x02");
    let number = |at: usize| usize::from(u16::from_ne_bytes([header[at], header[at + 1]]));
    let (size, count) = (number(54), number(56));
    if !is_elf64 || size < 4 {
        return None;
    }
    let offset = u64::from_ne_bytes(header[32..40].try_into().ok()?);
    file.seek(SeekFrom::Start(offset)).ok()?;
    let mut headers = vec![0; size * count];
    file.read_exact(&mut headers).ok()?;
    let kinds = headers.chunks_exact(size).map(|one| u32::from_ne_bytes([one[0], one[1], one[2], one[3]]));
    Some(kinds.into_iter().all(|kind| kind != PT_INTERP))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn a_shell_of_the_system_needs_its_loader_and_a_script_is_no_executable() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("script");
        std::fs::write(&script, "#!/bin/sh\n".repeat(20)).unwrap();
        assert_eq!(is_static(&script), None);
        // Somewhere a static busybox is the shell.
        assert!(is_static(Path::new("/bin/sh")).is_some());
    }
}
