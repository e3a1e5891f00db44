//! Where the numbers of a model file lie, found by walking through an intact one.

/// A number in a model file.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub at: usize,
    pub width: usize,
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    fields: Vec<Field>,
}

impl Walk<'_> {
    fn number(&mut self, width: usize) -> usize {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(&self.bytes[self.at..self.at + width]);
        self.fields.push(Field { at: self.at, width });
        self.at += width;
        let number = i64::from_le_bytes(bytes);
        if width == 4 { number as i32 as usize } else { number as usize }
    }

    fn quantiser(&mut self) {
        let dimension = self.number(4);
        for _ in 0..3 {
            self.number(4);
        }
        self.fields.push(Field { at: self.at, width: 4 });
        self.at += dimension * 256 * 4;
    }

    fn matrix(&mut self, quantised: bool) {
        let norms = quantised && self.number(1) == 1;
        let (rows, columns) = (self.number(8), self.number(8));
        if quantised {
            let codes = self.number(4);
            self.at += codes;
            self.quantiser();
            if norms {
                self.at += rows;
                self.quantiser();
            }
        } else {
            self.fields.push(Field { at: self.at, width: 4 });
            self.at += rows * columns * 4;
        }
    }
}

/// All numbers of a file but those of most entries, most pairs and most cells. The end of the file is the last.
pub fn fields(bytes: &[u8]) -> Vec<Field> {
    let mut walk = Walk { bytes, at: 0, fields: Vec::new() };
    for _ in 0..14 {
        walk.number(4);
    }
    walk.number(8);
    let size = walk.number(4);
    walk.number(4);
    walk.number(4);
    walk.number(8);
    let pruned = walk.number(8);
    for entry in 0..size {
        let length = walk.bytes[walk.at..].iter().position(|&byte| byte == 0).unwrap();
        walk.at += length;
        let known = walk.fields.len();
        walk.number(1);
        walk.number(8);
        walk.number(1);
        if entry % 97 != 0 && entry + 3 < size {
            walk.fields.truncate(known);
        }
    }
    for pair in 0..if pruned == usize::MAX { 0 } else { pruned } {
        let known = walk.fields.len();
        walk.number(4);
        walk.number(4);
        if pair % 97 != 0 {
            walk.fields.truncate(known);
        }
    }
    let quantised = walk.number(1) == 1;
    walk.matrix(quantised);
    let output = walk.number(1) == 1;
    walk.matrix(quantised && output);
    assert_eq!(walk.at, bytes.len(), "the whole file is understood");
    walk.fields.push(Field { at: bytes.len(), width: 0 });
    walk.fields
}
