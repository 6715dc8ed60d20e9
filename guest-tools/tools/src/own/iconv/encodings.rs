//! Encodings: a character after the other, with where each stands.

use encoding_rs::{DecoderResult, EncoderResult};

/// An encoding.
#[derive(Clone, Copy, Debug)]
pub(super) enum Encoding {
    Utf8,
    /// Bytes up to the largest one are the characters of that number.
    Bytes(u32),
    /// Units of two bytes, or four; `None` for the order is one that a mark says.
    Wide {
        bytes: usize,
        big: Option<bool>,
        pairs: bool,
    },
    Other(&'static encoding_rs::Encoding),
}

/// What cannot be decoded.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bad {
    At(usize),
    Incomplete,
}

/// What a decoder tells each character, or what is none; the answer says whether to go on.
type Found<'a> = &'a mut dyn FnMut(Result<(usize, char), Bad>) -> bool;

const OURS: &[(&str, Encoding)] = &[
    ("UTF-8", Encoding::Utf8),
    ("ASCII", Encoding::Bytes(0x7f)),
    ("ISO-8859-1", Encoding::Bytes(0xff)),
    ("UTF-16", Encoding::Wide { bytes: 2, big: None, pairs: true }),
    ("UTF-16LE", Encoding::Wide { bytes: 2, big: Some(false), pairs: true }),
    ("UTF-16BE", Encoding::Wide { bytes: 2, big: Some(true), pairs: true }),
    ("UCS-2", Encoding::Wide { bytes: 2, big: Some(false), pairs: false }),
    ("UCS-2LE", Encoding::Wide { bytes: 2, big: Some(false), pairs: false }),
    ("UCS-2BE", Encoding::Wide { bytes: 2, big: Some(true), pairs: false }),
    ("UTF-32", Encoding::Wide { bytes: 4, big: None, pairs: false }),
    ("UTF-32LE", Encoding::Wide { bytes: 4, big: Some(false), pairs: false }),
    ("UTF-32BE", Encoding::Wide { bytes: 4, big: Some(true), pairs: false }),
    ("UCS-4", Encoding::Wide { bytes: 4, big: Some(true), pairs: false }),
    ("UCS-4LE", Encoding::Wide { bytes: 4, big: Some(false), pairs: false }),
];

/// Other names of ours.
const ALIASES: &[(&str, &str)] = &[
    ("UTF8", "UTF-8"),
    ("US-ASCII", "ASCII"),
    ("ANSI_X3.4-1968", "ASCII"),
    ("646", "ASCII"),
    ("C", "ASCII"),
    ("LATIN1", "ISO-8859-1"),
    ("LATIN-1", "ISO-8859-1"),
    ("L1", "ISO-8859-1"),
    ("ISO8859-1", "ISO-8859-1"),
    ("ISO88591", "ISO-8859-1"),
    ("ISO_8859-1", "ISO-8859-1"),
    ("CP819", "ISO-8859-1"),
    ("UTF16", "UTF-16"),
    ("UTF16LE", "UTF-16LE"),
    ("UTF16BE", "UTF-16BE"),
    ("UTF-16-LE", "UTF-16LE"),
    ("UTF-16-BE", "UTF-16BE"),
    ("UTF32", "UTF-32"),
    ("UTF32LE", "UTF-32LE"),
    ("UTF32BE", "UTF-32BE"),
    ("UCS2", "UCS-2"),
    ("UCS4", "UCS-4"),
];

/// Those of encoding_rs by the names of iconv.
const OTHERS: &[&str] = &[
    "BIG5",
    "EUC-JP",
    "EUC-KR",
    "GB18030",
    "GBK",
    "IBM866",
    "ISO-2022-JP",
    "ISO-8859-2",
    "ISO-8859-3",
    "ISO-8859-4",
    "ISO-8859-5",
    "ISO-8859-6",
    "ISO-8859-7",
    "ISO-8859-8",
    "ISO-8859-10",
    "ISO-8859-13",
    "ISO-8859-14",
    "ISO-8859-15",
    "ISO-8859-16",
    "KOI8-R",
    "KOI8-U",
    "MACINTOSH",
    "SHIFT_JIS",
    "WINDOWS-874",
    "WINDOWS-1250",
    "WINDOWS-1251",
    "WINDOWS-1252",
    "WINDOWS-1253",
    "WINDOWS-1254",
    "WINDOWS-1255",
    "WINDOWS-1256",
    "WINDOWS-1257",
    "WINDOWS-1258",
];

/// The names of all.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    OURS.iter().map(|(name, _)| *name).chain(OTHERS.iter().copied())
}

impl Encoding {
    pub(super) fn named(name: &str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        let upper =
            ALIASES.iter().find(|(alias, _)| *alias == upper).map_or(upper.as_str(), |it| it.1);
        if let Some((_, encoding)) = OURS.iter().find(|(known, _)| *known == upper) {
            return Some(*encoding);
        }
        // What a page of Windows is called elsewhere, and names without a dash.
        let windows = upper.strip_prefix("CP").filter(|it| it.starts_with("125") || *it == "874");
        let label = match windows {
            Some(number) => format!("windows-{number}"),
            None => upper.replace("ISO8859", "ISO-8859").replace("SJIS", "SHIFT_JIS"),
        };
        encoding_rs::Encoding::for_label(label.as_bytes()).map(Self::Other)
    }

