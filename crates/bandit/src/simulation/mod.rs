//! Does the tree pay? Regret of the tree bandit beside a flat one and uniform choice, on arms whose
//! costs follow the tree and on arms whose costs do not (method, section 7; theorem 1 of the paper).
//!
//! ```
//! use treelora_bandit::simulation::{RegretConfig, simulate};
//!
//! let config = RegretConfig { arms: vec![16], rounds: 300, seeds: 2, ..RegretConfig::default() };
//! let report = simulate(&config)?;
//! assert_eq!(report.results.len(), 12, "four landscapes, three policies");
//! assert!(report.to_string().contains("tree-lcb"));
//! # Ok::<(), treelora_bandit::BanditError>(())
//! ```

mod clusters;
mod environment;
mod experiment;
mod landscape;
mod probing;
mod regret_config;
mod report;

pub use environment::Environment;
pub use experiment::simulate;
pub use landscape::Landscape;
pub use probing::{ProbingReport, ProbingResult, compare_probes};
pub use regret_config::{Noise, RegretConfig};
pub use report::{CurvePoint, RegretReport, RegretResult};
