//! Long lists in pages, cut where the content says so.
//!
//! A list (the entries of a directory, the chunks of a file) is written as pages of about
//! [`AVERAGE_ITEMS`] items, above them pages that list those, and so on up to one page. Where a page
//! ends depends on the items alone, so an edit makes one new page on each level, and two lists that
//! share a stretch share its pages.

use super::{
    codec::{Decoder, Encoder},
    object::{Kind, ObjectId},
};

/// Bits of an item's number that are zero where a page ends.
const CUT_BITS: u32 = 5;

/// Items of a page on average.
#[cfg(test)]
const AVERAGE_ITEMS: usize = 1 << CUT_BITS;

/// Items of a page at most. Answers a folder of names that were chosen to make one long page.
const MAX_ITEMS: usize = 256;

/// Levels of pages at most: 32^15 items are more than there can be.
const MAX_LEVEL: u8 = 15;

/// One item of a list, encoded, and a number that its content decides.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
}

/// Writes a list and returns its uppermost page.
pub(super) fn write<E>(
    kind: Kind,
    items: Vec<Item>,
    mut put: impl FnMut(Kind, Vec<u8>) -> Result<ObjectId, E>,
) -> Result<ObjectId, E> {
    let mut level = 0;
    let mut items = items;
    loop {
        let mut above = vec![];
        for page in pages(&items) {
            let id = put(kind, encode(level, page))?;
            above.push(Item { number: id.number(), bytes: id.as_bytes().to_vec() });
        }
        if let [only] = &above[..] {
            let bytes = only.bytes[..].try_into().expect("an id was put there");
            return Ok(ObjectId::from_bytes(bytes));
        }
        items = above;
        level += 1;
    }
}

/// Cuts a list into pages; an empty list is one empty page.
fn pages(items: &[Item]) -> Vec<&[Item]> {
    let mut pages = vec![];
    let mut start = 0;
    for (idx, item) in items.iter().enumerate() {
        let n_items = idx + 1 - start;
        // A page of one item would let the levels go on without end.
        let is_cut = n_items > 1 && item.number.trailing_zeros() >= CUT_BITS;
        if is_cut || n_items == MAX_ITEMS {
            pages.push(&items[start..=idx]);
            start = idx + 1;
        }
    }
    if start < items.len() || pages.is_empty() {
        pages.push(&items[start..]);
    }
    pages
}

fn encode(level: u8, items: &[Item]) -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder.byte(level).number(items.len() as u64);
    for item in items {
        encoder.raw(&item.bytes);
    }
    encoder.finish()
}

/// A page that was read.
#[derive(Debug)]
pub(super) enum Page<T> {
    /// Items of the list.
    Items(Vec<T>),
    /// Pages of the level below.
    Pages(u8, Vec<ObjectId>),
}

/// Decodes a page; `item` decodes one item of the list.
pub(super) fn decode<'a, T>(
    raw: &'a [u8],
    mut item: impl FnMut(&mut Decoder<'a>) -> Option<T>,
) -> Option<Page<T>> {
    let mut decoder = Decoder::new(raw);
    let (level, n_items) = (decoder.byte()?, decoder.number()?);
    if n_items > MAX_ITEMS as u64 || level > MAX_LEVEL {
        return None;
    }
    let page = if level == 0 {
        Page::Items((0..n_items).map(|_| item(&mut decoder)).collect::<Option<_>>()?)
    } else {
        Page::Pages(level, (0..n_items).map(|_| decoder.id()).collect::<Option<_>>()?)
    };
    decoder.is_done().then_some(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeMap, convert::Infallible};

    type Pages = BTreeMap<ObjectId, Vec<u8>>;

    fn write_all(numbers: &[u64], pages: &mut Pages) -> ObjectId {
        let item = |number: &u64| {
            let mut encoder = Encoder::default();
            encoder.number(*number);
            let hash = ObjectId::of(Kind::Chunk, &number.to_le_bytes());
            Item { number: hash.number(), bytes: encoder.finish() }
        };
        let put = |kind, raw: Vec<u8>| {
            let id = ObjectId::of(kind, &raw);
            pages.insert(id, raw);
            Ok::<_, Infallible>(id)
        };
        write(Kind::List, numbers.iter().map(item).collect(), put).unwrap()
    }

    fn read_all(top: ObjectId, pages: &Pages) -> Vec<u64> {
        match decode(&pages[&top], Decoder::number).unwrap() {
            Page::Items(items) => items,
            Page::Pages(_, below) => below.iter().flat_map(|id| read_all(*id, pages)).collect(),
        }
    }

    #[test]
    fn lists_of_any_length_are_read_as_they_were_written() {
        for n in [0_u64, 1, 2, 31, 300, 5000] {
            let numbers: Vec<u64> = (0..n).collect();
            let mut pages = Pages::new();
            let top = write_all(&numbers, &mut pages);
            assert_eq!(read_all(top, &pages), numbers);
        }
    }

    #[test]
    fn one_more_item_in_a_long_list_costs_a_page_on_each_level() {
        let mut numbers: Vec<u64> = (0..50_000).collect();
        let mut pages = Pages::new();
        write_all(&numbers, &mut pages);
        let before = pages.len();
        assert!(before < 50_000 / AVERAGE_ITEMS * 2, "{before}");
        numbers.insert(20_000, 77);
        write_all(&numbers, &mut pages);
        assert!(pages.len() - before <= 8, "{} new pages", pages.len() - before);
    }
}
