//! The terminal: taken over while the screen is shown, and given back whatever happens.
//!
//! [`leave`] may be called at any time and from any thread: by the guard's drop, by the panic hook, before a
//! suspension. What other code prints on stderr meanwhile, such as a program that was started, would disturb the screen
//! and is dropped.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::crossterm::{cursor, execute};
use rustix::fd::OwnedFd;
use rustix::process::{getpgrp, getsid};

/// The screen is ours.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// stderr as it was.
static STDERR: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// The exit code of a fault of ours.
const FAULT: i32 = 70;

/// The screen; leaves it when dropped.
pub struct Screen {
    pub terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    has_mouse: bool,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// When it does not take its modes, or has no size.
    pub fn enter(has_mouse: bool) -> io::Result<Screen> {
        restore_on_panic();
        take(has_mouse)?;
        let out = BufWriter::with_capacity(64 << 10, io::stdout());
        let terminal = Terminal::new(CrosstermBackend::new(out)).inspect_err(|_| leave())?;
        Ok(Screen { terminal, has_mouse })
    }

    /// Takes the terminal over again, after a suspension: the shell may have changed its modes.
    ///
    /// # Errors
    /// As [`Screen::enter`].
    pub fn again(&mut self) -> io::Result<()> {
        leave();
        take(self.has_mouse)?;
        self.terminal.clear()
    }

    /// Stops the process, and takes the terminal over again when it continues. `with_job`: stops all processes of its
    /// job, as Ctrl-Z does, since a shell waits for all of them; the signal for that reaches this process too.
    ///
    /// # Errors
    /// As [`Screen::enter`].
    pub fn suspend(&mut self, with_job: bool) -> io::Result<()> {
        leave();
        if with_job {
            let _ = rustix::process::kill_current_process_group(rustix::process::Signal::TSTP);
        }
        let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP);
        self.again()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Whether there is a shell that could continue this process after Ctrl-Z. The group of a session's first process has
/// none.
pub fn can_suspend() -> bool {
    getsid(None).is_ok_and(|session| session != getpgrp())
}

fn take(has_mouse: bool) -> io::Result<()> {
    TAKEN.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    let entered = execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide);
    let entered = match has_mouse {
        true => entered.and_then(|()| execute!(io::stdout(), EnableMouseCapture)),
        false => entered,
    };
    entered.inspect_err(|_| leave())?;
    silence_stderr();
    Ok(())
}

/// Gives the terminal back as it was; nothing happens when it was given back already.
pub fn leave() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // All of it, even where a part fails: the terminal may be gone.
    let mut out = io::stdout();
    let _ = execute!(out, DisableMouseCapture, DisableBracketedPaste, cursor::Show, LeaveAlternateScreen);
    let _ = out.flush();
    let _ = disable_raw_mode();
    if let Some(stderr) = STDERR.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = rustix::stdio::dup2_stderr(stderr);
    }
}

/// stderr is not shown while the screen is; where it is a file, it stays.
fn silence_stderr() {
    if !io::stderr().is_terminal() {
        return;
    }
    let Ok(nowhere) = OpenOptions::new().write(true).open("/dev/null") else { return };
    let mut kept = STDERR.lock().unwrap_or_else(PoisonError::into_inner);
    if let Ok(stderr) = rustix::io::fcntl_dupfd_cloexec(io::stderr(), 3)
        && rustix::stdio::dup2_stderr(nowhere).is_ok()
    {
        *kept = Some(stderr);
    }
}

/// A panic of any thread gives the terminal back, says what it has to say, and ends the process.
fn restore_on_panic() {
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        leave();
        say(panic);
        std::process::exit(FAULT);
    }));
}
