//! From the layout of PyTorch's linear layers to burn's.

/// Rows and columns of a tile: both sides of its copy stay in the first-level cache.
const TILE: usize = 32;

/// `[outputs, inputs]` -> `[inputs, outputs]`, tile by tile.
///
/// # Panics
/// When the values do not fill rows of `inputs`.
pub(crate) fn transposed<T: Copy + Default>(values: &[T], inputs: usize) -> Vec<T> {
    if values.is_empty() {
        return Vec::new();
    }
    let outputs = values.len() / inputs;
    assert_eq!(outputs * inputs, values.len(), "rows of {inputs} values");
    let mut turned = vec![T::default(); values.len()];
    for first_output in (0..outputs).step_by(TILE) {
        for first_input in (0..inputs).step_by(TILE) {
            for output in first_output..outputs.min(first_output + TILE) {
                for input in first_input..inputs.min(first_input + TILE) {
                    turned[input * outputs + output] = values[output * inputs + input];
                }
            }
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns_whatever_the_size() {
        for (outputs, inputs) in [(2, 3), (33, 70), (64, 1), (1, 40), (0, 5)] {
            let values: Vec<usize> = (0..outputs * inputs).collect();
            let turned = transposed(&values, inputs);
            for (at, value) in turned.iter().enumerate() {
                assert_eq!(*value, (at % outputs) * inputs + at / outputs);
            }
            assert_eq!(turned.len(), values.len());
        }
    }
}
