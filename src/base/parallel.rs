//! Runs a function over many items on all processors, or waits for many of them at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

/// Maps `items` on as many threads as there are processors; the results keep the items' order.
pub fn map<T: Sync, R: Send>(items: &[T], each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = processors().min(items.len());
    if threads < 2 {
        return items.iter().map(each).collect();
    }
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        let work = || {
            // Collected per thread, so that threads synchronize once and not once per item.
            let mut mine = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(at) else { break };
                mine.push((at, each(item)));
            }
            results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(mine);
        };
        for _ in 1..threads {
            // Where no more threads are available, this one does it all.
            drop(std::thread::Builder::new().spawn_scoped(scope, work));
        }
        work();
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Whether another thread can start; checked before a library starts one and panics if it cannot.
///
/// # Errors
/// When the machine gives out no more.
pub fn can_start_thread() -> std::io::Result<()> {
    std::thread::Builder::new().spawn(|| ())?.join().map_err(|_| std::io::Error::other("a thread ended early"))
}

/// How many threads make sense.
pub fn processors() -> usize {
    // Cached, because the query reads a dozen files.
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// The most threads that wait for the disk at the same time.
const MOST_WAITING: usize = 16;

/// Calls `each` for all items at the same time, where it mostly waits for the disk. Gives back the first error in the
/// items' order; all calls are over by then.
///
/// # Errors
/// The errors of `each`.
pub fn wait_for_all<T: Sync, E: Send>(items: &[T], each: impl Fn(&T) -> Result<(), E> + Sync) -> Result<(), E> {
    let each = &each;
    let mut first = Ok(());
    for some in items.chunks(MOST_WAITING) {
        let (own, others) = some.split_at(1);
        let results: Vec<_> = std::thread::scope(|scope| {
            let begin = |item| std::thread::Builder::new().spawn_scoped(scope, move || each(item)).map_err(|_| item);
            let others: Vec<_> = others.iter().map(begin).collect();
            let own = own.iter().map(each).collect::<Vec<_>>();
            let end = |other: Result<std::thread::ScopedJoinHandle<_>, &T>| match other {
                Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                // No more threads available: run one after the other.
                Err(item) => each(item),
            };
            own.into_iter().chain(others.into_iter().map(end)).collect()
        });
        first = results.into_iter().fold(first, Result::and);
    }
    first
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
    fn all_items_are_waited_for_and_the_first_error_is_told() {
        let called = AtomicUsize::new(0);
        let items: Vec<usize> = (0..40).collect();
        let even = |n: &usize| {
            called.fetch_add(1, Ordering::Relaxed);
            if n % 7 == 6 { Err(*n) } else { Ok(()) }
        };
        assert_eq!(wait_for_all(&items, even), Err(6));
        assert_eq!(called.load(Ordering::Relaxed), items.len());
        assert_eq!(wait_for_all(&[] as &[usize], even), Ok(()));
    }

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
