//! Random bytes for guests: the host's, or a stream that a seed decides.

/// Where the processes of a sandbox get their random bytes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Randomness {
    /// The host's random source.
    Host,
    /// A stream for each process, made from this seed and the number of the process, so that the
    /// order in which processes run does not matter.
    Seeded(u64),
}

/// The random bytes of one process.
#[derive(Debug)]
pub(crate) enum RandomStream {
    Host,
    Seeded(Box<blake3::OutputReader>),
}

impl Randomness {
    pub(crate) fn stream(self, pid: u32) -> RandomStream {
        match self {
            Self::Host => RandomStream::Host,
            Self::Seeded(seed) => {
                let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
                hasher.update(&seed.to_le_bytes()).update(&pid.to_le_bytes());
                RandomStream::Seeded(Box::new(hasher.finalize_xof()))
            }
        }
    }
}

/// Tells these streams from any other use of BLAKE3.
const CONTEXT: &str = "playpen runtime 2026-11-22 random bytes of a process";

impl RandomStream {
    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        match self {
            Self::Host => getrandom::fill(out).expect("the host has random bytes"),
            Self::Seeded(stream) => stream.fill(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(randomness: Randomness, pid: u32) -> [u8; 16] {
        let mut out = [0; 16];
        randomness.stream(pid).fill(&mut out);
        out
    }

    #[test]
    fn a_seed_decides_and_processes_differ() {
        let seeded = Randomness::Seeded(7);
        assert_eq!(draw(seeded, 2), draw(seeded, 2));
        assert_ne!(draw(seeded, 2), draw(seeded, 3));
        assert_ne!(draw(seeded, 2), draw(Randomness::Seeded(8), 2));
        assert_ne!(draw(Randomness::Host, 2), draw(Randomness::Host, 2));
    }
}
