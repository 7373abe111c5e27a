//! What a picture consists of.

/// The frame of a picture with sequential or progressive coding.
pub(super) struct Frame {
    pub(super) components: Vec<Component>,
    /// Interleaved units in a row and in a column.
    pub(super) units: [usize; 2],
    /// Whether scans hold some of the coefficients each.
    pub(super) progressive: bool,
}

/// One colour of a frame.
pub(super) struct Component {
    pub(super) id: u8,
    /// Blocks of a unit, horizontally and vertically.
    pub(super) sampling: [usize; 2],
    /// Blocks of the component alone, in a row and in a column.
    pub(super) blocks: [usize; 2],
    /// Which coefficients of a block are known not to be zero, block by block with those that fill the last units.
    pub(super) nonzero: Vec<u64>,
    /// Whether a scan has held it.
    pub(super) covered: bool,
}

impl Frame {
    /// `None` for what the decoder does not read, which it says itself.
    pub(super) fn parse(body: &[u8], progressive: bool) -> Result<Option<Self>, String> {
        let [precision, h1, h0, w1, w0, count, components @ ..] = body else {
            return Err("its frame is cut off".into());
        };
        let [width, height] = [[*w1, *w0], [*h1, *h0]].map(|b| usize::from(u16::from_be_bytes(b)));
        let count = usize::from(*count);
        if *precision != 8 || width == 0 || height == 0 || !(1..=4).contains(&count) {
            return Ok(None);
        }
        let (components, _) = components.as_chunks::<3>();
        if components.len() < count {
            return Err("its frame is cut off".into());
        }
        let samplings = components[..count]
            .iter()
            .map(|[id, sampling, _]| (*id, [sampling >> 4, sampling & 15].map(usize::from)));
        let samplings: Vec<_> = samplings.collect();
        if samplings
            .iter()
            .any(|(_, sampling)| sampling.iter().any(|factor| !(1..=4).contains(factor)))
        {
            return Ok(None);
        }
        let largest = |axis: usize| samplings.iter().map(|(_, s)| s[axis]).max().unwrap_or(1);
        let (size, largest) = ([width, height], [largest(0), largest(1)]);
        let units = [0, 1].map(|axis| size[axis].div_ceil(8 * largest[axis]));
        let components = samplings.into_iter().map(|(id, sampling)| Component {
            id,
            sampling,
            blocks: [0, 1].map(|axis| (size[axis] * sampling[axis]).div_ceil(8 * largest[axis])),
            nonzero: Vec::new(),
            covered: false,
        });
        Ok(Some(Self {
            components: components.collect(),
            units,
            progressive,
        }))
    }

    /// Whether every component was in a scan.
    pub(super) fn is_covered(&self) -> bool {
        self.components.iter().all(|component| component.covered)
    }
}

impl Component {
    /// Blocks in a row with those that fill the last unit.
    pub(super) fn stride(&self, units: [usize; 2]) -> usize {
        units[0] * self.sampling[0]
    }
}
