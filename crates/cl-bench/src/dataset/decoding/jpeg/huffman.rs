//! Codes of variable length.

use super::bits::{BitReader, Exhausted};

/// The canonical code of a DHT segment.
pub(super) struct HuffmanTable {
    /// By the next 16 bits: up to which a code of each length goes, exclusive; the codes of a length begin where those
    /// of the length before end.
    ends: [u32; 16],
    /// Number of codes shorter than each length.
    counts_before: [usize; 16],
    symbols: Vec<u8>,
    /// Length and symbol by the next 8 bits; length 0 where the code is longer.
    short: Vec<[u8; 2]>,
}

/// Why no symbol was read.
pub(super) enum CodeFault {
    /// There are not enough bits before the next marker.
    Exhausted,
    /// The table has no such code.
    Unknown,
}

impl From<Exhausted> for CodeFault {
    fn from(_: Exhausted) -> Self {
        Self::Exhausted
    }
}

impl HuffmanTable {
    /// The table at the beginning of `bytes`, and what is behind it.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), String> {
        let short = "it has a Huffman table that is cut off";
        let (lengths, rest) = bytes.split_at_checked(16).ok_or(short)?;
        let total: usize = lengths.iter().map(|count| usize::from(*count)).sum();
        let (symbols, rest) = rest.split_at_checked(total).ok_or(short)?;
        let (mut ends, mut counts_before) = ([0; 16], [0; 16]);
        let (mut end, mut before) = (0_u32, 0);
        for (index, count) in lengths.iter().enumerate() {
            end += u32::from(*count) << (15 - index);
            (ends[index], counts_before[index]) = (end, before);
            before += usize::from(*count);
        }
        if end > 1 << 16 {
            return Err("it has a Huffman table with too many codes".into());
        }
        let mut table = Self {
            ends,
            counts_before,
            symbols: symbols.to_vec(),
            short: Vec::new(),
        };
        let short = (0..=u8::MAX).map(|byte| match table.find(u16::from(byte) << 8) {
            Some((length @ 1..=8, symbol)) => [length as u8, symbol],
            _ => [0, 0],
        });
        table.short = short.collect();
        Ok((table, rest))
    }

    /// Length and symbol of the code that 16 bits begin with.
    fn find(&self, bits: u16) -> Option<(u32, u8)> {
        let index = self.ends.iter().position(|end| u32::from(bits) < *end)?;
        let begin = match index {
            0 => 0,
            _ => self.ends[index - 1],
        };
        let code = (u32::from(bits) - begin) >> (15 - index);
        let symbol = self
            .symbols
            .get(self.counts_before[index] + code as usize)?;
        Some((index as u32 + 1, *symbol))
    }

    /// Read the next symbol.
    pub(super) fn read(&self, bits: &mut BitReader<'_>) -> Result<u8, CodeFault> {
        let next = bits.peek_16();
        let (length, symbol) = match self.short[usize::from(next >> 8)] {
            [0, _] => self.find(next).ok_or(CodeFault::Unknown)?,
            [length, symbol] => (u32::from(length), symbol),
        };
        bits.take(length)?;
        Ok(symbol)
    }
}
