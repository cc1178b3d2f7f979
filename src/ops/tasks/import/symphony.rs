//! Symphony: `WORKFLOW.md`, whose front matter says which issues of which tracker are worked on.
//!
//! Only GitHub trackers can be read here: the others need the credentials of their own services. Hooks, commands and
//! the prompt in the file are not used: what runs here is decided by this project's settings.

use std::path::Path;

use serde_json::{Map, Value};

use super::foreign::{Found, Tool};
use super::github;
use super::read::{self, word, words};
use crate::base::{Refusal, Result, text};
use crate::hub::Hub;
use crate::plans::requests::front_matter::FrontMatter;

const TOOL: Tool = Tool::Symphony;

pub fn find(hub: &Hub, path: &Path) -> Result<Found> {
    let file = if path.is_dir() { path.join("WORKFLOW.md") } else { path.to_owned() };
    let text = read::file(TOOL, &file)?;
    let front = FrontMatter::read(&text).map_err(|why| read::odd(TOOL, &file, &why))?;
    let object =
        |of: &Map<String, Value>, key: &str| of.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
    let tracker = object(&front.fields, "tracker");
    let kind = word(&tracker, "kind");
    if kind != "github" {
        let shown = text::clip(&text::safe(&kind), 60);
        return Err(Refusal::guard("import.tracker", format!("the tracker of this workflow is {shown:?}"))
            .because("only the issues of GitHub trackers can be read, through gh")
            .next("import the tracker's issues from a tool that has them: teof import --help")
            .into());
    }
    let repository = word(&object(&tracker, "provider"), "repo");
    // `$NAME` stands for a variable of Symphony's own environment.
    let named = Some(repository.as_str()).filter(|name| !name.is_empty() && !name.starts_with('$'));
    if let Some(odd) = named.filter(|name| name.starts_with('-') || !name.contains('/')) {
        return Err(read::odd(TOOL, &file, &format!("tracker.provider.repo is {odd:?}")));
    }
    github::list(hub, named, &words(&tracker, "required_labels"))
}
