//! Whether files that consist of chunks end as they should.

/// Check that the chunks of a PNG file go on to the one that ends it. Checksums are the decoder's.
///
/// # Errors
/// Where the file is cut off.
pub(super) fn check_png(bytes: &[u8]) -> Result<(), String> {
    let cut_off = || {
        format!(
            "the file is cut off: its {} bytes end without IEND",
            bytes.len()
        )
    };
    let mut rest = bytes.get(8..).ok_or_else(cut_off)?;
    loop {
        let ([length, name], behind) = head(rest).ok_or_else(cut_off)?;
        let length = u32::from_be_bytes(length) as usize;
        // Four bytes of checksum.
        rest = behind.get(length.saturating_add(4)..).ok_or_else(cut_off)?;
        if name == *b"IEND" {
            return Ok(());
        }
    }
}

/// Check that a WebP file and its chunks are as long as they say. Decoders take zeros for the coefficients that are
/// missing.
///
/// # Errors
/// How much is missing.
pub(super) fn check_webp(bytes: &[u8]) -> Result<(), String> {
    let cut_off = || {
        format!(
            "the file is cut off: it has {} bytes, and says that it has more",
            bytes.len()
        )
    };
    let ([_, length], behind) = head(bytes).ok_or_else(cut_off)?;
    let length = u32::from_le_bytes(length) as usize;
    let chunks = behind.get(..length).ok_or_else(cut_off)?;
    let mut rest = chunks.get(4..).ok_or_else(cut_off)?;
    while !rest.is_empty() {
        let ([_, length], behind) = head(rest).ok_or_else(cut_off)?;
        let length = u32::from_le_bytes(length) as usize;
        let behind = behind.get(length..).ok_or_else(cut_off)?;
        // Chunks are filled up to an even length; the filler of the last one may be left out.
        rest = behind.get(length % 2..).unwrap_or_default();
    }
    Ok(())
}

/// Two words of four bytes, and what is behind them.
fn head(bytes: &[u8]) -> Option<([[u8; 4]; 2], &[u8])> {
    let (words, _) = bytes.get(..8)?.as_chunks::<4>();
    Some(([words[0], words[1]], &bytes[8..]))
}
