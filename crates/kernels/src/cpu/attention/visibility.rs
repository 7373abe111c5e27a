//! Which keys a query sees, and how the queries are cut into blocks.

use core::ops::Range;

use crate::Rounding;

/// Scores of one block: two blocks, as the backward needs, stay in a second-level cache of 512 KB.
const BLOCK: usize = 48 << 10;

/// Rows that tiles multiply at once.
const TILES: usize = 32;

/// Queries of one batch entry whose scores are computed together, and the keys they are computed for.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) batch: usize,
    pub(super) queries: Range<usize>,
    pub(super) keys: Range<usize>,
}

/// Sizes and mask of one attention.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) batch: usize,
    pub(super) heads: usize,
    pub(super) key_heads: usize,
    pub(super) queries: usize,
    pub(super) keys: usize,
    pub(super) head_dim: usize,
    pub(super) value_dim: usize,
    /// How many positions back a query sees, its own included; `None` when it sees every key.
    pub(super) reach: Option<usize>,
    /// True where a key is padding, `[batch, keys]` row by row.
    pub(super) padding: Option<Vec<bool>>,
    /// Scores stay within this.
    pub(super) soft_cap: Option<f32>,
    /// What the operands of the products are rounded to.
    pub(super) rounding: Rounding,
}

impl Problem {
    /// `1 / sqrt(head_dim)`
    pub(super) fn scale(&self) -> f32 {
        (self.head_dim as f32).sqrt().recip()
    }

    /// Distance between the rows of a score block.
    pub(super) fn stride(&self) -> usize {
        self.keys.next_multiple_of(16)
    }

    /// Queries of one block.
    pub(super) fn block_rows(&self) -> usize {
        let rows = BLOCK / self.stride().max(1);
        let rows = match (self.rounding, self.reach) {
            (Rounding::None, _) => rows.next_multiple_of(8).max(16),
            (Rounding::Bf16, None) => rows.max(1).next_multiple_of(TILES),
            // Short blocks compute fewer scores that most of their queries do not see.
            (Rounding::Bf16, Some(_)) => rows.clamp(1, 4 * TILES).next_multiple_of(TILES),
        };
        rows.min(self.queries)
    }

    /// The blocks of queries of a batch entry, with the keys that any query of a block sees.
    pub(super) fn blocks(&self, batch: usize) -> impl Iterator<Item = Block> + use<'_> {
        let rows = self.block_rows();
        (0..self.queries).step_by(rows.max(1)).map(move |start| {
            let queries = start..self.queries.min(start + rows);
            let keys = self.seen(batch, queries.start).start..self.seen(batch, queries.end - 1).end;
            Block {
                batch,
                queries,
                keys,
            }
        })
    }

    /// The keys that the pattern lets a query see, without the padding before the first key of its batch entry: a
    /// row gives the same bits however far it is padded on the left.
    pub(super) fn seen(&self, batch: usize, query: usize) -> Range<usize> {
        let first = self.leading_padding(batch);
        let Some(reach) = self.reach else {
            return first..self.keys;
        };
        // Queries are the last positions of the sequence; those before its first key see nothing.
        let end = (query + 1 + self.keys).saturating_sub(self.queries);
        end.saturating_sub(reach).max(first).min(end)..end
    }

    /// Padded keys before the first that is none.
    pub(super) fn leading_padding(&self, batch: usize) -> usize {
        let padding = self.padding(batch).unwrap_or_default();
        padding.iter().take_while(|padding| **padding).count()
    }

    /// The padding of one batch entry.
    pub(super) fn padding(&self, batch: usize) -> Option<&[bool]> {
        let padding = self.padding.as_ref()?;
        Some(&padding[batch * self.keys..(batch + 1) * self.keys])
    }

    /// The query heads of a key head.
    pub(super) fn group(&self, key_head: usize) -> Range<usize> {
        let group = self.heads / self.key_heads;
        key_head * group..(key_head + 1) * group
    }

    /// The batch entry and key head of a task.
    pub(super) fn task(&self, index: usize) -> (usize, usize) {
        (index / self.key_heads, index % self.key_heads)
    }
}
