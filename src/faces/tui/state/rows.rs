//! Which rows each list has, and which of them is selected.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::{Section, Selected, Sort, State};
use crate::board::claims::Claim;
use crate::board::events::EventLine;
use crate::board::jobs::Job;
use crate::board::problems::Problem;
use crate::board::review::Reviewable;

impl State {
    pub fn problems(&self) -> Vec<&Problem> {
        let all = self.board.iter().flat_map(|board| &board.problems);
        all.filter(|problem| self.passes(|| problem.what.clone())).collect()
    }

    /// Jobs that are not over and not under review, which has a list of its own, and blocked ones, which wait for a
    /// person; finished ones on request.
    pub fn jobs(&self) -> Vec<&Job> {
        let all = self.board.iter().flat_map(|board| &board.jobs);
        let is_shown = |job: &&Job| match job.is_over {
            true => job.is_blocked() || (self.shows_finished && !job.is_superseded),
            false => job.phase != "review",
        };
        let is_wanted = |job: &&Job| {
            self.passes(|| {
                let last = job.last_tool.as_deref().or(job.last_line.as_deref()).unwrap_or_default();
                [&job.short, &job.task, &job.title, &job.seat, job.label, last].join("\n")
            })
        };
        let mut jobs: Vec<_> = all.filter(is_shown).filter(is_wanted).collect();
        match self.sort {
            Sort::Chosen => {
                let ranks = self.ranks("");
                jobs.sort_by_key(|job| ranks.get(job.short.as_str()).copied().unwrap_or(usize::MAX));
            }
            Sort::Time => jobs.sort_by_key(|job| Reverse(job.elapsed_seconds)),
            Sort::Cost => jobs.sort_by(|a, b| {
                let cost = |job: &Job| (job.cost_usd.unwrap_or(0.0), job.tokens as f64);
                cost(b).partial_cmp(&cost(a)).unwrap_or(std::cmp::Ordering::Equal)
            }),
            Sort::Quiet => jobs.sort_by_key(|job| Reverse(job.quiet_seconds(self.now))),
        }
        jobs
    }

    pub fn review(&self) -> Vec<&Reviewable> {
        let all = self.board.iter().flat_map(|board| board.review.iter());
        all.filter(|one| self.passes(|| [&*one.short, &one.task, &one.title, &one.seat].join("\n"))).collect()
    }

    fn live_claims(&self) -> impl Iterator<Item = &Claim> {
        let all = self.board.iter().flat_map(|board| board.claims.iter());
        let words = |claim: &Claim| [&*claim.task, claim.seat.as_deref().unwrap_or_default()].join("\n");
        all.filter(move |claim| claim.is_live && self.passes(|| words(claim)))
    }

    /// Live claims, those with a problem first.
    pub fn claims(&self) -> Vec<&Claim> {
        let ranks = self.ranks("claim.");
        let (mut claims, others): (Vec<_>, Vec<_>) =
            self.live_claims().partition(|claim| !ranks.is_empty() && ranks.contains_key(claim.task.as_str()));
        claims.sort_by_key(|claim| ranks[claim.task.as_str()]);
        claims.extend(others);
        claims
    }

    /// The place of what the problems of a kind are about: rows with a problem come first, in the order of the
    /// problems.
    fn ranks(&self, kind: &str) -> HashMap<&str, usize> {
        let problems = self.board.iter().flat_map(|board| &board.problems).enumerate();
        let of_kind = problems.filter(|(_, problem)| problem.kind.starts_with(kind));
        let mut ranks = HashMap::new();
        for (at, about) in of_kind.filter_map(|(at, problem)| Some((at, problem.about.as_deref()?))) {
            ranks.entry(about).or_insert(at);
        }
        ranks
    }

    /// The job that holds the claim of a task.
    pub fn job_of(&self, task: &str) -> Option<&Job> {
        self.board.as_ref()?.live_jobs().find(|job| job.task == task)
    }

    /// Newest first.
    pub fn events(&self) -> Vec<&EventLine> {
        let all = self.board.iter().flat_map(|board| board.events.iter().rev());
        let words = |event: &EventLine| {
            [&*event.seat, &event.event, event.task.as_deref().unwrap_or_default(), &event.summary].join("\n")
        };
        all.filter(|event| self.passes(|| words(event))).collect()
    }

    /// Whether a row has the words of the filter.
    fn passes(&self, words: impl FnOnce() -> String) -> bool {
        self.filter.is_empty() || words().to_lowercase().contains(&self.filter.to_lowercase())
    }

