//! Where ids go: a small buffer that takes four or eight at a time, and what it is emptied into.

/// Ids in the buffer.
const CAPACITY: usize = 1024;

/// Takes ids in order.
pub(crate) trait Sink {
    fn take(&mut self, ids: &[u32]);
}

impl Sink for Vec<u32> {
    fn take(&mut self, ids: &[u32]) {
        self.extend_from_slice(ids);
    }
}

/// Counts ids.
impl Sink for u64 {
    fn take(&mut self, ids: &[u32]) {
        *self += ids.len() as u64;
    }
}

/// Room for ids on their way.
pub(crate) struct Buffer(Box<[u32; CAPACITY]>);

impl Default for Buffer {
    fn default() -> Self {
        Self(Box::new([0; CAPACITY]))
    }
}

/// Ids on their way into a sink.
pub(crate) struct Output<'o, S: Sink> {
    buffer: &'o mut [u32; CAPACITY],
    filled: usize,
    sink: &'o mut S,
}

impl<'o, S: Sink> Output<'o, S> {
    pub(crate) fn new(buffer: &'o mut Buffer, sink: &'o mut S) -> Self {
        Self { buffer: &mut buffer.0, filled: 0, sink }
    }

    /// Appends the first `count` of these; all are written, so that nothing depends on the count but where to go on.
    #[inline]
    pub(crate) fn some<const IDS: usize>(&mut self, ids: [u32; IDS], count: usize) {
        if self.filled > CAPACITY - IDS {
            self.flush();
        }
        self.buffer[self.filled..self.filled + IDS].copy_from_slice(&ids);
        self.filled += count;
    }

    /// Appends all of these.
    pub(crate) fn all(&mut self, ids: &[u32]) {
        if ids.len() > CAPACITY - self.filled {
            self.flush();
        }
        match self.buffer.get_mut(self.filled..self.filled + ids.len()) {
            Some(room) => {
                room.copy_from_slice(ids);
                self.filled += ids.len();
            }
            None => self.sink.take(ids),
        }
    }

    /// Hands everything over.
    pub(crate) fn flush(&mut self) {
        self.sink.take(&self.buffer[..self.filled]);
        self.filled = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ids_arrive_in_order() {
        let mut buffer = Buffer::default();
        let mut ids: Vec<u32> = Vec::new();
        let mut count = 0_u64;
        let mut expected = Vec::new();
        let mut output = Output::new(&mut buffer, &mut ids);
        for number in 0..5_000 {
            output.some([number, number + 1, 0, 0], 2);
            expected.extend([number, number + 1]);
            if number % 100 == 0 {
                let many: Vec<u32> = (0..number).collect();
                output.all(&many);
                expected.extend(many);
            }
        }
        output.flush();
        assert!(ids == expected);
        let mut output = Output::new(&mut buffer, &mut count);
        expected.chunks(7).for_each(|ids| output.all(ids));
        output.flush();
        assert_eq!(count, expected.len() as u64);
    }
}
