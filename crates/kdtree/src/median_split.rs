//! Two sides from one similarity per task (section 3.3 of the paper).

use serde::{Deserialize, Serialize};

/// How the tasks of an inner node were divided.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Split {
    /// Similarity, or coordinate along the principal component, `>= threshold` (the median) went left; the sides differ by at most one task.
    Median {
        /// The median.
        threshold: f64,
    },
    /// The same, but tasks exactly at the median make the left side larger by two or more.
    Ties {
        /// The median.
        threshold: f64,
    },
    /// The median would have left a side empty, or all similarities are equal within rounding (as
    /// those of two tasks to their own mean always are under `-L1`): the list was halved, the more
    /// similar half left, in task order where all are equal. The left side has at most one task more.
    Halved,
}

/// Similarities closer than this, relative to the largest, cannot be told apart in `f32` sums of
/// thousands of terms, nor compared across devices.
const ROUNDING: f32 = 1e-5;

/// Divide positions `0..n` by their similarity; both sides keep the order of the positions.
///
/// # Panics
/// With fewer than two similarities.
pub(crate) fn median_split(similarities: &[f32]) -> (Vec<usize>, Vec<usize>, Split) {
    let n = similarities.len();
    assert!(n >= 2, "{n} tasks cannot be split");
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| similarities[b].total_cmp(&similarities[a]));
    let at = |rank: usize| similarities[order[rank]];
    let (highest, lowest) = (at(0), at(n - 1));
    if highest - lowest <= ROUNDING * highest.abs().max(lowest.abs()) {
        return halve((0..n).collect());
    }
    let threshold = match n % 2 {
        1 => f64::from(at(n / 2)),
        _ => 0.5 * (f64::from(at(n / 2 - 1)) + f64::from(at(n / 2))),
    };
    let (left, right): (Vec<_>, Vec<_>) =
        (0..n).partition(|&i| f64::from(similarities[i]) >= threshold);
    if right.is_empty() {
        return halve(order);
    }
    let split = match left.len() <= right.len() + 1 {
        true => Split::Median { threshold },
        false => Split::Ties { threshold },
    };
    (left, right, split)
}

fn halve(mut order: Vec<usize>) -> (Vec<usize>, Vec<usize>, Split) {
    let mut right = order.split_off(order.len().div_ceil(2));
    order.sort_unstable();
    right.sort_unstable();
    (order, right, Split::Halved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_cases() {
        let threshold = 2.0;
        for (similarities, left, right, split) in [
            (
                &[1.0, 3.0, 2.0][..],
                &[1, 2][..],
                &[0][..],
                Split::Median { threshold },
            ),
            (
                &[1.0, 3.0, 4.0, -5.0],
                &[1, 2],
                &[0, 3],
                Split::Median { threshold },
            ),
            (
                &[2.0, 2.0, 2.0, 0.0],
                &[0, 1, 2],
                &[3],
                Split::Ties { threshold },
            ),
            (&[2.0, 2.0, 9.0, 2.0], &[0, 2], &[1, 3], Split::Halved),
            (&[-7.0, -7.000_001, -7.0], &[0, 1], &[2], Split::Halved),
            (&[0.0, 0.0], &[0], &[1], Split::Halved),
        ] {
            let found = median_split(similarities);
            assert_eq!(
                found,
                (left.to_vec(), right.to_vec(), split),
                "{similarities:?}"
            );
        }
    }
}
