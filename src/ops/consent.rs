//! Grants and revokes consent: the consent file, the digests outside the tree, and the event.
//!
//! A crash in between always means "no": a grant writes the file first and trusts it last, under the lock of what is
//! trusted, so that a reader sees both or waits; a revocation stops trusting first.

use std::time::Duration;

use crate::base::{Refusal, Result, Stamp, digest, files, json};
use crate::bus::events;
use crate::guard::consent::{self, Consent, Standing};
use crate::guard::operator::{self, OPERATOR, Recognised};
use crate::guard::trust::{self, Grant, Only, remotes};
use crate::hub::git::programs::{self, Setting};
use crate::hub::{Hub, Transaction, paths};
use crate::model::event::Event;
use crate::model::json::edit::EditableJson;

/// How many jobs a grant allows by default.
pub const DEFAULT_JOBS: u64 = 10;

/// Flags to set; `None` keeps the file's value. A number of jobs without `continuous` ends an unlimited consent, and
/// a file that would allow no job gets [`DEFAULT_JOBS`].
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub continuous: Option<bool>,
    pub max_iterations: Option<u64>,
    pub require_execute: Option<bool>,
    pub allow_apply: Option<bool>,
    pub halt_on_attention_feeds: Option<bool>,
    pub halt_on_ci_failure: Option<bool>,
    /// Grant one job of this work alone, besides those that such a grant covers already; `None`: jobs of all tasks.
    pub only: Option<OneJob>,
}

/// One job that a person allows.
#[derive(Clone, Debug, Default)]
pub struct OneJob {
    /// The task or plan.
    pub name: String,
    /// Tasks that were allowed before and are not over: they may go on.
    pub going_on: Vec<String>,
    /// The time of an earlier grant of single jobs that is used up: nothing is left of it.
    pub spent: Option<Stamp>,
}

impl OneJob {
    /// What is allowed with it, after an `earlier` grant of single jobs.
    fn after(self, earlier: Option<&Only>) -> Only {
        let Only { mut tasks, jobs, mut going_on } = earlier.cloned().unwrap_or_default();
        tasks.push(self.name);
        going_on.extend(self.going_on);
        going_on.sort();
        going_on.dedup();
        Only { tasks, jobs: jobs + 1, going_on }
    }
}

/// A new consent file, as `init` writes it: everything off.
pub fn new_file() -> String {
    let mut map = serde_json::Map::new();
    for (key, value) in fields(&Consent::NONE) {
        map.insert(key.to_owned(), value);
    }
    let note = "What may run unattended. Valid only after a person has run: teof consent grant";
    map.insert("notes".to_owned(), note.into());
    json::pretty(&map) + "\n"
}

/// Turns `auto_enabled` on with the changes, and trusts the current consent file and `teof.toml`.
///
/// # Errors
/// In a worker's children; when the file is malformed, which a person must fix.
pub fn grant(hub: &Hub, by: &str, changes: &Changes) -> Result<Standing> {
    let recognised = operator::require("grant consent")?;
    // Read before the grant, so that a later change of the files is not trusted.
    let settings_sha256 = trust::settings_digest(hub)?;
    let git_programs = trust::git_programs_digest(hub)?;
    let git_remotes = remotes::digest(&remotes::settings(hub)?);
    let mut writer = hub.lock("consent grant")?;
    let path = hub.path(paths::CONSENT)?;
    let old = files::read(&path, files::MAX_DOCUMENT)?;
    let text = granted(old.as_deref(), &path, changes)?;
    let consent_sha256 = digest::sha256(text.as_bytes());
    let mut transaction = Transaction::new("consent grant");
    if old.as_deref() != Some(text.as_bytes()) {
        transaction.replace(paths::CONSENT, text);
    }
    let what = match &changes.only {
        Some(one) => format!("{by} granted consent to run one job unattended: {}", one.name),
        None => format!("{by} granted consent to run unattended"),
    };
    // Who reads the new consent file waits for this lock before it says that the file changed since the grant.
    let trusted = trust::lock(hub)?;
    let earlier = trust::read(hub)?.grant;
    // Jobs are counted since the time of a grant, so two grants never have the same one.
    let at = earlier.as_ref().map_or(hub.now(), |earlier| hub.now().max(earlier.at.plus(Duration::from_secs(1))));
    let mut grant = Grant { by: by.to_owned(), at, consent_sha256, settings_sha256, recognised, only: None };
    if let Some(one) = changes.only.clone() {
        add_job(&mut grant, one, earlier.as_ref());
    }
    let event = Event::new(OPERATOR, "consent", what)
        .meta("by", by)
        .meta("recognised", recognised.as_str())
        .meta("consent_sha256", grant.consent_sha256.as_str())
        .meta("grant_sha256", grant.digest())
        .meta("git_remotes_sha256", git_remotes.as_str());
    let event = match &git_programs {
        Some(digest) => event.meta("git_programs_sha256", digest.as_str()),
        None => event,
    };
    events::stage(&writer, &mut transaction, &event)?;
    writer.commit(transaction)?;
    drop(writer);
    trusted.update(|trust| {
        trust.grant = Some(grant);
        trust.git_programs_sha256 = git_programs;
        trust.git_remotes_sha256 = Some(git_remotes);
    })?;
    drop(trusted);
    consent::standing(hub)
}

