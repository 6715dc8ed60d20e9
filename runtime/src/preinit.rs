//! Snapshots of modules: an instance that has done its start-up, written back as a module.
//!
//! The instance runs on this kernel, on a fork of the tree that it will later see, so what it
//! remembers of files is true; calls of the extension module fail, since a snapshot cannot hold
//! pipes and children.

use crate::{
    engine::Engine,
    image::Programs,
    process::{Process, detached},
    sandbox::Sandbox,
    tree::Tree,
    vfs::Mount,
};
use thiserror::Error;
use wasmtime::{Instance, Module, Store, Val};
use wasmtime_wizer::{InstanceState, SnapshotVal, ValType, Wizer};

/// Why a module could not be snapshotted.
#[derive(Debug, Error)]
#[error("failed to {step} for a snapshot")]
pub struct PreinitError {
    step: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

fn at(step: &'static str) -> impl FnOnce(wasmtime::Error) -> PreinitError {
    move |error| PreinitError { step, source: error.into() }
}

/// Runs `init_function` of a module, with `root` as its file system, and returns a module that
/// starts where that ended. The new module has neither that function nor `_initialize` any more.
///
/// # Errors
///
/// Fails if the module is not valid, or if its start-up traps or exits.
pub async fn preinit(
    engine: &Engine,
    wasm: &[u8],
    init_function: &str,
    root: &Tree,
) -> Result<Vec<u8>, PreinitError> {
    let mut wizer = Wizer::new();
    wizer.init_func(init_function);
    let (context, instrumented) = wizer.instrument(wasm).map_err(at("prepare the module"))?;
    let module = Module::new(engine.wasmtime(), &instrumented).map_err(at("compile the module"))?;
    let mut store = store(engine, root);
    let instance = engine
        .linker()
        .instantiate_async(&mut store, &module)
        .await
        .map_err(at("instantiate the module"))?;
    store.data_mut().memory = instance.get_memory(&mut store, "memory");
    for function in ["_initialize", init_function] {
        if let Ok(function) = instance.get_typed_func::<(), ()>(&mut store, function) {
            function.call_async(&mut store, ()).await.map_err(at("run the start-up"))?;
        }
    }
    let mut state = State { store: &mut store, instance };
    wizer.snapshot(&context, &mut state).await.map_err(at("write the module"))
}

fn store(engine: &Engine, root: &Tree) -> Store<Process> {
    let root = Mount::tree("/", root.clone());
    let sandbox = Sandbox::builder_on(engine, Programs::from_bytes(engine, vec![]), root)
        .build()
        .expect("the standard mounts fit");
    let mut store = Store::new(engine.wasmtime(), detached(&sandbox.job(), "preinit"));
    store.limiter(|process| process);
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    store
}

struct State<'a> {
    store: &'a mut Store<Process>,
    instance: Instance,
}

impl InstanceState for State<'_> {
    async fn global_get(&mut self, name: &str, _: ValType) -> SnapshotVal {
        let global = self.instance.get_global(&mut *self.store, name);
        match global.expect("instrumented").get(&mut *self.store) {
            Val::I32(value) => SnapshotVal::I32(value),
            Val::I64(value) => SnapshotVal::I64(value),
            Val::F32(bits) => SnapshotVal::F32(bits),
            Val::F64(bits) => SnapshotVal::F64(bits),
            Val::V128(value) => SnapshotVal::V128(value.as_u128()),
            _ => unreachable!("wizer refuses modules with references in globals"),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        let memory = self.instance.get_memory(&mut *self.store, name).expect("instrumented");
        contents(memory.data(&self.store));
    }
}
