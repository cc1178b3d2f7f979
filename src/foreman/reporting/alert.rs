//! Alerts of a running worker: events on the bus that people and notifications see while the work goes on.

use crate::base::{Result, text};
use crate::bus::events;
use crate::foreman::work::Work;
use crate::hub::{Hub, Transaction};
use crate::model::event::{Event, Severity};

/// An agent gave no sign of life for the whole silence window.
pub const STUCK: &str = "agent.stuck";
/// An agent did something that a rule of the monitor is about.
pub const NOTICED: &str = "agent.noticed";

/// Appends an alert event; `kind` is one of the above. A failure is only logged: the work goes on.
pub fn raise(hub: &Hub, work: &Work, run: &str, kind: &str, summary: &str) {
    if let Err(e) = append(hub, work, run, kind, summary) {
        tracing::warn!("cannot report an alert to the bus: {e:#}");
    }
}

fn append(hub: &Hub, work: &Work, run: &str, kind: &str, summary: &str) -> Result<()> {
    let order = &work.order;
    let summary = text::clip(&text::safe(summary), 500);
    let mut event =
        Event::new(&order.agent_id, "alert", summary).on_task(&order.task_id).meta("kind", kind).meta("run", run);
    if let Some(job) = &order.job {
        event = event.meta("job", job.as_str());
    }
    event.plan_id.clone_from(&order.plan_id);
    event.severity = Some(Severity::Medium);
    let mut writer = hub.lock("report an alert")?;
    let mut transaction = Transaction::new("report an alert");
    events::stage(&writer, &mut transaction, &event)?;
    writer.commit(transaction)?;
    Ok(())
}
