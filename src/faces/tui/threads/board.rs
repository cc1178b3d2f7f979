//! Reads the board whenever something changed, and every other second.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::super::state::Input;
use super::Message;
use crate::base::{Result, text};
use crate::board::{Parts, Reader};
use crate::coordinator::executor::workers::LOGS;
use crate::coordinator::inbox;
use crate::hub::Hub;
use crate::hub::watch::Watch;

/// How often the board is read when no file seems to change. The screen tells time without it.
const EVERY: Duration = Duration::from_secs(2);
/// How often at most: ten agents change files all the time.
const AT_MOST: Duration = Duration::from_millis(300);
/// What a screen shows.
const PARTS: Parts = Parts { record: true, review: true, history: false, worktrees: false };

/// Sends snapshots of the hub until nobody takes them.
pub fn run(hub: &Hub, out: &Sender<Message>) {
    let folders = folders(hub);
    let watch = Watch::on(folders.iter().map(PathBuf::as_path));
    let mut reader = Reader::new();
    loop {
        let began = Instant::now();
        let input = match read(&mut reader, hub) {
            Ok(input) => input,
            Err(e) => Input::Unreadable(text::safe(&format!("{e:#}"))),
        };
        if out.send(Message::Input(input)).is_err() {
            return;
        }
        watch.wait(EVERY);
        std::thread::sleep(AT_MOST.saturating_sub(began.elapsed()));
    }
}

fn read(reader: &mut Reader, hub: &Hub) -> Result<Input> {
    Ok(Input::Board(Arc::new(reader.read(hub, PARTS)?)))
}

/// Where something changes when something happens. A folder that is not there yet is seen by the next reading.
fn folders(hub: &Hub) -> Vec<PathBuf> {
    let local = ["", "coordinator", inbox::FOLDER, LOGS, "live"].map(|folder| hub.local(folder));
    let record = ["_bus/events", "_bus/claims", "_bus/assignments", "_plans", "_report"];
    local.into_iter().chain(record.map(|folder| hub.root.join(folder))).collect()
}
