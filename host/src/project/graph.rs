//! Which task has to be done before which.
//!
//! The graph is over the tasks of one document, by their place in it. Dependencies on a task that is
//! not there are left out (they are reported by [`TaskDocument::check`]). Nothing here recurses, so a
//! long chain of tasks does not use the stack.

use super::{TaskDocument, TaskNumber};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// The tasks of a document with their dependencies.
#[derive(Clone, Debug)]
pub struct TaskGraph {
    /// The numbers, in the order of the document, each once.
    numbers: Vec<TaskNumber>,
    /// For each task, the tasks that have to be done before it.
    before: BTreeMap<TaskNumber, BTreeSet<TaskNumber>>,
}

/// Some tasks wait for each other.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("tasks {} wait for each other", list(.numbers))]
pub struct Cycle {
    /// The tasks of one cycle: each depends on the next, and the last on the first.
    pub numbers: Vec<TaskNumber>,
}

impl TaskGraph {
    /// Builds the graph of a document.
    pub fn new(document: &TaskDocument) -> TaskGraph {
        let mut numbers = Vec::new();
        let mut before: BTreeMap<TaskNumber, BTreeSet<TaskNumber>> = BTreeMap::new();
        for task in document.tasks() {
            if !before.contains_key(&task.number) {
                numbers.push(task.number);
            }
            before.entry(task.number).or_default().extend(&task.dependencies);
        }
        let known: BTreeSet<TaskNumber> = numbers.iter().copied().collect();
        for dependencies in before.values_mut() {
            dependencies.retain(|number| known.contains(number));
        }
        TaskGraph { numbers, before }
    }

    /// Returns the tasks so that each comes after those it depends on, and otherwise in the order of
    /// the document.
    ///
    /// # Errors
    ///
    /// Returns one of the cycles if there is one.
    pub fn order(&self) -> Result<Vec<TaskNumber>, Cycle> {
        let mut done = BTreeSet::new();
        let mut order = Vec::with_capacity(self.numbers.len());
        let place: BTreeMap<TaskNumber, usize> = self.places();
        let after = self.after();
        let mut n_missing: BTreeMap<TaskNumber, usize> =
            self.before.iter().map(|(number, before)| (*number, before.len())).collect();
        let mut ready: BTreeSet<(usize, TaskNumber)> = self
            .numbers
            .iter()
            .filter(|number| n_missing[*number] == 0)
            .map(|number| (place[number], *number))
            .collect();
        while let Some((_, number)) = ready.pop_first() {
            order.push(number);
            done.insert(number);
            for next in after.get(&number).into_iter().flatten() {
                let missing =
                    n_missing.get_mut(next).expect("`after` holds only tasks of the graph");
                *missing -= 1;
                if *missing == 0 {
                    ready.insert((place[next], *next));
                }
            }
        }
        if order.len() == self.numbers.len() { Ok(order) } else { Err(self.cycle_outside(&done)) }
    }

    /// Returns the tasks that can be worked on when those in `done` are finished, in the order of the
    /// document. Tasks in `done` are not among them.
    pub fn ready(&self, done: &BTreeSet<TaskNumber>) -> Vec<TaskNumber> {
        let is_ready =
            |number: &&TaskNumber| !done.contains(*number) && self.before[*number].is_subset(done);
        self.numbers.iter().filter(is_ready).copied().collect()
    }

    /// Returns every task that depends on `number`, directly or through others.
    pub fn dependants(&self, number: TaskNumber) -> BTreeSet<TaskNumber> {
        let after = self.after();
        let mut found = BTreeSet::new();
        let mut stack = vec![number];
        while let Some(number) = stack.pop() {
            for next in after.get(&number).into_iter().flatten() {
                if found.insert(*next) {
                    stack.push(*next);
                }
            }
        }
        found.remove(&number);
        found
    }

    /// Returns what `number` depends on directly.
    pub fn dependencies(&self, number: TaskNumber) -> BTreeSet<TaskNumber> {
        self.before.get(&number).cloned().unwrap_or_default()
    }

