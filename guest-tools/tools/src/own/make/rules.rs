//! Rules, and which of them makes a target.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::functions::stem;
use super::vars::Assign;

/// The commands of a rule, and where they stand.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) lines: Vec<String>,
}

/// A rule; of a pattern rule the targets have a `%`.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) targets: Vec<String>,
    pub(super) needed: Vec<String>,
    pub(super) order_only: Vec<String>,
    pub(super) recipe: Option<Recipe>,
    pub(super) stem: Option<String>,
}

impl Rule {
    pub(super) fn new(targets: Vec<String>, needed: Vec<String>, order_only: Vec<String>) -> Self {
        Self { targets, needed, order_only, recipe: None, stem: None }
    }
}

/// All rules.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) list: Vec<Rule>,
    explicit: BTreeMap<String, Vec<usize>>,
    patterns: Vec<usize>,
    /// Targets, or patterns of them, with a variable that is theirs.
    pub(super) variables: Vec<(String, String, Assign, String)>,
    /// The first target that is no special one.
    pub(super) first: Option<String>,
}

/// How one target is made: all rules for it taken together.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) needed: Vec<String>,
    pub(super) order_only: Vec<String>,
    pub(super) recipe: Option<Recipe>,
    pub(super) stem: String,
    /// Whether any rule names the target.
    pub(super) is_known: bool,
}

impl Rules {
    pub(super) fn add(&mut self, mut rule: Rule, stem: Option<String>) -> usize {
        rule.stem = stem;
        let target = rule.targets[0].clone();
        if self.first.is_none() && (!target.starts_with('.') || target.contains('/')) {
            self.first = Some(target.clone());
        }
        self.list.push(rule);
        self.explicit.entry(target).or_default().push(self.list.len() - 1);
        self.list.len() - 1
    }

    pub(super) fn add_pattern(&mut self, rule: Rule) -> usize {
        self.list.push(rule);
        self.patterns.push(self.list.len() - 1);
        self.list.len() - 1
    }

    /// Prerequisites of a special target, as `.PHONY`; none if it is not there.
    pub(super) fn special(&self, name: &str) -> Option<BTreeSet<&str>> {
        let rules = self.explicit.get(name)?;
        Some(rules.iter().flat_map(|at| &self.list[*at].needed).map(String::as_str).collect())
    }

    pub(super) fn is_phony(&self, target: &str) -> bool {
        self.special(".PHONY").is_some_and(|it| it.contains(target))
    }

    /// Takes together what all rules say about a target.
    pub(super) fn plan(&self, target: &str) -> Plan {
        let mut plan = Plan::default();
        for rule in self.explicit.get(target).into_iter().flatten().map(|at| &self.list[*at]) {
            plan.is_known = true;
            if let Some(recipe) = &rule.recipe {
                // What the rule with the recipe needs comes first: `$<` is one of those.
                plan.needed.splice(0..0, rule.needed.iter().cloned());
                plan.recipe = Some(recipe.clone());
                plan.stem = rule.stem.clone().unwrap_or_default();
            } else {
                plan.needed.extend(rule.needed.iter().cloned());
            }
            plan.order_only.extend(rule.order_only.iter().cloned());
        }
        if plan.recipe.is_none() && !self.is_phony(target) {
            self.fill_from_pattern(target, &mut plan, 0);
        }
        plan
    }

    fn fill_from_pattern(&self, target: &str, plan: &mut Plan, depth: usize) {
        let fitting = self.fitting(target);
        let chosen =
            fitting.iter().find(|(rule, stem)| self.is_possible(rule, stem, false, depth)).or_else(
                || fitting.iter().find(|(rule, stem)| self.is_possible(rule, stem, true, depth)),
            );
        let Some((rule, stem)) = chosen else { return };
        let fill = |it: &String| it.replacen('%', stem, 1);
        plan.needed.splice(0..0, rule.needed.iter().map(fill));
        plan.order_only.extend(rule.order_only.iter().map(fill));
        plan.recipe.clone_from(&rule.recipe);
        plan.stem.clone_from(stem);
        plan.is_known = true;
    }

    /// Pattern rules that a target fits, the one with the shortest stem first.
    fn fitting(&self, target: &str) -> Vec<(&Rule, String)> {
        let mut found: Vec<(&Rule, String)> = vec![];
        for rule in self.patterns.iter().map(|at| &self.list[*at]) {
            let stems = rule.targets.iter().filter_map(|pattern| fitted(pattern, target));
            if let (Some(stem), true) = (stems.min_by_key(String::len), rule.recipe.is_some()) {
                found.push((rule, stem));
            }
        }
        found.sort_by_key(|(_, stem)| stem.len());
        found
    }

    /// Whether all that the rule needs is there, or can be made.
    fn is_possible(&self, rule: &Rule, stem: &str, chains: bool, depth: usize) -> bool {
        rule.needed.iter().all(|pattern| {
            let name = pattern.replacen('%', stem, 1);
            Path::new(&name).exists()
                || self.explicit.contains_key(&name)
                || (chains && depth < 5 && self.can_be_made(&name, depth + 1))
        })
    }

    fn can_be_made(&self, target: &str, depth: usize) -> bool {
        let mut plan = Plan::default();
        self.fill_from_pattern(target, &mut plan, depth);
        plan.is_known
    }
}

/// The stem of a target: a pattern without a slash is compared with the name in its folder.
fn fitted(pattern: &str, target: &str) -> Option<String> {
    if let Some(found) = stem(pattern, target).filter(|it| !it.is_empty()) {
        return Some(found.to_owned());
    }
    let (folder, name) = target.rsplit_once('/').filter(|_| !pattern.contains('/'))?;
    let found = stem(pattern, name).filter(|it| !it.is_empty())?;
    Some(format!("{folder}/{found}"))
}
