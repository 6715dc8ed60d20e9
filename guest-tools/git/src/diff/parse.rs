//! The options that all commands share which show differences.

use std::rc::Rc;

use super::options::{Formats, MAX_SCORE, Options, Pickaxe, Renames, Words as Style};
use crate::args::{Given, Opt, flag, maybe, value};
use crate::fail::{Outcome, fatal, plain};
use crate::place::Place;
use crate::regexp::{Regexp, Syntax};
use crate::xdiff;

pub(crate) const TABLE: &[Opt] = &[
    flag('p', "patch"),
    flag('u', "u"),
    flag('s', "no-patch"),
    value('U', "unified"),
    value(' ', "inter-hunk-context"),
    flag('W', "function-context"),
    flag(' ', "raw"),
    flag(' ', "patch-with-raw"),
    flag(' ', "patch-with-stat"),
    maybe(' ', "stat"),
    value(' ', "stat-width"),
    value(' ', "stat-name-width"),
    value(' ', "stat-graph-width"),
    value(' ', "stat-count"),
    flag(' ', "compact-summary"),
    flag(' ', "numstat"),
    flag(' ', "shortstat"),
    maybe('X', "dirstat"),
    flag(' ', "summary"),
    flag(' ', "name-only"),
    flag(' ', "name-status"),
    flag(' ', "check"),
    flag('z', "z"),
    maybe(' ', "color"),
    maybe(' ', "color-moved"),
    maybe(' ', "color-words"),
    maybe(' ', "word-diff"),
    value(' ', "word-diff-regex"),
    flag(' ', "minimal"),
    flag(' ', "patience"),
    flag(' ', "histogram"),
    value(' ', "diff-algorithm"),
    value(' ', "anchored"),
    flag(' ', "indent-heuristic"),
    flag('w', "ignore-all-space"),
    flag('b', "ignore-space-change"),
    flag(' ', "ignore-space-at-eol"),
    flag(' ', "ignore-cr-at-eol"),
    flag(' ', "ignore-blank-lines"),
    maybe('M', "find-renames"),
    maybe('C', "find-copies"),
    flag(' ', "find-copies-harder"),
    maybe('B', "break-rewrites"),
    flag(' ', "renames"),
    flag(' ', "rename-empty"),
    value('l', "l"),
    flag('D', "irreversible-delete"),
    value(' ', "diff-filter"),
    value('S', "S"),
    value('G', "G"),
    flag(' ', "pickaxe-all"),
    flag(' ', "pickaxe-regex"),
    flag('R', "R"),
    flag('a', "text"),
    flag(' ', "binary"),
    flag(' ', "full-index"),
    maybe(' ', "abbrev"),
    maybe(' ', "relative"),
    flag(' ', "exit-code"),
    flag(' ', "quiet"),
    flag(' ', "ext-diff"),
    flag(' ', "textconv"),
    maybe(' ', "ignore-submodules"),
    maybe(' ', "submodule"),
    value(' ', "src-prefix"),
    value(' ', "dst-prefix"),
    flag(' ', "no-prefix"),
    flag(' ', "default-prefix"),
    value(' ', "line-prefix"),
    value(' ', "output"),
    value(' ', "output-indicator-new"),
    value(' ', "output-indicator-old"),
    value(' ', "output-indicator-context"),
    value(' ', "ws-error-highlight"),
    value('O', "O"),
];

/// Options being read.
pub(crate) struct Reader {
    pub(crate) options: Options,
    pickaxe: Option<(char, String)>,
    pickaxe_regexp: bool,
    word_regexp: Option<String>,
}

impl Reader {
    /// Starts from the configuration.
    pub(crate) fn new(place: Option<&Place>) -> Self {
        let mut options = Options::default();
        if let Some(place) = place {
            configure(&mut options, place);
        }
        Self { options, pickaxe: None, pickaxe_regexp: false, word_regexp: None }
    }

