//! A real browser without a window: Chromium, driven by its DevTools protocol over two named pipes.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};

use crate::harness::until_or;

/// How long an answer of the browser is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Browser {
    child: Child,
    commands: File,
    answers: Receiver<Value>,
    session: Option<String>,
    last: u64,
}

/// Chromium on the search path, if it is installed.
pub fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|program| program.exists())
}

impl Browser {
    /// A browser with one page, whose profile is in `folder`.
    pub fn start(program: &Path, folder: &Path) -> Browser {
        let pipes = ["in", "out"].map(|name| folder.join(name));
        for pipe in &pipes {
            mknodat(CWD, pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        }
        // A pipe that is opened for both waits for nobody. The sandbox of the browser does not work for root.
        let line = "exec \"$0\" --headless --no-sandbox --disable-gpu --no-first-run --remote-debugging-pipe \
                    --user-data-dir=\"$1/profile\" 3<>\"$1/in\" 4<>\"$1/out\"";
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .arg(program)
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.env("HOME", folder);
        let child = command.spawn().unwrap();
        let [commands, said] = pipes.map(|pipe| File::options().read(true).write(true).open(pipe).unwrap());
        let (send, answers) = channel();
        std::thread::spawn(move || read(said, |message| send.send(message).is_ok()));
        let mut browser = Browser { child, commands, answers, session: None, last: 0 };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        browser
    }

    /// Calls a method; gives back its result.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.commands.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let answer = self.answers.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("{method}: {e}"));
            if answer["id"] == self.last {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// The value of an expression in the page.
    pub fn value(&mut self, expression: &str) -> Value {
        self.call("Runtime.evaluate", json!({"expression": expression, "returnByValue": true}))["result"]["value"]
            .take()
    }

    pub fn go(&mut self, address: &str) {
        self.call("Page.navigate", json!({"url": address}));
    }

    /// Waits until an expression in the page is true.
    pub fn until(&mut self, expression: &str) {
        let browser = std::cell::RefCell::new(self);
        let page = || browser.borrow_mut().value("location.href + '\\n' + document.documentElement.outerHTML");
        until_or(|| format!("{expression}: {}", page()), || browser.borrow_mut().value(expression) == true);
    }

    /// The page as a PNG in base 64.
    pub fn picture(&mut self) -> String {
        let taken = self.call("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": false}));
        taken["data"].as_str().unwrap().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends its own processes when it is asked.
        self.session = None;
        let _ = self.commands.write_all(b"{\"id\": 0, \"method\": \"Browser.close\"}\0");
        let asked = std::time::Instant::now();
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) && asked.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads messages, each ended by a zero byte, until the receiver is gone.
fn read(mut said: File, mut tell: impl FnMut(Value) -> bool) {
    let (mut known, mut part) = (Vec::new(), vec![0; 1 << 16]);
    while let Ok(count) = said.read(&mut part) {
        known.extend_from_slice(&part[..count]);
        while let Some(end) = known.iter().position(|byte| *byte == 0) {
            let message: Vec<u8> = known.drain(..=end).collect();
            let Ok(message) = serde_json::from_slice(&message[..end]) else { continue };
            if !tell(message) {
                return;
            }
        }
    }
}
