//! Whole guests, from text to outcome: one module per thing that a guest may try.
//!
//! The guests are WebAssembly text, so these tests need neither an image nor a compiler for guests;
//! what real programs do is tested in the crate of end-to-end tests.

mod determinism;
mod escapes;
mod limits;
mod namespace;
mod network;
mod preview1;
mod processes;
mod races;
mod semaphores;
mod signals;
mod support;
mod threads;
