//! Pipes: a bounded queue of bytes in the host, with back-pressure.
//!
//! A reader of an empty pipe and a writer of a full one wait without holding a thread. A pipe ends
//! when the last writer closes (readers then see the end of the file) or the last reader does
//! (writers then get `EPIPE`). A write of at most [`ATOMIC_BYTES`] is not split.

use super::{Events, Waiting};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    sync::Arc,
    task::{Context, Poll},
};

/// Bytes that a pipe holds at most. As on Linux: a here-document of this size can be written before
/// its reader starts.
const CAPACITY_BYTES: usize = 64 * 1024;

/// `PIPE_BUF` of Linux.
const ATOMIC_BYTES: usize = 4096;

/// What a descriptor can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Read,
    Write,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<u8>,
    n_readers: usize,
    n_writers: usize,
    waiting: Waiting,
}

impl State {
    fn room(&self) -> usize {
        CAPACITY_BYTES.saturating_sub(self.queue.len())
    }

    fn copy(&self, out: &mut [u8]) -> Moved {
        if self.queue.is_empty() {
            return if self.n_writers == 0 { Moved::Closed } else { Moved::WouldBlock };
        }
        let n_bytes = out.len().min(self.queue.len());
        let (front, back) = self.queue.as_slices();
        let n_front = n_bytes.min(front.len());
        out[..n_front].copy_from_slice(&front[..n_front]);
        out[n_front..n_bytes].copy_from_slice(&back[..n_bytes - n_front]);
        Moved::Bytes(n_bytes)
    }
}

/// The state that both ends of a pipe share.
type Shared = Arc<Mutex<State>>;

/// The end of a pipe that bytes come out of.
#[derive(Debug)]
pub(crate) struct PipeReader(Shared);

/// The end of a pipe that bytes go into.
#[derive(Debug)]
pub(crate) struct PipeWriter(Shared);

/// Makes a pipe.
pub(crate) fn pipe() -> (PipeReader, PipeWriter) {
    let state = State { n_readers: 1, n_writers: 1, ..State::default() };
    let shared = Arc::new(Mutex::new(state));
    (PipeReader(Arc::clone(&shared)), PipeWriter(shared))
}

/// What came of trying to move bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    Bytes(usize),
    /// Nothing to be moved now.
    WouldBlock,
    /// The other end is closed.
    Closed,
}

impl PipeReader {
    /// Moves bytes into `out`; [`Moved::Closed`] is the end of the file.
    pub(crate) fn try_read(&self, out: &mut [u8]) -> Moved {
        let mut state = self.0.lock();
        let moved = state.copy(out);
        if let Moved::Bytes(n_bytes) = moved {
            state.queue.drain(..n_bytes);
            state.waiting.wake();
        }
        moved
    }

    /// Copies bytes into `out`, and leaves them where they are.
    pub(crate) fn try_peek(&self, out: &mut [u8]) -> Moved {
        self.0.lock().copy(out)
    }

    /// Returns how many bytes wait, and whether the last writer has closed.
    pub(crate) fn level(&self) -> (usize, bool) {
        let state = self.0.lock();
        (state.queue.len(), state.n_writers == 0)
    }

    pub(crate) fn events(&self) -> Events {
        let (n_bytes, is_ended) = self.level();
        Events::IN.when(n_bytes > 0) | Events::HUP.when(is_ended)
    }

    pub(crate) fn watch(&self, cx: &Context<'_>) {
        self.0.lock().waiting.add(cx);
    }

    pub(crate) fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if !state.queue.is_empty() || state.n_writers == 0 {
            return Poll::Ready(());
        }
        state.waiting.add(cx);
        Poll::Pending
    }
}

impl PipeWriter {
    /// Moves bytes out of `data`.
    pub(crate) fn try_write(&self, data: &[u8]) -> Moved {
        let mut state = self.0.lock();
        if state.n_readers == 0 {
            return Moved::Closed;
        }
        let room = state.room();
        if room == 0 || (data.len() <= ATOMIC_BYTES && room < data.len()) {
            return Moved::WouldBlock;
        }
        let n_bytes = room.min(data.len());
        state.queue.extend(&data[..n_bytes]);
        state.waiting.wake();
        Moved::Bytes(n_bytes)
    }

