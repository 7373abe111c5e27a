//! Runs on one page: figures with their data, in a self-contained HTML file.
//!
//! | what | where |
//! |---|---|
//! | what is read of a run folder | [`RunRecord`] |
//! | the whole: figures, page, files | [`Report`] |
//! | one drawing with its numbers | [`Figure`], [`DataTable`] |
//! | the drawings | [`figures`] |
//!
//! The page asks nothing of a network, follows the reader's light or dark scheme, and says every
//! number in a table beside the drawing. Strings from files are escaped wherever they appear.
//! In figures, tables and CSV files tasks count from 1.
//!
//! ```
//! use treelora_cl_bench::metrics::AccuracyMatrix;
//! use treelora_report::{TaskNames, figures::accuracy_matrix};
//!
//! let matrix = AccuracyMatrix::from_scores(vec![vec![Some(0.93)], vec![Some(0.9), Some(0.88)]]);
//! let figure = accuracy_matrix("accuracy-matrix", &matrix, &TaskNames::new(["cats", "dogs"]));
//! assert!(figure.to_svg().contains("93.0"));
//! assert_eq!(
//!     figure.data.to_csv(),
//!     "after_task,task_1,task_2,mean\n1,0.93,,0.93\n2,0.9,0.88,0.89\n"
//! );
//! ```
#![warn(missing_docs)]

mod run_record;

mod step_log;

mod task_names;

mod data_table;

mod figure;

mod drawing;

pub mod figures;

mod run_group;

mod report;

mod page;

mod report_files;

pub use data_table::DataTable;
pub use figure::Figure;
pub use report::Report;
pub use run_group::{FloorGroup, RunGroup, floor_groups, run_groups};
pub use run_record::RunRecord;
pub use step_log::{LoggedStep, StepLog};
pub use task_names::TaskNames;

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
