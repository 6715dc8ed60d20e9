//! Commands from standard input: no more of it is read than the command needs that runs next, so that
//! the command itself can read what follows.

use brush_core::{Error, ExecutionResult, Shell, SourceInfo};
use brush_parser::{Reading, State};
use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
};

use crate::messages::Extensions;

/// Bytes of a file that are read at a time; what is behind the end of a line is given back.
const BLOCK_BYTES: usize = 4096;

/// Runs what comes in, command by command, until the end of input, `exit`, or a text that is none.
pub(crate) async fn run(
    shell: &mut Shell<Extensions>,
    is_interactive: bool,
) -> Result<ExecutionResult, Error> {
    let mut input = playpen_sys::dup(&io::stdin())?;
    let mut n_lines = 0;
    let mut reading = Reading::new();
    let mut result = ExecutionResult::success();
    loop {
        if is_interactive {
            prompt(shell, !reading.text().is_empty()).await?;
        }
        let line = read_line(&mut input)?;
        let is_last = line.is_empty();
        let options = shell.parser_options();
        let mut state = reading.push(&String::from_utf8_lossy(&line), &options);
        if state == State::Incomplete && (is_last || is_interactive) {
            // Who types sees at once what is wrong.
            state = reading.state(&options);
        }
        if state == State::Incomplete && !is_last {
            continue;
        }
        let text = std::mem::take(&mut reading).into_text();
        let n_new_lines = text.matches('\n').count();
        if !text.trim().is_empty() {
            let is_whole = state == State::Whole;
            // A message about the text itself counts lines from where the text starts.
            let text = if is_whole { text } else { "\n".repeat(n_lines) + &text };
            let params = shell.default_exec_params();
            result = shell.run_string(text, &SourceInfo::from("stdin"), &params).await?;
            if !result.is_normal_flow() || (!is_whole && !is_interactive) {
                break;
            }
        }
        if is_last {
            break;
        }
        n_lines += n_new_lines;
        shell.increment_interactive_line_offset(n_new_lines);
    }
    Ok(shell.on_exit().await.ok().flatten().unwrap_or(result))
}

async fn prompt(shell: &mut Shell<Extensions>, is_continued: bool) -> Result<(), Error> {
    let prompt = match is_continued {
        true => shell.compose_continuation_prompt().await?,
        false => shell.compose_prompt().await?,
    };
    let mut stderr = io::stderr();
    let _ = stderr.write_all(prompt.as_bytes()).and_then(|()| stderr.flush());
    Ok(())
}

/// Reads up to the end of a line and no further; at the end of input, what is left or nothing.
fn read_line(input: &mut File) -> io::Result<Vec<u8>> {
    let start = input.stream_position().ok();
    let mut block = [0; BLOCK_BYTES];
    let n_at_once = if start.is_some() { BLOCK_BYTES } else { 1 };
    let mut line = vec![];
    loop {
        let n_read = match input.read(&mut block[..n_at_once]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if n_read == 0 {
            return Ok(line);
        }
        let end = block[..n_read].iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        line.extend_from_slice(&block[..end.unwrap_or(n_read)]);
        if end.is_some() {
            if let Some(start) = start {
                input.seek(SeekFrom::Start(start + line.len() as u64))?;
            }
            return Ok(line);
        }
    }
}
