//! Error numbers of WASI preview 1.
//!
//! The numbers are those of the `errno` enumeration in the witx of `wasi_snapshot_preview1`; the
//! names are POSIX's. A system call of the kernel answers with one of these, never with a host's
//! number.

use std::fmt;

/// An error number of WASI preview 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(u16);

macro_rules! errnos {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        impl Errno {
            $(#[doc = concat!("`", stringify!($name), "`: ", $text, ".")] pub const $name: Self = Self($number);)*

            /// Returns the POSIX name, as in `ENOENT`.
            pub fn name(self) -> &'static str {
                match self.0 {
                    $($number => concat!("E", stringify!($name)),)*
                    _ => "E?",
                }
            }

            /// Returns a short description, as `strerror` would.
            pub fn text(self) -> &'static str {
                match self.0 {
                    $($number => $text,)*
                    _ => "unknown error",
                }
            }
        }
    };
}

errnos! {
    ACCES = 2, "permission denied";
    ADDRINUSE = 3, "address already in use";
    ADDRNOTAVAIL = 4, "cannot assign requested address";
    AFNOSUPPORT = 5, "address family not supported by protocol";
    AGAIN = 6, "resource temporarily unavailable";
    BADF = 8, "bad file descriptor";
    BUSY = 10, "device or resource busy";
    CHILD = 12, "no child processes";
    CONNREFUSED = 14, "connection refused";
    CONNRESET = 15, "connection reset by peer";
    DESTADDRREQ = 17, "destination address required";
    DQUOT = 19, "disk quota exceeded";
    EXIST = 20, "file exists";
    FAULT = 21, "bad address";
    FBIG = 22, "file too large";
    ILSEQ = 25, "illegal byte sequence";
    INTR = 27, "interrupted system call";
    INVAL = 28, "invalid argument";
    IO = 29, "input/output error";
    ISCONN = 30, "transport endpoint is already connected";
    ISDIR = 31, "is a directory";
    LOOP = 32, "too many levels of symbolic links";
    MSGSIZE = 35, "message too long";
    MFILE = 33, "too many open files";
    MLINK = 34, "too many links";
    NAMETOOLONG = 37, "file name too long";
    NETUNREACH = 40, "network is unreachable";
    NFILE = 41, "too many open files in system";
    NOENT = 44, "no such file or directory";
    NOEXEC = 45, "exec format error";
    NOLCK = 46, "no locks available";
    NOMEM = 48, "cannot allocate memory";
    NOPROTOOPT = 50, "protocol not available";
    NOSPC = 51, "no space left on device";
    NOSYS = 52, "function not implemented";
    NOTCONN = 53, "transport endpoint is not connected";
    NOTDIR = 54, "not a directory";
    NOTEMPTY = 55, "directory not empty";
    NOTSOCK = 57, "not a socket";
    NOTSUP = 58, "operation not supported";
    OVERFLOW = 61, "value too large for defined data type";
    PERM = 63, "operation not permitted";
    PIPE = 64, "broken pipe";
    PROTONOSUPPORT = 66, "protocol not supported";
    PROTOTYPE = 67, "protocol wrong type for socket";
    ROFS = 69, "read-only file system";
    SPIPE = 70, "illegal seek";
    SRCH = 71, "no such process";
    TIMEDOUT = 73, "connection timed out";
    TOOBIG = 1, "argument list too long";
    XDEV = 75, "invalid cross-device link";
}

impl Errno {
    /// Returns the number as the guest sees it.
    pub const fn raw(self) -> u16 {
        self.0
    }

    /// Translates an error of the host's file system.
    pub(crate) fn from_io(error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        match error.kind() {
            Kind::NotFound => Self::NOENT,
            Kind::PermissionDenied => Self::ACCES,
            Kind::AlreadyExists => Self::EXIST,
            Kind::NotADirectory => Self::NOTDIR,
            Kind::IsADirectory => Self::ISDIR,
            Kind::DirectoryNotEmpty => Self::NOTEMPTY,
            Kind::ReadOnlyFilesystem => Self::ROFS,
            Kind::StorageFull => Self::NOSPC,
            Kind::QuotaExceeded => Self::DQUOT,
            Kind::FileTooLarge => Self::FBIG,
            Kind::CrossesDevices => Self::XDEV,
            Kind::TooManyLinks => Self::MLINK,
            Kind::InvalidFilename => Self::NAMETOOLONG,
            Kind::InvalidInput => Self::INVAL,
            Kind::OutOfMemory => Self::NOMEM,
            _ => Self::IO,
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Errno {}

/// The result of a system call.
pub(crate) type SysResult<T> = Result<T, Errno>;
