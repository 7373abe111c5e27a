//! Every convention on matrices small enough to be computed by hand.

use treelora_cl_bench::metrics::{AccuracyMatrix, Cell, Convention, Direction, MetricValue};

/// Three tasks of 100, 200 and 50 test examples, in right answers.
///
/// Task 0 is best after task 1, neither first nor last (maximum against diagonal); task 1 gains at
/// the end (clipped against unclipped). Cells above the diagonal are the scores before learning.
const CORRECT: [[usize; 3]; 3] = [[80, 40, 5], [90, 120, 10], [60, 150, 45]];
const TOTAL: [usize; 3] = [100, 200, 50];

/// R = [[0.80, 0.20, 0.10], [0.90, 0.60, 0.20], [0.60, 0.75, 0.90]], b = [0.10, 0.05, 0.15].
fn three_tasks() -> AccuracyMatrix {
    let mut matrix = AccuracyMatrix::new();
    for (after, row) in CORRECT.iter().enumerate() {
        for (on, (&correct, total)) in row.iter().zip(TOTAL).enumerate() {
            matrix.record(after, on, Cell { correct, total });
        }
    }
    for (on, score) in [0.10, 0.05, 0.15].into_iter().enumerate() {
        matrix.record_baseline(on, score);
    }
    matrix
}

fn assert_value(convention: Convention, matrix: &AccuracyMatrix, expected: f64) {
    let value = convention.value(matrix).unwrap();
    assert!(
        (value - expected).abs() < 1e-12,
        "{}: {value} instead of {expected}",
        convention.name()
    );
}

#[test]
fn three_tasks_by_hand() {
    let matrix = three_tasks();
    // (0.60 + 0.75 + 0.90) / 3
    assert_value(Convention::AccLast, &matrix, 0.75);
    // 0.80, (0.90 + 0.60) / 2 = 0.75, 0.75
    assert_value(Convention::AiaTaskWeighted, &matrix, 2.30 / 3.0);
    // 80/100, (90 + 120)/300 = 0.70, (60 + 150 + 45)/350 = 255/350
    assert_value(
        Convention::AiaSampleWeighted,
        &matrix,
        (0.80 + 0.70 + 255.0 / 350.0) / 3.0,
    );
    // (0.80 + 0.60 + 0.90) / 3
    assert_value(Convention::LearningAcc, &matrix, 2.30 / 3.0);
    // last - diagonal: -0.20, +0.15, 0
    assert_value(Convention::BwtGem, &matrix, -0.025);
    assert_value(Convention::BwtDivT, &matrix, -0.05 / 3.0);
    assert_value(Convention::BwtTreeloraPaper, &matrix, 0.05 / 3.0);
    // the gain of task 1 is erased: -0.20 / 3
    assert_value(Convention::BwtTreeloraCode, &matrix, -0.20 / 3.0);
    // max before the last row: 0.90 and 0.60; minus last: 0.30 and -0.15
    assert_value(Convention::ForgettingMaxExclLast, &matrix, 0.075);
    // max with the last row: 0.90 and 0.75; minus last: 0.30 and 0
    assert_value(Convention::ForgettingMaxInclLast, &matrix, 0.15);
    // diagonal - last: 0.20 and -0.15
    assert_value(Convention::ForgettingFirstLast, &matrix, 0.025);
    // R[0][1] - b[1] = 0.15, R[1][2] - b[2] = 0.05
    assert_value(Convention::Fwt, &matrix, 0.10);
}

#[test]
fn ragged_rows_are_not_padded_with_zeros() {
    let matrix = AccuracyMatrix::from_scores(vec![
        vec![Some(0.80)],
        vec![Some(0.90), Some(0.60)],
        vec![Some(0.60), Some(0.75), Some(0.90)],
    ]);
    assert_value(Convention::AccLast, &matrix, 0.75);
    assert_value(Convention::ForgettingMaxExclLast, &matrix, 0.075);
    assert_value(Convention::ForgettingMaxInclLast, &matrix, 0.15);
    assert_value(Convention::BwtTreeloraCode, &matrix, -0.20 / 3.0);
    // Without counts, without cells above the diagonal and without a baseline:
    assert_eq!(Convention::AiaSampleWeighted.value(&matrix), None);
    assert_eq!(Convention::Fwt.value(&matrix), None);

    // A negative score must not lose against a padded zero.
    let negative =
        AccuracyMatrix::from_scores(vec![vec![Some(-0.5)], vec![Some(-0.75), Some(0.25)]]);
    assert_value(Convention::ForgettingMaxExclLast, &negative, 0.25);
}

