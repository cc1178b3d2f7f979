//! Reads and writes files: completely or not at all, never through a link out of the tree.

mod fingerprint;
mod open;
mod path;
mod refusals;
mod replace;
mod stat_cache;

pub use fingerprint::Fingerprint;
pub use open::{
    MAX_DOCUMENT, TAIL, check_regular, digest_before, identity, is_at, open_own, open_regular, read, tail_digest,
};
pub use path::{seen_from, within};
pub use refusals::io_refusal;
pub use replace::{
    Beside, create_parent, discard, is_temporary, remove, remove_own_folder, rename, replace, replace_unsynced,
    sync_folder, write_beside, write_beside_unsynced,
};
pub use stat_cache::StatCache;