    /// The mark that stands before a text.
    pub(super) fn mark(&self) -> &'static [u8] {
        match self {
            Self::Wide { bytes: 2, big: None, .. } => &[0xff, 0xfe],
            Self::Wide { bytes: 4, big: None, .. } => &[0xff, 0xfe, 0, 0],
            _ => &[],
        }
    }

    /// Writes a character; false if there is none for it.
    pub(super) fn encode(&self, c: char, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Utf8 => out.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Self::Bytes(largest) if u32::from(c) <= *largest => out.push(c as u8),
            Self::Bytes(_) => return false,
            Self::Wide { bytes: 2, big, pairs } => {
                let mut units = [0; 2];
                let units = c.encode_utf16(&mut units);
                if units.len() > 1 && !pairs {
                    return false;
                }
                for unit in units {
                    let order =
                        if *big == Some(true) { unit.to_be_bytes() } else { unit.to_le_bytes() };
                    out.extend(order);
                }
            }
            Self::Wide { big, .. } => {
                let unit = u32::from(c);
                out.extend(if *big == Some(true) {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                });
            }
            Self::Other(encoding) => {
                let mut room = [0; 16];
                let mut encoder = encoding.new_encoder();
                let text = c.encode_utf8(&mut [0; 4]).to_owned();
                let (result, _, n) =
                    encoder.encode_from_utf8_without_replacement(&text, &mut room, true);
                if !matches!(result, EncoderResult::InputEmpty) {
                    return false;
                }
                out.extend(&room[..n]);
            }
        }
        true
    }

    pub(super) fn decode(&self, bytes: &[u8], found: Found<'_>) {
        match self {
            Self::Utf8 => utf8(bytes, found),
            Self::Bytes(largest) => {
                for (at, byte) in bytes.iter().enumerate() {
                    let is_known = u32::from(*byte) <= *largest;
                    let c = if is_known { Ok((at, char::from(*byte))) } else { Err(Bad::At(at)) };
                    if !found(c) {
                        return;
                    }
                }
            }
            Self::Wide { bytes: width, big, .. } => wide(bytes, *width, *big, found),
            Self::Other(encoding) => other(bytes, encoding, found),
        }
    }
}

fn utf8(bytes: &[u8], found: Found<'_>) {
    let mut at = 0;
    while at < bytes.len() {
        let (good, error) = match std::str::from_utf8(&bytes[at..]) {
            Ok(text) => (text, None),
            Err(e) => {
                let good =
                    std::str::from_utf8(&bytes[at..at + e.valid_up_to()]).unwrap_or_default();
                (good, Some(e.error_len()))
            }
        };
        for (offset, c) in good.char_indices() {
            if !found(Ok((at + offset, c))) {
                return;
            }
        }
        at += good.len();
        match error {
            None => return,
            Some(None) => {
                found(Err(Bad::Incomplete));
                return;
            }
            Some(Some(n)) => {
                if !found(Err(Bad::At(at))) {
                    return;
                }
                at += n;
            }
        }
    }
}

fn wide(bytes: &[u8], width: usize, big: Option<bool>, found: Found<'_>) {
    let marks: [&[u8]; 2] = if width == 2 {
        [&[0xff, 0xfe], &[0xfe, 0xff]]
    } else {
        [&[0xff, 0xfe, 0, 0], &[0, 0, 0xfe, 0xff]]
    };
    let marked =
        if big.is_none() { marks.iter().position(|it| bytes.starts_with(it)) } else { None };
    let is_big = big.unwrap_or(marked == Some(1));
    let unit = |at: usize| {
        let unit = bytes.get(at..at + width)?;
        let fold = |sum: u32, byte: &u8| sum << 8 | u32::from(*byte);
        Some(if is_big { unit.iter().fold(0, fold) } else { unit.iter().rev().fold(0, fold) })
    };
    let mut at = if marked.is_some() { width } else { 0 };
    while at < bytes.len() {
        let Some(first) = unit(at) else {
            found(Err(Bad::Incomplete));
            return;
        };
        let is_pair = width == 2 && (0xd800..0xdc00).contains(&first);
        let number = match unit(at + width) {
            _ if !is_pair => first,
            Some(second) if (0xdc00..0xe000).contains(&second) => {
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            _ => first,
        };
        let c = char::from_u32(number).map(|c| (at, c)).ok_or(Bad::At(at));
        at += if number > 0xffff && width == 2 { 2 * width } else { width };
        if !found(c) {
            return;
        }
    }
}

fn other(bytes: &[u8], encoding: &'static encoding_rs::Encoding, found: Found<'_>) {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let (mut at, mut room) = (0, [0; 64]);
    // A byte after the other, so that each character has its place.
    let mut start = 0;
    while at <= bytes.len() {
        let is_last = at == bytes.len();
        let input = if is_last { &[][..] } else { &bytes[at..=at] };
        let (result, _, n) = decoder.decode_to_utf8_without_replacement(input, &mut room, is_last);
        for c in std::str::from_utf8(&room[..n]).unwrap_or_default().chars() {
            if !found(Ok((start, c))) {
                return;
            }
            start = at + 1;
        }
        if let DecoderResult::Malformed(_, _) = result {
            if !found(if is_last { Err(Bad::Incomplete) } else { Err(Bad::At(start)) }) || is_last {
                return;
            }
            start = at + 1;
        }
        at += 1;
    }
}
