//! A confinement as rules of Landlock, the kernel's sandbox for unprivileged programs.
//!
//! Four traps: devices need rules of their own, since even `> /dev/null` is a write; `access(2)` does not know
//! Landlock, so a program believes that it may write to `/var/tmp` (give it a `TMPDIR`); and no mount is possible
//! inside, so other sandboxes that need one fail; and a device file leads to the device wherever the file is, so nobody
//! may make one, not even in a folder of their own (root can: a disk is then open to be written).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, RestrictSelf, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, Scope, make_bitflags,
};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::policy::{Confinement, Network};

/// The version whose file rights are asked for: the newest that this was tried with. Version 9 confines sockets by
/// path, too, and would cut programs off from services that they need.
const FILES: ABI = ABI::V7;
/// Of the network everything is refused, so newer kernels may refuse more.
const NETWORK: ABI = ABI::V10;

/// Devices that programs expect to write to.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/ptmx", "/dev/pts"];

pub(super) fn apply(confinement: &Confinement) -> io::Result<()> {
    let writing = AccessFs::from_write(FILES);
    let reading = AccessFs::from_read(FILES);
    let handled = if confinement.read.is_some() { writing | reading } else { writing };
    let mut ruleset = Ruleset::default().handle_access(handled).and_then(|rules| rules.scope(Scope::from_all(FILES)));
    if confinement.network == Network::None {
        ruleset = ruleset.and_then(|rules| rules.handle_access(AccessNet::from_all(NETWORK)));
    }
    let mut rules = ruleset.and_then(Ruleset::create).map_err(io::Error::other)?;
    let devices = make_bitflags!(AccessFs::{WriteFile | IoctlDev | Truncate});
    for device in DEVICES {
        rules = allow(rules, Path::new(device), (devices | reading) & handled, Links::Follow)?;
    }
    let no_devices = !make_bitflags!(AccessFs::{MakeBlock | MakeChar});
    for path in &confinement.write {
        rules = allow(rules, path, handled & no_devices, Links::Refuse)?;
    }
    for path in confinement.read.iter().flatten() {
        rules = allow(rules, path, reading, Links::Follow)?;
    }
    rules.restrict_self().map_err(io::Error::other)?;
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Links {
    Follow,
    Refuse,
}

/// Adds a rule for a path; a missing one needs none.
fn allow(rules: RulesetCreated, path: &Path, rights: BitFlags<AccessFs>, links: Links) -> io::Result<RulesetCreated> {
    let Some(opened) = open(path, links).map_err(|e| io::Error::other(format!("{}: {e}", path.display())))? else {
        return Ok(rules);
    };
    let rights = match is_folder(&opened)? {
        true => rights,
        false => rights & AccessFs::from_file(FILES),
    };
    rules.add_rule(PathBeneath::new(opened, rights)).map_err(io::Error::other)
}

fn open(path: &Path, links: Links) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let opened = match links {
        Links::Follow => rustix::fs::open(path, flags, Mode::empty()),
        Links::Refuse => rustix::fs::openat2(rustix::fs::CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS),
    };
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(Errno::LOOP) => Err(io::Error::other("a link, which could lead anywhere")),
        Err(e) => Err(e.into()),
    }
}

fn is_folder(opened: &OwnedFd) -> io::Result<bool> {
    let stat = rustix::fs::statat(opened.as_fd(), "", AtFlags::EMPTY_PATH)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// The version that the kernel has; 0: none, or switched off. Without a flag to set, `apply` only asks.
pub(super) fn version() -> u32 {
    match RestrictSelf::default().no_new_privs(false).apply().map(|status| status.landlock) {
        Ok(LandlockStatus::Available { effective_abi, kernel_abi }) => {
            let newer = kernel_abi.and_then(|abi| abi.try_into().ok());
            newer.unwrap_or(effective_abi as u32)
        }
        Ok(LandlockStatus::NotEnabled | LandlockStatus::NotImplemented) | Err(_) => 0,
    }
}
