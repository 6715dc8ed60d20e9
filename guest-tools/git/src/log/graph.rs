//! `--graph`: lines of branches beside the commits. Each commit has a row; rows between them move the
//! lines to where the next commit wants them.

use git2::Oid;

use super::walk::Step;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing is left to draw for this commit.
    Padding,
    /// The last commit was not finished when the next one came.
    Skip,
    /// Room is made for a merge of many.
    PreCommit,
    Commit,
    PostMerge,
    /// Lines move to the left.
    Collapsing,
}

/// The drawing.
#[derive(Debug)]
pub(crate) struct Graph {
    commit: Option<Oid>,
    parents: Vec<Oid>,
    width: usize,
    expansion: usize,
    state: State,
    previous_state: State,
    index: usize,
    previous_index: usize,
    /// Whether the first parent is to the left (0) or not (1).
    layout: isize,
    edges: isize,
    previous_edges: isize,
    columns: Vec<Oid>,
    next_columns: Vec<Oid>,
    /// Which column each place of a row leads to.
    mapping: Vec<Option<usize>>,
    old_mapping: Vec<Option<usize>>,
}

impl Graph {
    pub(crate) fn new() -> Self {
        Self {
            commit: None,
            parents: vec![],
            width: 0,
            expansion: 0,
            state: State::Padding,
            previous_state: State::Padding,
            index: 0,
            previous_index: 0,
            layout: 0,
            edges: 0,
            previous_edges: 0,
            columns: vec![],
            next_columns: vec![],
            mapping: vec![],
            old_mapping: vec![],
        }
    }

