//! Compressing with the zlib that libgit2 is built with.

use libz_sys as z;

use crate::fail::{Outcome, fatal};

/// Compresses to a stream: with negative bits without a header, with 31 as gzip.
fn deflate(bytes: &[u8], level: Option<i32>, bits: i32) -> Outcome<Vec<u8>> {
    let failed = || fatal("deflate error");
    // Its functions of memory must be null, which the type does not allow: so it is used by its address only.
    let mut stream = std::mem::MaybeUninit::<z::z_stream>::zeroed();
    let stream = stream.as_mut_ptr();
    let size = i32::try_from(size_of::<z::z_stream>()).map_err(|_| failed())?;
    let level = level.unwrap_or(z::Z_DEFAULT_COMPRESSION);
    // SAFETY: the stream is one, and the version and size are those of this zlib.
    let begun = unsafe {
        z::deflateInit2_(
            stream,
            level,
            z::Z_DEFLATED,
            bits,
            8,
            z::Z_DEFAULT_STRATEGY,
            z::zlibVersion(),
            size,
        )
    };
    if begun != z::Z_OK {
        return Err(failed());
    }
    // SAFETY: the stream was begun.
    let bound = unsafe { z::deflateBound(stream, bytes.len() as _) } as usize;
    let mut out = vec![0; bound];
    let n_in = u32::try_from(bytes.len()).map_err(|_| failed())?;
    let n_out = u32::try_from(bound).map_err(|_| failed())?;
    // SAFETY: the stream was begun, and both pointers have as many bytes as is said.
    let (ended, total) = unsafe {
        (*stream).next_in = bytes.as_ptr().cast_mut();
        (*stream).avail_in = n_in;
        (*stream).next_out = out.as_mut_ptr();
        (*stream).avail_out = n_out;
        let ended = z::deflate(stream, z::Z_FINISH);
        let total = (*stream).total_out as usize;
        z::deflateEnd(stream);
        (ended, total)
    };
    if ended != z::Z_STREAM_END {
        return Err(failed());
    }
    out.truncate(total);
    Ok(out)
}

/// As in a zip file.
pub(super) fn raw(bytes: &[u8], level: Option<i32>) -> Outcome<Vec<u8>> {
    deflate(bytes, level, -15)
}

/// As `git archive` has it: without name and time, made on Unix.
pub(super) fn gzip(bytes: &[u8], level: Option<i32>) -> Outcome<Vec<u8>> {
    deflate(bytes, level, 15 + 16)
}

/// The check sum of a zip file.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    // SAFETY: the slice is one.
    unsafe { z::crc32(0, bytes.as_ptr(), bytes.len() as _) as u32 }
}
