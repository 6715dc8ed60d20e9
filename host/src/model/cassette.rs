//! A folder of recorded answers.
//!
//! Each answer is a file `<digest>.json` with the request, the response and a format version, both in
//! the shape of the wire, so that a person can read it and a script can make one. A file is written
//! under another name and moved into place, so a reader sees a whole file or none; one that is
//! there is never overwritten, so a folder stays true to the run that wrote it.

use super::{ChatRequest, ChatResponse, RequestDigest, wire};
use fs_err as fs;
use serde_json::{Value, json};
use std::{
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// The format that this program writes, and the only one so far.
const FORMAT: u64 = 1;
/// The mode of a new file, before the user's mask.
const FILE_MODE: u32 = 0o666;

/// Why recorded answers could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CassetteError {
    /// The folder cannot be made or listed.
    #[error("failed to open folder `{}`", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },

    /// A file cannot be read.
    #[error("failed to read record `{}`", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },

    /// A file cannot be written.
    #[error("failed to write record `{}`", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },

    /// A file is not what its name says.
    #[error("record `{}` is damaged: {reason}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },

    /// A file was written by a newer program.
    #[error("record `{}` has format {format}, and this program reads {FORMAT}", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its format.
        format: u64,
    },
}

impl CassetteError {
    /// Returns advice on what to do, one line each.
    pub fn hints(&self) -> Vec<&'static str> {
        match self {
            Self::Folder { .. } => vec!["check the folder given with `--record` or `--replay`"],
            Self::Read { .. } | Self::Write { .. } => {
                vec!["check the folder's permissions and the space on its disk"]
            }
            Self::Damaged { .. } => vec!["remove the file and record again"],
            Self::Newer { .. } => vec!["use a newer playpen"],
        }
    }
}

/// One recorded answer.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) digest: RequestDigest,
    /// The request, in the shape of the wire.
    pub(super) request: Value,
    pub(super) response: ChatResponse,
}

/// A folder of recorded answers.
#[derive(Clone, Debug)]
pub(super) struct Cassette {
    folder: PathBuf,
}

impl Cassette {
    /// Opens a folder, and makes it if it does not exist.
    pub(super) fn create(folder: PathBuf) -> Result<Self, CassetteError> {
        match fs::create_dir_all(&folder) {
            Ok(()) => Ok(Self { folder }),
            Err(source) => Err(CassetteError::Folder { folder, source }),
        }
    }

    /// Opens a folder that exists.
    pub(super) fn open(folder: PathBuf) -> Result<Self, CassetteError> {
        match fs::read_dir(&folder) {
            Ok(_) => Ok(Self { folder }),
            Err(source) => Err(CassetteError::Folder { folder, source }),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the answer recorded for a request, if there is one.
    pub(super) fn find(&self, request: &ChatRequest) -> Result<Option<Record>, CassetteError> {
        match self.load(request.digest())? {
            Some(record) => Ok(Some(record)),
            // A record of a time when digests covered times.
            None => self.load(RequestDigest::of_json(&wire::encode_request(request))),
        }
    }

    fn load(&self, digest: RequestDigest) -> Result<Option<Record>, CassetteError> {
        let file = self.file(digest);
        match fs::read(&file) {
            Ok(bytes) => decode(digest, &bytes, &file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(CassetteError::Read { file, source }),
        }
    }

    /// Records an answer, on disk when this returns. A record that exists stays as it is.
    pub(super) fn save(
        &self,
        request: &ChatRequest,
        response: &ChatResponse,
    ) -> Result<(), CassetteError> {
        let request = wire::encode_request(request);
        let file = self.file(RequestDigest::of_request(&request));
        let record = json!({
            "format": FORMAT,
            "request": request,
            "response": wire::encode_response(response),
        });
        write_new(&self.folder, &file, &format!("{record:#}\n"))
            .map_err(|source| CassetteError::Write { file, source })
    }

    /// Returns all records, sorted by digest. Files with other names are not ours and are left out.
    pub(super) fn all(&self) -> Result<Vec<Record>, CassetteError> {
        let mut records = Vec::new();
        for digest in self.digests()? {
            records.extend(self.load(digest)?);
        }
        Ok(records)
    }

    fn digests(&self) -> Result<Vec<RequestDigest>, CassetteError> {
        let list = || -> io::Result<Vec<RequestDigest>> {
            let mut digests = Vec::new();
            for entry in fs::read_dir(&self.folder)? {
                let name = entry?.file_name();
                let stem = name.to_str().and_then(|name| name.strip_suffix(".json"));
                digests.extend(stem.and_then(|stem| stem.parse::<RequestDigest>().ok()));
            }
            digests.sort_unstable();
            Ok(digests)
        };
        list().map_err(|source| CassetteError::Folder { folder: self.folder.clone(), source })
    }

    fn file(&self, digest: RequestDigest) -> PathBuf {
        self.folder.join(format!("{digest}.json"))
    }
}

/// Writes `text` to `file` in `folder` unless it exists.
fn write_new(folder: &Path, file: &Path, text: &str) -> io::Result<()> {
    let mut part = tempfile::Builder::new()
        .prefix(".part-")
        .permissions(std::fs::Permissions::from_mode(FILE_MODE))
        .tempfile_in(folder)?;
    part.write_all(text.as_bytes())?;
    part.as_file().sync_all()?;
    match part.persist_noclobber(file) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}

fn decode(digest: RequestDigest, bytes: &[u8], file: &Path) -> Result<Record, CassetteError> {
    let damaged = |reason: String| CassetteError::Damaged { file: file.to_owned(), reason };
    let mut record: Value =
        serde_json::from_slice(bytes).map_err(|error| damaged(format!("not JSON: {error}")))?;
    match record.get("format").and_then(Value::as_u64) {
        Some(FORMAT) => {}
        Some(format) if format > FORMAT => {
            return Err(CassetteError::Newer { file: file.to_owned(), format });
        }
        _ => return Err(damaged("`format` is missing or not a known number".to_owned())),
    }
    let request = record.get_mut("request").map(Value::take).unwrap_or_default();
    if RequestDigest::of_request(&request) != digest && RequestDigest::of_json(&request) != digest {
        return Err(damaged("its request does not have the digest in its name".to_owned()));
    }
    let response = record.get("response").unwrap_or(&Value::Null);
    let response = wire::decode_response(response, 0)
        .map_err(|error| damaged(format!("in its response, {error}")))?;
    Ok(Record { digest, request, response })
}
