//! Ed25519 signatures over the last hash of a log.
//!
//! What is signed is [`CONTEXT`] followed by the 32 bytes of the hash of the `end` line, which
//! stands for the whole log. Keys are PEM files as `openssl genpkey -algorithm ed25519` and
//! `openssl pkey -pubout` write them; a public key may be given as 64 hexadecimal digits too.

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer, pem::PemObject as _};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Tells these signatures from any other use of the key.
const CONTEXT: &[u8] = b"playpen audit log 1\n";

/// Why a key could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read.
    #[error("failed to read the key `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("`{path}` is no Ed25519 key in PEM form")]
    Form {
        /// The file.
        path: PathBuf,
    },
}

impl KeyError {
    /// Returns what to do about it.
    pub fn hint(&self) -> &'static str {
        "`openssl genpkey -algorithm ed25519 -out key.pem` makes a key, `openssl pkey -in key.pem -pubout` shows its public half"
    }
}

/// A private key.
#[derive(Debug)]
pub struct Key(Ed25519KeyPair);

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    fs_err::read(path).map_err(|source| KeyError::Read { path: path.to_owned(), source })
}

impl Key {
    /// Reads a private key.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or holds no such key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let wrong = || KeyError::Form { path: path.to_owned() };
        let PrivateKeyDer::Pkcs8(der) =
            PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|_| wrong())?
        else {
            return Err(wrong());
        };
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        pair.map(Self).map_err(|_| wrong())
    }

    /// Signs the last hash of a log; returns the public key and the signature in hexadecimal.
    pub(super) fn sign(&self, last: blake3::Hash) -> (String, String) {
        (hex(self.0.public_key().as_ref()), hex(self.0.sign(&message(last)).as_ref()))
    }
}

impl PublicKey {
    /// Reads a public key from a file, or takes it as it stands.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or holds no such key.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        if let Some(key) = unhex(text).filter(|key| key.len() == KEY_BYTES) {
            return Ok(Self(key));
        }
        let path = Path::new(text);
        let wrong = || KeyError::Form { path: path.to_owned() };
        let der = SubjectPublicKeyInfoDer::from_pem_slice(&read(path)?).map_err(|_| wrong())?;
        // The key is the end of a structure that has one form for this algorithm.
        let key = der.strip_prefix(&SPKI_PREFIX).filter(|key| key.len() == KEY_BYTES);
        key.map(|key| Self(key.to_vec())).ok_or_else(wrong)
    }

    /// Returns the key in hexadecimal.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }
}

const KEY_BYTES: usize = 32;

/// `SubjectPublicKeyInfo` of RFC 8410 up to the key.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0];

fn message(last: blake3::Hash) -> Vec<u8> {
    [CONTEXT, last.as_bytes()].concat()
}

/// Tells whether a signature is good for the last hash of a log.
pub(super) fn is_good(key: &str, signature: &str, last: blake3::Hash) -> bool {
    let (Some(key), Some(signature)) = (unhex(key), unhex(signature)) else { return false };
    UnparsedPublicKey::new(&ED25519, key).verify(&message(last), &signature).is_ok()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}
