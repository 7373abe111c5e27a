//! Bytes that are read one after the other.

use std::ops::Range;

/// A place in a file. Every error is a sentence without the file.
pub(super) struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    pub(super) fn new(bytes: &'b [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// How many bytes follow.
    pub(super) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// Where the next `count` bytes are.
    pub(super) fn range(&mut self, count: u64, what: &str) -> Result<Range<usize>, String> {
        let left = self.left();
        match usize::try_from(count) {
            Ok(count) if count <= left => {
                let start = self.at;
                self.at += count;
                Ok(start..self.at)
            }
            _ => Err(format!(
                "breaks off within {what}: {count} bytes at offset {}, of which it has {left}",
                self.at
            )),
        }
    }

    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], String> {
        let range = self.range(N as u64, what)?;
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes[range]);
        Ok(array)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, String> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, String> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A text behind its length.
    pub(super) fn text(&mut self, what: &str) -> Result<&'b str, String> {
        let length = self.u64(what)?;
        let range = self.range(length, what)?;
        std::str::from_utf8(&self.bytes[range]).map_err(|e| format!("{what} is no UTF-8: {e}"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lengths_beyond_the_end_are_named_and_nothing_is_taken() {
        let bytes = [&9u64.to_le_bytes()[..], b"four"].concat();
        let mut cursor = Cursor::new(&bytes, 0);
        let error = cursor.text("a name").unwrap_err();
        for part in ["a name", "9 bytes at offset 8", "it has 4"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert_eq!(cursor.left(), 4);
        assert!(cursor.range(u64::MAX, "all").is_err());
        let bytes = [&2u64.to_le_bytes()[..], b"\xff\xfe"].concat();
        let error = Cursor::new(&bytes, 0).text("a name").unwrap_err();
        assert!(error.contains("UTF-8"), "{error}");
    }
}
