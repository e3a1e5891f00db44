//! Zip archives with entries that are stored, not compressed: what `torch.save` writes.
//!
//! Source: APPNOTE.TXT 6.3.10 of PKWARE, sections 4.3 and 4.5.3 (zip64). Checksums are not verified: files are mapped,
//! and their data is read only where it is asked for.

use std::collections::BTreeMap;

use crate::weights::bytes::Bytes;

/// Signatures.
const END: [u8; 4] = *b"PK\x05\x06";
const END_64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR_64: [u8; 4] = *b"PK\x06\x07";
const ENTRY: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// Bytes of the end of central directory without its comment, and the longest comment.
const END_BYTES: usize = 22;
const MAX_COMMENT: usize = 0xffff;

/// Where the data of each entry lies, by name.
pub(super) fn entries(file: &Bytes) -> Result<BTreeMap<String, Bytes>, String> {
    let cut_off = || "its directory is missing or damaged (is the file cut off?)".to_owned();
    let (directory, count) = directory(file).ok_or_else(cut_off)?;
    let mut rest = &directory[..];
    let mut entries = BTreeMap::new();
    for _ in 0..count {
        let (entry, next) = Entry::read(rest).ok_or_else(cut_off)?;
        rest = next;
        if entry.is_compressed {
            return Err(format!("its entry `{}` is compressed; load it and save it again with torch.save", entry.name));
        }
        let Some(data) = entry.data(file) else {
            return Err(format!("its entry `{}` lies outside of it (is the file cut off?)", entry.name));
        };
        if entries.insert(entry.name.clone(), data).is_some() {
            return Err(format!("its entry `{}` comes twice", entry.name));
        }
    }
    Ok(entries)
}

/// The central directory and how many entries it has.
fn directory(file: &Bytes) -> Option<(Bytes, u64)> {
    let first = file.len().saturating_sub(END_BYTES + MAX_COMMENT);
    let last = file.len().checked_sub(END_BYTES)?;
    let at = (first..=last).rev().find(|at| file[*at..].starts_with(&END))?;
    let end = &file[at..];
    let (mut count, mut length, mut start) =
        (u64::from(u16_at(end, 10)?), u32_at(end, 12)?.into(), u32_at(end, 16)?.into());
    // The numbers of zip64, if there is a locator before the end.
    let locator = at.checked_sub(20).map(|at| &file[at..]).filter(|locator| locator.starts_with(&LOCATOR_64));
    if let Some(locator) = locator {
        let end = file.get(usize::try_from(u64_at(locator, 8)?).ok()?..)?;
        if !end.starts_with(&END_64) {
            return None;
        }
        (count, length, start) = (u64_at(end, 32)?, u64_at(end, 40)?, u64_at(end, 48)?);
    }
    Some((file.cut(start, length)?, count))
}

struct Entry {
    name: String,
    is_compressed: bool,
    bytes: u64,
    /// Of the local header.
    start: u64,
}

impl Entry {
    /// The first entry of a directory, and what comes after it.
    fn read(directory: &[u8]) -> Option<(Self, &[u8])> {
        let lengths = [u16_at(directory, 28)?, u16_at(directory, 30)?, u16_at(directory, 32)?].map(usize::from);
        let name = directory.get(46..46 + lengths[0])?;
        let extra = directory.get(46 + lengths[0]..46 + lengths[0] + lengths[1])?;
        let next = directory.get(46 + lengths.iter().sum::<usize>()..)?;
        if !directory.starts_with(&ENTRY) {
            return None;
        }
        let (stored, bytes) = (u32_at(directory, 20)?, u32_at(directory, 24)?);
        let start = u32_at(directory, 42)?;
        // Numbers that do not fit are in the field 1 of zip64, in this order.
        let mut wide = zip64(extra).unwrap_or_default();
        let mut real = |number: u32| -> Option<u64> {
            if number != u32::MAX {
                return Some(number.into());
            }
            let number = u64_at(wide, 0)?;
            wide = &wide[8..];
            Some(number)
        };
        let (bytes, stored, start) = (real(bytes)?, real(stored)?, real(start)?);
        let name = std::str::from_utf8(name).ok()?.to_owned();
        Some((Self { name, is_compressed: u16_at(directory, 10)? != 0 || stored != bytes, bytes, start }, next))
    }

    fn data(&self, file: &Bytes) -> Option<Bytes> {
        let local = file.get(usize::try_from(self.start).ok()?..)?;
        if !local.starts_with(&LOCAL) {
            return None;
        }
        let skipped = 30 + u64::from(u16_at(local, 26)?) + u64::from(u16_at(local, 28)?);
        file.cut(self.start.checked_add(skipped)?, self.bytes)
    }
}

/// The field of zip64 among those of an entry.
fn zip64(mut extra: &[u8]) -> Option<&[u8]> {
    loop {
        let (kind, length) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
        let field = extra.get(4..4 + length)?;
        if kind == 1 {
            return Some(field);
        }
        extra = &extra[4 + length..];
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
