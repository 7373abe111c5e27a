//! The drawings, one file each.

mod accuracy_matrix;

mod curves;

mod task_scores;

mod loss_terms;

mod stage_costs;

mod gradient_tree;

mod chosen_relatives;

mod confidence_bounds;

mod metric_comparison;

mod curve_comparison;

pub use accuracy_matrix::accuracy_matrix;
pub use chosen_relatives::chosen_relatives;
pub use confidence_bounds::{bounds_of_arms, bounds_over_time};
pub use curve_comparison::curve_comparison;
pub use curves::{accuracy_over_time, forgetting_over_time, over_time};
pub use gradient_tree::gradient_tree;
pub use loss_terms::loss_terms;
pub use metric_comparison::{COMPARED, metric_comparison};
pub use stage_costs::{stage_memory, stage_time};
pub use task_scores::task_scores;
