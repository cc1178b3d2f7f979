//! The page in a real browser.

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::json;

use super::browser::{Browser, installed};
use super::{HOSTILE, Served, desk};

#[test]
fn a_real_browser_renders_updates_and_approves_and_keeps_other_sites_out() {
    let Some(program) = installed() else {
        crate::harness::skip("the page in a browser", "chromium is not installed (Debian: apt-get install chromium)");
        return;
    };
    let desk = desk();
    let page = Served::start(&desk.world);
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Browser::start(&program, folder.path());

    // The link leads to the board, which is live.
    browser.go(&page.link);
    browser.until("location.pathname === '/' && document.getElementById('live')?.textContent === 'Live'");
    assert_eq!(browser.value("location.search"), "", "the token is not in the address");
    assert_eq!(browser.value("document.cookie"), "", "no script reads the session");
    assert!(browser.value("getComputedStyle(document.body).maxWidth").as_str().unwrap().ends_with("px"), "styled");
    browser.value("window.marker = 'the same page'");
    desk.world.ok(&["bus", "event", "--event", "observation", "--summary", "Seen live"]);
    browser.until("document.getElementById('feed').textContent.includes('Seen live')");
    assert_eq!(browser.value("window.marker"), "the same page", "without loading it anew");

    // On a phone the result that can be approved is on the first screen; elsewhere it is in its column alone.
    let bottom = "document.querySelector('#ready a.button').getBoundingClientRect().bottom";
    assert_eq!(browser.value(bottom), 0, "not shown");
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        json!({"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true}),
    );
    let at = browser.value(bottom).as_f64().unwrap();
    assert!(at > 0.0 && at < 844.0, "{at}");
    browser.call("Emulation.clearDeviceMetricsOverride", json!({}));

    // Another site, even one of this machine whose requests carry the cookie, decides nothing.
    let other = foreign_site(page.port);
    browser.go(&other);
    browser.until("document.body?.textContent.includes('Another site sent this request')");
    assert!(desk.world.json(&["status"])["paused"].is_null(), "it paused nothing");

    // Hostile text is text, also where a script puts it in.
    browser.go(&format!("http://{}/jobs/j1", page.host()));
    browser.until("document.getElementById('live')?.textContent === 'Live'");
    let title = browser.value("document.querySelector('h1').textContent");
    let shown = HOSTILE.replace('\u{1b}', "␛").replace('\u{202e}', "\u{fffd}");
    assert_eq!(title, format!("j1 {shown}"));
    assert_eq!(
        browser.value("[window.hacked === undefined, document.querySelectorAll('main script, img').length]"),
        json!([true, 0])
    );

    // They approve.
    browser.value("document.querySelector('form[action$=approve] button').click()");
    browser.until("document.getElementById('decision')?.textContent.includes('is merged to main')");
    assert_eq!(desk.show("main:src/new.txt"), "new");
    drop(browser);
    page.stop();
}

/// A site on another port, which sends a form to the page as soon as it is opened: its address.
fn foreign_site(port: u64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let page = format!(
        "<form method=post action=http://127.0.0.1:{port}/coordinator/pause></form><script>document.forms[0].submit()</script>"
    );
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten().take(2) {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4096]);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}", page.len());
            let _ = write!(stream, "{head}\r\nConnection: close\r\n\r\n{page}");
        }
    });
    address
}