    fn places(&self) -> BTreeMap<TaskNumber, usize> {
        self.numbers.iter().enumerate().map(|(idx, number)| (*number, idx)).collect()
    }

    fn after(&self) -> BTreeMap<TaskNumber, Vec<TaskNumber>> {
        let mut after: BTreeMap<TaskNumber, Vec<TaskNumber>> = BTreeMap::new();
        for (number, before) in &self.before {
            for dependency in before {
                after.entry(*dependency).or_default().push(*number);
            }
        }
        after
    }

    /// Follows dependencies outside of `done` until a task comes again. Every task outside of `done`
    /// waits for another one outside, so the walk ends only in a cycle.
    fn cycle_outside(&self, done: &BTreeSet<TaskNumber>) -> Cycle {
        let mut walk: Vec<TaskNumber> = Vec::new();
        let mut place: BTreeMap<TaskNumber, usize> = BTreeMap::new();
        let mut next = self.numbers.iter().find(|number| !done.contains(number)).copied();
        while let Some(number) = next {
            if let Some(start) = place.insert(number, walk.len()) {
                walk.drain(..start);
                break;
            }
            walk.push(number);
            next = self.before[&number].iter().find(|number| !done.contains(number)).copied();
        }
        Cycle { numbers: walk }
    }
}

fn list(numbers: &[TaskNumber]) -> String {
    let shown: Vec<String> = numbers.iter().take(8).map(TaskNumber::to_string).collect();
    let more = if numbers.len() > shown.len() { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::{Module, Phase, Task};

    /// Builds a graph of tasks `1.1.N` from a list like `1<-2 2<-3` (task 2 depends on task 1).
    fn graph(n_tasks: u32, edges: &[(u32, u32)]) -> TaskGraph {
        let number = |task| TaskNumber::new(1, 1, task);
        let task = |n: u32| Task {
            dependencies: edges
                .iter()
                .filter(|edge| edge.1 == n)
                .map(|edge| number(edge.0))
                .collect(),
            ..Task::new(number(n), "t")
        };
        let module = Module {
            number: number(1).module_number(),
            title: String::new(),
            tasks: (1..=n_tasks).map(task).collect(),
        };
        TaskGraph::new(&TaskDocument {
            phases: vec![Phase { number: 1, modules: vec![module], ..Phase::default() }],
            ..TaskDocument::default()
        })
    }

    fn order(graph: &TaskGraph) -> String {
        match graph.order() {
            Ok(numbers) => {
                numbers.iter().map(|number| number.task.to_string()).collect::<Vec<_>>().join(" ")
            }
            Err(cycle) => cycle.to_string(),
        }
    }

    #[test]
    fn order_is_that_of_the_document_where_dependencies_allow() {
        assert_eq!(order(&graph(4, &[])), "1 2 3 4");
        assert_eq!(order(&graph(4, &[(4, 1), (1, 2)])), "3 4 1 2");
    }

    #[test]
    fn cycle_is_named() {
        assert_eq!(
            order(&graph(4, &[(1, 2), (2, 3), (3, 2)])),
            "tasks 1.1.2, 1.1.3 wait for each other"
        );
        assert_eq!(order(&graph(1, &[(1, 1)])), "tasks 1.1.1 wait for each other");
    }

    #[test]
    fn dependants_are_transitive_and_siblings_are_not_among_them() {
        let graph = graph(5, &[(1, 2), (2, 3), (1, 4)]);
        let dependants: Vec<u32> =
            graph.dependants(TaskNumber::new(1, 1, 2)).iter().map(|n| n.task).collect();
        assert_eq!(dependants, [3]);
        let ready: Vec<u32> =
            graph.ready(&[TaskNumber::new(1, 1, 1)].into()).iter().map(|n| n.task).collect();
        assert_eq!(ready, [2, 4, 5]);
    }

    #[test]
    fn chain_of_many_tasks_does_not_use_the_stack() {
        let n_tasks = 2_000;
        let edges: Vec<(u32, u32)> = (1..n_tasks).map(|n| (n + 1, n)).collect();
        assert!(graph(n_tasks, &edges).order().is_ok());
    }
}