    /// What tells the rows of a list apart.
    pub fn keys(&self, section: Section) -> Vec<String> {
        let event = |event: &EventLine| match &event.id {
            Some(id) => id.clone(),
            None => format!("{:?} {} {}", event.at, event.seat, event.summary),
        };
        match section {
            Section::Problems => {
                let key = |one: &&Problem| format!("{} {}", one.kind, one.about.as_deref().unwrap_or(&one.what));
                self.problems().iter().map(key).collect()
            }
            Section::Jobs => self.jobs().iter().map(|job| job.id.clone()).collect(),
            Section::Review => self.review().iter().map(|one| one.run.clone()).collect(),
            Section::Claims => self.claims().iter().map(|claim| claim.task.clone()).collect(),
            Section::Events => self.events().into_iter().map(event).collect(),
        }
    }

    /// The index of the selected row of a list; 0 when it has none.
    pub fn at(&self, section: Section) -> usize {
        self.selected[section as usize].at.min(self.len(section).saturating_sub(1))
    }

    /// Selects a row of a list.
    pub fn select(&mut self, section: Section, at: usize) {
        let keys = self.keys(section);
        let at = at.min(keys.len().saturating_sub(1));
        self.section = section;
        self.selected[section as usize] = Selected { key: keys.into_iter().nth(at), at };
    }

    /// Follows the selected rows to where they are now: call it whenever rows may have come, gone or moved.
    pub fn follow_selection(&mut self) {
        for section in Section::ALL {
            let mut keys = self.keys(section);
            let Selected { key, at } = &self.selected[section as usize];
            let found = key.as_ref().and_then(|key| keys.iter().position(|other| other == key));
            // New events come in at the top; a list that shows its top goes on showing it.
            let found = if section == Section::Events && *at == 0 { None } else { found };
            let at = found.unwrap_or(*at).min(keys.len().saturating_sub(1));
            let key = (at < keys.len()).then(|| keys.swap_remove(at));
            self.selected[section as usize] = Selected { key, at };
        }
    }

    pub fn len(&self, section: Section) -> usize {
        match section {
            Section::Problems => self.problems().len(),
            Section::Jobs => self.jobs().len(),
            Section::Review => self.review().len(),
            Section::Claims => self.live_claims().count(),
            Section::Events => self.events().len(),
        }
    }

    /// The long id of the job that the selected row is about, or that is on the page.
    pub fn target(&self) -> Option<String> {
        if let Some(page) = &self.page {
            return Some(page.id.clone());
        }
        let at = self.at(self.section);
        match self.section {
            Section::Problems => {
                let about = self.problems().get(at)?.about.clone()?;
                self.named(&about)
            }
            Section::Jobs => self.jobs().get(at).map(|job| job.id.clone()),
            Section::Review => self.review().get(at).map(|one| one.job.clone()),
            Section::Claims => self.named(&self.claims().get(at)?.task),
            Section::Events => self.named(self.events().get(at)?.task.as_deref()?),
        }
    }

    /// Whether the selected problem is that results wait for a decision.
    pub fn is_about_review(&self) -> bool {
        let problems = self.problems();
        problems.get(self.at(Section::Problems)).is_some_and(|problem| problem.kind == "review.waiting")
    }

    /// The job of a short id or a task, its last one.
    fn named(&self, name: &str) -> Option<String> {
        let board = self.board.as_ref()?;
        let is_called = |job: &&Job| job.short == name || job.task == name || job.id == name;
        let live = board.live_jobs().find(is_called).or_else(|| board.jobs.iter().find(is_called));
        let waiting = || board.review.iter().find(|one| one.short == name || one.task == name);
        live.map(|job| job.id.clone()).or_else(|| waiting().map(|one| one.job.clone()))
    }

    pub fn job(&self, id: &str) -> Option<&Job> {
        self.board.as_ref()?.jobs.iter().find(|job| job.id == id)
    }

    /// The result of a job that waits for a decision.
    pub fn waiting(&self, id: &str) -> Option<&Reviewable> {
        self.board.as_ref()?.review.iter().find(|one| one.job == id)
    }

    /// What people call a job; `id` may be that of its run.
    pub fn short(&self, id: &str) -> String {
        let Some(board) = &self.board else { return id.to_owned() };
        let job = board.jobs.iter().find(|job| job.id == id || job.run == id).map(|job| &job.short);
        let waiting = || board.review.iter().find(|one| one.job == id || one.run == id).map(|one| &one.short);
        job.or_else(waiting).cloned().unwrap_or_else(|| id.to_owned())
    }

    /// The title of a job.
    pub fn title(&self, id: &str) -> &str {
        let job = self.job(id).map(|job| job.title.as_str());
        job.or_else(|| self.waiting(id).map(|one| one.title.as_str())).unwrap_or_default()
    }
}
