//! The coded data of one scan.

use super::{
    bits::BitReader,
    frame::{Component, Frame},
    huffman::{CodeFault, HuffmanTable},
};

/// After how many units the coding begins anew.
#[derive(Clone, Copy, Default)]
pub(super) struct RestartInterval(Option<usize>);

impl RestartInterval {
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let [high, low, ..] = body else {
            return Err("its restart interval is cut off".into());
        };
        let units = usize::from(u16::from_be_bytes([*high, *low]));
        Ok(Self((units > 0).then_some(units)))
    }
}

/// What a scan holds of the components of a frame.
pub(super) struct Scan<'t> {
    parts: Vec<Part<'t>>,
    kind: Kind,
}

/// A component of a scan.
struct Part<'t> {
    component: usize,
    dc: Option<&'t HuffmanTable>,
    ac: Option<&'t HuffmanTable>,
}

/// Which coefficients a scan holds, from `start` to `end` in zigzag order.
#[derive(Clone, Copy)]
struct Kind {
    start: usize,
    end: usize,
    /// Whether it adds a bit to what earlier scans told.
    refines: bool,
}

impl<'t> Scan<'t> {
    /// `None` where a table is left out that some players know by heart: then nothing can be said of the scan.
    pub(super) fn parse(
        header: &[u8],
        frame: &Frame,
        dc: &'t [Option<HuffmanTable>; 4],
        ac: &'t [Option<HuffmanTable>; 4],
    ) -> Result<Option<Self>, String> {
        let cut_off = "the header of a scan is cut off";
        let (count, rest) = header.split_first().ok_or(cut_off)?;
        let (selectors, rest) = rest
            .split_at_checked(2 * usize::from(*count))
            .ok_or(cut_off)?;
        let [start, end, bits, ..] = *rest else {
            return Err(cut_off.into());
        };
        let kind = match frame.progressive {
            true => Kind {
                start: usize::from(start),
                end: usize::from(end),
                refines: bits >> 4 != 0,
            },
            // Whatever the header says.
            false => Kind::ALL,
        };
        if selectors.is_empty() || kind.start > kind.end || kind.end > 63 {
            return Err("the header of a scan is damaged".into());
        }
        let mut parts = Vec::new();
        for [id, tables] in selectors.as_chunks::<2>().0 {
            let component = frame.components.iter().position(|c| c.id == *id);
            let component = component.ok_or_else(|| format!("a scan has a component {id}"))?;
            let [dc_table, ac_table] = [tables >> 4, tables & 15].map(usize::from);
            let part = Part {
                component,
                dc: dc.get(dc_table).and_then(Option::as_ref),
                ac: ac.get(ac_table).and_then(Option::as_ref),
            };
            let needs_dc = kind.start == 0 && !kind.refines;
            if needs_dc && part.dc.is_none() || kind.end > 0 && part.ac.is_none() {
                return Ok(None);
            }
            parts.push(part);
        }
        Ok(Some(Self { parts, kind }))
    }

    /// Go through the scan that `bytes` begin with; where the marker behind it is.
    pub(super) fn walk(
        &self,
        bytes: &[u8],
        frame: &mut Frame,
        RestartInterval(interval): RestartInterval,
    ) -> Result<usize, String> {
        let Frame {
            components, units, ..
        } = frame;
        let units = *units;
        for part in &self.parts {
            let component = &mut components[part.component];
            let blocks = component.stride(units) * units[1] * component.sampling[1];
            component.nonzero.resize(blocks, 0);
            component.covered = true;
        }
        let [columns, rows] = match &self.parts[..] {
            [part] => components[part.component].blocks,
            _ => units,
        };
        let total = columns * rows;
        let mut bits = BitReader::new(bytes);
        let mut run = 0;
        for unit in 0..total {
            if let Some(interval) = interval
                && unit > 0
                && unit % interval == 0
            {
                self.restart(&mut bits, unit / interval - 1, [unit, total])?;
                run = 0;
            }
            let walked = self.unit(
                &mut bits,
                components,
                units,
                [unit % columns, unit / columns],
                &mut run,
            );
            walked.map_err(|fault| match fault {
                CodeFault::Unknown => {
                    format!("damaged: its data make no sense after {unit} of {total} units of the picture")
                }
                CodeFault::Exhausted if bits.is_at_end() => {
                    format!("the file is cut off: it ends after {unit} of {total} units of the picture")
                }
                CodeFault::Exhausted => {
                    format!("damaged: the data of the picture end after {unit} of its {total} units")
                }
            })?;
        }
        match bits.left_over() {
            0 => Ok(bits.position()),
            left => Err(format!(
                "damaged: {left} bytes of the picture are left after its {total} units"
            )),
        }
    }

