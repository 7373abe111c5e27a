//! Position embeddings for another number of patches.

/// Position embeddings of a grid of `from` rows and columns on one of `to`; those of the `leading` tokens, the first
/// rows, stay.
///
/// Bicubic with antialiasing, a = -0.5, pixel centres at halves: timm's `resample_abs_pos_embed`
/// over PyTorch's `interpolate(mode="bicubic", antialias=True)`.
///
/// # Shapes
/// `values` holds `[leading + from[0] * from[1], width]` row by row, the result the same of `to`.
///
/// # Panics
/// When `values` has another length or a size is 0.
pub fn resample_positions(
    values: &[f32],
    width: usize,
    leading: usize,
    from: [usize; 2],
    to: [usize; 2],
) -> Vec<f32> {
    assert!(
        from.iter().chain(&to).all(|side| *side > 0) && width > 0,
        "a grid or width of 0"
    );
    assert_eq!(
        values.len(),
        (leading + from[0] * from[1]) * width,
        "position embeddings of another length"
    );
    if from == to {
        return values.to_vec();
    }
    let (leading, grid) = values.split_at(leading * width);
    let taps = |axis: usize| -> Vec<Taps> {
        let taps = (0..to[axis]).map(|target| Taps::new(target, from[axis], to[axis]));
        taps.collect()
    };

    // Columns first, as PyTorch does: [from, from, width] -> [from, to, width].
    let mut narrowed = vec![0.0; from[0] * to[1] * width];
    let columns = taps(1);
    for row in 0..from[0] {
        for (column, taps) in columns.iter().enumerate() {
            let target = &mut narrowed[(row * to[1] + column) * width..][..width];
            taps.add_to(target, |source| {
                &grid[(row * from[1] + source) * width..][..width]
            });
        }
    }
    let mut resampled = vec![0.0; to[0] * to[1] * width];
    for (row, taps) in taps(0).iter().enumerate() {
        for column in 0..to[1] {
            let target = &mut resampled[(row * to[1] + column) * width..][..width];
            taps.add_to(target, |source| {
                &narrowed[(source * to[1] + column) * width..][..width]
            });
        }
    }
    [leading, &resampled].concat()
}

/// The source positions that one target position reads, and their weights, which sum to 1.
struct Taps {
    first: usize,
    weights: Vec<f64>,
}

impl Taps {
    fn new(target: usize, from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        // When shrinking, the filter widens so that every source position counts.
        let stretch = scale.max(1.0);
        let support = 2.0 * stretch;
        let center = scale * (target as f64 + 0.5);
        let first = (center - support + 0.5).max(0.0) as usize;
        let end = ((center + support + 0.5) as usize).min(from);
        let weight = |source| cubic((source as f64 - center + 0.5) / stretch);
        let mut weights: Vec<f64> = (first..end).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        Self { first, weights }
    }

    fn add_to<'v>(&self, target: &mut [f32], source: impl Fn(usize) -> &'v [f32]) {
        for (offset, weight) in self.weights.iter().enumerate() {
            for (target, value) in target.iter_mut().zip(source(self.first + offset)) {
                *target += *weight as f32 * value;
            }
        }
    }
}

/// Keys' cubic convolution kernel with a = -0.5.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_stays_and_the_class_token_is_untouched() {
        let mut values = vec![2.5; (1 + 5 * 5) * 3];
        values[..3].copy_from_slice(&[7.0, 8.0, 9.0]);
        for to in [1, 3, 5, 8] {
            let resampled = resample_positions(&values, 3, 1, [5, 5], [to, to]);
            assert_eq!(resampled.len(), (1 + to * to) * 3);
            assert_eq!(resampled[..3], [7.0, 8.0, 9.0]);
            assert!(
                resampled[3..]
                    .iter()
                    .all(|value| (value - 2.5).abs() < 1e-6),
                "{to}"
            );
        }
    }

    #[test]
    fn a_transposed_grid_gives_the_transposed_result() {
        let grid = |transpose: bool| -> Vec<f32> {
            let cell = |row: usize, column: usize| ((row * 7 + column * 3) % 11) as f32;
            let cells = (0..16).map(|i| match transpose {
                true => cell(i % 4, i / 4),
                false => cell(i / 4, i % 4),
            });
            std::iter::once(0.0).chain(cells).collect()
        };
        let plain = resample_positions(&grid(false), 1, 1, [4, 4], [7, 7]);
        let transposed = resample_positions(&grid(true), 1, 1, [4, 4], [7, 7]);
        for row in 0..7 {
            for column in 0..7 {
                let (a, b) = (
                    plain[1 + row * 7 + column],
                    transposed[1 + column * 7 + row],
                );
                assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
        }
    }
}
