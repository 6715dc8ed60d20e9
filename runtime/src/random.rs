//! Random bytes from the host, through wasmtime-wasi's source.

use wasmtime_wasi::random::WasiRandomCtx;
