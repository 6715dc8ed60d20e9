//! The program `playpen`; everything is in the library, so that tests can carry a copy of it.

/// Frees what another thread has allocated without giving the memory back to the system: the record's thread lets go of
/// the contents that guests write.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    playpen::cli::main()
}
