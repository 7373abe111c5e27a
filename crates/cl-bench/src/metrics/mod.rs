//! Scores of a stream over time, and the numbers the field derives from them.
//!
//! The field disagrees on almost every name: the same "backward transfer" is found divided by `T`
//! or by `T - 1`, with either sign, and clipped at zero or not. The matrix is therefore kept as
//! data ([`AccuracyMatrix`]) and every convention is derived from it under a name of its own
//! ([`Convention`]).
//!
//! ```
//! use treelora_cl_bench::metrics::{AccuracyMatrix, Convention};
//!
//! let matrix = AccuracyMatrix::from_scores(vec![
//!     vec![Some(0.9), None],
//!     vec![Some(0.7), Some(0.8)],
//! ]);
//! let paper = Convention::BwtTreeloraPaper.value(&matrix).expect("two tasks");
//! let gem = Convention::BwtGem.value(&matrix).expect("two tasks");
//! assert!((paper - 0.1).abs() < 1e-12); // forgetting is positive, divided by T
//! assert!((gem + 0.2).abs() < 1e-12); // forgetting is negative, divided by T - 1
//! ```

mod accuracy_matrix;
mod best_classes;
mod cell;
mod convention;
mod decimals;
mod spread;
mod task_score;

pub use accuracy_matrix::AccuracyMatrix;
pub use best_classes::best_classes;
pub use cell::Cell;
pub use convention::{Convention, Direction, MetricValue};
pub use decimals::decimals;
pub use spread::mean_and_spread;
pub use task_score::{TaskInferenceCount, TaskScore};
