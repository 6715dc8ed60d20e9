//! The test suites of real packages, run natively and in a sandbox.
//!
//! [`list`] reads which packages; [`fetch`] gets the source distribution and its pure-Python
//! dependencies through pip; [`native`] and [`sandboxed`] run the suite with the CPython that the image
//! builder made for this machine and with the one of the image ([`part`]); [`report`] is what both tell of each test,
//! and [`compare`] what differs. Both sides get the same files, the same variables and the same plugin,
//! and neither can reach what the other wrote.

pub mod compare;
pub mod fetch;
pub mod list;
mod measured;
pub mod native;
pub mod part;
pub mod report;
pub mod run;
pub mod sandboxed;

mod pip;

/// What tells of each test, on both sides.
const PLUGIN: &str = include_str!("../suites/suite_report.py");

/// The variables that both sides have beside those that say where things are.
fn variables() -> &'static [(&'static str, &'static str)] {
    &[
        ("LANG", "C.UTF-8"),
        // Natively, sets would have another order in each run.
        ("PYTHONHASHSEED", "0"),
        ("TZ", "UTC"),
        ("USER", "root"),
    ]
}