    fn restart(
        &self,
        bits: &mut BitReader<'_>,
        number: usize,
        [unit, total]: [usize; 2],
    ) -> Result<(), String> {
        let place = format!("after {unit} of {total} units of the picture");
        let left = bits.left_over();
        if left > 0 {
            return Err(format!("damaged: {left} bytes are left {place}"));
        }
        if bits.is_at_end() {
            return Err(format!("the file is cut off: it ends {place}"));
        }
        let due = (number % 8) as u8;
        match bits.restart() {
            Some(found) if found == due => Ok(()),
            Some(found) => Err(format!(
                "damaged: restart marker {found} in place of {due} {place}"
            )),
            None => Err(format!("damaged: no restart marker {place}")),
        }
    }

    /// The blocks of one unit, or the one block where a component is alone.
    fn unit(
        &self,
        bits: &mut BitReader<'_>,
        components: &mut [Component],
        units: [usize; 2],
        [column, row]: [usize; 2],
        run: &mut u32,
    ) -> Result<(), CodeFault> {
        let alone = self.parts.len() == 1;
        for part in &self.parts {
            let component = &mut components[part.component];
            let stride = component.stride(units);
            let [across, down] = match alone {
                true => [1, 1],
                false => component.sampling,
            };
            for y in row * down..(row + 1) * down {
                for x in column * across..(column + 1) * across {
                    let nonzero = &mut component.nonzero[y * stride + x];
                    self.kind.block(bits, part, nonzero, run)?;
                }
            }
        }
        Ok(())
    }
}

impl Kind {
    /// All coefficients at once.
    const ALL: Self = Self {
        start: 0,
        end: 63,
        refines: false,
    };

    fn block(
        self,
        bits: &mut BitReader<'_>,
        part: &Part<'_>,
        nonzero: &mut u64,
        run: &mut u32,
    ) -> Result<(), CodeFault> {
        if self.start == 0 {
            match (self.refines, part.dc) {
                (true, _) => drop(bits.take(1)?),
                (false, Some(table)) => {
                    let size = table.read(bits)?;
                    if size > 15 {
                        return Err(CodeFault::Unknown);
                    }
                    bits.take(u32::from(size))?;
                }
                (false, None) => {}
            }
        }
        match part.ac {
            Some(table) if self.end > 0 && self.refines => self.refine(bits, table, nonzero, run),
            Some(table) if self.end > 0 => self.first(bits, table, nonzero, run),
            _ => Ok(()),
        }
    }

    /// Coefficients that no scan has told of yet.
    fn first(
        self,
        bits: &mut BitReader<'_>,
        table: &HuffmanTable,
        nonzero: &mut u64,
        run: &mut u32,
    ) -> Result<(), CodeFault> {
        if *run > 0 {
            *run -= 1;
            return Ok(());
        }
        let mut at = self.start.max(1);
        while at <= self.end {
            let symbol = table.read(bits)?;
            let (zeros, size) = (symbol >> 4, u32::from(symbol & 15));
            match (zeros, size) {
                // Sixteen zeros, which a coefficient follows.
                (15, 0) if at + 16 <= self.end => at += 16,
                (15, 0) => return Err(CodeFault::Unknown),
                (_, 0) if self.start == 0 => return Ok(()),
                (_, 0) => {
                    *run = blocks_of_zeros(bits, zeros)? - 1;
                    return Ok(());
                }
                _ => {
                    at += usize::from(zeros);
                    if at > self.end {
                        return Err(CodeFault::Unknown);
                    }
                    bits.take(size)?;
                    *nonzero |= 1 << at;
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// One more bit of the coefficients that are known, and new ones between them.
    fn refine(
        self,
        bits: &mut BitReader<'_>,
        table: &HuffmanTable,
        nonzero: &mut u64,
        run: &mut u32,
    ) -> Result<(), CodeFault> {
        let mut at = self.start;
        while *run == 0 && at <= self.end {
            let symbol = table.read(bits)?;
            let (zeros, size) = (symbol >> 4, symbol & 15);
            match (zeros, size) {
                (15, 0) => {}
                (_, 0) => {
                    *run = blocks_of_zeros(bits, zeros)?;
                    break;
                }
                (_, 1) => drop(bits.take(1)?),
                _ => return Err(CodeFault::Unknown),
            }
            let mut zeros = zeros;
            while at <= self.end {
                match (*nonzero >> at & 1, zeros) {
                    (1, _) => drop(bits.take(1)?),
                    (_, 0) => break,
                    _ => zeros -= 1,
                }
                at += 1;
            }
            if size == 1 {
                if at > self.end {
                    return Err(CodeFault::Unknown);
                }
                *nonzero |= 1 << at;
            }
            at += 1;
        }
        if *run > 0 {
            let known = (at..=self.end).filter(|at| *nonzero >> at & 1 == 1).count();
            for _ in 0..known {
                bits.take(1)?;
            }
            *run -= 1;
        }
        Ok(())
    }
}

/// How many blocks, this one among them, have no further coefficients.
fn blocks_of_zeros(bits: &mut BitReader<'_>, exponent: u8) -> Result<u32, CodeFault> {
    let extra = bits.take(u32::from(exponent))?;
    Ok((1 << exponent) + u32::from(extra))
}
