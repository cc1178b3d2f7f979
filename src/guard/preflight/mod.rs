//! The checks of a whole checked-out tree: for CI, and for an engineer before a pull request.
//!
//! They read files and, for the base, git objects. They write nothing, and need neither a pin nor machine-local
//! files. Each rule is one file and a pure function over bytes. Unknown files are ignored, and one run reports all
//! damaged ones.

mod core;
mod lines;
pub mod report;
mod rules;
mod tree;
mod work;

pub use self::core::core;
pub use report::{Format, Report};
pub use rules::appended::lost as lost_lines;
pub use rules::others::backlog;
pub use rules::plans::unjustified;
pub use tree::{Base, Tree};

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek};
use std::path::Path;

use git2::{ObjectType, Oid};

use crate::base::{Result, parallel, text};
use crate::hub::paths;
use crate::model::event::Severity;
use crate::model::plan;
use crate::plans::dependencies::{Dependencies, describe_cycle};
use crate::plans::store;
use crate::receipts;

use super::Finding;

/// Runs every rule on every file of the tree. With a base, also checks that logs only grew and nothing went back.
///
/// # Errors
/// Only when the base cannot be read; problems of the tree are in the report.
pub fn full(tree: &Tree, base: Option<&Base>) -> Result<Report> {
    let mut report = Report::default();
    claims(tree, base, &mut report)?;
    documents(tree, &tree.files(paths::ASSIGNMENTS, ".json"), rules::assignments::check, &mut report);
    logs(tree, base, &mut report)?;
    plans(tree, base, &mut report)?;
    documents(tree, &tree.orders(), rules::orders::check, &mut report);
    documents(tree, &tree.files_named(paths::BACKLOG), rules::others::backlog, &mut report);
    report.findings.extend(dependencies(tree, Severity::Low));
    documents(tree, &tree.manifests(), rules::others::seat, &mut report);
    documents(tree, &tree.files_named(paths::CONSENT), rules::others::consent, &mut report);
    report.findings.extend(receipts::verify::verify(tree.root(), true)?.findings);
    Ok(report.sorted())
}

/// Runs only the rules for the event log, the channels and the ledger; not sorted yet.
///
/// # Errors
/// Like [`full`].
pub fn bus(tree: &Tree, base: Option<&Base>) -> Result<Report> {
    let mut report = Report::default();
    logs(tree, base, &mut report)?;
    Ok(report)
}

/// Runs a rule for single documents over all of them.
fn documents(tree: &Tree, files: &[String], rule: fn(&str, &[u8]) -> Vec<Finding>, report: &mut Report) {
    let found = parallel::map(files, |path| match tree.read(path) {
        Ok(Some(bytes)) => rule(path, &bytes),
        Ok(None) => Vec::new(),
        Err(damaged) => vec![damaged],
    });
    report.files += files.len();
    report.findings.extend(found.into_iter().flatten());
}

fn claims(tree: &Tree, base: Option<&Base>, report: &mut Report) -> Result<()> {
    let files = tree.files(paths::CLAIMS, ".json");
    report.files += files.len();
    let format = base.map(Base::object_format);
    let id_of = |bytes: &[u8]| format.and_then(|format| Oid::hash_object_ext(ObjectType::Blob, bytes, format).ok());
    let judged = parallel::map(&files, |path| match tree.read(path) {
        Ok(Some(bytes)) => (rules::claims::check(path, &bytes), rules::claims::Held::of(path, &bytes), id_of(&bytes)),
        Ok(None) => (Vec::new(), None, None),
        Err(damaged) => (vec![damaged], None, None),
    });
    let mut held = Vec::new();
    let mut ids = HashMap::new();
    for (path, (found, holder, id)) in files.iter().zip(judged) {
        report.findings.extend(found);
        held.extend(holder);
        ids.insert(path.as_str(), id);
    }
    report.findings.extend(rules::claims::one_per_work(held.iter(), &tree.work().same));
    report.findings.extend(rules::claims::one_per_task(held.into_iter()));
    let Some(base) = base else { return Ok(()) };
    let committed = base.ids(paths::CLAIMS)?;
    for path in base.files(paths::CLAIMS, ".json")? {
        let name = path.rsplit('/').next().unwrap_or_default();
        if committed.get(name) == ids.get(path.as_str()).and_then(Option::as_ref) {
            continue;
        }
        let before = base.read(&path)?.unwrap_or_default();
        report.findings.extend(rules::claims::against(&path, &before, tree.read(&path).ok().flatten().as_deref()));
    }
    Ok(())
}

/// Seats that hold the same work under different names.
pub fn double_holds(tree: &Tree) -> Vec<Finding> {
    let files = tree.files(paths::CLAIMS, ".json");
    let held = parallel::map(&files, |path| rules::claims::Held::of(path, &tree.read(path).ok()??));
    let held: Vec<_> = held.into_iter().flatten().collect();
    rules::claims::one_per_work(held.iter(), &tree.work().same)
}

/// Items, plans and requests that depend on each other, or on something that is no name; `severity` is for the
/// caller's report.
pub fn dependencies(tree: &Tree, severity: Severity) -> Vec<Finding> {
    let work = tree.work();
    let plans: Vec<_> = work.plans.iter().map(|(id, plan)| (id.as_str(), plan)).collect();
    let known = Dependencies::new(work.same.clone(), work.backlog.as_ref(), &plans, &work.requests);
    let finding = |cycle: &std::sync::Arc<[String]>| {
        Finding::new(severity, "depends.cycle", paths::PLANS, describe_cycle(cycle))
            .hint("remove one of them from depends_on")
    };
    let unreadable = known.unreadable().iter().map(|(path, task, field)| {
        let message = format!("{} of {} is not a list of names, so it is ignored", field, text::safe(task));
        Finding::new(severity, "depends.form", path, message).hint(format!("write names: {field}: [ND-1, FR-2]"))
    });
    known.cycles().iter().map(finding).chain(unreadable).collect()
}

