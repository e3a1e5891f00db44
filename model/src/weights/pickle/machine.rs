//! The stack machine of Python's pickles, as far as data needs it: nothing is called and nothing is imported.
//!
//! Source: the opcodes in CPython's `Lib/pickletools.py`. Values are numbered and refer to each other by number: what is
//! shared stays shared, and what is nested deeply needs no recursion to be dropped. Memory is bounded by the length of the
//! pickle.

use std::collections::HashMap;

/// Longest pickle: those of models have less than 1 MB, as tensors lie beside them.
pub(super) const MAX_BYTES: usize = 16 << 20;

/// The number of a value.
pub(crate) type Id = u32;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Box<str>),
    /// Bytes and whole numbers of more than 8 bytes: nothing here needs them.
    Opaque,
    Tuple(Box<[Id]>),
    List(Vec<Id>),
    /// Keys and values.
    Dict(Vec<(Id, Id)>),
    /// A class or function: module and name.
    Global(Box<(String, String)>),
    /// What a function or class makes of its arguments, and the state set on it later.
    Made {
        from: Id,
        arguments: Id,
        state: Option<Id>,
    },
    /// Something kept outside of the pickle.
    Persistent(Id),
}

/// All values of a pickle, by number, and the last one's.
pub(super) fn run(pickle: &[u8]) -> Result<(Vec<Value>, Id), String> {
    if pickle.len() > MAX_BYTES {
        return Err(format!("it has a pickle of {} bytes, and at most {MAX_BYTES} are read", pickle.len()));
    }
    let mut machine = Machine { rest: pickle, ..Machine::default() };
    loop {
        let at = pickle.len() - machine.rest.len();
        let opcode = machine.take(1).map(|bytes| bytes[0]);
        let done = opcode.and_then(|opcode| machine.step(opcode));
        match done {
            Ok(None) => {}
            Ok(Some(id)) => return Ok((machine.values, id)),
            Err(problem) => return Err(format!("its pickle {problem} at byte {at}")),
        }
    }
}

