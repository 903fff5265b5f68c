//! Selectors of a job: which tasks of a release a run is made of.
//!
//! In: the release, the role of the run, selectors as `Job::select` describes them: `*`, an id, a
//! glob, `tag:x`; `+` before adds all it needs, `+` behind adds all that needs it.
//! Out: positions in the release's list of tasks, in its order, each once.
//! Never: selects a task the role may not run.
//! Fails: with [`SelectError`], where a selector finds nothing.
//! Source: `docs/adr/0008-scheduler-store-single-writer.md`, "selection".

use std::collections::HashMap;

use cofferdam_bundle::statement::Release;
use cofferdam_ids::{Code, Explain, Fault, Role, TaskId};

/// Selectors of one run or job: as many as a release has tasks, each named by its id.
pub const SELECTORS_MAX: usize = 20_000;
/// Bytes of one selector.
pub const SELECTOR_BYTES_MAX: usize = 300;

/// Why a selection was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// It is not written as a selector.
    #[error("`{0}` is not a selector")]
    NotASelector(String),
    /// No task of the role fits.
    #[error("`{selector}` selects no task that may run in role `{role}`")]
    Nothing {
        /// As given.
        selector: String,
        /// The run's role.
        role: Role,
        /// The task whose id is closest, if one is close.
        nearest: Option<TaskId>,
    },
    /// Too many selectors.
    #[error("{0} selectors are given; at most {SELECTORS_MAX} are allowed")]
    TooMany(usize),
}

impl Explain for SelectError {
    fn code(&self) -> Code {
        Code(614)
    }

    fn fault(&self) -> Fault {
        Fault::User
    }

    fn fix(&self) -> String {
        match self {
            Self::Nothing { nearest: Some(task), .. } => format!("did you mean `{task}`?"),
            Self::Nothing { .. } => "list the release's tasks with `cofferdam release inspect`".into(),
            Self::NotASelector(_) => {
                "write `*`, a task's id, a glob or `tag:name`, with `+` before or behind".into()
            }
            Self::TooMany(_) => "give fewer selectors, or a glob".into(),
        }
    }
}

/// The tasks that all selectors together select; every task of the role where there are none.
pub fn select(release: &Release, role: Role, selectors: &[String]) -> Result<Vec<usize>, SelectError> {
    if selectors.len() > SELECTORS_MAX {
        return Err(SelectError::TooMany(selectors.len()));
    }
    let graph = Graph::new(release, role);
    let mut chosen = vec![false; release.tasks.len()];
    if selectors.is_empty() {
        chosen.copy_from_slice(&graph.in_role);
    }
    for selector in selectors {
        graph.add(selector, &mut chosen)?;
    }
    Ok((0..chosen.len()).filter(|i| chosen[*i]).collect())
}

struct Graph<'a> {
    release: &'a Release,
    role: Role,
    in_role: Vec<bool>,
    index: HashMap<&'a str, usize>,
    needs: Vec<Vec<usize>>,
    needed_by: Vec<Vec<usize>>,
}

impl<'a> Graph<'a> {
    fn new(release: &'a Release, role: Role) -> Self {
        let index: HashMap<&str, usize> =
            release.tasks.iter().enumerate().map(|(i, t)| (t.id.as_str(), i)).collect();
        let needs: Vec<Vec<usize>> = release
            .tasks
            .iter()
            .map(|t| t.needs.iter().filter_map(|id| index.get(id.as_str()).copied()).collect())
            .collect();
        let mut needed_by = vec![Vec::new(); needs.len()];
        for (i, list) in needs.iter().enumerate() {
            list.iter().for_each(|n: &usize| needed_by[*n].push(i));
        }
        let in_role = release.tasks.iter().map(|t| t.roles.contains(&role)).collect();
        Self { release, role, in_role, index, needs, needed_by }
    }

    fn add(&self, selector: &str, chosen: &mut [bool]) -> Result<(), SelectError> {
        let shown = || selector.chars().take(80).collect::<String>();
        let (before, rest) = selector.strip_prefix('+').map_or((false, selector), |rest| (true, rest));
        let (behind, core) = rest.strip_suffix('+').map_or((false, rest), |rest| (true, rest));
        let tag = core.strip_prefix("tag:");
        let text = tag.unwrap_or(core);
        if text.is_empty() || selector.len() > SELECTOR_BYTES_MAX || text.contains('+') {
            return Err(SelectError::NotASelector(shown()));
        }
        let fits = |i: &usize| {
            let task = &self.release.tasks[*i];
            self.in_role[*i]
                && match tag {
                    Some(tag) => task.tags.iter().any(|t| glob(tag, t)),
                    None => glob(core, task.id.as_str()),
                }
        };
        // A run of thousands of tasks names each by its id.
        let named = tag.is_none().then(|| self.index.get(core).copied()).flatten();
        let found: Vec<usize> = match named {
            Some(i) => Some(i).into_iter().filter(fits).collect(),
            None => (0..self.in_role.len()).filter(fits).collect(),
        };
        if found.is_empty() {
            let nearest = if tag.is_some() { None } else { self.nearest(core) };
            return Err(SelectError::Nothing { selector: shown(), role: self.role, nearest });
        }
        if before {
            self.reach(&found, &self.needs, chosen);
        }
        if behind {
            self.reach(&found, &self.needed_by, chosen);
        }
        found.into_iter().for_each(|i| chosen[i] = true);
        Ok(())
    }

