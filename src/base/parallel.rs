//! The same question to many items, on all processors.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Maps `items` on as many threads as there are processors; the results keep the items' order.
pub fn map<T: Sync, R: Send>(items: &[T], each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = processors().min(items.len());
    if threads < 2 {
        return items.iter().map(each).collect();
    }
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                // Gathered apart, so that the threads meet once and not once for each item.
                let mut mine = Vec::new();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    mine.push((at, each(item)));
                }
                results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(mine);
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// How many threads make sense.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Splits bytes into at most `parts` pieces of whole lines, none of them empty.
pub fn split_lines(bytes: &[u8], parts: usize) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    let size = bytes.len().div_ceil(parts.max(1)).max(1);
    while rest.len() > size {
        let Some(end) = rest[size - 1..].iter().position(|b| *b == b'\n') else { break };
        let (piece, after) = rest.split_at(size + end);
        pieces.push(piece);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn results_keep_their_order() {
        let items: Vec<u64> = (0..10_000).collect();
        assert_eq!(map(&items, |n| n * 2), items.iter().map(|n| n * 2).collect::<Vec<_>>());
        assert_eq!(map(&[] as &[u64], |n| *n), [] as [u64; 0]);
    }

    proptest! {
        #[test]
        fn pieces_are_whole_lines_and_lose_nothing(text in "[a\n]{0,40}", parts in 0_usize..6) {
            let pieces = split_lines(text.as_bytes(), parts);
            prop_assert_eq!(pieces.concat(), text.as_bytes());
            prop_assert!(pieces.len() <= parts.max(1));
            for piece in pieces.iter().rev().skip(1) {
                prop_assert!(piece.ends_with(b"\n"));
            }
        }
    }
}
