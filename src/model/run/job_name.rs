//! The names of a job: the long id that files carry, and the short one that people read and type.
//!
//! The number is part of the id, so every file that names a job also has its short name: bundles, orders, envelopes,
//! decisions, trailers. Jobs of older versions have a short name, too.

use std::borrow::Cow;

use crate::base::Stamp;
use crate::base::names::slug_of;

/// The id of a new job. The time keeps it unique among the jobs of several machines, whose numbers may be the same.
pub fn id(at: Stamp, number: u64) -> String {
    format!("{}-{number}", at.compact())
}

/// Whether it is the id of a job.
pub fn is_id(id: &str) -> bool {
    split(id).is_some_and(|(_, rest)| rest.is_empty())
}

/// The number of a job, by its id, a run's id, or the name of its worktree.
pub fn number(id: &str) -> Option<u64> {
    split(id).map(|(number, _)| number)
}

/// What to print instead of an id: `j7` for a job, `j7.2` for its second run. An id of another form stays as it is.
pub fn short(id: &str) -> Cow<'_, str> {
    match split(id) {
        Some((number, rest)) => format!("j{number}{rest}").into(),
        None => id.into(),
    }
}

/// Whether the checkpoints of a job have this name: its id, or after the n-th time that it was sent back `<id>-r<n>`.
pub fn is_pass_of(name: &str, job: &str) -> bool {
    let rest = name.strip_prefix(job);
    let is_number = |nth: &str| !nth.is_empty() && nth.bytes().all(|c| c.is_ascii_digit());
    rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix("-r").is_some_and(is_number))
}

/// `20260105T120000Z-7.2` → 7 and `.2`.
fn split(id: &str) -> Option<(u64, &str)> {
    const TIME: &[u8; 17] = b"00000000T000000Z-";
    let (time, rest) = id.split_at_checked(TIME.len())?;
    let fits = |(found, wanted): (u8, &u8)| if *wanted == b'0' { found.is_ascii_digit() } else { found == *wanted };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, more) = rest.split_at(digits);
    let ends = more.is_empty() || more.starts_with(['.', '-']);
    (time.bytes().zip(TIME).all(fits) && ends).then(|| number.parse().ok())?.map(|number| (number, more))
}

/// The names of one job, for [`called`].
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    pub id: &'a str,
    /// The number of its run; a run is called `<id>.<number>`.
    pub run: u32,
    pub task: &'a str,
    pub plan: Option<&'a str>,
    pub step: Option<&'a str>,
}

impl Names<'_> {
    /// Whether this is its own name, which no other job has.
    pub fn is_own(&self, name: &str) -> bool {
        let run = format!("{}.{}", self.id, self.run);
        [self.id, &run].into_iter().any(|own| own == name || short(own) == name)
    }

    fn is_of_work(&self, name: &str) -> bool {
        is_called(name, self.task, self.plan, self.step)
    }

    /// Whether its id or task begins so, or its plan is called so apart from its date.
    fn begins(&self, name: &str) -> bool {
        let is_slug = self.plan.and_then(slug_of) == Some(name);
        !name.is_empty() && (is_slug || [self.id, self.task].into_iter().any(|known| known.starts_with(name)))
    }
}

/// The jobs that match a name: the one with that id, else all of that task, plan or step, else all whose id or task
/// begins with it or whose plan has that short name.
pub fn called<'a, T: Copy>(name: &str, all: &[T], names: impl Fn(T) -> Names<'a>) -> Vec<T> {
    let pick =
        |fits: &dyn Fn(&Names<'_>) -> bool| all.iter().copied().filter(|one| fits(&names(*one))).collect::<Vec<_>>();
    let own = pick(&|names| names.is_own(name));
    if !own.is_empty() {
        return own;
    }
    match pick(&|names| names.is_of_work(name)) {
        of_work if of_work.is_empty() => pick(&|names| names.begins(name)),
        of_work => of_work,
    }
}

/// Distinct names of several jobs: short ids, unless two machines used the same number.
pub fn distinct<'a>(ids: &[&'a str]) -> Vec<Cow<'a, str>> {
    let is_shared = |id: &str| ids.iter().filter(|other| short(other) == short(id)).count() > 1;
    ids.iter().map(|id| if is_shared(id) { Cow::from(*id) } else { short(id) }).collect()
}

/// Whether `name` refers to this work: its task, its plan, or its step as `<plan>-<step>` or `<plan>/<step>`. Without
/// a step, any step of the plan matches.
pub fn is_called(name: &str, task: &str, plan: Option<&str>, step: Option<&str>) -> bool {
    let rest = plan.and_then(|plan| name.strip_prefix(plan));
    name == task
        || rest.is_some_and(|rest| {
            let named = rest.strip_prefix(['-', '/']);
            rest.is_empty() || named.is_some_and(|named| step.is_none_or(|step| step == named))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_a_short_name_and_other_ids_stay_as_they_are() {
        let job = id(Stamp::from_unix(0), 7);
        assert_eq!(job, "19700101T000000Z-7");
        for (id, shown) in [
            (job.as_str(), "j7"),
            ("19700101T000000Z-7.2", "j7.2"),
            ("19700101T000000Z-7-r1", "j7-r1"),
            ("19700101T000000Z-18446744073709551616", "19700101T000000Z-18446744073709551616"),
            ("19700101T000000Z-7x", "19700101T000000Z-7x"),
            ("19700101T000000Z-", "19700101T000000Z-"),
            ("job-1", "job-1"),
            ("é0260105T120000Z-7", "é0260105T120000Z-7"),
            ("", ""),
        ] {
            assert_eq!(short(id), shown, "{id}");
        }
    }

    #[test]
    fn a_name_means_one_job_before_a_task_and_a_task_before_a_beginning() {
        let job = |id: &'static str, task: &'static str| Names { id, run: 1, task, plan: Some("p"), step: Some("S1") };
        let jobs =
            [job("20260105T120000Z-1", "docs"), job("20260105T120000Z-2", "j1"), job("20260106T120000Z-12", "docs-2")];
        let found = |name: &str| {
            let all: Vec<_> = jobs.iter().collect();
            called(name, &all, |one| *one).iter().map(|one| short(one.id).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found("j1"), ["j1"], "not the task that is called so");
        assert_eq!(found("20260105T120000Z-2"), ["j2"]);
        assert_eq!(found("docs"), ["j1"], "not what only begins so");
        assert_eq!(found("doc"), ["j1", "j12"]);
        assert_eq!(found("20260106"), ["j12"]);
        assert_eq!(found("p/S1").len(), 3);
        assert!(found("").is_empty() && found("j3").is_empty());
        assert_eq!(
            distinct(&["20260105T120000Z-1", "20260106T120000Z-1"]),
            ["20260105T120000Z-1", "20260106T120000Z-1"]
        );
    }
}
