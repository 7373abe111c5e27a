//! Regret of flat and tree bandits, as a Markdown table.
//!
//! `cargo run --release -p treelora-bandit --example regret -- [settings.json]`
//!
//! Settings that the file leaves out keep their defaults.
#![allow(clippy::print_stdout)]

use std::error::Error;

use treelora_bandit::simulation::{RegretConfig, simulate};

fn main() -> Result<(), Box<dyn Error>> {
    let config = match std::env::args().nth(1) {
        Some(path) => serde_json::from_str(&std::fs::read_to_string(path)?)?,
        None => RegretConfig::default(),
    };
    print!("{}", simulate(&config)?);
    Ok(())
}
