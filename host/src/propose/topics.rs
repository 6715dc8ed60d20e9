//! Fields that projects are drawn from when the user names none.

/// The fields. Each is wide enough for many projects and narrow enough to lead away from the usual ones.
const TOPICS: [&str; 48] = [
    "storage engines and indexes on simulated disks",
    "text indexing and search with ranking",
    "compilers and optimizers for small languages",
    "interpreters and virtual machines",
    "type checkers and static analyzers",
    "constraint solving and propagation",
    "SAT, exact cover and combinatorial search",
    "planning and scheduling under resource limits",
    "graph algorithms on large sparse networks",
    "routing and flow in transport networks",
    "computational geometry with exact arithmetic",
    "symbolic algebra and term rewriting",
    "number theory and arbitrary precision arithmetic",
    "linear programming and optimization",
    "lossless compression and entropy coding",
    "error-correcting codes",
    "hashing, sketches and approximate counting",
    "version control, merging and diffing of structured data",
    "collaborative editing and conflict-free data types",
    "consensus and replication in a simulated network",
    "network protocols as deterministic simulations",
    "discrete event simulation",
    "cellular automata and agent simulations",
    "physics in two dimensions with fixed-point numbers",
    "logic circuits, synthesis and simulation",
    "processor and cache simulators",
    "memory allocators and garbage collectors",
    "operating system schedulers and paging, simulated",
    "query languages and query planning",
    "stream processing with windows and joins",
    "spreadsheets and incremental computation",
    "build systems and dependency resolution",
    "package version solving",
    "parsing, grammars and error recovery",
    "regular expressions and automata",
    "pretty printing and text layout",
    "typesetting of paragraphs and tables",
    "music notation and composition rules",
    "board and card games with search",
    "puzzle generators with unique solutions",
    "tournament, voting and matching rules",
    "accounting, ledgers and exact money arithmetic",
    "calendars, recurrences and time zones",
    "bioinformatics: alignment and phylogeny",
    "chemical formulas and reaction balancing",
    "crystal, tiling and knot enumeration",
    "access policies and their verification",
    "probabilistic models with exact inference",
];

/// Draws `n` different topics. The same seed gives the same topics; more than there are gives all.
pub(super) fn draw(n: usize, seed: u64) -> Vec<String> {
    let mut order: Vec<(u64, &str)> =
        TOPICS.iter().map(|topic| (rank(seed, topic), *topic)).collect();
    order.sort_unstable();
    order.into_iter().take(n).map(|(_, topic)| topic.to_owned()).collect()
}

fn rank(seed: u64, topic: &str) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(topic.as_bytes());
    let mut start = [0; 8];
    start.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draw_is_decided_by_the_seed() {
        assert_eq!(draw(3, 7), draw(3, 7));
        assert_ne!(draw(3, 7), draw(3, 8));
        assert_eq!(draw(5, 7)[..3], draw(3, 7));
        let all: std::collections::BTreeSet<String> = draw(1_000, 0).into_iter().collect();
        assert_eq!(all.len(), TOPICS.len());
    }
}
