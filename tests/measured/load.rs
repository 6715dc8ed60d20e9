//! A verdict does not depend on what else the machine does: the same work gives the same record, byte for byte,
//! with busy loops beside it.

use playpen::context::Context;
use playpen_e2e::verdicts::{judge::Case, machine::context, persona};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::alone;

/// Busy threads beside a verification: as many as the machine of the promise has cores.
const N_BUSY: usize = 2;

/// Work of each kind: accepted, refused, flaky, ended by a limit, and such as looks at the clock.
const NAMES: [&str; 6] = [
    "honest-random-and-slow",
    "implementer-flaky-by-order",
    "injector-honest",
    "injector-loops",
    "reproducer-honest",
    "writer-measures-time-honestly",
];

/// Threads that compute for as long as this lives.
struct Busy {
    is_over: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Busy {
    fn new() -> Busy {
        let is_over = Arc::new(AtomicBool::new(false));
        let spin = |_| {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                let mut n = 0_u64;
                while !is_over.load(Ordering::Relaxed) {
                    n = std::hint::black_box(n.wrapping_mul(3).wrapping_add(1));
                }
            })
        };
        let threads = (0..N_BUSY).map(spin).collect();
        Busy { is_over, threads }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

#[test]
fn the_same_work_gives_the_same_record_beside_busy_loops() {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let ctx = context(None).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("personas");
        let personas = persona::read_all(&folder).unwrap().personas;
        let mut n_compared = 0;
        for persona in personas.into_iter().filter(|it| NAMES.contains(&it.name.as_str())) {
            let name = persona.name.clone();
            let case = Case::play(&ctx, persona).await.unwrap();
            let quiet = record(&case, &ctx).await;
            let busy = Busy::new();
            let loud = record(&case, &ctx).await;
            drop(busy);
            assert_eq!(quiet, loud, "{name}");
            assert!(quiet.len() > 1000, "{name}: {quiet}");
            n_compared += 1;
        }
        assert_eq!(n_compared, NAMES.len());
    });
}

async fn record(case: &Case, ctx: &Context) -> String {
    let (record, more) = case.verify(ctx, 7, 2).await.unwrap();
    format!("{}\n{more:?}", serde_json::to_string_pretty(&record).unwrap())
}
