//! Renames: files that came are brought together with files that went, equal ones first, then those with
//! the same name, then the most alike.

use std::collections::HashMap;
use std::rc::Rc;

use git2::Oid;

use super::options::{MAX_SCORE, Options, Renames};
use super::pair::{Pair, Side};
use super::similar::{self, Pieces};
use crate::work::Work;

/// How many likely sources are kept for each file that came.
const CANDIDATES: usize = 4;
const MOST_EQUAL: usize = 100;

struct Source {
    side: Rc<Side>,
    pieces: Option<Pieces>,
}

struct Target {
    pair: usize,
    side: Rc<Side>,
    pieces: Option<Pieces>,
    found: Option<(usize, u32)>,
}

#[derive(Clone, Copy, Default)]
struct Candidate {
    target: usize,
    source: usize,
    score: u32,
    same_name: bool,
}

/// Takes files apart that have little in common with what they were.
pub(crate) fn take_apart(pairs: Vec<Pair>, at: (u32, u32), work: &Work<'_>) -> Vec<Pair> {
    let mut out = vec![];
    for pair in pairs {
        if let (Some(old), Some(new)) = (&pair.old, &pair.new)
            && !pair.unmerged
            && old.kind() == new.kind()
            && old.is_regular()
        {
            let (breaks, score) = similar::breaks(old, new, at.0, work);
            if breaks {
                let score = if score < at.1 { 0 } else { score };
                let half = |old, new| Pair { score, broken: true, ..Pair::new(old, new) };
                out.push(half(Some(old.clone()), None));
                out.push(half(None, Some(new.clone())));
                continue;
            }
        }
        out.push(pair);
    }
    out
}

/// Puts halves together again that found no other partner.
pub(crate) fn put_together(pairs: Vec<Pair>) -> Vec<Pair> {
    let mut out: Vec<Pair> = vec![];
    for pair in pairs {
        if pair.broken
            && pair.old.is_none()
            && let Some(before) =
                out.iter_mut().find(|p| p.broken && p.new.is_none() && p.old_path() == pair.path())
        {
            before.new = pair.new;
            before.broken = false;
            continue;
        }
        out.push(pair);
    }
    out
}

/// Brings pairs together as the options say.
pub(crate) fn detect(pairs: Vec<Pair>, options: &Options, work: &Work<'_>) -> Vec<Pair> {
    let copies = options.renames == Renames::Copies;
    let mut finder = Finder { sources: vec![], targets: vec![], options, work };
    for (at, pair) in pairs.iter().enumerate() {
        finder.register(at, pair, copies);
    }
    if finder.sources.is_empty() || finder.targets.is_empty() {
        return pairs;
    }
    finder.equal(copies);
    if options.rename_score < MAX_SCORE {
        finder.alike(copies);
    }
    finder.assemble(pairs)
}