/// Makes it a grant of one job, and of those that an earlier grant of the same files covers. Another `teof do` may have
/// taken its own consent a moment ago.
fn add_job(grant: &mut Grant, one: OneJob, earlier: Option<&Grant>) {
    let is_same = |earlier: &&Grant| {
        earlier.only.is_some()
            && Some(earlier.at) != one.spent
            && earlier.consent_sha256 == grant.consent_sha256
            && earlier.settings_sha256 == grant.settings_sha256
    };
    let earlier = earlier.filter(is_same);
    grant.at = earlier.map_or(grant.at, |earlier| earlier.at);
    grant.only = Some(one.after(earlier.and_then(|earlier| earlier.only.as_ref())));
}

/// What a person trusts in the repository's git configuration.
pub struct TrustedGit {
    pub programs: Vec<Setting>,
    pub remotes: Vec<Setting>,
}

/// What the repository's git configuration names now.
///
/// # Errors
/// When the configuration cannot be read.
pub fn named_by_git(hub: &Hub) -> Result<TrustedGit> {
    Ok(TrustedGit { programs: hub.git().programs()?, remotes: remotes::settings(hub)? })
}

/// Trusts the programs and remotes that the repository's git configuration names now; returns them.
///
/// # Errors
/// As [`operator::require`]; when the configuration cannot be read.
pub fn trust_git(hub: &Hub, by: &str) -> Result<TrustedGit> {
    let recognised = operator::require("trust git's configuration")?;
    let named = named_by_git(hub)?;
    let programs = (!named.programs.is_empty()).then(|| programs::digest(&named.programs));
    let remotes = remotes::digest(&named.remotes);
    let mut writer = hub.lock("trust git")?;
    let mut transaction = Transaction::new("trust git");
    let event =
        Event::new(OPERATOR, "consent", format!("{by} trusted the programs and remotes of git's configuration"))
            .meta("by", by)
            .meta("recognised", recognised.as_str())
            .meta("git_programs_sha256", programs.as_deref().unwrap_or("none"))
            .meta("git_remotes_sha256", remotes.as_str());
    events::stage(&writer, &mut transaction, &event)?;
    writer.commit(transaction)?;
    drop(writer);
    trust::update(hub, |trust| {
        trust.git_programs_sha256 = programs;
        trust.git_remotes_sha256 = Some(remotes);
    })?;
    Ok(named)
}

/// The consent file with `auto_enabled` on and the changes applied; the rest is unchanged.
fn granted(old: Option<&[u8]>, path: &std::path::Path, changes: &Changes) -> Result<String> {
    let new = new_file();
    let mut document = EditableJson::parse(old.unwrap_or(new.as_bytes()), path)?;
    document.set("/auto_enabled", true)?;
    let flags = [
        ("continuous", changes.continuous),
        ("require_execute", changes.require_execute),
        ("allow_apply", changes.allow_apply),
        ("halt_on_attention_feeds", changes.halt_on_attention_feeds),
        ("halt_on_ci_failure", changes.halt_on_ci_failure),
    ];
    for (key, value) in flags {
        if let Some(value) = value {
            document.set(&format!("/{key}"), value)?;
        }
    }
    if let Some(most) = changes.max_iterations {
        document.set("/max_iterations", most)?;
        if changes.continuous.is_none() && document.object().get("continuous") == Some(&true.into()) {
            document.set("/continuous", false)?;
        }
    }
    let allows_none = |consent: &Consent| !consent.continuous && consent.max_iterations == 0;
    if changes.max_iterations.is_none() && Consent::read(document.object()).is_ok_and(|found| allows_none(&found)) {
        document.set("/max_iterations", DEFAULT_JOBS)?;
    }
    Consent::read(document.object()).map_err(|key| {
        Refusal::guard("consent.malformed", format!("{key} in {} has the wrong type", paths::CONSENT))
            .because("an unreadable file cannot be granted")
            .next("fix the file by hand, then: teof consent grant")
    })?;
    Ok(document.into_text())
}

