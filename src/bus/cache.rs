//! A machine-local index of append-only files, so that a command reads only new lines.
//!
//! Each entry can be verified: by the file's identity, and by the digest of the bytes before the offset up to which
//! it was read. When in doubt the whole file is read again. The cache is never synced and contains nothing that
//! cannot be read again from the files.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::base::{Result, files, jsonl, parallel};
use crate::hub::Hub;

/// The format version: raise it when the facts change their meaning, to invalidate existing caches.
const VERSION: u32 = 1;
/// The cache is rewritten only when at least this many bytes were read: less is read again quickly.
const WORTH_SAVING: u64 = 4 * 1024;
/// Larger files are read on all cores.
const WORTH_SPLITTING: u64 = 4 * 1024 * 1024;

/// Facts that are gathered from the lines of a file.
pub(super) trait Facts: Clone + Default + Send + Serialize + DeserializeOwned {
    /// Adds a whole line (without its newline) that starts at byte `at`.
    fn line(&mut self, at: u64, line: &[u8]);
    /// Adds the facts of the lines after the ones seen so far.
    fn append(&mut self, later: Self);
}

/// A file, and the facts of its whole lines up to byte `end`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Known<F> {
    /// Device and inode: a rename keeps them, a checkout does not.
    identity: (u64, u64),
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    pub end: u64,
    tail: String,
    pub facts: F,
}

#[derive(Serialize, Deserialize)]
struct Saved<F> {
    version: u32,
    files: Vec<Known<F>>,
}

/// The current facts of each of these files (relative to the hub's root) that exists.
///
/// `name` is the cache's file, relative to the machine-local folder. An unreadable or unwritable cache only costs
/// time.
pub(super) fn refresh<F: Facts>(hub: &Hub, name: &str, files: &[String]) -> Result<Vec<(String, Known<F>)>> {
    let cache = hub.local(name);
    let mut saved: HashMap<_, Known<F>> = load(&cache).into_iter().map(|known| (known.identity, known)).collect();
    let mut loaded = Vec::with_capacity(files.len());
    let mut read = 0;
    for relative in files {
        let Some(file) = files::open_regular(&hub.path(relative)?)? else { continue };
        let meta = file.metadata()?;
        let begun = saved.remove(&(meta.dev(), meta.ino())).filter(|known| known.holds_for(&file, &meta));
        let from = begun.as_ref().map_or(0, |known| known.end);
        let known = bring_up_to_date(begun, &file, &meta)?;
        read += known.end - from;
        loaded.push((relative.clone(), known));
    }
    if read >= WORTH_SAVING {
        let files = loaded.iter().map(|(_, known)| known.clone()).collect();
        save(&cache, &Saved { version: VERSION, files });
    }
    Ok(loaded)
}

impl<F: Facts> Known<F> {
    /// Whether the file still begins with the bytes read before. A file written to without a change of size is in
    /// doubt.
    fn holds_for(&self, file: &File, meta: &Metadata) -> bool {
        if meta.len() == self.size {
            return modified(meta) == self.modified;
        }
        meta.len() > self.size && files::digest_before(file, self.end).is_ok_and(|tail| tail == self.tail)
    }
}

fn bring_up_to_date<F: Facts>(begun: Option<Known<F>>, file: &File, meta: &Metadata) -> Result<Known<F>> {
    let (mut facts, from) = match begun {
        Some(known) if known.size == meta.len() => return Ok(known),
        Some(known) => (known.facts, known.end),
        None => (F::default(), 0),
    };
    let (later, end) = read::<F>(file, from, meta.len())?;
    facts.append(later);
    let tail = files::digest_before(file, end)?;
    Ok(Known { identity: (meta.dev(), meta.ino()), size: meta.len(), modified: modified(meta), end, tail, facts })
}

fn modified(meta: &Metadata) -> (i64, i64) {
    (meta.mtime(), meta.mtime_nsec())
}

/// The facts of the whole lines between two offsets, and where the last of them ends.
fn read<F: Facts>(file: &File, from: u64, to: u64) -> Result<(F, u64)> {
    let long = to.saturating_sub(from);
    // Checked last: counting the cores costs more than reading a few lines.
    let cores = if long < WORTH_SPLITTING { 1 } else { parallel::processors() as u64 };
    if cores == 1 {
        return read_part(file, from, from, to);
    }
    let step = long.div_ceil(cores);
    let bounds: Vec<u64> = (0..=cores).map(|i| to.min(from + i * step)).collect();
    let parts: Vec<Result<(F, u64)>> = std::thread::scope(|scope| {
        let begun: Vec<_> = bounds
            .windows(2)
            .map(|bound| (bound[0], bound[1]))
            .map(|(lo, hi)| {
                let read = move || read_part::<F>(file, from, lo, hi);
                // Where no more threads are available, this one reads.
                std::thread::Builder::new().spawn_scoped(scope, read).map_err(|_| read())
            })
            .collect();
        let end = |part: Result<std::thread::ScopedJoinHandle<_>, _>| match part {
            Ok(thread) => thread.join().unwrap_or_else(|_| anyhow::bail!("a reader panicked")),
            Err(read) => read,
        };
        begun.into_iter().map(end).collect()
    });
    let mut facts = F::default();
    let mut end = from;
    for part in parts {
        let (later, reached) = part?;
        facts.append(later);
        end = end.max(reached);
    }
    Ok((facts, end))
}

/// The lines that begin in `lo..hi` of a file whose lines up to `from` are known, and the end of the last one.
fn read_part<F: Facts>(file: &File, from: u64, lo: u64, hi: u64) -> Result<(F, u64)> {
    let mut facts = F::default();
    let mut end = from;
    let Some(start) = first_line(file, from, lo..hi)? else { return Ok((facts, end)) };
    jsonl::for_each_line_of(file, start, |_, at, line| {
        if at >= hi {
            return Ok(false);
        }
        facts.line(at, line);
        end = at + line.len() as u64 + 1;
        Ok(true)
    })?;
    Ok((facts, end))
}

/// The start of the first line that begins in a part of the file; `floor` is a known line start. Nothing behind the
/// part is read: a line may be longer than many parts.
pub(super) fn first_line(file: &File, floor: u64, part: Range<u64>) -> Result<Option<u64>> {
    if part.start <= floor {
        return Ok(Some(floor));
    }
    let mut at = part.start - 1;
    let mut block = vec![0; 64 * 1024];
    loop {
        let wanted = part.end.saturating_sub(at + 1).min(block.len() as u64) as usize;
        let n = file.read_at(&mut block[..wanted], at)?;
        if n == 0 {
            return Ok(None);
        }
        if let Some(i) = block[..n].iter().position(|&b| b == b'\n') {
            return Ok(Some(at + i as u64 + 1));
        }
        at += n as u64;
    }
}

fn load<F: Facts>(cache: &Path) -> Vec<Known<F>> {
    let bytes = match files::read(cache, 256 * 1024 * 1024) {
        Ok(Some(bytes)) => bytes,
        _ => return Vec::new(),
    };
    match serde_json::from_slice::<Saved<F>>(&bytes) {
        Ok(saved) if saved.version == VERSION => saved.files,
        _ => Vec::new(),
    }
}

fn save<F: Facts>(cache: &Path, saved: &Saved<F>) {
    let written = files::create_parent(cache).and_then(|()| {
        let bytes = serde_json::to_vec(saved)?;
        files::replace_unsynced(cache, &bytes)
    });
    if let Err(e) = written {
        tracing::debug!("cannot write the cache: {e:#}");
    }
}
