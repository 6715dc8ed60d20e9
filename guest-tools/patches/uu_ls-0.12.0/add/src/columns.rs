//! Names in columns, as GNU's `ls` sets them: as many columns as fit, and tabs where one reaches far enough.

use ansi_width::ansi_width;

/// Between two columns.
const GAP: usize = 2;
/// A name of one letter, and the gap.
const LEAST: usize = 3;

/// Which way names go on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Down,
    Across,
}

pub(crate) fn columns(names: &[String], width: usize, way: Way, tab: usize) -> String {
    let lengths: Vec<usize> = names.iter().map(|name| ansi_width(name)).collect();
    let most = width.div_ceil(LEAST).clamp(1, names.len().max(1));
    let fits = |widths: &Vec<usize>| widths.iter().sum::<usize>() < width;
    let widths = (2..=most).rev().map(|n| widths(&lengths, n, way)).find(fits);
    let widths = widths.unwrap_or_else(|| self::widths(&lengths, 1, way));
    let n_columns = widths.len();
    let n_rows = names.len().div_ceil(n_columns);
    let mut out = String::new();
    for row in 0..n_rows {
        let (mut at, mut start) = (0, 0);
        for (column, column_width) in widths.iter().enumerate() {
            let place = match way {
                Way::Down => column * n_rows + row,
                Way::Across => row * n_columns + column,
            };
            let Some(name) = names.get(place) else { break };
            indent(&mut out, at, start, tab);
            out.push_str(name);
            at = start + lengths[place];
            start += column_width;
        }
        out.push('\n');
    }
    out
}

/// The width of each of so many columns; the last has no gap behind it.
fn widths(lengths: &[usize], n_columns: usize, way: Way) -> Vec<usize> {
    let n_rows = lengths.len().div_ceil(n_columns);
    let mut widths = vec![LEAST; n_columns];
    for (place, length) in lengths.iter().enumerate() {
        let column = match way {
            Way::Down => place / n_rows,
            Way::Across => place % n_columns,
        };
        let gap = if column + 1 == n_columns { 0 } else { GAP };
        widths[column] = widths[column].max(length + gap);
    }
    widths
}

/// Goes from one place in a line to another one, with tabs unless they are 0 wide.
fn indent(out: &mut String, mut from: usize, to: usize, tab: usize) {
    while from < to {
        if tab != 0 && to / tab > (from + 1) / tab {
            out.push('\t');
            from += tab - from % tab;
        } else {
            out.push(' ');
            from += 1;
        }
    }
}
