//! What a probe of `2 log2 N + 4` pulls finds, as a Markdown table: gains over a random choice, as shares of what an
//! exhaustive search gains.
//!
//! `cargo run --release -p treelora-bandit --example probe -- [settings.json]`
//!
//! The settings are those of the example `regret`; without a file 16 to 128 arms, 2,000 runs.
#![allow(clippy::print_stdout)]

use std::error::Error;

use treelora_bandit::simulation::{Landscape, RegretConfig, compare_probes};

fn main() -> Result<(), Box<dyn Error>> {
    let config = match std::env::args().nth(1) {
        Some(path) => serde_json::from_str(&std::fs::read_to_string(path)?)?,
        None => RegretConfig {
            arms: vec![16, 32, 64, 100, 128],
            seeds: 2000,
            landscapes: vec![Landscape::Clusters, Landscape::Smooth, Landscape::Shuffled],
            ..RegretConfig::default()
        },
    };
    print!("{}", compare_probes(&config)?);
    Ok(())
}
