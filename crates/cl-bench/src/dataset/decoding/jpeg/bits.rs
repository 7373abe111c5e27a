//! The bits of a scan.

/// Reads a scan bit by bit, up to the marker behind it.
pub(super) struct BitReader<'b> {
    bytes: &'b [u8],
    /// The next byte that is not in `buffer`.
    at: usize,
    /// The next bits, from the top.
    buffer: u64,
    available: u32,
}

/// There are not enough bits before the next marker.
pub(super) struct Exhausted;

impl<'b> BitReader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            buffer: 0,
            available: 0,
        }
    }

    fn fill(&mut self) {
        if self.available <= 56
            && let Some((word, _)) = self.bytes[self.at..].split_first_chunk::<8>()
            && !word.contains(&0xFF)
        {
            // Whole bytes at once, where none of them may be a marker.
            let count = (64 - self.available) / 8;
            self.at += count as usize;
            self.buffer |= u64::from_be_bytes(*word) >> self.available;
            self.available += 8 * count;
            if self.available < 64 {
                self.buffer &= u64::MAX << (64 - self.available);
            }
            return;
        }
        while self.available <= 56 {
            let byte = match self.bytes[self.at..] {
                // A zero follows each 255 that is no marker.
                [0xFF, 0, ..] => {
                    self.at += 2;
                    0xFF
                }
                [0xFF, ..] | [] => return,
                [byte, ..] => {
                    self.at += 1;
                    byte
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.available);
            self.available += 8;
        }
    }

    /// The next 16 bits without taking them; zeros where there are no more.
    pub(super) fn peek_16(&mut self) -> u16 {
        if self.available < 16 {
            self.fill();
        }
        (self.buffer >> 48) as u16
    }

    /// Take up to 16 bits.
    pub(super) fn take(&mut self, count: u32) -> Result<u16, Exhausted> {
        if count == 0 {
            return Ok(0);
        }
        if self.available < count {
            self.fill();
        }
        if self.available < count {
            return Err(Exhausted);
        }
        let value = (self.buffer >> (64 - count)) as u16;
        self.buffer <<= count;
        self.available -= count;
        Ok(value)
    }

    /// Leave out the rest of a byte; the number of bytes before the next marker that nothing has read, without the
    /// zeros that some cameras fill up with.
    pub(super) fn left_over(&mut self) -> usize {
        self.take_padding();
        let mut left = 0;
        let mut position = 0;
        loop {
            self.fill();
            if self.available < 8 {
                return left;
            }
            position += 1;
            if self.buffer >> 56 != 0 {
                left = position;
            }
            self.buffer <<= 8;
            self.available -= 8;
        }
    }

    fn take_padding(&mut self) {
        let padding = self.available % 8;
        self.buffer <<= padding;
        self.available -= padding;
    }

    /// Where the marker behind the bits is, once all of them are [read](Self::left_over).
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Go on behind a restart marker, its number.
    pub(super) fn restart(&mut self) -> Option<u8> {
        let rest = &self.bytes[self.at..];
        let fill = rest.iter().take_while(|byte| **byte == 0xFF).count();
        match rest.get(fill) {
            Some(marker @ 0xD0..=0xD7) if fill > 0 => {
                self.at += fill + 1;
                Some(marker - 0xD0)
            }
            _ => None,
        }
    }

    /// Whether the file ends here.
    pub(super) fn is_at_end(&self) -> bool {
        self.bytes[self.at..].len() < 2
    }
}
