//! What runs: one loop over the tasks, and the scores after each.

pub(crate) mod evaluation;

pub(crate) mod finite;

pub(crate) mod memory;

pub mod run_loop;

pub(crate) mod training_step;
