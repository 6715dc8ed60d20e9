//! Builds one step, or the whole image, and says how far it is: for those who work on the guests.
//!
//!     cargo run -p playpen-image --example build -- HOME [STEP]
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "an example prints")]

use std::error::Error as _;
use std::process::ExitCode;

use playpen_image::{BuildEvent, BuildOptions, Progress};

struct Lines;

impl Progress for Lines {
    fn event(&self, event: &BuildEvent<'_>) {
        match event {
            BuildEvent::Started(s) => eprintln!(
                "[{}/{}] {}: {} (about {:?})",
                s.index, s.total, s.step, s.about, s.expected
            ),
            BuildEvent::Finished(s) => {
                eprintln!("[{}/{}] {}: {:.1?}", s.index, s.total, s.step, s.elapsed);
            }
            BuildEvent::Running(_) => {}
            other => eprintln!("{other:?}"),
        }
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(home) = args.next() else {
        eprintln!("usage: build HOME [STEP]");
        return ExitCode::from(2);
    };
    let options = BuildOptions::new(home);
    let step = args.next().unwrap_or_else(|| "image".to_owned());
    match playpen_image::ensure_step(&step, &options, &Lines) {
        Ok(dir) => println!("{}", dir.display()),
        Err(error) => {
            eprintln!("error: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