    /// Goes on to the next commit.
    pub(crate) fn update(&mut self, step: &Step) {
        self.commit = Some(step.id);
        self.parents.clone_from(&step.parents);
        self.previous_index = self.index;
        self.update_columns();
        self.expansion = 0;
        self.state = match self.state {
            State::Padding if self.needs_room() => State::PreCommit,
            State::Padding => State::Commit,
            _ => State::Skip,
        };
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.state == State::Padding
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The rows before a commit's own, each with its end, and that one without.
    pub(crate) fn up_to_commit(&mut self) -> String {
        let mut out = String::new();
        while !self.is_finished() {
            let (line, is_commit) = self.next_line();
            out += &line;
            if is_commit {
                break;
            }
            out.push('\n');
        }
        out
    }

    /// The row beside another line of a commit's text.
    pub(crate) fn beside(&mut self) -> String {
        self.next_line().0
    }

    /// The rows that are left, with ends between them.
    pub(crate) fn rest(&mut self) -> String {
        let mut lines = vec![];
        while !self.is_finished() {
            lines.push(self.next_line().0);
        }
        lines.join("\n")
    }

    /// A row of lines that go straight down.
    pub(crate) fn padding(&mut self) -> String {
        if self.state != State::Commit {
            return self.next_line().0;
        }
        let mut line = String::new();
        for column in &self.columns {
            line.push('|');
            let wide = Some(*column) == self.commit && self.parents.len() > 2;
            line += &" ".repeat(if wide { (self.parents.len() - 2) * 2 } else { 1 });
        }
        self.previous_state = State::Padding;
        self.padded(line)
    }

    fn padded(&self, mut line: String) -> String {
        let n = line.chars().count();
        line += &" ".repeat(self.width.saturating_sub(n));
        line
    }

    fn dashed(&self) -> usize {
        (self.parents.len() as isize + self.layout - 3).max(0) as usize
    }

    fn needs_room(&self) -> bool {
        self.parents.len() >= 3
            && self.index + 1 < self.columns.len()
            && self.expansion < self.dashed() * 2
    }

    fn update_columns(&mut self) {
        self.columns = std::mem::take(&mut self.next_columns);
        self.mapping = vec![None; 2 * (self.columns.len() + self.parents.len()) + 2];
        self.old_mapping.resize(self.mapping.len().max(self.old_mapping.len()), None);
        self.width = 0;
        self.previous_edges = self.edges;
        self.edges = 0;
        let commit = self.commit;
        let mut seen = false;
        for at in 0..=self.columns.len() {
            let column = match self.columns.get(at) {
                Some(column) => Some(*column),
                None if seen => break,
                None => commit,
            };
            if column != commit {
                self.insert(column.expect("a column has a commit"), None);
                continue;
            }
            seen = true;
            self.index = at;
            self.layout = -1;
            for parent in self.parents.clone() {
                self.insert(parent, Some(at));
            }
            if self.parents.is_empty() {
                self.width += 2;
            }
        }
        while self.mapping.len() > 1 && self.mapping.last() == Some(&None) {
            self.mapping.pop();
        }
    }

    fn column_of(&self, id: Oid) -> Option<usize> {
        self.next_columns.iter().position(|column| *column == id)
    }

    fn insert(&mut self, id: Oid, of_commit: Option<usize>) {
        let column = self.column_of(id).unwrap_or_else(|| {
            self.next_columns.push(id);
            self.next_columns.len() - 1
        });
        let place = match of_commit {
            Some(at) if self.parents.len() > 1 && self.layout == -1 => {
                let distance = at as isize - column as isize;
                let shift = if distance > 1 { 2 * distance - 3 } else { 1 };
                self.layout = isize::from(distance <= 0);
                self.edges = self.parents.len() as isize + self.layout - 2;
                let place = self.width as isize + (self.layout - 1) * shift;
                self.width += 2 * self.layout as usize;
                place as usize
            }
            _ if self.edges > 0
                && self.width >= 2
                && self.mapping[self.width - 2] == Some(column) =>
            {
                self.edges = -1;
                self.width - 2
            }
            _ => {
                self.width += 2;
                self.width - 2
            }
        };
        self.mapping[place] = Some(column);
    }

    fn enter(&mut self, state: State) {
        self.previous_state = self.state;
        self.state = state;
    }

    fn next_line(&mut self) -> (String, bool) {
        let state = self.state;
        let line = match state {
            State::Padding => "| ".repeat(self.next_columns.len()),
            State::Skip => {
                let next = if self.needs_room() { State::PreCommit } else { State::Commit };
                self.enter(next);
                "...".to_owned()
            }
            State::PreCommit => self.pre_commit_line(),
            State::Commit => self.commit_line(),
            State::PostMerge => self.post_merge_line(),
            State::Collapsing => self.collapsing_line(),
        };
        (self.padded(line), state == State::Commit)
    }

    fn pre_commit_line(&mut self) -> String {
        let mut line = String::new();
        let mut seen = false;
        for (at, column) in self.columns.iter().enumerate() {
            if Some(*column) == self.commit {
                seen = true;
                line.push('|');
                line += &" ".repeat(self.expansion);
            } else if seen && self.expansion == 0 {
                let slanted = self.previous_state == State::PostMerge && self.previous_index < at;
                line.push(if slanted { '\\' } else { '|' });
            } else {
                line.push(if seen { '\\' } else { '|' });
            }
            line.push(' ');
        }
        self.expansion += 1;
        if !self.needs_room() {
            self.enter(State::Commit);
        }
        line
    }

    /// The columns, and the commit behind them if it is in none.
    fn places(&self) -> Vec<Oid> {
        let commit = self.commit.expect("a commit is drawn");
        let mut places = self.columns.clone();
        if !places.contains(&commit) {
            places.push(commit);
        }
        places
    }

    fn commit_line(&mut self) -> String {
        let mut line = String::new();
        let mut seen = false;
        for (at, column) in self.places().into_iter().enumerate() {
            let came_from_merge =
                self.previous_state == State::PostMerge && self.previous_edges > 0;
            if Some(column) == self.commit {
                seen = true;
                line.push('*');
                let dashed = if self.parents.len() > 2 { self.dashed() } else { 0 };
                for n in 0..dashed {
                    line.push('-');
                    line.push(if n + 1 == dashed { '.' } else { '-' });
                }
            } else if seen && self.edges > 1 {
                line.push('\\');
            } else if seen && self.edges == 1 {
                line.push(if came_from_merge && self.previous_index < at { '\\' } else { '|' });
            } else {
                let old = self.old_mapping.get(2 * at + 1).copied().flatten();
                let new = self.mapping.get(2 * at).copied().flatten();
                let moved = self.previous_state == State::Collapsing && old == Some(at);
                line.push(if moved && new.is_none_or(|new| new < at) { '/' } else { '|' });
            }
            line.push(' ');
        }
        self.enter(match self.parents.len() {
            n if n > 1 => State::PostMerge,
            _ if self.is_correct() => State::Padding,
            _ => State::Collapsing,
        });
        line
    }

    fn post_merge_line(&mut self) -> String {
        const EDGES: [char; 3] = ['/', '|', '\\'];
        let mut line = String::new();
        let (mut seen, mut below_first) = (false, false);
        for (at, column) in self.places().into_iter().enumerate() {
            if Some(column) == self.commit {
                seen = true;
                let mut edge = self.layout.max(0) as usize;
                for n in 0..self.parents.len() {
                    line.push(EDGES[edge]);
                    if edge < 2 {
                        edge += 1;
                    } else if self.edges > 0 || n + 1 < self.parents.len() {
                        line.push(' ');
                    }
                }
                if self.edges == 0 {
                    line.push(' ');
                }
            } else if seen {
                line.push(if self.edges > 0 { '\\' } else { '|' });
                line.push(' ');
            } else {
                line.push('|');
                if self.layout != 0 || at + 1 != self.index {
                    line.push(if below_first { '_' } else { ' ' });
                }
            }
            below_first |= self.parents.first() == Some(&column);
        }
        let next = if self.is_correct() { State::Padding } else { State::Collapsing };
        self.enter(next);
        line
    }

    fn is_correct(&self) -> bool {
        self.mapping
            .iter()
            .enumerate()
            .all(|(at, target)| target.is_none_or(|target| target == at / 2))
    }

    fn collapsing_line(&mut self) -> String {
        let old = std::mem::take(&mut self.mapping);
        let mut new: Vec<Option<usize>> = vec![None; old.len()];
        let mut horizontal: Option<(usize, usize)> = None;
        for (at, target) in old.iter().enumerate() {
            let Some(target) = *target else { continue };
            if target * 2 == at {
                new[at] = Some(target);
                continue;
            }
            let edge = match new[at - 1] {
                None => {
                    new[at - 1] = Some(target);
                    at
                }
                Some(there) if there == target => continue,
                Some(_) => {
                    new[at - 2] = Some(target);
                    at - 1
                }
            };
            if horizontal.is_none() {
                horizontal = Some((edge, target));
                let mut place = target * 2 + 3;
                while place + 2 < at {
                    new[place] = Some(target);
                    place += 2;
                }
            }
        }
        self.old_mapping.clone_from(&new);
        if new.last() == Some(&None) {
            new.pop();
        }
        let line = Self::draw(&mut new, horizontal);
        self.mapping = new;
        let next = if self.is_correct() { State::Padding } else { State::Collapsing };
        self.enter(next);
        line
    }

    fn draw(mapping: &mut [Option<usize>], horizontal: Option<(usize, usize)>) -> String {
        let mut line = String::new();
        let mut used = false;
        for at in 0..mapping.len() {
            let Some(target) = mapping[at] else {
                line.push(' ');
                continue;
            };
            if target * 2 == at {
                line.push('|');
                continue;
            }
            match horizontal {
                Some((edge, to)) if to == target && at + 1 != edge => {
                    if at != target * 2 + 3 {
                        mapping[at] = None;
                    }
                    used = true;
                    line.push('_');
                }
                _ => {
                    if used && horizontal.is_some_and(|(edge, _)| at < edge) {
                        mapping[at] = None;
                    }
                    line.push('/');
                }
            }
        }
        line
    }
}
