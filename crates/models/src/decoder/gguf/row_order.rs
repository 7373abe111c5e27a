//! What a converter of llama.cpp did to a tensor, undone.

use super::architecture::Architecture;
use crate::decoder::DecoderConfig;

/// How the numbers of a tensor differ from those of Hugging Face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowOrder {
    /// Not at all.
    Equal,
    /// Of each of so many heads, rows that turn together are neighbours, in place of half a head apart.
    PairsOf(usize),
    /// The weight of a normalisation with the 1 that its family adds.
    WithOne,
}

impl RowOrder {
    /// That of a tensor by llama.cpp's name.
    pub(super) fn of(name: &str, architecture: &Architecture, config: &DecoderConfig) -> Self {
        let is = |part: &str| name.split('.').any(|piece| piece == part);
        match architecture.pairs_neighbours {
            true if is("attn_q") => return Self::PairsOf(config.num_attention_heads),
            true if is("attn_k") => return Self::PairsOf(config.num_key_value_heads),
            _ => {}
        }
        match architecture.family.norm_offset() != 0.0 && name.ends_with("norm.weight") {
            true => Self::WithOne,
            false => Self::Equal,
        }
    }

    /// The numbers as Hugging Face has them; `rows` are those of the tensor.
    pub(super) fn undone(self, values: Vec<f32>, rows: usize) -> Vec<f32> {
        match self {
            Self::Equal => values,
            Self::PairsOf(heads) => {
                let (head, columns) = (rows / heads, values.len() / rows.max(1));
                let mut ordered = Vec::with_capacity(values.len());
                for row in 0..rows {
                    let (first, within) = (row / head * head, row % head);
                    let (side, pair) = (within / (head / 2), within % (head / 2));
                    let from = (first + 2 * pair + side) * columns;
                    ordered.extend_from_slice(&values[from..from + columns]);
                }
                ordered
            }
            Self::WithOne => values.into_iter().map(|value| value - 1.0).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RowOrder;

    #[test]
    fn neighbours_of_a_head_come_half_a_head_apart() {
        // Two heads of four rows with two columns.
        let values: Vec<f32> = (0..16u8).map(f32::from).collect();
        let rows = |values: &[f32]| values.chunks(2).map(|row| row[0] / 2.0).collect::<Vec<_>>();
        let undone = RowOrder::PairsOf(2).undone(values.clone(), 8);
        assert_eq!(rows(&undone), [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
        assert_eq!(RowOrder::Equal.undone(values.clone(), 8), values);
        assert_eq!(RowOrder::WithOne.undone(vec![1.5], 1), [0.5]);
    }
}
