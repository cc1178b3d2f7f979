//! Refuses the system call that harms other processes of the account and that Landlock does not cover.
//!
//! It is `prlimit64` with the pid of a process: it can end a process of the person (a limit of CPU time), or give a
//! shell the limit that marks a worker. For the caller itself (pid 0, as every `ulimit` and language runtime calls it)
//! and for reading limits it stays allowed.
//!
//! The filter is written as instructions, because the library's rules end every program of another architecture, such
//! as a 32-bit one; here each architecture has its own number of the call, and an unknown one is not filtered.

use std::io;

use rustix::io::Errno;
use seccompiler::sock_filter as Instruction;

/// Where the kernel puts what a call is about (`struct seccomp_data`, little-endian).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const PID: u32 = 16;
/// The new limits, a pointer: its two halves.
const LIMITS: [u32; 2] = [32, 36];

/// `AUDIT_ARCH_*`, and the number of `prlimit64` there: x86-64, its x32 calls, i386, aarch64, 32-bit arm, riscv64.
const CALLS: [(u32, u32); 6] = [
    (0xc000_003e, 302),
    (0xc000_003e, 302 | 0x4000_0000),
    (0x4000_0003, 340),
    (0xc000_00b7, 261),
    (0x4000_0028, 369),
    (0xc000_00f3, 261),
];

// Of linux/bpf_common.h and linux/seccomp.h.
const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
const ALLOW: u32 = 0x7fff_0000;
const FAIL: u32 = 0x0005_0000;

/// Confines the calling thread and what it will exec. A kernel that cannot filter leaves the call open.
pub(super) fn apply() -> io::Result<()> {
    let unknown = [Errno::NOSYS, Errno::INVAL].map(|errno| Some(errno.raw_os_error()));
    match seccompiler::apply_filter(&filter()) {
        Err(seccompiler::Error::Seccomp(e)) if unknown.contains(&e.raw_os_error()) => Ok(()),
        applied => applied.map_err(io::Error::other),
    }
}

fn filter() -> Vec<Instruction> {
    let plain = |code, k| Instruction { code, jt: 0, jf: 0, k };
    // Continues after `skip` more instructions unless the loaded value is `k`.
    let unless = |k, skip| Instruction { code: JUMP_IF_EQUAL, jt: 0, jf: skip, k };
    let allowed = || plain(RETURN, ALLOW);
    let refused = || plain(RETURN, FAIL | Errno::PERM.raw_os_error().unsigned_abs());
    let mut program = Vec::new();
    for (architecture, number) in CALLS {
        program.extend([
            plain(LOAD, ARCHITECTURE),
            unless(architecture, 10),
            plain(LOAD, NUMBER),
            unless(number, 8),
            plain(LOAD, PID),
            unless(0, 1),
            allowed(),
            plain(LOAD, LIMITS[0]),
            unless(0, 2),
            plain(LOAD, LIMITS[1]),
            Instruction { code: JUMP_IF_EQUAL, jt: 1, jf: 0, k: 0 },
            refused(),
        ]);
        // A call of another number, and one that only reads, end up here.
    }
    program.push(allowed());
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: u32 = FAIL | 1;

    /// What the kernel does with a call: interprets the program over its `seccomp_data`.
    fn verdict(architecture: u32, number: u32, pid: u32, limits: u64) -> u32 {
        let halves = [limits as u32, (limits >> 32) as u32];
        let word = |at: u32| match at {
            NUMBER => number,
            ARCHITECTURE => architecture,
            PID => pid,
            at => halves[LIMITS.iter().position(|half| *half == at).unwrap()],
        };
        let program = filter();
        let (mut at, mut loaded) = (0, 0);
        loop {
            let Instruction { code, jt, jf, k } = program[at];
            at += 1;
            match code {
                LOAD => loaded = word(k),
                JUMP_IF_EQUAL => at += usize::from(if loaded == k { jt } else { jf }),
                RETURN => return k,
                _ => panic!("unknown instruction {code:#x}"),
            }
        }
    }

    #[test]
    fn only_new_limits_for_another_process_are_refused_on_every_architecture() {
        for (architecture, number) in CALLS {
            let of = |pid, limits| verdict(architecture, number, pid, limits);
            let name = format!("{number} of {architecture:#x}");
            assert_eq!(of(0, 0x7f00_1234_5678), ALLOW, "its own limits: {name}");
            assert_eq!(of(7, 0), ALLOW, "reading: {name}");
            for limits in [0x1234, 0x7f00_1234_5678, 0x7f00_0000_0000] {
                assert_eq!(of(7, limits), REFUSED, "{limits:#x}: {name}");
            }
            let others =
                [0, number + 1, number - 1].into_iter().filter(|other| !CALLS.contains(&(architecture, *other)));
            for other in others {
                assert_eq!(verdict(architecture, other, 7, 1), ALLOW, "the call {other} of {architecture:#x}");
            }
        }
        assert_eq!(verdict(0x8000_0016, 302, 7, 1), ALLOW, "an unknown architecture is not filtered");
    }
}
