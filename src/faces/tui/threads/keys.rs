//! Turns what the terminal sends into inputs.

use std::io;
use std::sync::mpsc::Sender;
use std::time::Duration;

use ratatui::crossterm::event::{
    self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind,
};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;

use super::super::state::{Input, Key};
use super::Message;

/// While another program has the terminal.
const BACKGROUND: Duration = Duration::from_millis(200);

/// Sends keys until nobody takes them.
pub fn run(out: &Sender<Message>) {
    loop {
        // Our own waiting: crossterm's loops without end when the terminal is gone.
        match wait() {
            Ok(true) => {}
            Err(Errno::INTR) => continue,
            Ok(false) | Err(_) => {
                let _ = out.send(Message::Gone);
                return;
            }
        }
        // What is typed now is for another program.
        if tcgetpgrp(io::stdin()).is_ok_and(|front| front != getpgrp()) {
            std::thread::sleep(BACKGROUND);
            continue;
        }
        while event::poll(Duration::ZERO).unwrap_or(false) {
            let Ok(event) = event::read() else { break };
            if let Some(input) = input(event)
                && out.send(Message::Input(input)).is_err()
            {
                return;
            }
        }
    }
}

/// Whether there is something to read; false when there never will be.
fn wait() -> rustix::io::Result<bool> {
    let stdin = io::stdin();
    let mut polled = [PollFd::new(&stdin, PollFlags::IN)];
    poll(&mut polled, None)?;
    Ok(!polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL))
}

fn input(event: Event) -> Option<Input> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => self::key(key).map(Input::Key),
        Event::Paste(text) => Some(Input::Paste(text)),
        Event::Resize(columns, rows) => Some(Input::Resize(columns, rows)),
        Event::Mouse(mouse) => match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => Some(Input::Click(mouse.column, mouse.row)),
            MouseEventKind::ScrollUp => Some(Input::Scroll(-3)),
            MouseEventKind::ScrollDown => Some(Input::Scroll(3)),
            _ => None,
        },
        _ => None,
    }
}

fn key(key: KeyEvent) -> Option<Key> {
    Some(match key.code {
        KeyCode::Char(c) if key.modifiers.contains(KeyModifiers::CONTROL) => Key::Ctrl(c.to_ascii_lowercase()),
        // Alt and a letter is no command of ours.
        KeyCode::Char(_) if key.modifiers.contains(KeyModifiers::ALT) => return None,
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Backspace => Key::Back,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    })
}
