//! Delivers one notification after the other in a thread of its own, so that the loop never waits for it.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::presets::{self, Call};
use crate::base::{Clock, Stamp, env, files, json, text};
use crate::coordinator::message::Message;
use crate::coordinator::state::notice::Notice;
use crate::exec::{self, Answer};
use crate::guard::secrets;
use crate::hub::Hub;
use crate::hub::settings::notify::Notify;

/// Variables that a receiver's program does not inherit.
const PRIVATE: [&str; 4] = [env::OPERATOR_TOKEN, env::NOTIFY_SOCKET, env::WATCHDOG_USEC, env::WATCHDOG_PID];
/// The longest stored reason, in characters.
const WHY: usize = 200;
const MAX: u64 = 1 << 16;

/// The last delivery to a receiver: machine-local, `coordinator/notified/<name>.json`.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Delivery {
    /// The number of the action; numbers only grow.
    pub action: u64,
    pub at: Stamp,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// Runs the receiver's program and waits for it, at most for the receiver's time limit.
///
/// # Errors
/// Why it was not delivered, for people.
pub fn deliver(receiver: &Notify, event: &Value, notice: &Notice) -> Result<(), String> {
    let Call { argv, stdin } = presets::call(receiver, event, notice).map_err(|e| format!("{e:#}"))?;
    let mut variables = env::vars_with_prefix("");
    variables.retain(|(name, _)| !PRIVATE.contains(&name.as_str()) && name != env::PATH);
    variables.extend(env::safe_path().map(|path| (env::PATH.to_owned(), path)));
    // Not in the repository, whose files are not ours to trust.
    let answer = exec::probe_with_input(&argv, Path::new("/"), &variables, stdin.as_bytes(), receiver.timeout);
    let why = match answer {
        Answer::Printed(_) => return Ok(()),
        Answer::Failed(how, said) if said.is_empty() => how,
        Answer::Failed(how, said) => format!("{how}: {said}"),
        Answer::TimedOut => "it took too long".to_owned(),
        Answer::NotStarted(why) => why,
    };
    Err(text::clip(&text::safe(&secrets::redact(&why)), WHY))
}

/// What a receiver reads: the notification, and where it comes from.
pub fn event(hub: &Hub, notice: &Notice) -> Value {
    let mut event = json!(notice);
    let name = hub.root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    event["project"] = json!(text::safe(&name));
    event["hub"] = json!(hub.root);
    event
}

fn file(name: &str) -> String {
    format!("coordinator/notified/{name}.json")
}

/// The last delivery to a receiver, if any.
pub fn last(hub: &Hub, name: &str) -> Option<Delivery> {
    let bytes = files::read(&hub.local(&file(name)), MAX).ok()??;
    serde_json::from_slice(&bytes).ok()
}

/// A notification to deliver.
struct Order {
    action: u64,
    receiver: Notify,
    notice: Notice,
    event: Value,
    /// Where the delivery is noted.
    note: PathBuf,
    clock: Clock,
}

/// Takes notifications and delivers them in their order.
#[derive(Default)]
pub struct Deliverer {
    orders: Option<Sender<Order>>,
}

impl Deliverer {
    /// Delivers later; `queue` then gets [`Message::Notified`]. With `check` it may have been delivered already, by a
    /// process that died before it knew: then it is not delivered again.
    pub fn take(
        &mut self,
        hub: &Hub,
        queue: &Sender<Message>,
        (action, check): (u64, bool),
        receiver: Notify,
        notice: Notice,
    ) {
        let is_past = |last: Delivery| last.action > action || (last.action == action && last.failed.is_none());
        let is_done = check && last(hub, receiver.label()).is_some_and(is_past);
        if is_done {
            let _ = queue.send(Message::Notified { action, to: receiver.label().to_owned(), failed: None });
            return;
        }
        let (event, note) = (event(hub, &notice), hub.local(&file(receiver.label())));
        let order = Order { action, receiver, notice, event, note, clock: hub.clock };
        let begun = self.orders.take().map_or_else(|| start(queue.clone()), Ok);
        match begun {
            Ok(orders) => drop(self.orders.insert(orders).send(order)),
            Err(e) => {
                let (to, failed) = (order.receiver.label().to_owned(), Some(format!("cannot start a thread: {e}")));
                let _ = queue.send(Message::Notified { action, to, failed });
            }
        }
    }
}

fn start(queue: Sender<Message>) -> std::io::Result<Sender<Order>> {
    let (send, orders) = channel::<Order>();
    std::thread::Builder::new().spawn(move || {
        for Order { action, receiver, notice, event, note, clock } in orders {
            let failed = deliver(&receiver, &event, &notice).err();
            let to = receiver.label().to_owned();
            let delivery = Delivery { action, at: clock.now(), failed: failed.clone() };
            let written =
                files::create_parent(&note).and_then(|()| files::replace(&note, json::compact(&delivery).as_bytes()));
            if let Err(e) = written {
                tracing::debug!("cannot note a delivery to {to}: {e:#}");
            }
            if queue.send(Message::Notified { action, to, failed }).is_err() {
                return;
            }
        }
    })?;
    Ok(send)
}
