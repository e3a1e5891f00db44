//! Bytes to a header. No length of a file is believed: memory grows with what is read.

use std::io::{BufReader, ErrorKind, Read};

use crate::{Array, Error, Header, MAGIC, Tensor, Value};

/// Deepest arrays of arrays.
const MAX_DEPTH: u32 = 8;
/// Most axes of a tensor.
const MAX_AXES: u32 = 8;
/// Where data begins is a multiple of this unless the file says otherwise.
const ALIGNMENT: u64 = 32;
/// Elements that room is made for before they are read.
const TRUSTED: usize = 1 << 12;

pub(super) fn header(source: impl Read) -> Result<Header, Error> {
    let mut reader = Reader { source: BufReader::new(source), read: 0, big_endian: false, place: "the header".into() };
    if reader.bytes::<4>().map_err(|error| match error {
        Error::Io { source, .. } if source.kind() == ErrorKind::UnexpectedEof => Error::NoMagic,
        other => other,
    })? != MAGIC
    {
        return Err(Error::NoMagic);
    }
    let version = reader.u32()?;
    // A small number, in one order of its bytes or the other.
    reader.big_endian = version & 0xffff == 0 && version != 0;
    let version = if reader.big_endian { version.swap_bytes() } else { version };
    if !matches!(version, 2 | 3) {
        return Err(Error::Version { version });
    }
    let (tensor_count, pairs) = (reader.u64()?, reader.u64()?);
    let mut metadata = Vec::new();
    for number in 0..pairs {
        reader.place = format!("pair {number} of the metadata");
        let key = reader.string()?;
        reader.place = format!("`{key}` of the metadata");
        let kind = reader.u32()?;
        metadata.push((key, reader.value(kind)?));
    }
    let mut tensors = Vec::new();
    for number in 0..tensor_count {
        reader.place = format!("tensor {number}");
        tensors.push(reader.tensor()?);
    }
    let mut header = Header { version, metadata, tensors, big_endian: reader.big_endian, data_start: reader.read };
    let alignment = header.get("general.alignment").map_or(Some(ALIGNMENT), Value::as_u64);
    let start =
        alignment.filter(|alignment| *alignment > 0).and_then(|it| header.data_start.checked_next_multiple_of(it));
    header.data_start = start.ok_or_else(|| Error::Damaged {
        place: "`general.alignment` of the metadata".into(),
        problem: "is no positive number".into(),
    })?;
    Ok(header)
}

struct Reader<R> {
    source: BufReader<R>,
    /// Bytes so far.
    read: u64,
    big_endian: bool,
    /// What is being read.
    place: String,
}

macro_rules! numbers {
    ($($name:ident $type:ty;)+) => {
        $(fn $name(&mut self) -> Result<$type, Error> {
            let bytes = self.bytes()?;
            Ok(if self.big_endian { <$type>::from_be_bytes(bytes) } else { <$type>::from_le_bytes(bytes) })
        })+
    };
}

