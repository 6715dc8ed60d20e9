//! The descriptor numbers of one process.

use super::Description;
use crate::errno::{Errno, SysResult};
use std::{collections::BTreeMap, sync::Arc};

/// The number of the root directory in every guest: the one preopen of WASI.
pub(crate) const ROOT_FD: u32 = 3;

/// The largest number that a process may use, whatever its limit on how many are open.
const MAX_NUMBER: u32 = 1 << 16;

/// A map from descriptor numbers to what is open under them.
#[derive(Debug, Default)]
pub(crate) struct FdTable {
    open: BTreeMap<u32, Arc<Description>>,
}

impl FdTable {
    pub(crate) fn get(&self, fd: u32) -> SysResult<&Arc<Description>> {
        self.open.get(&fd).ok_or(Errno::BADF)
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.open.keys().copied()
    }

    /// Puts a description under the lowest free number that is not below `min`.
    pub(crate) fn add(&mut self, min: u32, limit: u32, it: Arc<Description>) -> SysResult<u32> {
        if self.open.len() >= limit as usize {
            return Err(Errno::MFILE);
        }
        let mut number = min;
        for used in self.open.range(min..).map(|(number, _)| *number) {
            if used != number {
                break;
            }
            number += 1;
        }
        if number > MAX_NUMBER {
            return Err(Errno::MFILE);
        }
        self.open.insert(number, it);
        Ok(number)
    }

    /// Puts a description under a given number; returns what was there.
    pub(crate) fn put(
        &mut self,
        fd: u32,
        it: Arc<Description>,
    ) -> SysResult<Option<Arc<Description>>> {
        if fd > MAX_NUMBER {
            return Err(Errno::BADF);
        }
        Ok(self.open.insert(fd, it))
    }

    /// Takes a description out; the root directory stays for the life of the process.
    pub(crate) fn take(&mut self, fd: u32) -> SysResult<Arc<Description>> {
        if fd == ROOT_FD {
            return Err(Errno::BADF);
        }
        self.open.remove(&fd).ok_or(Errno::BADF)
    }
}
