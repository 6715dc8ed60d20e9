//! End-to-end tests: the real program, the real image, and native programs as the oracle.
//!
//! [`program`] runs a program of the host under a deadline and keeps what it wrote; [`folder`] is a
//! place to run playpen in; [`cases`] is the comparison of shell commands with native bash, [`replay`]
//! that of recorded commands on real trees, [`suites`] that of packages' own tests with native CPython;
//! [`verdicts`] plays scripted agents before the verifier. The tests are in `e2e/`, one file for each kind of promise, and in `measured/`, where nothing runs beside.

pub mod cases;
pub mod folder;
pub mod program;
pub mod replay;
pub mod suites;
pub mod verdicts;