#[derive(Default)]
struct Machine<'a> {
    rest: &'a [u8],
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack at the marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("ends early")?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        Ok(*self.take(N)?.first_chunk().expect("as many bytes were taken"))
    }

    fn line(&mut self) -> Result<String, String> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').ok_or("ends early")?;
        let line = String::from_utf8_lossy(&self.rest[..end]).into_owned();
        self.rest = &self.rest[end + 1..];
        Ok(line)
    }

    fn text(&mut self, length: u64) -> Result<(), String> {
        let bytes = self.take(usize::try_from(length).map_err(|_| "ends early")?)?;
        let text = std::str::from_utf8(bytes).map_err(|_| "has a text that is not UTF-8")?;
        self.push(Value::Text(text.into()));
        Ok(())
    }

    fn opaque(&mut self, length: u64) -> Result<(), String> {
        self.take(usize::try_from(length).map_err(|_| "ends early")?)?;
        self.push(Value::Opaque);
        Ok(())
    }

    fn long(&mut self, length: usize) -> Result<(), String> {
        let bytes = self.take(length)?;
        if length > 8 {
            self.push(Value::Opaque);
            return Ok(());
        }
        let mut whole = [if bytes.last().is_some_and(|byte| *byte > 127) { 0xff } else { 0 }; 8];
        whole[..length].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(whole)));
        Ok(())
    }

    fn push(&mut self, value: Value) {
        // A pickle has at most as many values as bytes.
        self.stack.push(self.values.len() as Id);
        self.values.push(value);
    }

    /// The lowest height the stack may be brought to.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id, String> {
        if self.stack.len() <= self.floor() {
            return Err("takes from an empty stack".into());
        }
        self.stack.pop().ok_or_else(|| "takes from an empty stack".into())
    }

    fn top(&self) -> Result<Id, String> {
        match self.stack.len() > self.floor() {
            true => Ok(self.stack[self.stack.len() - 1]),
            false => Err("takes from an empty stack".into()),
        }
    }

    fn above_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("misses a mark")?;
        Ok(self.stack.split_off(mark))
    }

    fn tuple(&mut self, count: usize) -> Result<(), String> {
        if self.stack.len() < self.floor() + count {
            return Err("takes from an empty stack".into());
        }
        let items = self.stack.split_off(self.stack.len() - count);
        self.push(Value::Tuple(items.into()));
        Ok(())
    }

    fn append(&mut self, items: &[Id]) -> Result<(), String> {
        let top = self.top()? as usize;
        match &mut self.values[top] {
            Value::List(list) => list.extend(items),
            // Sets and other collections are made by calls, and not needed.
            Value::Opaque | Value::Made { .. } => {}
            _ => return Err("appends to what is no list".into()),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), String> {
        let (pairs, rest) = items.as_chunks::<2>();
        let top = self.top()? as usize;
        match &mut self.values[top] {
            _ if !rest.is_empty() => return Err("has a key without a value".into()),
            Value::Dict(dict) => dict.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            Value::Made { .. } => {}
            _ => return Err("sets keys of what is no dictionary".into()),
        }
        Ok(())
    }

    fn remember(&mut self, place: u32) -> Result<(), String> {
        let top = self.top()?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn recall(&mut self, place: u32) -> Result<(), String> {
        let id = *self.memo.get(&place).ok_or("recalls what it has not remembered")?;
        self.stack.push(id);
        Ok(())
    }

    /// A call that is noted, not done; ordered dictionaries are dictionaries.
    fn call(&mut self) -> Result<(), String> {
        let (arguments, from) = (self.pop()?, self.pop()?);
        let is_dict = match &self.values[from as usize] {
            Value::Global(name) => {
                name.0 == "collections" && matches!(name.1.as_str(), "OrderedDict" | "defaultdict" | "Counter")
            }
            _ => false,
        };
        self.push(if is_dict { Value::Dict(Vec::new()) } else { Value::Made { from, arguments, state: None } });
        Ok(())
    }

    /// One opcode; at the last one, the value there is.
    fn step(&mut self, opcode: u8) -> Result<Option<Id>, String> {
        match opcode {
            // Protocol and frame.
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'.' => return self.pop().map(Some),
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'K' => {
                let [number] = self.array()?;
                self.push(Value::Int(number.into()));
            }
            b'M' => {
                let number = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(number.into()));
            }
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(number.into()));
            }
            0x8a => {
                let [length] = self.array()?;
                self.long(length.into())?;
            }
            0x8b => {
                let length = u32::from_le_bytes(self.array()?);
                self.long(length as usize)?;
            }
            b'G' => {
                let number = f64::from_be_bytes(self.array()?);
                self.push(Value::Float(number));
            }
            b'X' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length.into())?;
            }
            0x8c => {
                let [length] = self.array()?;
                self.text(length.into())?;
            }
            0x8d => {
                let length = u64::from_le_bytes(self.array()?);
                self.text(length)?;
            }
            // Texts and bytes of Python 2 and 3.
            b'U' | b'C' => {
                let [length] = self.array()?;
                self.opaque(length.into())?;
            }
            b'T' | b'B' => {
                let length = u32::from_le_bytes(self.array()?);
                self.opaque(length.into())?;
            }
            0x8e | 0x96 => {
                let length = u64::from_le_bytes(self.array()?);
                self.opaque(length)?;
            }
            b'(' => self.marks.push(self.stack.len()),
            b')' => self.push(Value::Tuple([].into())),
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let items = self.above_mark()?;
                self.push(Value::Tuple(items.into()));
            }
            b']' => self.push(Value::List(Vec::new())),
            b'l' => {
                let items = self.above_mark()?;
                self.push(Value::List(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.above_mark()?;
                self.append(&items)?;
            }
            b'}' => self.push(Value::Dict(Vec::new())),
            b'd' => {
                let items = self.above_mark()?;
                self.push(Value::Dict(Vec::new()));
                self.set(&items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.above_mark()?;
                self.set(&items)?;
            }
            // Sets, empty and frozen, and what is added to them.
            0x8f => self.push(Value::Opaque),
            0x90 => {
                let items = self.above_mark()?;
                self.append(&items)?;
            }
            0x91 => {
                self.above_mark()?;
                self.push(Value::Opaque);
            }
            b'c' => {
                let global = (self.line()?, self.line()?);
                self.push(Value::Global(Box::new(global)));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let text = |id: Id| match &self.values[id as usize] {
                    Value::Text(text) => Ok(text.to_string()),
                    _ => Err("names a class with what is no text".to_owned()),
                };
                let global = (text(module)?, text(name)?);
                self.push(Value::Global(Box::new(global)));
            }
            b'R' | 0x81 => self.call()?,
            b'b' => {
                let (state, top) = (self.pop()?, self.top()?);
                if let Value::Made { state: own, .. } = &mut self.values[top as usize] {
                    *own = Some(state);
                }
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id));
            }
            b'0' => drop(self.pop()?),
            b'1' => drop(self.above_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'q' => {
                let [place] = self.array()?;
                self.remember(place.into())?;
            }
            b'r' => {
                let place = u32::from_le_bytes(self.array()?);
                self.remember(place)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?,
            b'h' => {
                let [place] = self.array()?;
                self.recall(place.into())?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.array()?);
                self.recall(place)?;
            }
            other => return Err(format!("has the opcode {other:#04x}, which is not read")),
        }
        Ok(None)
    }
}
