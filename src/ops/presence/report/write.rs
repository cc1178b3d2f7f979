//! Writes the manager report: the page, its entry in the ledger and the manager's heartbeat, in one transaction.

use serde_json::{Map, Value};

use super::content::{self, ManagerReport};
use super::markdown;
use crate::base::{Result, digest};
use crate::bus::check_text;
use crate::guard::claim::{self, Author};
use crate::guard::secrets;
use crate::hub::{Hub, Transaction};
use crate::model::event::Event;
use crate::ops::publish::{self, Entry};
use crate::receipts::ledger;

/// The folder of the reports.
pub const FOLDER: &str = "_report/manager/";
/// How a report begins.
pub const TITLE: &str = "# Manager Report — ";

/// What is written.
#[derive(Clone, Debug)]
pub struct Request {
    pub author: Author,
    /// Where, relative to the hub, checked; `None`: a new file in [`FOLDER`], which is a receipt.
    pub output: Option<String>,
    /// The heartbeat: its summary and its data.
    pub heartbeat: Option<(String, Map<String, Value>)>,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Written {
    pub report: ManagerReport,
    pub path: String,
    /// The id of the heartbeat.
    pub event: Option<String>,
    /// Notes for people.
    pub remarks: Vec<String>,
}

/// Reads the report and writes it.
///
/// # Errors
/// As [`publish::publish`] for the author's session.
pub fn write(hub: &Hub, request: &Request) -> Result<Written> {
    let Request { author, output, heartbeat } = request;
    if let Some((summary, meta)) = heartbeat {
        check_text("heartbeat-summary", summary)?;
        secrets::check_text("heartbeat", &format!("{summary} {}", Value::Object(meta.clone())))?;
    }
    let stale = claim::admit(hub, author, None, "manager-report")?;
    let report = content::read(hub, &author.agent)?;
    let page = secrets::redact(&markdown::render(&report));
    let mut writer = hub.lock("manager-report")?;
    claim::check_inherited_epoch(hub)?;
    let mut transaction = Transaction::new("manager-report");
    let path = match output {
        Some(path) => path.clone(),
        None => hub.free_path(&format!("{FOLDER}manager-report-{}", report.generated_at), ".md")?,
    };
    match output {
        Some(_) => drop(transaction.replace(path.as_str(), page)),
        None => {
            let sha256 = digest::sha256(page.as_bytes());
            transaction.create(path.as_str(), page);
            ledger::enter(&writer, &mut transaction, &author.agent, &[(path.clone(), sha256)])?;
        }
    }
    let mut written = Written { report, path, event: None, remarks: Vec::new() };
    if let Some((summary, meta)) = heartbeat {
        let receipts = vec![written.path.clone()];
        let event = Event { meta: meta.clone(), receipts, ..Event::new(&author.agent, "status", summary) };
        let staged = publish::stage(&mut writer, &mut transaction, author, &Entry::event(event, None))?;
        written.event = staged["id"].as_str().map(str::to_owned);
    }
    if let Some(stale) = stale {
        stale.record(&mut transaction);
        written.remarks.push(format!("continued anyway: {}", stale.message));
    }
    writer.commit(transaction)?;
    Ok(written)
}
