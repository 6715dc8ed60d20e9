//! What `poll` tells of a socket, as Linux's `tcp_poll`, `unix_poll` and `datagram_poll` do.

use super::{MAX_QUEUED_BYTES, Role, Socket};
use crate::fd::Events;
use std::task::Context;

impl Socket {
    /// Returns what is so now.
    pub(crate) fn events(&self) -> Events {
        let state = self.state.lock();
        match &state.role {
            Role::Idle => Events::OUT | Events::HUP,
            Role::Listening { pending, .. } => Events::IN.when(!pending.is_empty()),
            Role::Connected { reader, writer, lines } => {
                let received = reader.as_ref().map(super::PipeReader::level);
                let (n_bytes, is_ended) = received.unwrap_or((0, true));
                let is_over =
                    self.is_over(lines, writer.is_some()) || (reader.is_none() && writer.is_none());
                let mut events = Events::IN.when(n_bytes > 0 || is_ended || is_over);
                events |= Events::RDHUP.when(is_ended || is_over);
                events |= Events::HUP.when(is_over);
                events |= Events::ERR.when(lines.own.lock().has_error());
                // Who has said that nothing more comes, and who cannot reach anybody, waits for no room.
                let takes = writer.as_ref().is_none_or(|writer| {
                    let events = writer.events();
                    events & (Events::OUT | Events::ERR) != Events::NONE
                });
                events | Events::OUT.when(takes || is_over)
            }
            Role::Mailbox { queue, is_shut, other, .. } => {
                let (is_waiting, is_shut) = (!queue.is_empty(), *is_shut);
                let other = other.clone();
                drop(state);
                let other = other.and_then(|other| other.upgrade());
                Events::IN.when(is_waiting || is_shut)
                    | Events::RDHUP.when(is_shut)
                    | Events::OUT.when(other.is_none_or(|other| other.has_room()))
            }
        }
    }

    /// Asks to be woken when [`Socket::events`] may say something else.
    pub(crate) fn watch(&self, cx: &Context<'_>) {
        let mut state = self.state.lock();
        state.waiting.add(cx);
        match &state.role {
            Role::Connected { reader, writer, .. } => {
                if let Some(reader) = reader {
                    reader.watch(cx);
                }
                if let Some(writer) = writer {
                    writer.watch(cx);
                }
            }
            Role::Mailbox { other: Some(other), .. } => {
                let other = other.clone();
                drop(state);
                if let Some(other) = other.upgrade() {
                    other.state.lock().waiting.add(cx);
                }
            }
            _ => {}
        }
    }

    fn has_room(&self) -> bool {
        !matches!(self.state.lock().role, Role::Mailbox { n_bytes, .. } if n_bytes >= MAX_QUEUED_BYTES / 2)
    }
}
