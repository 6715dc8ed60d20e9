//! The shell guest: brush on the processes and pipes of the playpen kernel.
//!
//! What bash forks for (pipeline stages that are no external command, `$( )`, `<( )`, `&`) is a new
//! process of this program that is sent the shell's state; see `sys/wasm/fork.rs` in brush-core's
//! patch folder. `--playpen-state IN OUT` keeps a shell's state from one process to the next.

mod builtins;
mod input;
mod messages;
mod options;
mod state;

use std::io::Write as _;

use brush_builtins::{BuiltinSet, default_builtins};
use brush_core::traps::TrapSignal;
use brush_core::{
    Error, ErrorKind, ExecutionResult, Shell, ShellValue, ShellVariable, SourceInfo,
    sys::{delivery, fork},
};

use messages::Extensions;
use options::{Input, Options};

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without threads needs nothing");
    let code = runtime.block_on(run()).unwrap_or_else(|e| {
        eprintln!("sh: {e}");
        2
    });
    let _ = std::io::stdout().flush();
    std::process::exit(code.into());
}

async fn run() -> Result<u8, Error> {
    let mut args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|a| a == fork::RESUME) {
        return fork::resume::<Extensions>(builtins::register).await;
    }
    let state = match state::Descriptors::take(&mut args) {
        Ok(state) => state,
        Err(message) => {
            eprintln!("sh: {message}");
            return Ok(2);
        }
    };
    delivery::start();
    let options = Options::parse(args);
    let saved = state.as_ref().map(state::Descriptors::read).transpose()?.unwrap_or_default();
    let mut shell = if saved.is_empty() { fresh(&options).await? } else { state::restore(&saved)? };
    let result = execute(&mut shell, options, state.is_some()).await;
    if let Some(state) = state {
        // It has run: the next process is another shell's end.
        shell.traps_mut().remove_handlers(TrapSignal::Exit);
        state.write(&shell)?;
    }
    result
}

/// A new shell with the process's environment.
async fn fresh(options: &Options) -> Result<Shell<Extensions>, Error> {
    let mut builder = Shell::builder_with_extensions::<Extensions>()
        .builtins(default_builtins(BuiltinSet::BashMode))
        .shell_name(options.name.clone())
        .shell_args(options.args.clone())
        .working_dir(std::env::var("PWD").unwrap_or_else(|_| "/".into()).into())
        .do_not_inherit_env(true)
        .command_string_mode(matches!(options.input, Input::Text(_)))
        .disable_options(options.disable.clone())
        .enable_options(options.enable.clone());
    let mut functions = vec![];
    for (name, value) in std::env::vars() {
        if let Some(function) = name.strip_prefix("BASH_FUNC_").and_then(|f| f.strip_suffix("%%")) {
            functions.push((function.to_owned(), value));
        } else {
            let mut variable = ShellVariable::new(ShellValue::String(value));
            variable.export();
            builder = builder.var(name, variable);
        }
    }
    let mut shell = builder.build().await?;
    shell.open_files_mut().update_from(fork::inherited().into_iter());
    builtins::register(&mut shell);
    for (name, body) in functions {
        if shell.define_func_from_str(&name, &body).is_ok()
            && let Some(function) = shell.func_mut(&name)
        {
            function.export();
        }
    }
    Ok(shell)
}

async fn execute(
    shell: &mut Shell<Extensions>,
    options: Options,
    keeps_state: bool,
) -> Result<u8, Error> {
    let result = match options.input {
        // Command string mode would leave its frame on the call stack after an error.
        Input::Text(text) if keeps_state => string(shell, text, "-c").await?,
        Input::Text(text) => shell.run_dash_c_command(text).await?,
        Input::Script(script) => match shell.run_script(&script, options.args.into_iter()).await {
            Ok(result) => result,
            Err(e) => {
                match e.kind() {
                    ErrorKind::FailedSourcingFile(..) => {
                        eprintln!("bash: {script}: No such file or directory");
                    }
                    _ => eprintln!("bash: {script}: {e}"),
                }
                return Ok(127);
            }
        },
        Input::Stdin => {
            if !keeps_state {
                shell.start_interactive_session()?; // for the numbers of lines in messages
            }
            input::run(shell, options.is_interactive).await?
        }
    };
    Ok(result.exit_code.into())
}

async fn string(
    shell: &mut Shell<Extensions>,
    text: String,
    source: &str,
) -> Result<ExecutionResult, Error> {
    let params = shell.default_exec_params();
    let result = shell.run_string(text, &SourceInfo::from(source), &params).await?;
    Ok(shell.on_exit().await.ok().flatten().unwrap_or(result))
}