#[test]
fn a_hole_makes_undefined_only_what_needs_it() {
    let matrix = AccuracyMatrix::from_scores(vec![
        vec![Some(0.80)],
        vec![None, Some(0.60)],
        vec![Some(0.60), Some(0.75), Some(0.90)],
    ]);
    assert_eq!(Convention::ForgettingMaxExclLast.value(&matrix), None);
    assert_eq!(Convention::AiaTaskWeighted.value(&matrix), None);
    assert_value(Convention::BwtGem, &matrix, -0.025);
}

#[test]
fn a_single_task_has_no_transfer_but_a_mean() {
    let mut matrix = AccuracyMatrix::new();
    matrix.record(
        0,
        0,
        Cell {
            correct: 3,
            total: 4,
        },
    );
    for convention in Convention::ALL {
        let expected = match convention {
            Convention::AccLast
            | Convention::AiaTaskWeighted
            | Convention::AiaSampleWeighted
            | Convention::LearningAcc => Some(0.75),
            // Divided by T = 1, the only term is 0.
            Convention::BwtDivT | Convention::BwtTreeloraPaper | Convention::BwtTreeloraCode => {
                Some(0.0)
            }
            _ => None,
        };
        assert_eq!(convention.value(&matrix), expected, "{}", convention.name());
    }
}

#[test]
fn joint_training_has_only_a_last_row() {
    let mut matrix = AccuracyMatrix::new();
    for (on, correct) in [60, 150, 45].into_iter().enumerate() {
        let total = TOTAL[on];
        matrix.record(2, on, Cell { correct, total });
    }
    assert_eq!(matrix.tasks(), 3);
    for convention in Convention::ALL {
        match convention {
            Convention::AccLast => assert_value(convention, &matrix, 0.75),
            _ => assert_eq!(convention.value(&matrix), None, "{}", convention.name()),
        }
    }
}

#[test]
fn an_empty_matrix_defines_nothing() {
    let matrix = AccuracyMatrix::new();
    assert_eq!(matrix.tasks(), 0);
    assert!(
        matrix
            .metrics()
            .values()
            .all(|metric| metric.value.is_none())
    );
}

#[test]
fn directions_follow_the_sign_of_forgetting() {
    for convention in Convention::ALL {
        let name = convention.name();
        let lower = name.starts_with("forgetting") || name == "bwt_treelora_paper";
        let expected = match lower {
            true => Direction::LowerIsBetter,
            false => Direction::HigherIsBetter,
        };
        assert_eq!(convention.direction(), expected, "{name}");
    }
}

#[test]
fn metrics_carry_name_formula_and_direction_into_json() {
    let metrics = three_tasks().metrics();
    assert_eq!(metrics.len(), 12);
    let json = serde_json::to_value(&metrics).unwrap();
    assert_eq!(json["acc_last"]["value"], 0.75);
    assert_eq!(json["bwt_gem"]["direction"], "higher-is-better");
    assert!(
        json["bwt_treelora_paper"]["formula"]
            .as_str()
            .unwrap()
            .contains("positive = forgetting")
    );
    let back: std::collections::BTreeMap<String, MetricValue> =
        serde_json::from_value(json).unwrap();
    assert_eq!(back, metrics);
}

#[test]
fn a_matrix_survives_json_with_holes_counts_and_classes() {
    let mut matrix = three_tasks();
    matrix.record_score(4, 1, 0.1 + 0.2);
    let class = Cell {
        correct: 1,
        total: 2,
    };
    matrix.record_class(1, 7, class);
    matrix.record_class(1, 7, class);
    let text = serde_json::to_string(&matrix).unwrap();
    let back: AccuracyMatrix = serde_json::from_str(&text).unwrap();
    assert_eq!(back, matrix);
    assert_eq!(back.score(3, 0), None);
    assert_eq!(
        back.classes(1).unwrap()[&7],
        Cell {
            correct: 2,
            total: 4
        }
    );
    assert_eq!(
        back.counts(0, 1),
        Some(Cell {
            correct: 40,
            total: 200
        })
    );
}

#[test]
fn the_table_is_readable() {
    let mut matrix = AccuracyMatrix::from_scores(vec![vec![Some(0.8)], vec![Some(0.9), Some(0.6)]]);
    matrix.record_baseline(1, 0.05);
    assert_eq!(
        matrix.to_string(),
        "   after      0      1 |   mean\n\
         \u{20}      0  80.00      - |  80.00\n\
         \u{20}      1  90.00  60.00 |  75.00\n\
         baseline      -   5.00\n"
    );
}
