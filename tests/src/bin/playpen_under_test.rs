//! The program under test.

fn main() -> std::process::ExitCode {
    playpen::cli::main()
}
