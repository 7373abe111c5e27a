//! What holds for every matrix.

use proptest::prelude::*;
use treelora_cl_bench::metrics::{AccuracyMatrix, Cell, Convention};

/// Complete lower triangles of 2 to 8 tasks.
fn triangles() -> impl Strategy<Value = Vec<Vec<f64>>> {
    (2_usize..=8).prop_flat_map(|tasks| {
        (0..tasks)
            .map(|row| prop::collection::vec(0.0..=1.0, row + 1))
            .collect::<Vec<_>>()
    })
}

fn matrix(rows: &[Vec<f64>]) -> AccuracyMatrix {
    AccuracyMatrix::from_scores(
        rows.iter()
            .map(|row| row.iter().copied().map(Some).collect())
            .collect(),
    )
}

proptest! {
    #[test]
    fn the_conventions_of_backward_transfer_are_one_quantity(rows in triangles()) {
        let matrix = matrix(&rows);
        let value = |convention: Convention| convention.value(&matrix).unwrap();
        let tasks = rows.len() as f64;
        let (gem, div_t) = (value(Convention::BwtGem), value(Convention::BwtDivT));
        prop_assert_eq!(value(Convention::BwtTreeloraPaper), -div_t);
        prop_assert!((div_t * tasks - gem * (tasks - 1.0)).abs() < 1e-12);
        prop_assert!((value(Convention::ForgettingFirstLast) + gem).abs() < 1e-12);
        prop_assert!(value(Convention::BwtTreeloraCode) <= div_t.min(0.0) + 1e-15);
    }

    #[test]
    fn forgetting_is_ordered(rows in triangles()) {
        let matrix = matrix(&rows);
        let value = |convention: Convention| convention.value(&matrix).unwrap();
        let excluding = value(Convention::ForgettingMaxExclLast);
        let including = value(Convention::ForgettingMaxInclLast);
        prop_assert!(including >= 0.0 && including >= excluding);
        prop_assert!(excluding >= value(Convention::ForgettingFirstLast) - 1e-12);
    }

    #[test]
    fn accuracy_is_what_was_learned_plus_transfer(rows in triangles()) {
        let matrix = matrix(&rows);
        let value = |convention: Convention| convention.value(&matrix).unwrap();
        let sum = value(Convention::LearningAcc) + value(Convention::BwtDivT);
        prop_assert!((value(Convention::AccLast) - sum).abs() < 1e-12);
    }

    #[test]
    fn equal_test_sizes_weight_tasks_and_samples_alike(
        rows in triangles(), total in 1_usize..500,
    ) {
        let mut matrix = AccuracyMatrix::new();
        for (after, row) in rows.iter().enumerate() {
            for (on, score) in row.iter().enumerate() {
                let correct = (score * total as f64) as usize;
                matrix.record(after, on, Cell { correct, total });
            }
        }
        let tasks = Convention::AiaTaskWeighted.value(&matrix).unwrap();
        let samples = Convention::AiaSampleWeighted.value(&matrix).unwrap();
        prop_assert!((tasks - samples).abs() < 1e-12);
    }

    #[test]
    fn a_matrix_survives_json_bit_for_bit(rows in triangles()) {
        let matrix = matrix(&rows);
        let text = serde_json::to_string(&matrix).unwrap();
        prop_assert_eq!(serde_json::from_str::<AccuracyMatrix>(&text).unwrap(), matrix);
    }
}
