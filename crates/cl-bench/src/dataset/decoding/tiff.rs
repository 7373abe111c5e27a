//! Whether the pixels of a TIFF file are all there.

/// Tags of where the parts of a picture begin and how long they are: strips, then tiles.
const PARTS: [[u16; 2]; 2] = [[273, 279], [324, 325]];

/// Check that every part of the first picture lies within the file. Decoders fill up a part that is compressed as JPEG.
///
/// # Errors
/// Which part is cut off.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    // What is not understood here (files above 4 GiB have another header), the decoder has judged.
    let Some(file) = File::of(bytes) else {
        return Ok(());
    };
    for [offsets, lengths] in PARTS {
        let (Some(offsets), Some(lengths)) = (file.numbers(offsets), file.numbers(lengths)) else {
            continue;
        };
        for (part, (offset, length)) in offsets.iter().zip(&lengths).enumerate() {
            if offset.saturating_add(*length) > bytes.len() {
                return Err(format!(
                    "the file is cut off: part {part} of the picture ends at byte {}, the file at {}",
                    offset.saturating_add(*length),
                    bytes.len()
                ));
            }
        }
    }
    Ok(())
}

/// A file with its byte order and the entries of its first directory, 12 bytes each.
struct File<'b> {
    bytes: &'b [u8],
    little: bool,
    entries: &'b [[u8; 12]],
}

impl<'b> File<'b> {
    fn of(bytes: &'b [u8]) -> Option<Self> {
        let little = match bytes.get(..4)? {
            b"II*\0" => true,
            b"MM\0*" => false,
            _ => return None,
        };
        let mut file = Self {
            bytes,
            little,
            entries: &[],
        };
        let directory = file.number(bytes.get(4..8)?);
        let count = file.number(bytes.get(directory..)?.get(..2)?);
        let entries = bytes.get(directory.checked_add(2)?..)?;
        file.entries = entries.as_chunks().0.get(..count)?;
        Some(file)
    }

    fn number(&self, bytes: &[u8]) -> usize {
        let digits = bytes.iter().map(|byte| usize::from(*byte));
        match self.little {
            true => digits.rev().fold(0, |number, digit| number << 8 | digit),
            false => digits.fold(0, |number, digit| number << 8 | digit),
        }
    }

    /// The values of a tag, of two or four bytes each.
    fn numbers(&self, tag: u16) -> Option<Vec<usize>> {
        let is_tag = |entry: &&[u8; 12]| self.number(&entry[..2]) == usize::from(tag);
        let entry = self.entries.iter().find(is_tag)?;
        let size = match self.number(&entry[2..4]) {
            3 => 2,
            4 => 4,
            _ => return None,
        };
        let length = size * self.number(&entry[4..8]);
        let values = match length {
            0..=4 => &entry[8..8 + length],
            _ => self.bytes.get(self.number(&entry[8..])..)?.get(..length)?,
        };
        Some(
            values
                .chunks_exact(size)
                .map(|value| self.number(value))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten bytes of pixels behind a directory of two entries.
    fn file() -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0\x02\0".to_vec();
        for (tag, value) in [(273_u16, 38_u32), (279, 10)] {
            bytes.extend(tag.to_le_bytes());
            bytes.extend([4, 0, 1, 0, 0, 0]);
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend([0; 14]);
        bytes
    }

    #[test]
    fn a_part_has_to_end_within_the_file() {
        let whole = file();
        assert_eq!(check(&whole), Ok(()));
        for cut in 1..10 {
            let problem = check(&whole[..whole.len() - cut]);
            assert!(
                problem.is_err_and(|problem| problem.contains("part 0")),
                "{cut}"
            );
        }
    }
}
