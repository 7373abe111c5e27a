//! What libFuzzer says at the end.

use anyhow::{Context, Result};

#[derive(Debug, Default, PartialEq)]
pub(super) struct Statistics {
    pub(super) cpu_minutes: f64,
    pub(super) executions: u64,
    /// Counters of the instrumented code, a branch each, that an input reached.
    pub(super) branches: u64,
}

impl Statistics {
    /// From its log, without the time.
    pub(super) fn parse(log: &str) -> Result<Self> {
        let executions = log
            .lines()
            .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
            .context("libFuzzer printed no statistics")?;
        let branches = log
            .lines()
            .filter_map(|line| line.split_once(" cov: "))
            .filter_map(|(_, rest)| rest.split_whitespace().next()?.parse().ok())
            .max();
        Ok(Self {
            cpu_minutes: 0.0,
            executions: executions.trim().parse()?,
            branches: branches.context("libFuzzer printed no coverage")?,
        })
    }

    /// Of a later slice over the same inputs.
    pub(super) fn add(&mut self, other: &Self) {
        self.executions += other.executions;
        self.branches = self.branches.max(other.branches);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LOG: &str = "\
#2\tINITED cov: 310 ft: 311 corp: 1/3074b exec/s: 0 rss: 90Mb
#40\tNEW    cov: 402 ft: 420 corp: 2/80b lim: 4 exec/s: 0 rss: 91Mb
Done 41 runs in 61 second(s)
stat::number_of_executed_units: 41
stat::average_exec_per_sec:     0";

    #[test]
    fn the_last_coverage_and_all_executions() {
        let mut total = Statistics::parse(LOG).unwrap();
        assert_eq!((total.executions, total.branches), (41, 402));
        total.add(&Statistics {
            cpu_minutes: 0.0,
            executions: 9,
            branches: 400,
        });
        assert_eq!((total.executions, total.branches), (50, 402));
    }

    #[test]
    fn a_log_that_ends_early_is_an_error() {
        assert!(Statistics::parse("#2\tINITED cov: 310").is_err());
    }
}
