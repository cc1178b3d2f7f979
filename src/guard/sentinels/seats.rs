//! Finds seats whose names differ by case alone.

use crate::base::Result;
use crate::guard::Finding;
use crate::hub::Hub;
use crate::seats::known;

/// Seats that would share their files where file names ignore case.
///
/// # Errors
/// When the manifests cannot be listed.
pub fn twins(hub: &Hub) -> Result<Vec<Finding>> {
    let found = known::twins(hub)?.into_iter().map(|(one, other)| {
        let what = format!("the names {one} and {other} differ by case alone");
        Finding::medium("seat.twin", "", what).hint("keep one of them: rename or remove the other's manifest")
    });
    Ok(found.collect())
}
