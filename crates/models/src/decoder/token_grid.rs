//! Rows of tokens, filled up to one length.

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};

/// Token ids `[rows, positions]` and where the padding is.
///
/// Right padding needs no mask, because no token sees what comes after it; what stands at padded positions means
/// nothing. Left padding lets all rows go on at the same column, for generation; it is masked and moves the
/// positions of its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenGrid {
    ids: Vec<u32>,
    positions: usize,
    left_padding: Vec<usize>,
}

/// Fills up rows; any token would do, none sees it.
const PADDING: u32 = 0;

impl TokenGrid {
    /// Rows filled up behind their last token.
    ///
    /// # Panics
    /// When there is no row, or only empty ones.
    pub fn right_padded(rows: &[&[u32]]) -> Self {
        Self::right_padded_to(rows, longest(rows))
    }

    /// Rows filled up behind their last token, to as many positions at least; they may all be empty.
    ///
    /// # Panics
    /// When there is no row.
    pub(super) fn right_padded_to(rows: &[&[u32]], positions: usize) -> Self {
        assert!(!rows.is_empty(), "a grid without rows");
        let lengths = rows.iter().map(|row| row.len());
        let positions = lengths.fold(positions, usize::max);
        let filled = |row: &&[u32]| {
            let padding = positions - row.len();
            row.iter()
                .copied()
                .chain(std::iter::repeat_n(PADDING, padding))
                .collect::<Vec<_>>()
        };
        Self {
            ids: rows.iter().flat_map(filled).collect(),
            positions,
            left_padding: vec![0; rows.len()],
        }
    }

    /// Rows filled up before their first token.
    ///
    /// # Panics
    /// When there is no row, or only empty ones.
    pub fn left_padded(rows: &[&[u32]]) -> Self {
        let positions = longest(rows);
        let padding = |row: &&[u32]| positions - row.len();
        let filled = |row: &&[u32]| {
            std::iter::repeat_n(PADDING, padding(row))
                .chain(row.iter().copied())
                .collect::<Vec<_>>()
        };
        Self {
            ids: rows.iter().flat_map(filled).collect(),
            positions,
            left_padding: rows.iter().map(padding).collect(),
        }
    }

    /// One token a row.
    ///
    /// # Panics
    /// When there is no row.
    pub fn column(ids: &[u32]) -> Self {
        assert!(!ids.is_empty(), "a grid without rows");
        Self {
            ids: ids.to_vec(),
            positions: 1,
            left_padding: vec![0; ids.len()],
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.left_padding.len()
    }

    /// Tokens of a row, padding included.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Padded positions before the first token of each row.
    pub fn left_padding(&self) -> &[usize] {
        &self.left_padding
    }

    /// A range of the columns, to go through a model in parts.
    ///
    /// # Panics
    /// When the range is empty or reaches beyond the last column.
    pub fn columns(&self, range: Range<usize>) -> Self {
        assert!(!range.is_empty(), "a grid without columns");
        let rows = self.ids.chunks_exact(self.positions);
        let padding = self.left_padding.iter();
        Self {
            ids: rows.flat_map(|row| row[range.clone()].to_vec()).collect(),
            positions: range.len(),
            left_padding: padding
                .map(|padding| padding.saturating_sub(range.start).min(range.len()))
                .collect(),
        }
    }

    /// The ids on a device, `[rows, positions]`.
    ///
    /// # Panics
    /// When an id is not below `vocab_size`.
    pub(super) fn ids(&self, vocab_size: usize, device: &Device) -> Tensor<2, Int> {
        if let Some(id) = self.ids.iter().find(|id| **id as usize >= vocab_size) {
            panic!("token {id} in a vocabulary of {vocab_size}");
        }
        let ids: Vec<i64> = self.ids.iter().map(|id| i64::from(*id)).collect();
        Tensor::from_data(TensorData::new(ids, [self.rows(), self.positions]), device)
    }
}

fn longest(rows: &[&[u32]]) -> usize {
    let longest = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    assert!(longest > 0, "a grid of {} rows without a token", rows.len());
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_stands_where_it_should_and_columns_keep_their_share() {
        let rows: [&[u32]; 2] = [&[1, 2, 3, 4], &[5]];
        let right = TokenGrid::right_padded(&rows);
        assert_eq!(
            (right.ids.as_slice(), right.left_padding()),
            (&[1, 2, 3, 4, 5, 0, 0, 0][..], &[0, 0][..])
        );
        let left = TokenGrid::left_padded(&rows);
        assert_eq!(
            (left.ids.as_slice(), left.left_padding()),
            (&[1, 2, 3, 4, 0, 0, 0, 5][..], &[0, 3][..])
        );
        let parts = [left.columns(0..2), left.columns(2..4)];
        assert_eq!(parts[0].left_padding(), [0, 2]);
        assert_eq!(
            (parts[1].ids.as_slice(), parts[1].left_padding()),
            (&[3, 4, 0, 5][..], &[0, 1][..])
        );
    }
}
