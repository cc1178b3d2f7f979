//! Makes the plan of a request. The request's text is data: it is quoted in the plan's notes, bounded.

use serde_json::{Map, json};

use super::new::{self, NewPlan};
use super::requests::{QUEUE, Request};
use crate::base::{Result, Stamp, text};
use crate::hub::Hub;
use crate::model::plan::{Link, Plan};

/// How many characters of a request's text go into its plan.
const NOTES: usize = 4000;
const ACCEPTANCE: usize = 1500;
const TITLE: usize = 160;

/// The id of the plan for a request, from its task, title and the current day; numbered when a plan has that name.
pub fn plan_id(hub: &Hub, task: &str, title: &str) -> Result<String> {
    new::free_id(hub, &text::clip(&format!("{task} {title}"), 64))
}

/// The plan for a request. Missing values are as in `coordinator submit --objective`.
pub fn new_plan(hub: &Hub, request: &Request, link: &Link, id: &str) -> Result<NewPlan> {
    let settings = hub.settings()?;
    let title = text::clip(&text::safe(&request.title), TITLE);
    let acceptance = request.acceptance.as_deref().map(|words| text::clip(&text::safe_block(words), ACCEPTANCE));
    let acceptance = acceptance.unwrap_or_else(|| match settings.guard.tests.as_slice() {
        [] => title.clone(),
        tests => format!("{title}; these tests pass: {}", tests.join(", ")),
    });
    let mut details = Map::new();
    details.insert("objective".into(), json!(title));
    let quoted = request.description.as_deref().map(|words| quote(&text::clip(&text::safe_block(words), NOTES)));
    if let Some(words) = &quoted {
        details.insert("notes".into(), json!(format!("Text of the request, from {}:\n{words}", link.to)));
    }
    let coordinate = request.queue.as_ref().and_then(|queue| queue.coordinate.clone());
    let targeted = request.scale.is_some() || request.queue.as_ref().is_some_and(|q| !q.targets.is_empty());
    let targets = match request.targets.is_empty() && coordinate.is_none() && !targeted {
        true => vec!["S6".to_owned()],
        false => request.targets.clone(),
    };
    Ok(NewPlan {
        name: id.to_owned(),
        id: Some(id.to_owned()),
        summary: title,
        actor: settings.coordinator.manager.clone(),
        checkpoint: Some(acceptance),
        priority: u64::from(request.priority.rank()),
        impact_score: 1,
        layer: request.layer.clone().or_else(|| coordinate.is_none().then(|| "L5".to_owned())),
        systemic_scale: request.scale,
        systemic_targets: targets,
        links: if link.kind == QUEUE { Vec::new() } else { vec![link.clone()] },
        queue: request.queue.iter().cloned().collect(),
        details,
        why: quoted,
        ..NewPlan::default()
    })
}

/// The plan that would be created; the error says why it would be invalid.
pub fn draft(hub: &Hub, request: &Request, link: &Link, id: &str, now: Stamp) -> Result<Plan> {
    new::draft(&new_plan(hub, request, link, id)?, now)
}

fn quote(words: &str) -> String {
    words.lines().map(|line| format!("> {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
