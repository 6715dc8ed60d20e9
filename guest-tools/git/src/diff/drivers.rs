//! Names of functions in hunk headers, for languages that attributes or the configuration name.

use super::show::Diff;
use crate::attr::Diffing;
use crate::regexp::{Regexp, Syntax};

/// Extended patterns of what starts a function or section; a line that fits one after `!` does not.
const KNOWN: &[(&str, &[&str])] = &[
    ("python", &[r"^[ \t]*((class|(async[ \t]+)?def)[ \t].*)$"]),
    ("markdown", &[r"^ {0,3}#{1,6}[ \t].*"]),
    (
        "rust",
        &[
            r"^[ \t]*((pub(\([^)]+\))?[ \t]+)?((async|const|unsafe|extern([ \t]+\x22[^\x22]+\x22)?)[ \t]+)*(struct|enum|union|mod|trait|fn|impl|macro_rules!)[< \t]+[^;]*)$",
        ],
    ),
    (
        "golang",
        &[
            r"^[ \t]*(func[ \t]*.*(\{[ \t]*)?)",
            r"^[ \t]*(type[ \t].*(struct|interface)[ \t]*(\{[ \t]*)?)",
        ],
    ),
    ("ruby", &[r"^[ \t]*((class|module|def)[ \t].*)$"]),
    (
        "bash",
        &[
            r"^[ \t]*((function[ \t]+[a-zA-Z_][a-zA-Z0-9_]*([ \t]*\([ \t]*\))?|[a-zA-Z_][a-zA-Z0-9_]*[ \t]*\([ \t]*\))[ \t]*(\{|\(\(?|\[\[)?.*)$",
        ],
    ),
    (
        "java",
        &[
            "!^[ \t]*(catch|do|for|if|instanceof|new|return|switch|throw|while)",
            r"^[ \t]*(([a-z-]+[ \t]+)*(class|enum|interface|record)[ \t]+.*)$",
            r"^[ \t]*(([A-Za-z_<>&\]\[][?&<>.,A-Za-z_0-9]*[ \t]+)+[A-Za-z_][A-Za-z_0-9]*[ \t]*\([^;]*)$",
        ],
    ),
    (
        "cpp",
        &[
            r"!^[ \t]*[A-Za-z_][A-Za-z_0-9]*:[[:space:]]*($|/[/*])",
            r"^((::[[:space:]]*)?[A-Za-z_].*)$",
        ],
    ),
    ("html", &[r"^[ \t]*(<[Hh][1-6]([ \t].*)?>.*)$"]),
    ("css", &[r"![:;][[:space:]]*$", r"^[:[@.#]?[_a-z0-9].*$"]),
];

/// Returns how to find names in a file, unless it is the usual way.
pub(crate) fn namer(
    diff: &Diff<'_>,
    path: &[u8],
) -> Option<impl Fn(&[u8]) -> Option<Vec<u8>> + use<>> {
    let Diffing::Driver(driver) = diff.work.attributes.diffing(diff.place, path) else {
        return None;
    };
    let patterns = patterns(diff, &driver)?;
    Some(move |line: &[u8]| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        for (refused, regexp) in &patterns {
            if let Some(caught) = regexp.caught(line) {
                let end =
                    caught.iter().rposition(|b| !b.is_ascii_whitespace()).map_or(0, |at| at + 1);
                return (!refused).then(|| caught[..end].to_vec());
            }
        }
        None
    })
}

fn patterns(diff: &Diff<'_>, driver: &str) -> Option<Vec<(bool, Regexp)>> {
    let setting = |key: &str| diff.place.setting(&format!("diff.{driver}.{key}"));
    let (texts, syntax) = match (setting("xfuncname"), setting("funcname")) {
        (Some(text), _) => (text.lines().map(str::to_owned).collect(), Syntax::Extended),
        (None, Some(text)) => (text.lines().map(str::to_owned).collect(), Syntax::Basic),
        _ => {
            let known = KNOWN.iter().find(|(name, _)| *name == driver)?.1;
            (known.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), Syntax::Extended)
        }
    };
    let compile = |text: &String| {
        let (refused, text) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text.as_str()),
        };
        // Tabs are written as \t in the table, which brackets of POSIX do not know.
        let text = text.replace("\\t", "\t").replace("\\x22", "\"");
        Some((refused, Regexp::new(&text, syntax, false, false).ok()?))
    };
    Some(texts.iter().filter_map(compile).collect())
}
