//! The memory of a guest, as system calls see it: every range is checked, every value copied.

use crate::{
    errno::{Errno, SysResult},
    vfs::Stat,
};

/// A guest's linear memory during one system call.
pub(crate) struct Guest<'a> {
    bytes: &'a mut [u8],
}

/// Buffers of one vectored call, as `IOV_MAX` of Linux. Answers TM-MEM-3: a list that makes the host
/// allocate.
const MAX_BUFFERS: u32 = 1024;

/// Bytes of a path or link that the kernel copies; longer ones are `ENAMETOOLONG` anyway.
const MAX_PATH_BYTES: u32 = 4096;

impl<'a> Guest<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes }
    }

    fn range(&self, at: u32, len: u32) -> SysResult<std::ops::Range<usize>> {
        let (start, len) = (at as usize, len as usize);
        let end = start.checked_add(len).filter(|end| *end <= self.bytes.len());
        end.map(|end| start..end).ok_or(Errno::FAULT)
    }

    pub(crate) fn slice(&self, at: u32, len: u32) -> SysResult<&[u8]> {
        Ok(&self.bytes[self.range(at, len)?])
    }

    pub(crate) fn slice_mut(&mut self, at: u32, len: u32) -> SysResult<&mut [u8]> {
        let range = self.range(at, len)?;
        Ok(&mut self.bytes[range])
    }

    pub(crate) fn write(&mut self, at: u32, data: &[u8]) -> SysResult<()> {
        let len = u32::try_from(data.len()).map_err(|_| Errno::FAULT)?;
        self.slice_mut(at, len)?.copy_from_slice(data);
        Ok(())
    }

    pub(crate) fn write_u32(&mut self, at: u32, value: u32) -> SysResult<()> {
        self.write(at, &value.to_le_bytes())
    }

    pub(crate) fn write_u64(&mut self, at: u32, value: u64) -> SysResult<()> {
        self.write(at, &value.to_le_bytes())
    }

    /// Copies an array of `N` numbers.
    pub(crate) fn u32s<const N: usize>(&self, at: u32) -> SysResult<[u32; N]> {
        let bytes = self.slice(at, 4 * N as u32)?;
        let mut numbers = [0; N];
        for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(4)) {
            *number = u32::from_le_bytes(bytes.try_into().expect("chunks of 4"));
        }
        Ok(numbers)
    }

    /// Copies a path, the one time that it is read.
    pub(crate) fn path(&self, at: u32, len: u32) -> SysResult<String> {
        if len > MAX_PATH_BYTES {
            return Err(Errno::NAMETOOLONG);
        }
        self.text(at, len)
    }

    /// Copies a string.
    pub(crate) fn text(&self, at: u32, len: u32) -> SysResult<String> {
        String::from_utf8(self.slice(at, len)?.to_vec()).map_err(|_| Errno::ILSEQ)
    }

    /// Copies strings that lie back to back, each with its NUL.
    pub(crate) fn texts(&self, at: u32, len: u32, count: u32) -> SysResult<Vec<String>> {
        let bytes = self.slice(at, len)?;
        if count == 0 {
            return Ok(vec![]);
        }
        let bytes = bytes.strip_suffix(b"\0").ok_or(Errno::INVAL)?;
        let texts: Result<Vec<String>, _> = bytes
            .split(|byte| *byte == 0)
            .map(|text| String::from_utf8(text.to_vec()).map_err(|_| Errno::ILSEQ))
            .collect();
        texts.and_then(
            |texts| {
                if texts.len() == count as usize { Ok(texts) } else { Err(Errno::INVAL) }
            },
        )
    }

    /// Copies the list of buffers of a vectored call; each is checked when it is used.
    pub(crate) fn buffers(&self, at: u32, count: u32) -> SysResult<Vec<(u32, u32)>> {
        if count > MAX_BUFFERS {
            return Err(Errno::INVAL);
        }
        let bytes = self.slice(at, count * 8)?;
        let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("chunks of 4"));
        Ok(bytes.chunks_exact(8).map(|pair| (number(&pair[..4]), number(&pair[4..]))).collect())
    }

    /// Writes `filestat` of preview 1, 64 bytes.
    pub(crate) fn write_filestat(&mut self, at: u32, stat: &Stat) -> SysResult<()> {
        let mut out = [0; 64];
        let mut put = |place: usize, value: u64| {
            out[place..place + 8].copy_from_slice(&value.to_le_bytes());
        };
        put(0, stat.dev);
        put(8, stat.ino);
        put(16, stat.kind as u64);
        put(24, stat.nlink);
        put(32, stat.size);
        put(40, stat.accessed);
        put(48, stat.modified);
        put(56, stat.changed);
        self.write(at, &out)
    }

    /// Writes `filestat` followed by mode, uid, gid and rdev, 80 bytes.
    pub(crate) fn write_stat(&mut self, at: u32, stat: &Stat) -> SysResult<()> {
        self.write_filestat(at, stat)?;
        let rest = at.checked_add(64).ok_or(Errno::FAULT)?;
        let mut out = [0; 16];
        out[..4].copy_from_slice(&(stat.kind.mode_bits() | stat.mode).to_le_bytes());
        self.write(rest, &out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_outside_of_memory_are_refused() {
        let mut memory = [0; 16];
        let mut guest = Guest::new(&mut memory);
        assert_eq!(guest.slice(0, 17), Err(Errno::FAULT));
        assert_eq!(guest.slice(u32::MAX, u32::MAX), Err(Errno::FAULT));
        assert_eq!(guest.write_u32(13, 1), Err(Errno::FAULT));
        assert_eq!(guest.buffers(8, 2), Err(Errno::FAULT));
        assert_eq!(guest.path(0, 5000), Err(Errno::NAMETOOLONG));
    }

    #[test]
    fn strings_must_be_as_many_as_said() {
        let mut memory = *b"a\0bc\0\0";
        let guest = Guest::new(&mut memory);
        assert_eq!(guest.texts(0, 6, 3).unwrap(), ["a", "bc", ""]);
        assert_eq!(guest.texts(0, 5, 3), Err(Errno::INVAL));
        assert_eq!(guest.texts(0, 4, 2), Err(Errno::INVAL));
    }
}
