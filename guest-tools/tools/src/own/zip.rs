//! `zip` and `unzip`, over the crate zip.

mod pack;
mod unpack;

pub(crate) use pack::run as zip;
pub(crate) use unpack::run as unzip;

use std::io;

use zip::result::ZipError;

/// What an error of the crate says.
fn why(error: &ZipError) -> String {
    match error {
        ZipError::Io(e) => super::reason(e),
        other => other.to_string(),
    }
}

fn io_error(error: ZipError) -> io::Error {
    io::Error::other(why(&error))
}
