//! Takes the pictures in `docs/screens`; `docs/record-screens.sh` runs it on a page with sample work.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::json;

use super::browser::{Browser, installed};

/// Name, address, and whether the picture is wide, on a dark screen.
const PICTURES: [(&str, &str, bool, bool); 8] = [
    ("board-light", "/", true, false),
    ("board-dark", "/", true, true),
    ("board-phone", "/", false, false),
    ("job-light", "/jobs/j2", true, false),
    ("job-phone-dark", "/jobs/j2", false, true),
    ("log-dark", "/jobs/j7", true, true),
    ("costs-light", "/costs", true, false),
    ("timeline-dark", "/timeline", true, true),
];
/// The largest picture, in bytes.
const LARGEST: usize = 150_000;

#[test]
#[ignore = "takes pictures; docs/record-screens.sh runs it"]
fn record() {
    let link = std::env::var("TEOF_SCREENS_LINK").expect("the link of a page");
    let to = PathBuf::from(std::env::var("TEOF_SCREENS").expect("a folder"));
    std::fs::create_dir_all(&to).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Browser::start(&installed().expect("chromium"), folder.path());
    browser.call("Emulation.setScrollbarsHidden", json!({"hidden": true}));
    browser.go(&link);
    browser.until("location.pathname === '/'");
    let base = link.split("/open").next().unwrap();
    for (name, path, is_wide, is_dark) in PICTURES {
        let scheme = if is_dark { "dark" } else { "light" };
        let (width, height) = if is_wide { (1280, 800) } else { (375, 812) };
        browser.call(
            "Emulation.setEmulatedMedia",
            json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        );
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": !is_wide});
        browser.call("Emulation.setDeviceMetricsOverride", size);
        browser.go(&format!("{base}{path}"));
        browser.until(&format!(
            "location.pathname === '{path}' && document.getElementById('live')?.textContent === 'Live'"
        ));
        let picture = browser.picture();
        let mut decode = Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = decode.stdin.take().unwrap();
        std::thread::spawn(move || std::io::Write::write_all(&mut input, picture.as_bytes()));
        let bytes = decode.wait_with_output().unwrap().stdout;
        assert!(bytes.len() < LARGEST, "{name} has {} bytes", bytes.len());
        std::fs::write(to.join(format!("{name}.png")), bytes).unwrap();
    }
}
