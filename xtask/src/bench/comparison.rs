//! Our training step beside PyTorch's: one case at a time, the two processes in turns.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use super::{
    case::Case,
    contender::{Contender, Memory},
};

/// Idle threads of a process that has just computed may spin for a while before they sleep.
const REST: Duration = Duration::from_millis(50);

/// A case takes no more rounds after this time, but at least [`FEWEST`].
const PATIENCE: Duration = Duration::from_secs(60);

const FEWEST: usize = 5;

/// How many rounds a case takes, in words.
pub(crate) fn rounds(most: usize) -> String {
    match most > FEWEST {
        true => format!(
            "{most}, fewer but at least {FEWEST} where they take over {} s",
            PATIENCE.as_secs()
        ),
        false => most.to_string(),
    }
}

/// What one side needed.
#[derive(Debug, PartialEq)]
pub(crate) struct Side {
    /// Milliseconds of each step.
    pub(crate) steps: Vec<f64>,
    pub(crate) memory: Option<Memory>,
}

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
        mut ours: Contender,
        theirs: Option<Contender>,
        rounds: usize,
    ) -> Result<Self> {
        let mut steps = [Vec::new(), Vec::new()];
        let start = Instant::now();
        let goes_on = |round: &usize| *round < FEWEST || start.elapsed() < PATIENCE;
        let Some(mut theirs) = theirs else {
            for _ in (0..rounds).take_while(goes_on) {
                steps[0].push(ours.step()?);
            }
            let [ours_steps, _] = steps;
            return Ok(Self {
                case,
                ours: Side::of(ours_steps, &mut ours)?,
                theirs: None,
            });
        };
        if ours.parameters != theirs.parameters {
            let (left, right) = (ours.parameters, theirs.parameters);
            bail!("{case}: the models differ, ours has {left:?}, theirs {right:?}");
        }
        let mut sides = [ours, theirs];
        for round in (0..rounds).take_while(goes_on) {
            // Neither is always the one that follows the other.
            for turn in [round % 2, 1 - round % 2] {
                sleep(REST);
                steps[turn].push(sides[turn].step()?);
            }
        }
        let [ours_steps, their_steps] = steps;
        [ours, theirs] = sides;
        Ok(Self {
            case,
            ours: Side::of(ours_steps, &mut ours)?,
            theirs: Some(Side::of(their_steps, &mut theirs)?),
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
    pub(crate) fn ratio(&self) -> Option<f64> {
        let theirs = self.theirs.as_ref()?;
        let pairs = self.ours.steps.iter().zip(&theirs.steps);
        Some(median(pairs.map(|(ours, theirs)| ours / theirs)))
    }

    /// Our peak over theirs: of the whole processes, and of what they took for model and training.
    pub(crate) fn memory_ratios(&self) -> Option<[f64; 2]> {
        let (ours, theirs) = (self.ours.memory?, self.theirs.as_ref()?.memory?);
        let quotient = |ours: u64, theirs: u64| ours as f64 / theirs as f64;
        Some([
            quotient(ours.peak, theirs.peak),
            quotient(ours.grown(), theirs.grown()),
        ])
    }
}

impl Side {
    fn of(steps: Vec<f64>, contender: &mut Contender) -> Result<Self> {
        Ok(Self {
            steps,
            memory: contender.memory()?,
        })
    }

    pub(crate) fn median(&self) -> f64 {
        median(self.steps.iter().copied())
    }
}

impl Memory {
    /// Above what the process held before the model was built.
    pub(crate) fn grown(self) -> u64 {
        self.peak.saturating_sub(self.start)
    }
}

/// The middle value, or the mean of the two in the middle.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.as_slice() {
        [] => f64::NAN,
        values if values.len() % 2 == 1 => values[middle],
        values => (values[middle - 1] + values[middle]) / 2.0,
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
        let rate = |side: &Side| {
            let rate = amount as f64 * 1e3 / side.median();
            let decimals = if rate < 100.0 { 1 } else { 0 };
            format!("{rate:.decimals$} {unit}")
        };
        let memory = |side: &Side| {
            let megabytes = |kilobytes: u64| kilobytes as f64 / 1024.0;
            side.memory.map(|memory| {
                format!(
                    "{:.0} ({:.0})",
                    megabytes(memory.peak),
                    megabytes(memory.grown())
                )
            })
        };
        let theirs = theirs.as_ref();
        let cells = [
            Some(time(ours)),
            theirs.map(time),
            comparison.ratio().map(|ratio| format!("**{ratio:.2}**")),
            Some(rate(ours)),
            theirs.map(rate),
            memory(ours),
            theirs.and_then(memory),
            comparison
                .memory_ratios()
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
    use crate::bench::{case, contender::Residence};

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
    fn medians_take_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert!(median(std::iter::empty()).is_nan());
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let comparison = comparison();
        assert_eq!(comparison.ratio(), Some(0.5));
        assert_eq!(comparison.memory_ratios(), Some([0.5, 1.0]));
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

    #[cfg(unix)]
    #[test]
    fn sides_take_turns_and_models_must_be_alike() {
        let contender = |ready: &str, step: &str| {
            let answers = format!(
                "read case; echo ready {ready}; while read what; do case $what in \
                step) echo {step} 1.0;; memory) echo 1024 2048;; esac; done"
            );
            let mut command = std::process::Command::new("sh");
            command.args(["-c", &answers]);
            Contender::start(command, "{}", Residence::Host).unwrap()
        };
        let case = case::chosen(case::Machine::Cpu, &["tiny-vit".to_owned()]).remove(0);
        let run = |theirs| Comparison::run(case.clone(), contender("1 2", "4"), Some(theirs), 3);
        let comparison = run(contender("1 2", "8")).unwrap();
        assert_eq!(comparison.ours.steps, [4.0; 3]);
        assert_eq!(comparison.theirs.as_ref().unwrap().steps, [8.0; 3]);
        assert_eq!(comparison.ratio(), Some(0.5));
        let error = run(contender("1 3", "8")).unwrap_err().to_string();
        assert!(error.contains("models differ"), "{error}");
    }
}