    /// Adds all that can be reached, passing through tasks of other roles without choosing them.
    fn reach(&self, from: &[usize], edges: &[Vec<usize>], chosen: &mut [bool]) {
        let mut seen = vec![false; edges.len()];
        let mut open = from.to_vec();
        while let Some(i) = open.pop() {
            for &next in &edges[i] {
                if !std::mem::replace(&mut seen[next], true) {
                    chosen[next] |= self.in_role[next];
                    open.push(next);
                }
            }
        }
    }

    fn nearest(&self, text: &str) -> Option<TaskId> {
        let ids = self.release.tasks.iter().filter(|t| t.roles.contains(&self.role)).map(|t| &t.id);
        let close = |id: &&TaskId| {
            let last = id.as_str().rsplit('.').next().unwrap_or(id.as_str());
            strsim::levenshtein(id.as_str(), text).min(strsim::levenshtein(last, text))
        };
        ids.min_by_key(close).filter(|id| close(id) <= text.len() / 3).cloned()
    }
}

/// `*` stands for any characters, `?` for one.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    p = after + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use cofferdam_bundle::testing::{Fixture, task};

    use super::*;

    /// seed → orders → report, and a lone apply-only migration that orders needs.
    fn release() -> Release {
        let mut release = Fixture::new().release();
        let mut tasks = ["seed.shop.rates", "migrate.shop.schema", "model.shop.orders", "model.shop.report"]
            .map(task)
            .to_vec();
        tasks[0].tags = vec!["daily".into()];
        tasks[1].roles = vec![Role::Apply];
        tasks[2].needs = vec![tasks[0].id.clone(), tasks[1].id.clone()];
        tasks[3].needs = vec![tasks[2].id.clone()];
        release.tasks = tasks;
        release
    }

    fn run(selectors: &[&str]) -> Result<Vec<usize>, SelectError> {
        let selectors: Vec<String> = selectors.iter().map(ToString::to_string).collect();
        select(&release(), Role::Run, &selectors)
    }

    #[test]
    fn no_selector_and_a_star_select_all_tasks_of_the_role() {
        assert_eq!(run(&[]), Ok(vec![0, 2, 3]));
        assert_eq!(run(&["*"]), Ok(vec![0, 2, 3]));
    }

    #[test]
    fn ids_globs_and_tags_select_what_they_name() {
        assert_eq!(run(&["model.shop.orders"]), Ok(vec![2]));
        assert_eq!(run(&["model.*"]), Ok(vec![2, 3]));
        assert_eq!(run(&["model.shop.or?ers", "tag:da*y"]), Ok(vec![0, 2]));
    }

    #[test]
    fn a_plus_adds_what_is_needed_before_and_what_needs_it_behind() {
        assert_eq!(run(&["+model.shop.orders"]), Ok(vec![0, 2]));
        assert_eq!(run(&["model.shop.orders+"]), Ok(vec![2, 3]));
        assert_eq!(run(&["+model.shop.orders+"]), Ok(vec![0, 2, 3]));
        assert_eq!(run(&["tag:daily+"]), Ok(vec![0, 2, 3]));
    }

    #[test]
    fn a_selector_that_finds_nothing_is_an_error_that_names_the_nearest_task() {
        let error = run(&["model.shop.order"]).unwrap_err();
        insta::assert_snapshot!(cofferdam_ids::render(&error), @r"
        error[CD0614]: `model.shop.order` selects no task that may run in role `run`
          fix: did you mean `model.shop.orders`?
        ");
        for selector in ["migrate.shop.schema", "tag:weekly", "x*"] {
            assert!(matches!(run(&["*", selector]), Err(SelectError::Nothing { .. })), "{selector}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for selector in ["", "+", "++", "tag:", "a+b"] {
            assert!(matches!(run(&[selector]), Err(SelectError::NotASelector(_))), "{selector}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_a_selection_or_an_error(text: String) {
            let _ = run(&[&text]);
        }
    }
}
