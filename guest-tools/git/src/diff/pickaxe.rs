//! `-S` and `-G`: changes that are about a text.

use super::options::Pickaxe;
use super::pair::Pair;
use super::show::Diff;
use crate::regexp::Regexp;
use crate::xdiff::{self, Event};

/// Whether a pair is about what is wanted.
pub(crate) fn hits(pair: &Pair, wanted: &Pickaxe, diff: &Diff<'_>) -> bool {
    if pair.unmerged || pair.same_content(&diff.work) {
        return false;
    }
    let content = |side: &Option<std::rc::Rc<super::Side>>| {
        side.as_ref().map(|side| side.content(&diff.work)).unwrap_or_default()
    };
    let (old, new) = (content(&pair.old), content(&pair.new));
    match wanted {
        Pickaxe::Count(regexp) => count(regexp, &old) != count(regexp, &new),
        Pickaxe::Line(regexp) => {
            let binary = super::pair::looks_binary(&old) || super::pair::looks_binary(&new);
            if binary && !diff.options.text {
                return false;
            }
            let mut hit = false;
            xdiff::diff(&old, &new, &diff.options.params, None, &mut |event| {
                if let Event::Line(b'+' | b'-', line, _) = event {
                    hit |= regexp.matches(line.strip_suffix(b"\n").unwrap_or(line));
                }
            });
            hit
        }
    }
}

fn count(regexp: &Regexp, text: &[u8]) -> usize {
    let (mut n, mut at) = (0, 0);
    while let Some((start, end)) = regexp.find_at(text, at) {
        n += 1;
        at = end.max(start + 1);
        if at > text.len() {
            break;
        }
    }
    n
}
