//! Whether a JPEG file holds its whole picture.
//!
//! Decoders of the field show what there is: the missing half of a file becomes grey, and a damaged one slides out of
//! place. This walks through the coded data without making a picture of it: every scan has to hold exactly the blocks
//! that the frame has, restart markers have to come in their order, and the end marker has to follow.

mod bits;

mod frame;

mod huffman;

mod scan;

use frame::Frame;
use huffman::HuffmanTable;
use scan::{RestartInterval, Scan};

/// Scans of one picture, at most; ten are usual.
const MAX_SCANS: usize = 100;

/// Check that the picture of a file that begins as a JPEG does is whole.
///
/// Kinds of JPEG that the decoder does not read (arithmetic coding, lossless, 12 bits) pass: it names them.
///
/// # Errors
/// What is missing or damaged.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let mut segments = Segments { bytes, at: 2 };
    let mut tables = Tables::default();
    let mut frame: Option<Frame> = None;
    let mut restart = RestartInterval::default();
    let mut scans = 0;
    loop {
        match segments.marker()? {
            // Restart markers and fillers stand alone.
            0x01 | 0xD0..=0xD8 => {}
            0xD9 => {
                return match frame.is_some_and(|frame| frame.is_covered()) {
                    true => Ok(()),
                    false => Err("it ends before its picture".into()),
                };
            }
            marker @ 0xC0..=0xC2 => match Frame::parse(segments.body()?, marker == 0xC2)? {
                Some(parsed) if frame.is_none() => frame = Some(parsed),
                Some(_) => return Err("it has two frames".into()),
                None => return Ok(()),
            },
            0xC4 => tables.parse(segments.body()?)?,
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => return Ok(()),
            0xDD => restart = RestartInterval::parse(segments.body()?)?,
            0xDA => {
                scans += 1;
                if scans > MAX_SCANS {
                    return Err(format!("it has more than {MAX_SCANS} scans"));
                }
                let header = segments.body()?;
                let frame = frame.as_mut().ok_or("it has a scan before its frame")?;
                let Some(scan) = Scan::parse(header, frame, &tables.dc, &tables.ac)? else {
                    return Ok(());
                };
                segments.at += scan.walk(&bytes[segments.at..], frame, restart)?;
            }
            _ => {
                segments.body()?;
            }
        }
    }
}

/// The Huffman tables that are in force.
#[derive(Default)]
struct Tables {
    dc: [Option<HuffmanTable>; 4],
    ac: [Option<HuffmanTable>; 4],
}

impl Tables {
    /// One or several tables of a segment, which replace those of their number.
    fn parse(&mut self, mut body: &[u8]) -> Result<(), String> {
        while let [selector, rest @ ..] = body {
            let (table, rest) = HuffmanTable::parse(rest)?;
            let number = usize::from(selector & 15);
            let tables = match selector >> 4 {
                0 => &mut self.dc,
                _ => &mut self.ac,
            };
            *tables
                .get_mut(number)
                .ok_or_else(|| format!("it has a Huffman table of number {number}"))? = Some(table);
            body = rest;
        }
        Ok(())
    }
}

/// The file as markers and what belongs to them.
struct Segments<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Segments<'b> {
    /// The next marker; bytes that belong to none are passed over, as every decoder does.
    fn marker(&mut self) -> Result<u8, String> {
        let mut after_prefix = false;
        for (offset, byte) in self.bytes[self.at..].iter().enumerate() {
            match byte {
                0xFF => after_prefix = true,
                0 => after_prefix = false,
                _ if after_prefix => {
                    self.at += offset + 1;
                    return Ok(*byte);
                }
                _ => {}
            }
        }
        Err(self.cut_off())
    }

    /// What follows a marker, behind its length.
    fn body(&mut self) -> Result<&'b [u8], String> {
        let rest = &self.bytes[self.at..];
        let [high, low, ..] = rest else {
            return Err(self.cut_off());
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length < 2 {
            return Err(format!("it has a segment of length {length}"));
        }
        let body = rest.get(2..length).ok_or_else(|| self.cut_off())?;
        self.at += length;
        Ok(body)
    }

    fn cut_off(&self) -> String {
        format!(
            "the file is cut off: its {} bytes end without an end marker",
            self.bytes.len()
        )
    }
}
