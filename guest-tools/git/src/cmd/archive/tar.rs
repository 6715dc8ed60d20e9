//! The format ustar, with pax headers for what does not fit.

use super::{Entry, Source};

const RECORD: usize = 512;
const BLOCK: usize = 20 * RECORD;
/// Bits of modes that an archive does not have.
const UMASK: u32 = 0o002;

pub(super) fn archive(source: &Source) -> Vec<u8> {
    let mut out = Writer { out: vec![], time: source.time };
    if let Some(id) = source.commit {
        let comment = pax(&[("comment", id.to_string().as_bytes())]);
        out.header(b"pax_global_header", b"", b"", 0o666, comment.len(), b'g');
        out.content(&comment);
    }
    source.entries.iter().for_each(|it| out.entry(it));
    out.finish()
}

/// Lines of `length key=value`, where the length is that of the line.
fn pax(values: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = vec![];
    for (key, value) in values {
        let rest = key.len() + value.len() + 3;
        let digits = |n: usize| n.to_string().len();
        let mut len = rest + digits(rest);
        if digits(len) > digits(rest) {
            len = rest + digits(len);
        }
        out.extend(format!("{len} {key}=").into_bytes());
        out.extend_from_slice(value);
        out.push(b'\n');
    }
    out
}

/// Where a long path can be cut: what stands before the slash, and behind it.
fn cut(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let most = path.len().saturating_sub(1).min(155);
    let at = path[..=most.min(path.len() - 1)].iter().rposition(|b| *b == b'/')?;
    let at = if at + 1 == path.len() { path[..at].iter().rposition(|b| *b == b'/')? } else { at };
    (at > 0 && path.len() - at - 1 <= 100).then(|| (&path[..at], &path[at + 1..]))
}

struct Writer {
    out: Vec<u8>,
    time: i64,
}

impl Writer {
    fn entry(&mut self, entry: &Entry) {
        let (kind, mode) = match entry.mode & 0o170000 {
            0o040000 | 0o160000 => (b'5', (entry.mode | 0o777) & !UMASK),
            0o120000 => (b'2', entry.mode | 0o777),
            _ => {
                let all = if entry.mode & 0o100 != 0 { 0o777 } else { 0o666 };
                (b'0', (entry.mode | all) & !UMASK)
            }
        };
        let mut long: Vec<(&str, &[u8])> = vec![];
        let id = entry.id.to_string();
        let other_name = format!("{id}.data").into_bytes();
        let (prefix, name): (&[u8], &[u8]) = match &entry.path[..] {
            path if path.len() <= 100 => (b"", path),
            path => cut(path).unwrap_or_else(|| {
                long.push(("path", path));
                (b"", &other_name)
            }),
        };
        let other_link = format!("see {id}.paxheader").into_bytes();
        let link: &[u8] = match &entry.content[..] {
            _ if kind != b'2' => b"",
            target if target.len() <= 100 => target,
            target => {
                long.push(("linkpath", target));
                &other_link
            }
        };
        if !long.is_empty() {
            let text = pax(&long);
            let name = format!("{id}.paxheader").into_bytes();
            self.header(&name, b"", b"", 0o666, text.len(), b'x');
            self.content(&text);
        }
        let size = if kind == b'0' { entry.content.len() } else { 0 };
        self.header(name, prefix, link, mode, size, kind);
        if kind == b'0' {
            self.content(&entry.content);
        }
    }

    fn header(
        &mut self,
        name: &[u8],
        prefix: &[u8],
        link: &[u8],
        mode: u32,
        size: usize,
        kind: u8,
    ) {
        let mut record = [0u8; RECORD];
        let mut put = |at: usize, text: &[u8]| record[at..at + text.len()].copy_from_slice(text);
        put(0, name);
        put(100, format!("{:07o}\0", mode & 0o7777).as_bytes());
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(124, format!("{size:011o}\0").as_bytes());
        put(136, format!("{:011o}\0", self.time.max(0)).as_bytes());
        put(148, b"        ");
        put(156, &[kind]);
        put(157, link);
        put(257, b"ustar\x0000");
        put(265, b"root");
        put(297, b"root");
        put(329, b"0000000\0");
        put(337, b"0000000\0");
        put(345, prefix);
        let sum: u32 = record.iter().map(|b| u32::from(*b)).sum();
        record[148..156].copy_from_slice(format!("{sum:07o}\0").as_bytes());
        self.out.extend_from_slice(&record);
    }

    fn content(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        self.out.resize(self.out.len().next_multiple_of(RECORD), 0);
    }

    /// The end: at least two empty records, up to the end of a block.
    fn finish(mut self) -> Vec<u8> {
        let whole = (self.out.len() + 1).next_multiple_of(BLOCK);
        let tail = whole - self.out.len();
        let len = if tail < 2 * RECORD { whole + BLOCK } else { whole };
        self.out.resize(len, 0);
        self.out
    }
}
