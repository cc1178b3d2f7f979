//! Carries out commands one after the other, while the screen stays responsive.

use std::sync::mpsc::{Receiver, Sender};

use super::super::state::Input;
use super::Message;
use crate::faces::operator::{Command, Operator};

pub fn run(operator: &dyn Operator, commands: &Receiver<Command>, out: &Sender<Message>) {
    while let Ok(command) = commands.recv() {
        let progress = |line: &str| drop(out.send(Message::Input(Input::Progress(line.to_owned()))));
        let result = operator.perform(&command, &progress);
        if out.send(Message::Input(Input::Done(result))).is_err() {
            return;
        }
    }
}
