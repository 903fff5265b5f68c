//! The pool's state, without its waiting: who may take what.

use std::{collections::VecDeque, time::Instant};

/// The connections of one mode.
pub(super) struct Shelf<T> {
    limit: usize,
    newest: u64,
    in_use: usize,
    /// All of the newest generation, and clean.
    idle: Vec<(T, Instant)>,
    /// Tickets, first come first served.
    waiting: VecDeque<u64>,
    ticket_last: u64,
}

/// What somebody got.
pub(super) enum Taken<T> {
    /// A connection, and since when it was idle. Counted as in use.
    Idle(T, Instant),
    /// The right to open one. Counted as in use.
    Room,
    /// Nothing yet.
    Wait,
}

impl<T> Shelf<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, newest: 0, in_use: 0, idle: Vec::new(), waiting: VecDeque::new(), ticket_last: 0 }
    }

    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    pub(super) fn in_use(&self) -> usize {
        self.in_use
    }

    pub(super) fn idle(&self) -> usize {
        self.idle.len()
    }

    /// Takes a place in the queue.
    pub(super) fn queue(&mut self) -> u64 {
        self.ticket_last += 1;
        self.waiting.push_back(self.ticket_last);
        self.ticket_last
    }

    /// Leaves the queue without having taken anything.
    pub(super) fn leave(&mut self, ticket: u64) {
        self.waiting.retain(|waiting| *waiting != ticket);
    }

    /// What the ticket gets for a key of `generation`. What is to be closed is pushed to `closed`.
    pub(super) fn take(&mut self, ticket: u64, generation: u64, closed: &mut Vec<T>) -> Taken<T> {
        if generation > self.newest {
            self.newest = generation;
            closed.extend(self.idle.drain(..).map(|(connection, _)| connection));
        }
        if self.waiting.front() != Some(&ticket) || self.in_use >= self.limit {
            return Taken::Wait;
        }
        self.waiting.pop_front();
        self.in_use += 1;
        if self.keeps(generation)
            && let Some((connection, since)) = self.idle.pop()
        {
            return Taken::Idle(connection, since);
        }
        if self.in_use + self.idle.len() > self.limit {
            // Idle ones are of another generation than the one asked for.
            closed.extend((!self.idle.is_empty()).then(|| self.idle.remove(0).0));
        }
        Taken::Room
    }

    /// Whether a connection of that generation is worth cleaning.
    pub(super) fn keeps(&self, generation: u64) -> bool {
        generation == self.newest && generation > 0
    }

    /// Takes back what was taken: a clean connection or nothing. Gives what is to be closed.
    pub(super) fn give(&mut self, generation: u64, clean: Option<T>) -> Option<T> {
        self.in_use = self.in_use.saturating_sub(1);
        if !self.keeps(generation) || self.in_use + self.idle.len() >= self.limit {
            return clean;
        }
        self.idle.extend(clean.map(|connection| (connection, Instant::now())));
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug)]
    struct Connection {
        generation: u64,
        number: usize,
    }

    #[derive(Clone, Debug)]
    enum Step {
        Ask { generation: u64 },
        Try { nth: usize },
        Leave { nth: usize },
        Give { nth: usize, clean: bool },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_u64..5).prop_map(|generation| Step::Ask { generation }),
            (0_usize..8).prop_map(|nth| Step::Try { nth }),
            (0_usize..8).prop_map(|nth| Step::Leave { nth }),
            ((0_usize..8), any::<bool>()).prop_map(|(nth, clean)| Step::Give { nth, clean }),
        ]
    }

    #[derive(Default)]
    struct Model {
        waiting: Vec<(u64, u64)>,
        lent: Vec<Connection>,
        closed: Vec<usize>,
        made: usize,
    }

    impl Model {
        fn act(&mut self, shelf: &mut Shelf<Connection>, step: Step) {
            match step {
                Step::Ask { generation } => self.waiting.push((shelf.queue(), generation)),
                Step::Try { nth } if nth < self.waiting.len() => {
                    let (ticket, generation) = self.waiting[nth];
                    let mut closed = Vec::new();
                    let before = shelf.in_use();
                    let taken = shelf.take(ticket, generation, &mut closed);
                    self.closed.extend(closed.iter().map(|c| c.number));
                    match taken {
                        Taken::Wait => {
                            assert!(nth > 0 || before == shelf.limit, "the first waits only for room");
                            return;
                        }
                        Taken::Idle(connection, _) => {
                            assert_eq!(connection.generation, generation, "opened by this key");
                            self.lent.push(connection);
                        }
                        Taken::Room => {
                            self.made += 1;
                            self.lent.push(Connection { generation, number: self.made });
                        }
                    }
                    assert_eq!(nth, 0, "first come, first served");
                    self.waiting.remove(nth);
                }
                Step::Leave { nth } if nth < self.waiting.len() => {
                    shelf.leave(self.waiting.remove(nth).0);
                }
                Step::Give { nth, clean } if nth < self.lent.len() => {
                    let connection = self.lent.remove(nth);
                    let (generation, number) = (connection.generation, connection.number);
                    let kept = clean.then_some(connection);
                    if !clean {
                        self.closed.push(number);
                    }
                    self.closed.extend(shelf.give(generation, kept).map(|c| c.number));
                }
                _ => {}
            }
        }
    }

    proptest! {
        #[test]
        fn a_shelf_is_bounded_drains_and_loses_nothing(
            limit in 1_usize..4,
            steps in prop::collection::vec(step(), 0..120),
        ) {
            let mut shelf = Shelf::new(limit);
            let mut model = Model::default();
            for step in steps {
                model.act(&mut shelf, step);
                prop_assert_eq!(shelf.in_use(), model.lent.len());
                prop_assert!(shelf.in_use() + shelf.idle() <= limit);
                prop_assert!(shelf.idle.iter().all(|(c, _)| c.generation == shelf.newest()));
                prop_assert_eq!(model.made, model.lent.len() + shelf.idle() + model.closed.len());
            }
            model.closed.sort_unstable();
            prop_assert!(model.closed.windows(2).all(|pair| pair[0] != pair[1]), "closed once");
        }
    }
}
