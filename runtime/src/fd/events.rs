//! What can be told of a descriptor that is polled, by the bits of Linux's `poll`.

use super::{Description, Kind};
use std::{
    ops::{BitAnd, BitOr, BitOrAssign},
    task::Context,
};

/// A set of bits of `poll`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Events(u16);

impl Events {
    pub(crate) const NONE: Self = Self(0);
    /// `POLLIN` and `POLLRDNORM`: a read would not wait.
    pub(crate) const IN: Self = Self(0x41);
    /// `POLLOUT` and `POLLWRNORM`: a write would not wait.
    pub(crate) const OUT: Self = Self(0x104);
    /// `POLLERR`: nobody reads any more, or an error of the connection waits to be told.
    pub(crate) const ERR: Self = Self(0x8);
    /// `POLLHUP`: nothing goes through any more.
    pub(crate) const HUP: Self = Self(0x10);
    /// `POLLNVAL`: there is no such descriptor.
    pub(crate) const NVAL: Self = Self(0x20);
    /// `POLLRDHUP`: the other end sends no more.
    pub(crate) const RDHUP: Self = Self(0x2000);

    /// Returns those that `wanted` asks for, and those that are told unasked.
    pub(crate) fn told(self, wanted: u16) -> Self {
        self & (Self(wanted) | Self::ERR | Self::HUP | Self::NVAL)
    }

    pub(crate) fn bits(self) -> u16 {
        self.0
    }

    /// Returns these if `condition` holds, else none.
    pub(crate) fn when(self, condition: bool) -> Self {
        if condition { self } else { Self::NONE }
    }
}

impl BitOr for Events {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Events {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl BitAnd for Events {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Description {
    /// Returns what is so now.
    pub(crate) fn events(&self) -> Events {
        match &self.kind {
            Kind::PipeReader(pipe) => pipe.events(),
            Kind::PipeWriter(pipe) => pipe.events(),
            Kind::Socket(socket) => socket.events(),
            Kind::Capture(_) => Events::OUT,
            Kind::File(_)
            | Kind::Directory { .. }
            | Kind::Host(_)
            | Kind::Bytes(_)
            | Kind::Device(_)
            | Kind::DescriptorDir => Events::IN | Events::OUT,
        }
    }

    /// Asks to be woken when [`Description::events`] may say something else.
    pub(crate) fn watch(&self, cx: &Context<'_>) {
        match &self.kind {
            Kind::PipeReader(pipe) => pipe.watch(cx),
            Kind::PipeWriter(pipe) => pipe.watch(cx),
            Kind::Socket(socket) => socket.watch(cx),
            _ => {}
        }
    }
}