impl<R: Read> Reader<R> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes).map_err(|source| Error::Io { place: self.place.clone(), source })?;
        self.read += N as u64;
        Ok(bytes)
    }

    numbers! { u8 u8; i8 i8; u16 u16; i16 i16; u32 u32; i32 i32; f32 f32; u64 u64; i64 i64; f64 f64; }

    fn bool(&mut self) -> Result<bool, Error> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.damaged(format!("is {other}, neither true (1) nor false (0)"))),
        }
    }

    fn string(&mut self) -> Result<String, Error> {
        let length = self.u64()?;
        let mut bytes = Vec::new();
        let read = (&mut self.source).take(length).read_to_end(&mut bytes);
        let read = read.map_err(|source| Error::Io { place: self.place.clone(), source })? as u64;
        self.read += read;
        if read < length {
            return Err(self.damaged(format!("has a string of {length} bytes, and the file ends after {read}")));
        }
        String::from_utf8(bytes).map_err(|_| self.damaged("has a string that is not UTF-8".into()))
    }

    fn value(&mut self, kind: u32) -> Result<Value, Error> {
        Ok(match kind {
            0 => Value::U8(self.u8()?),
            1 => Value::I8(self.i8()?),
            2 => Value::U16(self.u16()?),
            3 => Value::I16(self.i16()?),
            4 => Value::U32(self.u32()?),
            5 => Value::I32(self.i32()?),
            6 => Value::F32(self.f32()?),
            7 => Value::Bool(self.bool()?),
            8 => Value::String(self.string()?),
            9 => Value::Array(self.array(0)?),
            10 => Value::U64(self.u64()?),
            11 => Value::I64(self.i64()?),
            12 => Value::F64(self.f64()?),
            other => return Err(self.damaged(format!("has type {other}, and types are 0 to 12"))),
        })
    }

    fn array(&mut self, depth: u32) -> Result<Array, Error> {
        if depth == MAX_DEPTH {
            return Err(self.damaged(format!("has arrays in arrays, more than {MAX_DEPTH} deep")));
        }
        let (kind, count) = (self.u32()?, self.u64()?);
        Ok(match kind {
            0 => Array::U8(self.many(count, Self::u8)?),
            1 => Array::I8(self.many(count, Self::i8)?),
            2 => Array::U16(self.many(count, Self::u16)?),
            3 => Array::I16(self.many(count, Self::i16)?),
            4 => Array::U32(self.many(count, Self::u32)?),
            5 => Array::I32(self.many(count, Self::i32)?),
            6 => Array::F32(self.many(count, Self::f32)?),
            7 => Array::Bool(self.many(count, Self::bool)?),
            8 => Array::String(self.many(count, Self::string)?),
            9 => Array::Array(self.many(count, |reader| reader.array(depth + 1))?),
            10 => Array::U64(self.many(count, Self::u64)?),
            11 => Array::I64(self.many(count, Self::i64)?),
            12 => Array::F64(self.many(count, Self::f64)?),
            other => return Err(self.damaged(format!("is an array of type {other}, and types are 0 to 12"))),
        })
    }

    fn many<T>(&mut self, count: u64, mut one: impl FnMut(&mut Self) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        let mut elements = Vec::with_capacity(count.min(TRUSTED as u64) as usize);
        for _ in 0..count {
            elements.push(one(self)?);
        }
        Ok(elements)
    }

    fn tensor(&mut self) -> Result<Tensor, Error> {
        let name = self.string()?;
        self.place = format!("tensor `{name}`");
        let axes = self.u32()?;
        if axes > MAX_AXES {
            return Err(self.damaged(format!("has {axes} axes, and at most {MAX_AXES} are read")));
        }
        let shape = self.many(axes.into(), Self::u64)?;
        Ok(Tensor { name, shape, kind: self.u32()?, offset: self.u64()? })
    }

    fn damaged(&self, problem: String) -> Error {
        Error::Damaged { place: self.place.clone(), problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a header in either order: a pair of each type, two tensors.
    fn file(big_endian: bool) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        let swap = |mut bytes: Vec<u8>| {
            if big_endian {
                bytes.reverse();
            }
            bytes
        };
        let number = |file: &mut Vec<u8>, bytes: &[u8]| file.extend(swap(bytes.to_vec()));
        let text = |file: &mut Vec<u8>, text: &str| {
            number(file, &(text.len() as u64).to_le_bytes());
            file.extend(text.as_bytes());
        };
        number(&mut file, &3_u32.to_le_bytes());
        number(&mut file, &2_u64.to_le_bytes());
        number(&mut file, &5_u64.to_le_bytes());
        for (key, kind) in [("general.alignment", 4_u32), ("flag", 7), ("names", 9), ("nested", 9), ("score", 6)] {
            text(&mut file, key);
            number(&mut file, &kind.to_le_bytes());
            match key {
                "general.alignment" => number(&mut file, &64_u32.to_le_bytes()),
                "flag" => file.push(1),
                "names" => {
                    number(&mut file, &8_u32.to_le_bytes());
                    number(&mut file, &2_u64.to_le_bytes());
                    text(&mut file, "中");
                    text(&mut file, "");
                }
                "nested" => {
                    number(&mut file, &9_u32.to_le_bytes());
                    number(&mut file, &1_u64.to_le_bytes());
                    number(&mut file, &5_u32.to_le_bytes());
                    number(&mut file, &2_u64.to_le_bytes());
                    number(&mut file, &(-7_i32).to_le_bytes());
                    number(&mut file, &8_i32.to_le_bytes());
                }
                _ => number(&mut file, &(-0.5_f32).to_le_bytes()),
            }
        }
        for (name, offset) in [("a", 0_u64), ("b", 128)] {
            text(&mut file, name);
            number(&mut file, &2_u32.to_le_bytes());
            number(&mut file, &4_u64.to_le_bytes());
            number(&mut file, &3_u64.to_le_bytes());
            number(&mut file, &1_u32.to_le_bytes());
            number(&mut file, &offset.to_le_bytes());
        }
        file
    }

    #[test]
    fn both_orders_of_bytes_are_read() {
        for big_endian in [false, true] {
            let bytes = file(big_endian);
            let header = Header::read(&bytes[..]).unwrap();
            assert_eq!((header.version, header.big_endian), (3, big_endian));
            assert_eq!(header.get("flag").and_then(Value::as_bool), Some(true));
            assert_eq!(header.get("names").and_then(Value::as_strings).unwrap(), ["中", ""]);
            assert_eq!(header.get("nested"), Some(&Value::Array(Array::Array(vec![Array::I32(vec![-7, 8])]))));
            assert_eq!(header.get("score"), Some(&Value::F32(-0.5)));
            let second = Tensor { name: "b".into(), shape: vec![4, 3], kind: 1, offset: 128 };
            assert_eq!(header.tensors[1], second);
            assert_eq!(header.data_start, (bytes.len() as u64).next_multiple_of(64));
        }
    }

    #[test]
    fn damaged_files_are_refused() {
        let whole = file(false);
        for end in 0..whole.len() {
            assert!(Header::read(&whole[..end]).is_err(), "{end}");
        }
        // A length of 2⁶³ bytes asks for no memory.
        let mut long = whole.clone();
        long[24..32].copy_from_slice(&(1_u64 << 63).to_le_bytes());
        let error = Header::read(&long[..]).unwrap_err().to_string();
        assert!(error.starts_with("pair 0 of the metadata has a string of 9223372036854775808 bytes"), "{error}");
        let mut old = whole.clone();
        old[4] = 1;
        assert!(Header::read(&old[..]).unwrap_err().to_string().contains("of version 1"));
        for place in 4..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 0xff;
            let _ = Header::read(&bytes[..]);
        }
        assert!(matches!(Header::read(&b"{}"[..]), Err(Error::NoMagic)));
    }
}
