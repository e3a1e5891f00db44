//! zstd frames, each compressed in one go: faster than a stream, whose window wraps around.

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;

use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, compress_bound};

/// A frame ends with the write that brings it to this many bytes.
const FRAME: usize = 4 << 20;

/// Writes frames with checksums to a file.
pub(super) struct Frames {
    file: File,
    level: i32,
    /// What the next frame is made of.
    buffer: Vec<u8>,
    has_frame: bool,
}

/// What a thread reuses from part to part.
#[derive(Default)]
struct Reused {
    compressor: Option<(i32, Compressor<'static>)>,
    frame: Vec<u8>,
    buffers: Vec<Vec<u8>>,
}

thread_local! {
    static REUSED: RefCell<Reused> = RefCell::default();
}

impl Frames {
    pub(super) fn new(file: File, level: i32) -> Self {
        let buffer = REUSED.with_borrow_mut(|reused| reused.buffers.pop()).unwrap_or_default();
        Self { file, level, buffer, has_frame: false }
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= FRAME { self.end_frame() } else { Ok(()) }
    }

    fn end_frame(&mut self) -> std::io::Result<()> {
        REUSED.with_borrow_mut(|Reused { compressor, frame, .. }| {
            let level = self.level;
            if compressor.as_ref().is_none_or(|(of_level, _)| *of_level != level) {
                let mut made = Compressor::new(level)?;
                made.set_parameter(CParameter::ChecksumFlag(true))?;
                *compressor = Some((level, made));
            }
            let (_, compressor) = compressor.as_mut().expect("made above");
            frame.clear();
            frame.reserve(compress_bound(self.buffer.len()));
            compressor.compress_to_buffer(&self.buffer, frame)?;
            self.file.write_all(frame)
        })?;
        self.has_frame = true;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the last frame; a part without a line is an empty frame.
    pub(super) fn finish(mut self) -> std::io::Result<()> {
        if !self.buffer.is_empty() || !self.has_frame {
            self.end_frame()?;
        }
        // A buffer that one enormous document made grow is given back.
        if self.buffer.capacity() <= 4 * FRAME {
            REUSED.with_borrow_mut(|reused| reused.buffers.push(self.buffer));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_back_as_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("part.zst");
        for lines in [0, 1, 1_000_000] {
            let mut frames = Frames::new(File::create(&path).expect("created"), 3);
            let text: String = (0..lines).map(|line| format!("{line}\n")).collect();
            text.split_inclusive('\n').for_each(|line| frames.write_all(line.as_bytes()).expect("written"));
            frames.finish().expect("finished");
            let packed = std::fs::read(&path).expect("read");
            assert_eq!(zstd::decode_all(packed.as_slice()).expect("frames"), text.as_bytes());
            let count = packed.windows(4).filter(|four| *four == [0x28, 0xB5, 0x2F, 0xFD]).count();
            assert_eq!(count, (text.len() / FRAME).max(1) + usize::from(text.len() > FRAME));
        }
    }
}
