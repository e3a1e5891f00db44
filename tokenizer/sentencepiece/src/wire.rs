//! The protobuf wire format: fields one after the other, in one pass, without copies.
//!
//! Source: the encoding document of Protocol Buffers. Fields that a caller does not know, or that come in another wire
//! type than it expects, are skipped, as protobuf itself does. Groups are walked over, at most [`MAX_GROUPS`] deep.

use crate::{Error, Result};

/// How deep groups may lie in each other; protobuf's own limit.
const MAX_GROUPS: usize = 100;

/// A field's value, as it lies in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// An integer, a boolean or a constant of an enumeration.
    Varint(u64),
    /// Four bytes: a `float`, a `fixed32`.
    Fixed32(u32),
    /// Bytes, a string or a message.
    Bytes(&'a [u8]),
    /// Something that no field of a model has: eight bytes or a group.
    Other,
}

impl<'a> Value<'a> {
    /// The value as `int32` or enumeration: the low 32 bits.
    pub(crate) fn int(self) -> Option<i32> {
        match self {
            Value::Varint(value) => Some(value as i32),
            _ => None,
        }
    }

    /// The value as `bool`.
    pub(crate) fn bool(self) -> Option<bool> {
        match self {
            Value::Varint(value) => Some(value != 0),
            _ => None,
        }
    }

    /// The value as `float`.
    pub(crate) fn float(self) -> Option<f32> {
        match self {
            Value::Fixed32(value) => Some(f32::from_bits(value)),
            _ => None,
        }
    }

    /// The value as bytes.
    pub(crate) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Value::Bytes(value) => Some(value),
            _ => None,
        }
    }
}

/// Walks over the fields of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where `bytes` begins in the file, for messages.
    start: usize,
}

impl<'a> Reader<'a> {
    /// Reads a whole file.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, start: 0 }
    }

    /// Reads a message that is the value of the field read last.
    pub(crate) fn message(&self, bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, start: self.start + self.at - bytes.len() }
    }

    /// The next field's number and value, or `None` at the end.
    ///
    /// # Errors
    /// [`Error::Wire`] where the bytes are not protobuf or end in the middle.
    pub(crate) fn field(&mut self) -> Result<Option<(u32, Value<'a>)>> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let (number, kind) = self.tag()?;
        if kind == 4 {
            return Err(self.error("a group ends that never began"));
        }
        let value = self.value(number, kind)?;
        Ok(Some((number, value)))
    }

    fn error(&self, what: &'static str) -> Error {
        Error::Wire { at: self.start + self.at, what }
    }

    fn tag(&mut self) -> Result<(u32, u32)> {
        let tag = u32::try_from(self.varint()?).map_err(|_| self.error("a field number that is too large"))?;
        if tag >> 3 == 0 {
            return Err(self.error("field number 0"));
        }
        Ok((tag >> 3, tag & 7))
    }

    fn value(&mut self, number: u32, kind: u32) -> Result<Value<'a>> {
        Ok(match kind {
            0 => Value::Varint(self.varint()?),
            1 => {
                self.take(8)?;
                Value::Other
            }
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).map_err(|_| self.error("a length beyond the file's end"))?;
                Value::Bytes(self.take(length)?)
            }
            3 => {
                self.skip_group(number)?;
                Value::Other
            }
            5 => {
                let bytes = self.take(4)?;
                Value::Fixed32(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            }
            _ => return Err(self.error("a wire type that does not exist")),
        })
    }

    fn skip_group(&mut self, number: u32) -> Result<()> {
        let mut open = vec![number];
        while let Some(&innermost) = open.last() {
            let (number, kind) = self.tag()?;
            match kind {
                3 if open.len() == MAX_GROUPS => return Err(self.error("groups nested too deeply")),
                3 => open.push(number),
                4 if number == innermost => {
                    open.pop();
                }
                4 => return Err(self.error("a group ends that never began")),
                _ => {
                    self.value(number, kind)?;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| self.error("a length beyond the file's end"))?;
        let bytes = &self.bytes[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error("a number of more than ten bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>> {
        let mut reader = Reader::new(bytes);
        let mut fields = Vec::new();
        while let Some(field) = reader.field()? {
            fields.push(field);
        }
        Ok(fields)
    }

    #[test]
    fn every_wire_type_is_read_or_skipped() {
        // 1: varint 300, 2: "ab", 3: fixed32 1.0, 4: fixed64, 5: a group with a varint and a group in it, 6: varint -1
        let bytes = b"\x08\xac\x02\x12\x02ab\x1d\x00\x00\x80\x3f\x21\0\0\0\0\0\0\0\0\x2b\x08\x05\x33\x34\x2c\
            \x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        let fields = fields(bytes).unwrap();
        assert_eq!(fields[0], (1, Value::Varint(300)));
        assert_eq!(fields[1], (2, Value::Bytes(b"ab")));
        assert_eq!(fields[2].1.float(), Some(1.0));
        assert_eq!((fields[3], fields[4]), ((4, Value::Other), (5, Value::Other)));
        assert_eq!((fields[5].0, fields[5].1.int()), (6, Some(-1)));
    }

    #[test]
    fn what_is_not_protobuf_is_an_error_with_its_place() {
        for (bytes, place, part) in [
            (&b"\x08"[..], 1, "beyond"),
            (b"\x12\x05ab", 2, "beyond"),
            (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a", 11, "beyond"),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "ten bytes"),
            (b"\x00\x01", 1, "number 0"),
            (b"\x0f", 1, "wire type"),
            (b"\x0c", 1, "never began"),
            (b"\x0b\x14", 2, "never began"),
            (b"\x0b\x08", 2, "beyond"),
            (b"\xff\xff\xff\xff\xff\x01", 6, "too large"),
        ] {
            let error = fields(bytes).unwrap_err();
            assert!(matches!(error, Error::Wire { at, .. } if at == place), "{bytes:?}: {error}");
            assert!(error.to_string().contains(part), "{bytes:?}: {error}");
        }
        let error = fields(&[0x0b; 1000]).unwrap_err();
        assert!(error.to_string().contains("deeply"));
    }
}