    /// Takes an option; `false` if it is none of these.
    pub(crate) fn take(&mut self, given: &Given, place: Option<&Place>) -> Outcome<bool> {
        Ok(self.format(given)?
            || self.lines(given)?
            || self.finding(given, place)?
            || self.looks(given, place)?)
    }

    fn formats(&mut self) -> &mut Formats {
        self.options.formats.none = false;
        &mut self.options.formats
    }

    fn format(&mut self, given: &Given) -> Outcome<bool> {
        match given.name {
            "patch" if given.no => self.nothing(),
            "patch" | "u" => self.formats().patch = true,
            "no-patch" => self.nothing(),
            "raw" => self.formats().raw = true,
            "patch-with-raw" => {
                self.formats().raw = true;
                self.formats().patch = true;
            }
            "patch-with-stat" => {
                self.formats().stat = true;
                self.formats().patch = true;
            }
            "stat" => {
                self.formats().stat = !given.no;
                let mut numbers = given.text().split(',').map(|n| n.parse().ok());
                self.options.stat_width = numbers.next().flatten().or(self.options.stat_width);
                self.options.stat_name_width =
                    numbers.next().flatten().or(self.options.stat_name_width);
                self.options.stat_count = numbers.next().flatten().or(self.options.stat_count);
            }
            "stat-width" => self.options.stat_width = Some(given.number()?),
            "stat-name-width" => self.options.stat_name_width = Some(given.number()?),
            "stat-graph-width" => self.options.stat_graph_width = Some(given.number()?),
            "stat-count" => self.options.stat_count = Some(given.number()?),
            "compact-summary" => {
                self.formats().compact_summary = !given.no;
                self.formats().stat |= !given.no;
            }
            "numstat" => self.formats().numstat = true,
            "shortstat" => self.formats().shortstat = true,
            "dirstat" => self.formats().dirstat = true,
            "summary" => self.formats().summary = !given.no,
            "name-only" => self.formats().name_only = true,
            "name-status" => self.formats().name_status = true,
            "check" => self.formats().check = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn nothing(&mut self) {
        self.options.formats = Formats { none: true, ..Formats::NOTHING };
    }

    fn lines(&mut self, given: &Given) -> Outcome<bool> {
        let params = &mut self.options.params;
        let mut set = |bit: u32| {
            params.flags = if given.no { params.flags & !bit } else { params.flags | bit };
        };
        match given.name {
            "ignore-all-space" => set(xdiff::IGNORE_ALL_SPACE),
            "ignore-space-change" => set(xdiff::IGNORE_SPACE_CHANGE),
            "ignore-space-at-eol" => set(xdiff::IGNORE_SPACE_AT_EOL),
            "ignore-cr-at-eol" => set(xdiff::IGNORE_CR_AT_EOL),
            "ignore-blank-lines" => set(xdiff::IGNORE_BLANK_LINES),
            "indent-heuristic" => set(xdiff::INDENT_HEURISTIC),
            "minimal" => set(xdiff::MINIMAL),
            "patience" => set_algorithm(&mut params.flags, "patience")?,
            "histogram" => set_algorithm(&mut params.flags, "histogram")?,
            "diff-algorithm" => set_algorithm(&mut params.flags, given.text())?,
            "unified" => {
                params.context = given.number()?;
                self.formats().patch = true;
            }
            "inter-hunk-context" => params.inter_hunk = given.number()?,
            "function-context" => params.whole_functions = !given.no,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finding(&mut self, given: &Given, place: Option<&Place>) -> Outcome<bool> {
        let options = &mut self.options;
        match given.name {
            "find-renames" | "renames" if given.no => options.renames = Renames::No,
            "find-renames" => {
                options.renames = if options.renames == Renames::Copies {
                    Renames::Copies
                } else {
                    Renames::Moves
                };
                options.rename_score = score(given, MAX_SCORE / 2)?;
            }
            "renames" => options.renames = Renames::Moves,
            "find-copies" => {
                options.harder |= options.renames == Renames::Copies;
                options.renames = Renames::Copies;
                options.rename_score = score(given, MAX_SCORE / 2)?;
            }
            "find-copies-harder" => {
                options.renames = Renames::Copies;
                options.harder = true;
            }
            "break-rewrites" => {
                let (first, second) = given.text().split_once('/').unwrap_or((given.text(), ""));
                options.breaks =
                    Some((percent(first, MAX_SCORE / 2)?, percent(second, MAX_SCORE * 3 / 5)?));
            }
            "rename-empty" => options.rename_empty = !given.no,
            "l" => options.rename_limit = given.number()?,
            "irreversible-delete" => options.without_content_of_deleted = true,
            "diff-filter" => options.filter = Some(given.text().to_owned()),
            "S" | "G" => {
                self.pickaxe =
                    Some((if given.name == "S" { 'S' } else { 'G' }, given.text().to_owned()))
            }
            "pickaxe-all" => options.pickaxe_all = true,
            "pickaxe-regex" => self.pickaxe_regexp = true,
            "R" => options.reverse = true,
            "exit-code" => options.exit_code = !given.no,
            "quiet" => {
                options.quiet = !given.no;
                options.exit_code |= options.quiet;
            }
            "relative" if given.no => options.relative = None,
            "relative" => {
                let prefix = place.map(|place| place.prefix.clone()).unwrap_or_default();
                let path = given
                    .value
                    .as_ref()
                    .map_or(prefix.clone(), |text| [&prefix, text.as_bytes()].concat());
                options.relative = Some(path).filter(|path| !path.is_empty());
            }
            "ignore-submodules" | "submodule" | "ext-diff" | "textconv" | "O" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn looks(&mut self, given: &Given, _place: Option<&Place>) -> Outcome<bool> {
        let options = &mut self.options;
        let letter = || given.text().bytes().next().unwrap_or(b' ');
        match given.name {
            "z" => options.nul = true,
            "color" => {
                options.color = !given.no && matches!(given.value.as_deref(), None | Some("always"))
            }
            "color-moved" | "ws-error-highlight" | "anchored" => {}
            "color-words" => {
                options.words = Style::Color;
                options.color = true;
                self.word_regexp = given.value.clone();
                self.formats().patch = true;
            }
            "word-diff" => {
                options.words = match given.value.as_deref() {
                    None | Some("plain") => Style::Plain,
                    Some("color") => Style::Color,
                    Some("porcelain") => Style::Porcelain,
                    Some("none") => Style::No,
                    Some(other) => {
                        return Err(plain(
                            129,
                            format!("error: bad --word-diff argument: {other}"),
                        ));
                    }
                };
                self.formats().patch = true;
            }
            "word-diff-regex" => {
                options.words =
                    if options.words == Style::No { Style::Plain } else { options.words };
                self.word_regexp = given.value.clone();
                self.formats().patch = true;
            }
            "text" => options.text = !given.no,
            "binary" => {
                options.binary = true;
                self.formats().patch = true;
            }
            "full-index" => options.full_index = !given.no,
            "abbrev" if given.no => options.abbrev = Some(40),
            "abbrev" => {
                options.abbrev =
                    given.value.as_ref().and_then(|n| n.parse().ok()).map(|n: usize| n.clamp(4, 40))
            }
            "no-prefix" => {
                (options.old_prefix, options.new_prefix) = (String::new(), String::new())
            }
            "default-prefix" => {
                (options.old_prefix, options.new_prefix) = ("a/".to_owned(), "b/".to_owned())
            }
            "src-prefix" => options.old_prefix = given.text().to_owned(),
            "dst-prefix" => options.new_prefix = given.text().to_owned(),
            "line-prefix" => options.line_prefix = given.text().to_owned(),
            "output" => options.output = Some(given.text().to_owned()),
            "output-indicator-new" => options.indicators[0] = letter(),
            "output-indicator-old" => options.indicators[1] = letter(),
            "output-indicator-context" => options.indicators[2] = letter(),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The options when all are read; `usual` is what is shown if nothing was asked for.
    pub(crate) fn finish(mut self, usual: Formats) -> Outcome<Options> {
        if let Some((letter, text)) = &self.pickaxe {
            let syntax = match (letter, self.pickaxe_regexp) {
                ('S', false) => Syntax::Fixed,
                _ => Syntax::Extended,
            };
            let regexp = Rc::new(Regexp::new(text, syntax, false, false)?);
            let count = *letter == 'S';
            self.options.pickaxe =
                Some(if count { Pickaxe::Count(regexp) } else { Pickaxe::Line(regexp) });
        }
        if let Some(text) = &self.word_regexp {
            self.options.word_regexp =
                Some(Rc::new(Regexp::new(text, Syntax::Extended, false, false)?));
        }
        let formats = &mut self.options.formats;
        if formats.name_only && (formats.name_status || formats.check) {
            return Err(fatal(
                "options '--name-only', '--name-status', '--check', and '-s' cannot be used together",
            ));
        }
        if !formats.any() && !self.options.quiet {
            *formats = usual;
        }
        if self.options.quiet {
            *formats = Formats::NOTHING;
        }
        Ok(self.options)
    }
}

fn set_algorithm(flags: &mut u32, name: &str) -> Outcome<()> {
    let bits = match name {
        "myers" | "default" => 0,
        "minimal" => xdiff::MINIMAL,
        "patience" => xdiff::PATIENCE,
        "histogram" => xdiff::HISTOGRAM,
        _ => {
            let text = "error: option diff-algorithm accepts \"myers\", \"minimal\", \"patience\" and \"histogram\"";
            return Err(plain(129, text));
        }
    };
    *flags = (*flags & !(xdiff::MINIMAL | xdiff::PATIENCE | xdiff::HISTOGRAM)) | bits;
    Ok(())
}

fn score(given: &Given, usual: u32) -> Outcome<u32> {
    percent(given.text(), usual)
}

/// `50%`, `0.5` or `5` for a half.
fn percent(text: &str, usual: u32) -> Outcome<u32> {
    if text.is_empty() {
        return Ok(usual);
    }
    let bad = || plain(129, format!("error: invalid argument to find-renames: {text}"));
    let value: f64 = match text.strip_suffix('%') {
        Some(number) => number.parse::<f64>().map_err(|_| bad())? / 100.0,
        None if text.contains('.') => text.parse().map_err(|_| bad())?,
        None => format!("0.{text}").parse().map_err(|_| bad())?,
    };
    Ok(((value * f64::from(MAX_SCORE)) as u32).min(MAX_SCORE))
}

fn configure(options: &mut Options, place: &Place) {
    let number = |name: &str| place.setting(name).and_then(|text| text.parse::<usize>().ok());
    let on = |name: &str| place.setting_bool(name) == Some(true);
    match place.setting("diff.renames").as_deref() {
        Some("copies" | "copy") => options.renames = Renames::Copies,
        Some(text) if crate::place::truth(text) == Some(false) => options.renames = Renames::No,
        _ => {}
    }
    if let Some(n) = number("diff.context") {
        options.params.context = n;
    }
    if let Some(n) = number("diff.interhunkcontext") {
        options.params.inter_hunk = n;
    }
    if let Some(n) = number("diff.renamelimit") {
        options.rename_limit = n;
    }
    if let Some(name) = place.setting("diff.algorithm") {
        // An unknown name changes nothing.
        drop(set_algorithm(&mut options.params.flags, &name));
    }
    if place.setting_bool("diff.indentheuristic") == Some(false) {
        options.params.flags &= !xdiff::INDENT_HEURISTIC;
    }
    if on("diff.noprefix") {
        (options.old_prefix, options.new_prefix) = (String::new(), String::new());
    }
    options.color = place.setting("color.diff").or_else(|| place.setting("color.ui")).as_deref()
        == Some("always");
    options.stat_name_width = number("diff.statnamewidth");
    options.stat_graph_width = number("diff.statgraphwidth");
    if on("diff.relative") && !place.prefix.is_empty() {
        options.relative = Some(place.prefix.clone());
    }
}
