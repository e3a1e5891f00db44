//! A number for each of some characters: two array accesses for a look-up, a kilobyte for each 256 code points in use.

/// From characters to numbers; 0 for those that were never set.
#[derive(Clone, Debug)]
pub(crate) struct CodePoints {
    pages: Vec<u16>,
    values: Vec<u32>,
}

impl CodePoints {
    /// One in which every character has 0.
    pub(crate) fn new() -> Self {
        Self { pages: vec![0; 0x11_0000 / 256], values: vec![0; 256] }
    }

    /// The number of a character.
    #[inline(always)]
    pub(crate) fn get(&self, character: char) -> u32 {
        let page = self.pages[character as usize / 256];
        self.values[usize::from(page) * 256 + character as usize % 256]
    }

    /// Where the number of a character is kept.
    pub(crate) fn get_mut(&mut self, character: char) -> &mut u32 {
        let page = &mut self.pages[character as usize / 256];
        if *page == 0 {
            // There are 4352 pages at most.
            *page = (self.values.len() / 256) as u16;
            self.values.resize(self.values.len() + 256, 0);
        }
        &mut self.values[usize::from(*page) * 256 + character as usize % 256]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_was_set() {
        let mut numbers = CodePoints::new();
        let characters = ['\0', 'a', 'ÿ', 'Ā', '的', '\u{d7ff}', '\u{e000}', '😀', '\u{10ffff}'];
        for (number, character) in (1..).zip(characters) {
            *numbers.get_mut(character) = number;
        }
        for (number, character) in (1..).zip(characters) {
            assert_eq!(numbers.get(character), number);
        }
        assert_eq!((numbers.get('b'), numbers.get('一'), numbers.get('😁')), (0, 0, 0));
    }
}
