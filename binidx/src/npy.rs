//! NumPy's `.npy` files: one array, little-endian, in C order.
//!
//! Source: NumPy's format, version 1.0; what is written is what `numpy.save` of NumPy 2.4 writes, byte for byte.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::reader::with_tail;
use crate::{Error, Result};

/// Magic and version.
const MAGIC: [u8; 8] = *b"\x93NUMPY\x01\x00";
/// NumPy leaves room for as many digits of the first dimension, so that a file can grow in place.
const GROWTH_DIGITS: usize = 21;
/// Numbers in a buffer.
const CHUNK: usize = 1 << 14;

/// A number that an array can hold.
pub trait Number: Copy {
    /// NumPy's name of the type.
    const DESCR: &'static str;
    /// Appends its bytes.
    fn put(self, bytes: &mut Vec<u8>);
    /// The number of exactly its own bytes.
    fn take(bytes: &[u8]) -> Self;
}

macro_rules! numbers {
    ($($number:ty => $descr:literal),*) => {$(
        impl Number for $number {
            const DESCR: &'static str = $descr;

            fn put(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }

            fn take(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().expect("the caller cuts numbers of their own size"))
            }
        }
    )*};
}

numbers!(u8 => "|u1", u16 => "<u2", i16 => "<i2", u32 => "<u4", i32 => "<i4", u64 => "<u8", i64 => "<i8");

/// What stands before the numbers of an array of this shape.
pub fn header<T: Number>(shape: &[usize]) -> Vec<u8> {
    let mut dimensions = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    if shape.len() == 1 {
        dimensions.push(',');
    }
    let mut text = format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({dimensions}), }}", T::DESCR);
    if let Some(first) = shape.first() {
        let growth = GROWTH_DIGITS.saturating_sub(first.to_string().len());
        text.extend(std::iter::repeat_n(' ', growth));
    }
    // Magic, two bytes of length, text and a line end come to a multiple of 64.
    let padding = (64 - (MAGIC.len() + 2 + text.len() + 1) % 64) % 64;
    text.extend(std::iter::repeat_n(' ', padding));
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// Writes an array; the file appears whole, under its name. Cost: O(numbers), a small buffer.
///
/// # Errors
/// If the file cannot be written.
///
/// # Panics
/// If the shape does not come to as many numbers.
pub fn write<T: Number>(path: impl AsRef<Path>, shape: &[usize], numbers: &[T]) -> Result<()> {
    let path = path.as_ref();
    assert_eq!(shape.iter().product::<usize>(), numbers.len(), "the shape is that of the numbers");
    let temporary = with_tail(path, ".tmp");
    let written = || -> std::io::Result<()> {
        let mut out = BufWriter::new(File::create(&temporary)?);
        out.write_all(&header::<T>(shape))?;
        let mut bytes = Vec::new();
        for chunk in numbers.chunks(CHUNK) {
            bytes.clear();
            chunk.iter().for_each(|number| number.put(&mut bytes));
            out.write_all(&bytes)?;
        }
        out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temporary, path)
    };
    written().map_err(|error| {
        // What was begun is of no use; if it cannot be removed, the error says why already.
        let _ = fs::remove_file(&temporary);
        Error::io("write", path)(error)
    })
}

/// Reads an array: its shape and its numbers.
///
/// # Errors
/// If the file cannot be read, is not an array of this type in C order, or has not as many numbers as its shape says.
pub fn read<T: Number>(path: impl AsRef<Path>) -> Result<(Vec<usize>, Vec<T>)> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    let wrong = |problem: String| Error::malformed(path, "header", problem);
    let length = match bytes.get(..10) {
        Some(start) if start[..8] == MAGIC => usize::from(u16::from_le_bytes([start[8], start[9]])),
        _ => return Err(wrong("no `.npy` file of version 1.0".into())),
    };
    let text = bytes.get(10..10 + length).and_then(|text| std::str::from_utf8(text).ok());
    let text = text.ok_or_else(|| wrong(format!("its {length} bytes of text are not there")))?;
    let expected = format!("{{'descr': '{}', 'fortran_order': False, 'shape': (", T::DESCR);
    let shape = text.strip_prefix(&expected).and_then(|rest| rest.split_once(')')).and_then(|(dimensions, _)| {
        let dimensions = dimensions.split(',').map(str::trim).filter(|dimension| !dimension.is_empty());
        dimensions.map(|dimension| dimension.parse().ok()).collect::<Option<Vec<usize>>>()
    });
    let shape = shape.ok_or_else(|| wrong(format!("`{}` is no array of {} in C order", text.trim_end(), T::DESCR)))?;
    let numbers = &bytes[10 + length..];
    let size = size_of::<T>();
    let count = shape.iter().try_fold(size, |bytes, dimension| bytes.checked_mul(*dimension));
    if count != Some(numbers.len()) {
        return Err(Error::malformed(path, "shape", format!("{shape:?}, but {} bytes follow", numbers.len())));
    }
    Ok((shape, numbers.chunks_exact(size).map(T::take).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_numpys() {
        // `numpy.save` of `numpy.zeros(3, "i4")` and `numpy.zeros((69, 2), "u4")`.
        let plain = header::<i32>(&[3]);
        assert_eq!(plain.len(), 128);
        assert!(
            plain.starts_with(b"\x93NUMPY\x01\x00v\x00{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }  ")
        );
        let table = header::<u32>(&[69, 2]);
        assert_eq!(table.len(), 128);
        assert!(table[10..].starts_with(b"{'descr': '<u4', 'fortran_order': False, 'shape': (69, 2), }"));
        assert!(table.ends_with(b" \n"));
    }

    #[test]
    fn an_array_comes_back_and_damage_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let numbers: Vec<i64> = (0..40_000).map(|number| number * 1_000_003 - 7).collect();
        write(&path, &[20_000, 2], &numbers).unwrap();
        assert_eq!(read::<i64>(&path).unwrap(), (vec![20_000, 2], numbers));
        assert!(read::<u64>(&path).unwrap_err().to_string().contains("is no array of <u8"));
        let mut bytes = fs::read(&path).unwrap();
        bytes.pop();
        fs::write(&path, &bytes).unwrap();
        assert!(read::<i64>(&path).unwrap_err().to_string().contains("319999 bytes follow"));
        for cut in [0, 9, 60] {
            fs::write(&path, &bytes[..cut]).unwrap();
            assert!(read::<i64>(&path).is_err());
        }
    }
}
