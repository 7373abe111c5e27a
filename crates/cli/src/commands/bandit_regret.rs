//! `treelora bandit-regret`: Theorem 1 by simulation.

use anyhow::{Context, Result};
use treelora_experiment::bandit::simulation::{RegretConfig, simulate};

use crate::arguments::BanditRegretArguments;

/// Simulate the flat and the tree bandit side by side and print the table.
pub(crate) fn run(arguments: &BanditRegretArguments) -> Result<()> {
    let report = simulate(&RegretConfig {
        arms: arguments.arms.clone(),
        rounds: arguments.rounds,
        seeds: arguments.seeds,
        ..RegretConfig::default()
    })?;
    print!("{report}");
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)
            .with_context(|| path.display().to_string())?;
    }
    Ok(())
}
