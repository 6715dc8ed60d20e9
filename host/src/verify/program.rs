//! The verifier's own scripts, as compiled code.
//!
//! Compiling a script takes longer than running it, so each is compiled once for each image, in a sandbox in which
//! nothing but the image is. A script is then started with its code and its data on a descriptor, which is closed
//! before the script begins.

use bytes::Bytes;
use parking_lot::Mutex;
use playpen_runtime::{Command, Sandbox};
use std::{collections::BTreeMap, sync::LazyLock};

use super::check::CheckError;
use crate::{
    agent::{exit, report::REPORT_FD},
    context::Context,
};

/// The descriptor that a script and its data come from.
const PROGRAM_FD: u32 = 61;

/// Compiles the text on standard input.
const COMPILER: &str = "\
import marshal, os, sys
data = marshal.dumps(compile(sys.stdin.buffer.read(), sys.argv[1], 'exec', dont_inherit=True))
while data:
    data = data[os.write(62, data):]
";

/// Runs the code on the descriptor; what comes after it is `data`.
const LOADER: &str = "\
import marshal, os
data = bytearray()
while part := os.read(61, 1 << 20):
    data += part
os.close(61)
size = 8 + int.from_bytes(data[:8], 'little')
program, data = marshal.loads(data[8:size]), bytes(data[size:])
exec(program)
";

/// Code by the digest of the image and the name of the script.
type Compiled = BTreeMap<(String, &'static str), Bytes>;

static COMPILED: LazyLock<Mutex<Compiled>> = LazyLock::new(Mutex::default);

/// A script of the verifier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program {
    /// What it is called in tracebacks.
    pub(super) name: &'static str,
    /// Its text.
    pub(super) source: &'static str,
}

impl Program {
    /// Returns the command that runs the script in `sandbox` with `data`, by the interpreter at `python`.
    pub(super) async fn command(
        &self,
        ctx: &Context,
        sandbox: &Sandbox,
        python: &str,
        data: &[u8],
    ) -> Result<Command, CheckError> {
        let code = self.compiled(ctx).await?;
        let size = u64::try_from(code.len()).unwrap_or(u64::MAX).to_le_bytes();
        let input = [&size[..], &code, data].concat();
        Ok(sandbox
            .command(python)
            .args(["-I", "-B", "-c", LOADER])
            .input(PROGRAM_FD, Bytes::from(input))
            .collect(REPORT_FD))
    }

    /// Returns the code. Who comes while it is made for the first time makes it too.
    async fn compiled(&self, ctx: &Context) -> Result<Bytes, CheckError> {
        let key = (ctx.image.digest().to_owned(), self.name);
        if let Some(code) = COMPILED.lock().get(&key) {
            return Ok(code.clone());
        }
        let code = self.compile(ctx).await?;
        COMPILED.lock().insert(key, code.clone());
        Ok(code)
    }

    async fn compile(&self, ctx: &Context) -> Result<Bytes, CheckError> {
        let sandbox = Sandbox::builder(&ctx.engine, &ctx.image).deterministic(0).build();
        let sandbox = sandbox.map_err(CheckError::Sandbox)?;
        let mut outcome = sandbox
            .command("/usr/bin/python3")
            .args(["-I", "-c", COMPILER, self.name])
            .stdin(Bytes::from_static(self.source.as_bytes()))
            .collect(REPORT_FD)
            .output()
            .await
            .map_err(|source| CheckError::Run { program: "python", source })?;
        let code = outcome.collected.remove(&REPORT_FD).unwrap_or_default();
        if outcome.exit.is_success() && !code.is_empty() {
            return Ok(code);
        }
        let said = String::from_utf8_lossy(&outcome.stderr).trim().to_owned();
        let how = exit::describe(outcome.exit).unwrap_or_default();
        Err(CheckError::Script { message: format!("{} does not compile: {how} {said}", self.name) })
    }
}
