//! Task streams, data sets, metrics, the run loop, checkpoints and reports for continual learning.

pub mod metrics;
