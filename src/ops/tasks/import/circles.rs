//! Cuts the circles that importing makes: a whole waits for its parts, and a part may wait for the whole. Pure.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::Value;

use crate::model::backlog::Backlog;
use crate::plans;

/// What an imported task waits for, by ids of this project.
#[derive(Clone, Debug)]
pub struct Waits {
    pub task_id: String,
    pub on: Vec<String>,
    pub parts: Vec<String>,
}

/// A whole that does not wait for its part, because that waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Circle {
    pub task_id: String,
    pub part: String,
}

/// Takes parts out of `all` until no circle has one. Circles of what the tool itself calls dependencies stay.
pub fn cut(backlog: &Backlog, all: &mut [Waits]) -> Vec<Circle> {
    let mut cut = Vec::new();
    loop {
        let graph = Graph::of(backlog, all);
        let sets = plans::cycles::find(&graph.edges);
        let set_of: HashMap<usize, usize> =
            sets.iter().enumerate().flat_map(|(set, nodes)| nodes.iter().map(move |node| (*node, set))).collect();
        let is_in_circle = |whole: &str, part: &str| {
            let set = |id: &str| graph.nodes.get(&id.to_lowercase()).and_then(|node| set_of.get(node));
            set(whole).is_some() && set(whole) == set(part)
        };
        let found = all.iter_mut().find_map(|waits| {
            let at = waits.parts.iter().rposition(|part| is_in_circle(&waits.task_id, part))?;
            Some(Circle { task_id: waits.task_id.clone(), part: waits.parts.remove(at) })
        });
        match found {
            Some(circle) => cut.push(circle),
            None => return cut,
        }
    }
}

/// The backlog as it will be: who waits for whom.
struct Graph {
    nodes: HashMap<String, usize>,
    edges: Vec<Vec<usize>>,
}

impl Graph {
    fn of(backlog: &Backlog, imported: &[Waits]) -> Graph {
        let mut graph = Graph { nodes: HashMap::new(), edges: Vec::new() };
        for waits in imported {
            graph.add(&waits.task_id, waits.on.iter().chain(&waits.parts).map(String::as_str));
        }
        let imported: HashSet<String> = imported.iter().map(|waits| waits.task_id.to_lowercase()).collect();
        for item in backlog.items() {
            let Some(id) = item.id() else { continue };
            if !imported.contains(&id.to_lowercase()) {
                let on = item.raw.get("depends_on").and_then(Value::as_array).into_iter().flatten();
                graph.add(id, on.filter_map(Value::as_str));
            }
        }
        graph
    }

    fn add<'a>(&mut self, id: &str, on: impl Iterator<Item = &'a str>) {
        let from = self.node(id);
        for id in on {
            let to = self.node(id);
            self.edges[from].push(to);
        }
    }

    fn node(&mut self, id: &str) -> usize {
        let next = self.edges.len();
        let node = *self.nodes.entry(id.to_lowercase()).or_insert(next);
        if node == next {
            self.edges.push(Vec::new());
        }
        node
    }
}