/// The result of a revocation.
#[derive(Clone, Debug)]
pub struct Revoked {
    /// Why the file still says `auto_enabled`, if it does; it no longer counts.
    pub file_left: Option<String>,
}

/// Takes the consent to one job back, in any state of the hub. What else was allowed stays allowed, under another digest,
/// which is logged first: a worker that ends in between finds the event.
///
/// # Errors
/// As [`operator::require`].
pub fn take_back(hub: &Hub, by: &str, name: &str) -> Result<()> {
    let recognised = operator::require("take consent back")?;
    let writer = hub.lock("consent take-back");
    let trusted = trust::lock(hub)?;
    let Some(mut grant) = trust::read(hub)?.grant else { return Ok(()) };
    let Some(only) = grant.only.as_mut() else { return Ok(()) };
    if let Some(at) = only.tasks.iter().rposition(|task| task == name) {
        only.tasks.remove(at);
        only.jobs = only.jobs.saturating_sub(1);
    }
    if only.tasks.is_empty() && only.going_on.is_empty() {
        drop((trusted, writer));
        return revoke(hub, by).map(drop);
    }
    let event = Event::new(OPERATOR, "consent", format!("{by} took back the consent to run one job: {name}"))
        .meta("by", by)
        .meta("recognised", recognised.as_str())
        .meta("grant_sha256", grant.digest());
    let logged = writer.and_then(|mut writer| {
        let mut transaction = Transaction::new("consent take-back");
        events::stage(&writer, &mut transaction, &event)?;
        writer.commit(transaction)
    });
    if let Err(e) = logged {
        tracing::warn!("cannot log that consent was taken back: {e:#}");
    }
    trusted.update(|trust| trust.grant = Some(grant))
}

/// Revokes trust at once, in any state of the hub; then turns `auto_enabled` off in the file.
///
/// # Errors
/// As [`operator::require`].
pub fn revoke(hub: &Hub, by: &str) -> Result<Revoked> {
    let recognised = operator::require("revoke consent")?;
    trust::update(hub, |trust| trust.grant = None)?;
    let file_left = turn_off(hub, by, recognised).err().map(|e| e.to_string());
    Ok(Revoked { file_left })
}

fn turn_off(hub: &Hub, by: &str, recognised: Recognised) -> Result<()> {
    let mut writer = hub.lock("consent revoke")?;
    let mut transaction = Transaction::new("consent revoke");
    let event = Event::new(OPERATOR, "consent", format!("{by} revoked the consent to run unattended"))
        .meta("by", by)
        .meta("recognised", recognised.as_str());
    events::stage(&writer, &mut transaction, &event)?;
    let path = hub.path(paths::CONSENT)?;
    if let Some(old) = files::read(&path, files::MAX_DOCUMENT)? {
        let mut document = EditableJson::parse(&old, &path)?;
        document.set("/auto_enabled", false)?;
        transaction.replace(paths::CONSENT, document.into_text());
    }
    writer.commit(transaction)
}

/// Every flag with its value, in the order of the file.
fn fields(consent: &Consent) -> [(&'static str, serde_json::Value); 7] {
    [
        ("auto_enabled", consent.auto_enabled.into()),
        ("continuous", consent.continuous.into()),
        ("max_iterations", consent.max_iterations.into()),
        ("require_execute", consent.require_execute.into()),
        ("allow_apply", consent.allow_apply.into()),
        ("halt_on_attention_feeds", consent.halt_on_attention_feeds.into()),
        ("halt_on_ci_failure", consent.halt_on_ci_failure.into()),
    ]
}
