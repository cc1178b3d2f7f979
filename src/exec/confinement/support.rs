//! What the running kernel enforces of a confinement.

use super::policy::Network;

/// The kernel's part in confinement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Support {
    /// The version of Landlock's interface; 0: none.
    pub abi: u32,
}

/// How much of what is asked for is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Full,
    /// All but the gaps.
    Partial,
    None,
}

/// From which version on a part is enforced, and what is open below it.
const GAPS: [(u32, &str); 3] = [
    (3, "files that can be opened for reading can be truncated"),
    (5, "devices can be controlled (ioctl)"),
    (6, "signals and abstract sockets reach other programs"),
];
/// The same with [`Network::None`].
const NETWORK_GAPS: [(u32, &str); 2] = [(4, "TCP is open"), (10, "UDP is open")];

impl Support {
    /// What this machine offers. Asks the kernel, changes nothing.
    pub fn of_this_kernel() -> Self {
        #[cfg(target_os = "linux")]
        let abi = super::landlock::version();
        #[cfg(not(target_os = "linux"))]
        let abi = 0;
        Self { abi }
    }

    /// How much is enforced, and what stays open, for people.
    pub fn enforced(self, network: Network) -> (Level, Vec<&'static str>) {
        if self.abi == 0 {
            return (Level::None, Vec::new());
        }
        let network: &[_] = if network == Network::None { &NETWORK_GAPS } else { &[] };
        let open: Vec<_> = GAPS.iter().chain(network).filter(|(from, _)| self.abi < *from).map(|gap| gap.1).collect();
        (if open.is_empty() { Level::Full } else { Level::Partial }, open)
    }
}

impl Level {
    /// As it is recorded.
    pub fn word(self) -> &'static str {
        match self {
            Level::Full => "full",
            Level::Partial => "partial",
            Level::None => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_kernel_leaves_more_open() {
        let of = |abi| Support { abi };
        assert_eq!(of(0).enforced(Network::All), (Level::None, vec![]));
        assert_eq!(of(7).enforced(Network::All), (Level::Full, vec![]));
        assert_eq!(of(7).enforced(Network::None), (Level::Partial, vec!["UDP is open"]));
        assert_eq!(of(10).enforced(Network::None).0, Level::Full);
        let (level, open) = of(2).enforced(Network::None);
        assert_eq!((level, open.len()), (Level::Partial, 5), "{open:?}");
    }
}
