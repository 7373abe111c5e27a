//! Where the benchmarks are.

/// The package that holds them.
pub(super) const PACKAGE: &str = "treelora-benches";