    /// Returns how many bytes may be written, and whether the last reader has closed.
    pub(crate) fn level(&self) -> (usize, bool) {
        let state = self.0.lock();
        (state.room(), state.n_readers == 0)
    }

    pub(crate) fn events(&self) -> Events {
        let (room, is_closed) = self.level();
        Events::OUT.when(room >= ATOMIC_BYTES) | Events::ERR.when(is_closed)
    }

    pub(crate) fn watch(&self, cx: &Context<'_>) {
        self.0.lock().waiting.add(cx);
    }

    pub(crate) fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.room() >= ATOMIC_BYTES || state.n_readers == 0 {
            return Poll::Ready(());
        }
        state.waiting.add(cx);
        Poll::Pending
    }

    /// Waits until the last reader has closed.
    pub(crate) fn poll_closed(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.n_readers == 0 {
            return Poll::Ready(());
        }
        state.waiting.add(cx);
        Poll::Pending
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.n_readers -= 1;
        state.waiting.wake();
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.n_writers -= 1;
        state.waiting.wake();
    }
}

/// The host's end of a command's standard input; dropping it is the end of the input.
#[derive(Debug)]
pub struct StdinWriter(pub(crate) PipeWriter);

impl StdinWriter {
    /// Writes all of `data`, waiting while the pipe is full.
    ///
    /// # Errors
    ///
    /// Fails with `BrokenPipe` once nobody in the sandbox can read any more.
    pub async fn write_all(&mut self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            // A piece larger than the atomic size may go in bit by bit.
            let piece = &data[..data.len().min(CAPACITY_BYTES)];
            match self.0.try_write(piece) {
                Moved::Bytes(n_bytes) => data = &data[n_bytes..],
                Moved::Closed => return Err(io::ErrorKind::BrokenPipe.into()),
                Moved::WouldBlock => poll_fn(|cx| self.0.poll_ready(cx)).await,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_pipe_blocks_and_small_writes_are_whole() {
        let (reader, writer) = pipe();
        assert_eq!(
            writer.try_write(&vec![1; CAPACITY_BYTES - 10]),
            Moved::Bytes(CAPACITY_BYTES - 10)
        );
        assert_eq!(writer.try_write(&[2; 11]), Moved::WouldBlock);
        assert_eq!(writer.try_write(&[2; ATOMIC_BYTES + 1]), Moved::Bytes(10));
        let mut out = vec![0; CAPACITY_BYTES];
        assert_eq!(reader.try_read(&mut out), Moved::Bytes(CAPACITY_BYTES));
        assert_eq!(out[CAPACITY_BYTES - 10..], [2; 10]);
        assert_eq!(reader.try_read(&mut out), Moved::WouldBlock);
    }

    #[test]
    fn closing_an_end_shows_at_the_other() {
        let (reader, writer) = pipe();
        writer.try_write(b"rest");
        drop(writer);
        let mut out = [0; 8];
        assert_eq!(reader.try_read(&mut out), Moved::Bytes(4));
        assert_eq!(reader.try_read(&mut out), Moved::Closed);
        let (reader, writer) = pipe();
        let cx = Context::from_waker(std::task::Waker::noop());
        assert!(writer.poll_closed(&cx).is_pending());
        drop(reader);
        assert_eq!(writer.try_write(b"x"), Moved::Closed);
        assert!(writer.poll_closed(&cx).is_ready());
    }

    #[tokio::test]
    async fn bytes_arrive_in_order_whatever_the_sizes() {
        let (reader, writer) = pipe();
        let data: Vec<u8> = (0..1_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let expected = data.clone();
        let writing = tokio::spawn(async move { StdinWriter(writer).write_all(&data).await });
        let mut got = vec![];
        let mut out = [0; 7919];
        loop {
            match reader.try_read(&mut out) {
                Moved::Bytes(n_bytes) => got.extend_from_slice(&out[..n_bytes]),
                Moved::WouldBlock => poll_fn(|cx| reader.poll_ready(cx)).await,
                Moved::Closed => break,
            }
        }
        writing.await.unwrap().unwrap();
        assert!(got == expected);
    }
}
