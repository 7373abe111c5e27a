//! Processes that take steps one after the other.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use super::contender::{Contender, Memory};

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

/// Up to `rounds` steps of each contender, in rounds.
///
/// # Errors
/// When the models of two contenders have other numbers of parameters, or a step fails.
pub(crate) fn take(contenders: &mut [Contender], rounds: usize) -> Result<Vec<Side>> {
    if let [ours, others @ ..] = &*contenders
        && let Some(other) = others.iter().find(|c| c.parameters != ours.parameters)
    {
        let (left, right) = (ours.parameters, other.parameters);
        bail!("the models differ, ours has {left:?}, theirs {right:?}");
    }
    let count = contenders.len();
    let mut steps = vec![Vec::new(); count];
    let start = Instant::now();
    let goes_on = |round: &usize| *round < FEWEST || start.elapsed() < PATIENCE;
    for round in (0..rounds).take_while(goes_on) {
        // None is always the one that follows another.
        for turn in (0..count).map(|turn| (round + turn) % count) {
            sleep(REST);
            steps[turn].push(contenders[turn].step()?);
        }
    }
    let sides = contenders.iter_mut().zip(steps);
    sides
        .map(|(contender, steps)| {
            let memory = contender.memory()?;
            Ok(Side { steps, memory })
        })
        .collect()
}

impl Side {
    pub(crate) fn median(&self) -> f64 {
        median(self.steps.iter().copied())
    }

    /// The median over the rounds of this side's time over the other's.
    pub(crate) fn ratio_to(&self, other: &Self) -> f64 {
        let pairs = self.steps.iter().zip(&other.steps);
        median(pairs.map(|(one, other)| one / other))
    }

    /// This side's peak over the other's: of the whole processes, and of what they took for model and work.
    pub(crate) fn memory_ratios_to(&self, other: &Self) -> Option<[f64; 2]> {
        let (one, other) = (self.memory?, other.memory?);
        let quotient = |one: u64, other: u64| one as f64 / other as f64;
        Some([
            quotient(one.peak, other.peak),
            quotient(one.grown(), other.grown()),
        ])
    }

    /// What it does in a second, `amount` in a step, with a decimal where the number is small.
    pub(crate) fn rate(&self, amount: usize) -> String {
        let rate = amount as f64 * 1e3 / self.median();
        let decimals = if rate < 100.0 { 1 } else { 0 };
        format!("{rate:.decimals$}")
    }

    /// Peak and, in brackets, growth, in megabytes.
    pub(crate) fn megabytes(&self) -> Option<String> {
        let megabytes = |kilobytes: u64| kilobytes as f64 / 1024.0;
        let memory = self.memory?;
        let [peak, grown] = [memory.peak, memory.grown()].map(megabytes);
        Some(format!("{peak:.0} ({grown:.0})"))
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn medians_take_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert!(median(std::iter::empty()).is_nan());
    }

    #[test]
    fn a_side_tells_its_rate_and_memory() {
        let memory = |start, peak| Some(Memory { start, peak });
        let side = |steps: &[f64], memory| Side {
            steps: steps.to_vec(),
            memory,
        };
        let one = side(&[100.0, 200.0, 90.0], memory(10 * 1024, 110 * 1024));
        let other = side(&[200.0, 400.0, 60.0], memory(120 * 1024, 220 * 1024));
        // Of the same round: 0.5, 0.5, 1.5.
        assert_eq!(one.ratio_to(&other), 0.5);
        assert_eq!(one.memory_ratios_to(&other), Some([0.5, 1.0]));
        assert_eq!(one.rate(8), "80.0");
        assert_eq!(one.rate(800), "8000");
        assert_eq!(one.megabytes().unwrap(), "110 (100)");
        assert_eq!(one.memory_ratios_to(&side(&[1.0], None)), None);
    }

    #[cfg(unix)]
    #[test]
    fn contenders_take_turns_and_their_models_must_be_alike() {
        use crate::bench::contender::Residence;

        let contender = |ready: &str, step: &str| {
            let answers = format!(
                "read case; echo ready {ready}; while read what; do case $what in \
                step) echo {step} 1.0;; memory) echo 1024 2048;; esac; done"
            );
            let mut command = std::process::Command::new("sh");
            command.args(["-c", &answers]);
            Contender::start(command, "{}", Residence::Host).unwrap()
        };
        let steps = [("1 2", "4"), ("1 2", "8"), ("1 2", "16")];
        let mut three = steps.map(|(ready, step)| contender(ready, step));
        let sides = take(&mut three, 3).unwrap();
        assert_eq!(
            [4.0, 8.0, 16.0].map(|time| vec![time; 3]).as_slice(),
            sides.into_iter().map(|side| side.steps).collect::<Vec<_>>()
        );
        let mut differing = [contender("1 2", "4"), contender("1 3", "8")];
        let error = take(&mut differing, 3).unwrap_err().to_string();
        assert!(error.contains("models differ"), "{error}");
    }
}