impl Finder<'_> {
    fn register(&mut self, at: usize, pair: &Pair, copies: bool) {
        let side =
            |side: &Rc<Side>| self.options.rename_empty || !side.content(self.work).is_empty();
        match (&pair.old, &pair.new) {
            _ if pair.unmerged => {}
            (None, Some(new)) if side(new) => {
                self.targets.push(Target {
                    pair: at,
                    side: new.clone(),
                    pieces: None,
                    found: None,
                });
            }
            (Some(old), None) if side(old) => {
                // What was taken apart only to be looked at stays where it is.
                if pair.broken && pair.score == 0 {
                    old.used.set(old.used.get() + 1);
                }
                self.sources.push(Source { side: old.clone(), pieces: None });
            }
            (Some(old), Some(_)) if copies => {
                old.used.set(old.used.get() + 1);
                self.sources.push(Source { side: old.clone(), pieces: None });
            }
            _ => {}
        }
    }

    /// Files with the same content; the same name counts most, then not being used.
    fn equal(&mut self, copies: bool) {
        let mut by_id: HashMap<Oid, Vec<usize>> = HashMap::new();
        for (at, source) in self.sources.iter().enumerate() {
            by_id.entry(source.side.id(self.work)).or_default().push(at);
        }
        for target in 0..self.targets.len() {
            let side = self.targets[target].side.clone();
            let Some(same) = by_id.get(&side.id(self.work)) else { continue };
            let mut best: Option<(i32, usize)> = None;
            for &at in same.iter().take(MOST_EQUAL) {
                let source = &self.sources[at].side;
                let modes_fit =
                    source.is_regular() && side.is_regular() || source.mode == side.mode;
                if !modes_fit || (source.used.get() > 0 && !copies) {
                    continue;
                }
                let score = i32::from(source.used.get() == 0) + i32::from(same_name(source, &side));
                if best.is_none_or(|best| score > best.0) {
                    best = Some((score, at));
                    if score == 2 {
                        break;
                    }
                }
            }
            if let Some((_, at)) = best {
                self.record(target, at, MAX_SCORE);
            }
        }
    }

    fn alike(&mut self, copies: bool) {
        if !copies {
            self.same_names();
        }
        let open: Vec<usize> =
            (0..self.targets.len()).filter(|t| self.targets[*t].found.is_none()).collect();
        let free = |s: &usize| copies || self.sources[*s].side.used.get() <= 0;
        let free: Vec<usize> = (0..self.sources.len()).filter(free).collect();
        let limit = self.options.rename_limit;
        if limit > 0 && open.len() * free.len() > limit * limit {
            return;
        }
        let mut matrix: Vec<Candidate> = vec![];
        for target in open {
            matrix.extend(self.candidates(target, &free));
        }
        matrix.sort_by_key(|c| std::cmp::Reverse((c.score, c.same_name)));
        self.take(&matrix, false);
        if copies {
            self.take(&matrix, true);
        }
    }

    /// The best few sources of a target.
    fn candidates(&mut self, target: usize, free: &[usize]) -> Vec<Candidate> {
        let mut best: Vec<Candidate> = vec![];
        for &source in free {
            let score = self.score(target, source, self.options.rename_score);
            let same_name = same_name(&self.sources[source].side, &self.targets[target].side);
            let candidate = Candidate { target, source, score, same_name };
            if best.len() < CANDIDATES {
                best.push(candidate);
                continue;
            }
            let key = |c: &Candidate| (c.score, c.same_name);
            // Of equally bad ones the first is replaced.
            let worst = (1..CANDIDATES)
                .fold(0, |worst, at| if key(&best[at]) < key(&best[worst]) { at } else { worst });
            if key(&candidate) > key(&best[worst]) {
                best[worst] = candidate;
            }
        }
        best
    }

    fn take(&mut self, matrix: &[Candidate], copies: bool) {
        for candidate in matrix {
            if candidate.score < self.options.rename_score || candidate.score == 0 {
                break;
            }
            let is_free = self.sources[candidate.source].side.used.get() <= 0;
            if self.targets[candidate.target].found.is_none() && (copies || is_free) {
                self.record(candidate.target, candidate.source, candidate.score);
            }
        }
    }

    /// Files whose name is the only one of its kind on both sides need only be fairly alike.
    fn same_names(&mut self) {
        let least = self.options.rename_score + (MAX_SCORE - self.options.rename_score) / 2;
        let unique = |names: &mut dyn Iterator<Item = (usize, Vec<u8>)>| {
            let mut map: HashMap<Vec<u8>, Option<usize>> = HashMap::new();
            for (at, name) in names {
                map.entry(name).and_modify(|at| *at = None).or_insert(Some(at));
            }
            map
        };
        let unused = |(_, s): &(usize, &Source)| s.side.used.get() <= 0;
        let sources = unique(
            &mut self
                .sources
                .iter()
                .enumerate()
                .filter(unused)
                .map(|(i, s)| (i, name(&s.side).to_vec())),
        );
        let open = self.targets.iter().enumerate().filter(|(_, t)| t.found.is_none());
        let targets = unique(&mut open.map(|(i, t)| (i, name(&t.side).to_vec())));
        for source in 0..self.sources.len() {
            let name = name(&self.sources[source].side).to_vec();
            let (Some(Some(_)), Some(Some(target))) = (sources.get(&name), targets.get(&name))
            else {
                continue;
            };
            if self.sources[source].side.used.get() > 0 || self.targets[*target].found.is_some() {
                continue;
            }
            let score = self.score(*target, source, least);
            if score >= least {
                self.record(*target, source, score);
            }
        }
    }

    fn score(&mut self, target: usize, source: usize, least: u32) -> u32 {
        let (source, target) = (&mut self.sources[source], &mut self.targets[target]);
        similar::score(
            (&source.side, &mut source.pieces),
            (&target.side, &mut target.pieces),
            least,
            self.work,
        )
    }

    fn record(&mut self, target: usize, source: usize, score: u32) {
        let side = &self.sources[source].side;
        side.used.set(side.used.get() + 1);
        self.targets[target].found = Some((source, score));
    }

    /// The list of pairs with what was found.
    fn assemble(self, pairs: Vec<Pair>) -> Vec<Pair> {
        let found: HashMap<usize, (usize, u32)> =
            self.targets.iter().filter_map(|t| Some((t.pair, t.found?))).collect();
        let mut out = vec![];
        let replaced: Vec<Vec<u8>> = self
            .targets
            .iter()
            .filter(|t| t.found.is_some())
            .map(|t| t.side.path.clone())
            .collect();
        for (at, mut pair) in pairs.into_iter().enumerate() {
            let goes = pair.new.is_none() && !pair.unmerged;
            let used = pair.old.as_ref().is_some_and(|old| old.used.get() > 0);
            let is_used_up =
                if pair.broken { replaced.iter().any(|path| path == pair.path()) } else { used };
            if goes && is_used_up {
                continue;
            }
            if let Some((source, score)) = found.get(&at) {
                pair.old = Some(self.sources[*source].side.clone());
                pair.score = *score;
                pair.broken = false;
                pair.renamed = true;
            }
            out.push(pair);
        }
        // The last use of a source that went is the rename, all before are copies.
        for pair in out.iter_mut().filter(|pair| pair.renamed) {
            let old = pair.old.as_ref().expect("a rename has both sides");
            old.used.set(old.used.get() - 1);
            pair.copied = old.used.get() > 0;
            pair.renamed = !pair.copied;
        }
        out
    }
}

struct Finder<'a> {
    sources: Vec<Source>,
    targets: Vec<Target>,
    options: &'a Options,
    work: &'a Work<'a>,
}

fn name(side: &Side) -> &[u8] {
    side.path.rsplit(|b| *b == b'/').next().unwrap_or(&side.path)
}

fn same_name(a: &Side, b: &Side) -> bool {
    name(a) == name(b)
}
