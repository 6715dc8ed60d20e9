//! The format zip.

use super::{Entry, Source, deflate};
use crate::date;
use crate::fail::Outcome;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// Names are UTF-8.
const UTF8: u16 = 0x0800;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

pub(super) fn archive(source: &Source, level: Option<i32>) -> Outcome<Vec<u8>> {
    let (mut out, mut central) = (vec![], vec![]);
    for entry in &source.entries {
        add(entry, source.time, level, &mut out, &mut central)?;
    }
    let start = out.len() as u32;
    let count = source.entries.len().min(usize::from(u16::MAX)) as u16;
    out.extend_from_slice(&central);
    let comment = source.commit.map(|id| id.to_string()).unwrap_or_default();
    put32(&mut out, &[END]);
    put16(&mut out, &[0, 0, count, count]);
    put32(&mut out, &[central.len() as u32, start]);
    put16(&mut out, &[comment.len() as u16]);
    out.extend(comment.into_bytes());
    Ok(out)
}

fn put16(out: &mut Vec<u8>, values: &[u16]) {
    values.iter().for_each(|it| out.extend(it.to_le_bytes()));
}

fn put32(out: &mut Vec<u8>, values: &[u32]) {
    values.iter().for_each(|it| out.extend(it.to_le_bytes()));
}

fn add(
    entry: &Entry,
    time: i64,
    level: Option<i32>,
    out: &mut Vec<u8>,
    central: &mut Vec<u8>,
) -> Outcome<()> {
    let kind = entry.mode & 0o170000;
    let is_regular = kind == 0o100000;
    let is_link = kind == 0o120000;
    let packed = if is_regular && level != Some(0) && !entry.content.is_empty() {
        Some(deflate::raw(&entry.content, level)?).filter(|it| it.len() < entry.content.len())
    } else {
        None
    };
    let method = if packed.is_some() { DEFLATED } else { STORED };
    let data = packed.as_deref().unwrap_or(&entry.content);
    let flags = if entry.path.is_ascii() { 0 } else { UTF8 };
    let (clock, day) = dos(time);
    let is_program = is_regular && entry.mode & 0o111 != 0;
    let external = match () {
        () if is_link => (entry.mode | 0o777) << 16,
        () if is_program => entry.mode << 16,
        () if is_regular => 0,
        () => 16,
    };
    let creator = if is_link || is_program { 0x0317 } else { 0 };
    let is_text = (is_regular || is_link) && !entry.content.iter().take(8000).any(|b| *b == 0);
    let sum = deflate::crc32(&entry.content);
    let sizes = [sum, data.len() as u32, entry.content.len() as u32];
    let mut extra = vec![];
    put16(&mut extra, &[0x5455, 5]);
    extra.push(1);
    put32(&mut extra, &[time as u32]);
    let lengths = [entry.path.len() as u16, extra.len() as u16];
    let offset = out.len() as u32;

    put32(out, &[LOCAL]);
    put16(out, &[10, flags, method, clock, day]);
    put32(out, &sizes);
    put16(out, &lengths);
    out.extend_from_slice(&entry.path);
    out.extend_from_slice(&extra);
    out.extend_from_slice(data);

    put32(central, &[CENTRAL]);
    put16(central, &[creator, 10, flags, method, clock, day]);
    put32(central, &sizes);
    put16(central, &lengths);
    put16(central, &[0, 0, u16::from(is_text)]);
    put32(central, &[external, offset]);
    central.extend_from_slice(&entry.path);
    central.extend_from_slice(&extra);
    Ok(())
}

/// A time of the zone of UTC as DOS has it.
fn dos(time: i64) -> (u16, u16) {
    let shown = date::show(git2::Time::new(time, 0), "iso").unwrap_or_default();
    let number = |range: std::ops::Range<usize>| {
        shown.get(range).and_then(|it| it.parse::<u16>().ok()).unwrap_or_default()
    };
    let clock = number(17..19) / 2 + number(14..16) * 32 + number(11..13) * 2048;
    let day = number(8..10) + number(5..7) * 32 + number(0..4).saturating_sub(1980) * 512;
    (clock, day)
}
