//! What the record needs of its repository: attributes, clones with the same bytes, the person's identity, no left
//! locks.

pub mod attributes;
pub mod clone_fidelity;
pub mod identity;
pub mod locks;
