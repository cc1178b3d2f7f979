//! A note from the page to an agent that works.

use super::*;
use crate::harness::agents::{APPROVE, DONE, Fake};
use crate::harness::until;

#[test]
fn a_note_that_is_sent_on_the_page_reaches_the_agent_while_it_works() {
    let world = World::bare_of_teof();
    let agent = Fake::new(&world.folder(), "fake", DONE);
    agent.takes_messages();
    agent.on(1, &format!("IFS= read -r note\nprintf '%s' \"$note\" > \"$here/noted\"\necho one >> one.txt\n{DONE}"));
    agent.on(2, APPROVE);
    for seat in ["manager", "worker-1"] {
        world.ok(&["init", "--agent", seat, "-q"]);
    }
    let settings = "[pipeline]\nstages = [\"coder\", \"reviewer\"]\n[coordinator]\nrecord = false\n";
    world.write("teof.toml", &format!("{}[roles.coder]\nagent = \"fake\"\n{settings}", agent.settings()));
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Set up"]);
    world.ok(&["consent", "grant", "--continuous"]);
    world.ok(&["coordinator", "submit", "--test", "true", "--objective", "Do it"]);
    let mut coordinator = world.spawn(&["coordinator", "run", "--until-idle"]);

    let page = Served::start(&world);
    let (cookie, own) = (page.session(), format!("http://{}", page.host()));
    let shown = || page.ask("GET", "/jobs/j1", &[("Cookie", &cookie)], "").body;
    until("the agent takes notes", || shown().contains("It reads this at once"));
    let form = field(&shown(), "form");
    let post = |text: &str| {
        let headers = [("Cookie", cookie.as_str()), ("Origin", own.as_str())];
        page.ask("POST", "/jobs/j1/note", &headers, &format!("form={form}&text={text}")).status
    };
    assert_eq!(post("Leave+it+small"), 303);
    until("it says what became of the note", || shown().contains("Gave the note to fake in its session"));
    assert!(coordinator.wait().unwrap().success());
    let noted = std::fs::read_to_string(agent.file("noted")).unwrap();
    assert!(noted.contains("> Leave it small"), "{noted}");
    until("nobody works for it any more", || !shown().contains("note-text"));
    page.stop();
}
