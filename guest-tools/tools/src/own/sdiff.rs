//! `sdiff`: `diff --side-by-side` with options of its own. Merging by hand (`-o`) needs a terminal and is not there.

use super::options::{self, Spec};
use super::{Call, R, diff};

const SPEC: Spec = Spec {
    flags: "isbBWtdHalEZ",
    values: "Iwo",
    attached: "",
    longs: &[
        ("ignore-case", 'i'),
        ("suppress-common-lines", 's'),
        ("ignore-space-change", 'b'),
        ("ignore-blank-lines", 'B'),
        ("ignore-all-space", 'W'),
        ("ignore-tab-expansion", 'E'),
        ("ignore-trailing-space", 'Z'),
        ("ignore-matching-lines", 'I'),
        ("expand-tabs", 't'),
        ("minimal", 'd'),
        ("text", 'a'),
        ("left-column", 'l'),
        ("width", 'w'),
        ("output", 'o'),
        ("strip-trailing-cr", 'c'),
        ("speed-large-files", 'H'),
        ("help", '?'),
        ("version", 'v'),
    ],
    stops: false,
};

const HELP: &str = "Usage: sdiff [OPTION]... FILE1 FILE2
Side-by-side comparison of differences between FILE1 and FILE2.

  -i, --ignore-case            consider upper- and lower-case to be the same
  -E, --ignore-tab-expansion   ignore changes due to tab expansion
  -Z, --ignore-trailing-space  ignore white space at line end
  -b, --ignore-space-change    ignore changes in the amount of white space
  -W, --ignore-all-space       ignore all white space
  -B, --ignore-blank-lines     ignore changes whose lines are all blank
  -I, --ignore-matching-lines=RE  ignore changes all whose lines match RE
      --strip-trailing-cr      strip trailing carriage return on input
  -a, --text                   treat all files as text
  -w, --width=NUM              output at most NUM print columns
  -l, --left-column            output only the left column of common lines
  -s, --suppress-common-lines  do not output common lines
  -t, --expand-tabs            expand tabs to spaces in output
";

pub(crate) fn run(call: &Call<'_>) -> R {
    let Some(parsed) = options::or_usage(call, &SPEC, HELP) else { return Ok(2) };
    if parsed.has('?') {
        return Ok(0);
    }
    if parsed.has('v') {
        println!("sdiff (GNU diffutils) 3.8");
        return Ok(0);
    }
    if parsed.has('o') {
        eprintln!("sdiff: there is no terminal to merge at; use `diff -u` and `patch`");
        return Ok(2);
    }
    let mut words = vec!["diff".to_owned(), "--side-by-side".to_owned()];
    for (letter, value) in &parsed.options {
        words.push(match letter {
            's' => "--suppress-common-lines".to_owned(),
            'l' => "--left-column".to_owned(),
            'W' => "-w".to_owned(),
            'w' => format!("--width={value}"),
            'I' => format!("--ignore-matching-lines={value}"),
            'c' => "--strip-trailing-cr".to_owned(),
            'H' => continue,
            letter => format!("-{letter}"),
        });
    }
    words.push("--".to_owned());
    words.extend(parsed.operands);
    Ok(diff::main(&words))
}
