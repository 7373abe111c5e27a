//! Our training step beside PyTorch's: one case at a time, the two processes in turns.

use anyhow::{Context, Result};

use super::{
    case::Case,
    contender::Contender,
    turns::{self, Side},
};

/// One case.
#[derive(Debug, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) case: Case,
    pub(crate) ours: Side,
    /// Step by step in the same rounds as ours.
    pub(crate) theirs: Option<Side>,
}

impl Comparison {
    /// Takes up to `rounds` steps of each side, in turns.
    pub(crate) fn run(
        case: Case,
        ours: Contender,
        theirs: Option<Contender>,
        rounds: usize,
    ) -> Result<Self> {
        let mut contenders: Vec<Contender> = [ours].into_iter().chain(theirs).collect();
        let sides = turns::take(&mut contenders, rounds).with_context(|| case.to_string())?;
        let mut sides = sides.into_iter();
        Ok(Self {
            case,
            ours: sides.next().context("a side of ours")?,
            theirs: sides.next(),
        })
    }

    /// One line while others still run.
    pub(crate) fn summary(&self) -> String {
        let Self { case, ours, theirs } = self;
        let ours = ours.median();
        match (theirs, self.ratio()) {
            (Some(theirs), Some(ratio)) => {
                let theirs = theirs.median();
                format!("{case}: ours {ours:.1} ms, PyTorch {theirs:.1} ms, ratio {ratio:.2}")
            }
            _ => format!("{case}: {ours:.1} ms"),
        }
    }

    /// The median over the rounds of our time over theirs.
    fn ratio(&self) -> Option<f64> {
        Some(self.ours.ratio_to(self.theirs.as_ref()?))
    }
}

/// The comparisons as a table.
pub(crate) fn table(comparisons: &[Comparison]) -> String {
    let mut text =
        "| step | ours, ms | PyTorch, ms | ours / PyTorch | ours, per s | PyTorch, per s \
        | ours, peak MB (grown) | PyTorch, peak MB (grown) | peak ratio (grown) |\n\
        |---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
            .to_owned();
    for comparison in comparisons {
        let Comparison { case, ours, theirs } = comparison;
        let (amount, unit) = case.amount();
        let time = |side: &Side| format!("{:.1}", side.median());
        let rate = |side: &Side| format!("{} {unit}", side.rate(amount));
        let theirs = theirs.as_ref();
        let cells = [
            Some(time(ours)),
            theirs.map(time),
            comparison.ratio().map(|ratio| format!("**{ratio:.2}**")),
            Some(rate(ours)),
            theirs.map(rate),
            ours.megabytes(),
            theirs.and_then(Side::megabytes),
            theirs
                .and_then(|theirs| ours.memory_ratios_to(theirs))
                .map(|[whole, grown]| format!("{whole:.2} ({grown:.2})")),
        ];
        let cells = cells.map(|cell| cell.unwrap_or_else(|| "-".to_owned()));
        text += &format!("| {case} | {} |\n", cells.join(" | "));
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::bench::{case, contender::Memory};

    fn side(steps: &[f64], start: u64, peak: u64) -> Side {
        Side {
            steps: steps.to_vec(),
            memory: Some(Memory { start, peak }),
        }
    }

    fn comparison() -> Comparison {
        Comparison {
            case: case::chosen(case::Machine::Cpu, &["vit-ti batch 8 f32".to_owned()]).remove(0),
            ours: side(&[100.0, 200.0, 90.0], 10 * 1024, 110 * 1024),
            theirs: Some(side(&[200.0, 400.0, 60.0], 120 * 1024, 220 * 1024)),
        }
    }

    #[test]
    fn a_row_shows_both_sides_or_ours_alone() {
        let mut comparison = comparison();
        let row = table(std::slice::from_ref(&comparison));
        assert!(
            row.ends_with(
                "| vit-ti batch 8 f32 | 100.0 | 200.0 | **0.50** | 80.0 images | 40.0 images \
                | 110 (100) | 220 (100) | 0.50 (1.00) |\n"
            ),
            "{row}"
        );
        comparison.theirs = None;
        let row = table(&[comparison]);
        assert!(
            row.ends_with("| 100.0 | - | - | 80.0 images | - | 110 (100) | - | - |\n"),
            "{row}"
        );
    }
}