/// Checks events, messages, the ledger and the approval log: every line, and that no line of the base is missing.
fn logs(tree: &Tree, base: Option<&Base>, report: &mut Report) -> Result<()> {
    let mut chain = rules::events::Chain::default();
    let events = folder(tree, base, paths::EVENTS_FOLDER, report, |path, log, report| {
        chain.read(path, log, report)?;
        rules::named::missing(tree, path, again(log)?, "event.receipt", report)
    })?;
    report.findings.extend(chain.findings());
    let mut directives = rules::messages::Directives::default();
    let messages = folder(tree, base, paths::MESSAGES, report, |path, log, report| {
        directives.read(path, log, report)?;
        rules::named::missing(tree, path, again(log)?, "message.receipt", report)
    })?;
    report.findings.extend(directives.findings());
    let Some(base) = base else { return Ok(()) };
    let ledger = base.read(paths::LEDGER)?.map(|bytes| (paths::LEDGER.to_owned(), bytes));
    let now = tree.read_log(paths::LEDGER).ok().flatten();
    let memory = base.read(paths::MEMORY)?.map(|bytes| (paths::MEMORY.to_owned(), bytes));
    let remembered = tree.read_log(paths::MEMORY).ok().flatten();
    let ledger = (ledger.into_iter().collect(), now.into_iter().collect());
    for (before, now) in [events, messages, ledger, (memory.into_iter().collect(), remembered.into_iter().collect())] {
        report.findings.extend(rules::appended::lost(&before, &now));
    }
    Ok(())
}

/// The log, to be read from its start.
fn again(mut log: &File) -> io::Result<&File> {
    log.rewind().map(|()| log)
}

/// The append-only logs, which `bus restore` repairs.
pub const APPENDED: [&str; 3] = [paths::EVENTS_FOLDER, paths::MESSAGES, paths::LEDGER];

/// The missing lines of the base's logs, which `bus restore` brings back. Only `changed` paths are checked, so it is
/// cheap when the logs only grew.
///
/// # Errors
/// When the base cannot be read.
pub fn lost(root: &Path, base: &Base, changed: &[String]) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for folder in APPENDED {
        let of_it: Vec<_> = changed.iter().filter(|path| is_log_of(path, folder)).collect();
        let read = |path: &String| Ok(base.read(path)?.map(|bytes| (path.clone(), bytes)));
        let before = of_it.iter().filter_map(|path| read(path).transpose()).collect::<Result<Vec<_>>>()?;
        let now: Vec<_> = of_it.iter().filter_map(|path| tree::log_at(root, path).ok().flatten()).collect();
        if rules::appended::lost(&before, &now).is_empty() {
            continue;
        }
        // They may be in a log that did not change.
        let others = base.files(folder, ".jsonl")?;
        let others = others.iter().filter(|path| !changed.contains(path));
        let now = now
            .into_iter()
            .chain(others.filter_map(|path| tree::log_at(root, path).ok().flatten()))
            .collect::<Vec<_>>();
        found.extend(rules::appended::lost(&before, &now));
    }
    Ok(found)
}

/// Whether a path is a log of [`APPENDED`]: that file, or one in that folder.
pub fn is_log_of(path: &str, folder: &str) -> bool {
    let inside = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    path == folder || inside.is_some_and(|name| name.ends_with(".jsonl") && !name.contains('/'))
}

type Logs = (Vec<(String, Vec<u8>)>, Vec<Vec<u8>>);

/// Reads every log of a folder; with a base, returns the base's logs and the current ones. Sealing a log moves its
/// lines to another file, so all lines of a folder are one set.
fn folder(
    tree: &Tree,
    base: Option<&Base>,
    folder: &str,
    report: &mut Report,
    mut take: impl FnMut(&str, &File, &mut Report) -> io::Result<()>,
) -> Result<Logs> {
    let before = base.map_or(Ok(Vec::new()), |base| base.logs(folder))?;
    let mut now = Vec::new();
    for path in tree.files(folder, ".jsonl") {
        report.files += 1;
        let known = report.findings.len();
        match tree.open_log(&path) {
            Ok(None) => continue,
            Ok(Some(log)) => {
                if let Err(e) = take(&path, &log, report) {
                    let message = format!("cannot be read completely: {}", text::safe(&e.to_string()));
                    report.findings.push(Finding::high("file.unreadable", path.as_str(), message));
                }
            }
            Err(damaged) => {
                report.findings.push(damaged);
                continue;
            }
        }
        // Only a comparison needs the complete file at once.
        if base.is_some()
            && let Ok(Some(bytes)) = tree.read_log(&path)
        {
            if let Some((_, before)) = before.iter().find(|(log, _)| *log == path) {
                rules::appended::forgive(&mut report.findings[known..], before, &bytes);
            }
            now.push(bytes);
        }
    }
    Ok((before, now))
}

fn plans(tree: &Tree, base: Option<&Base>, report: &mut Report) -> Result<()> {
    let files = store::paths(tree.root());
    report.files += files.len();
    let found = parallel::map(&files, |path| rules::plans::check(tree, path));
    report.findings.extend(found.into_iter().flatten());
    report.findings.extend(files.iter().filter_map(|path| rules::plans::unjustified(tree.root(), path)));
    let Some(base) = base else { return Ok(()) };
    for path in base.files(paths::PLANS, plan::SUFFIX)? {
        let before = base.read(&path)?.unwrap_or_default();
        report.findings.extend(rules::plans::against(tree, &path, &before));
    }
    Ok(())
}
