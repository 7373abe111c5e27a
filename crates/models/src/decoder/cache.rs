//! Keys and values of positions that went through a decoder already.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{DecoderConfig, TokenGrid};

/// What later positions need of earlier ones, for every layer: with it a decoder takes a sequence in parts.
///
/// Rows may start with padding, which is remembered. A layer with a sliding window keeps no more than the window.
#[derive(Clone, Debug)]
pub struct KeyValueCache {
    layers: Vec<LayerCache>,
    seen: usize,
    padding: Vec<usize>,
}

impl KeyValueCache {
    /// A cache without positions.
    pub fn new(config: &DecoderConfig) -> Self {
        let layer = |index| LayerCache {
            reach: config.window(index).map(|window| window - 1),
            stored: None,
            positions: 0,
        };
        Self {
            layers: (0..config.num_hidden_layers).map(layer).collect(),
            seen: 0,
            padding: Vec::new(),
        }
    }

    /// A cache without positions that keeps more than later queries see, all of it in every layer, so that its rows can
    /// be moved.
    pub(super) fn whole(config: &DecoderConfig) -> Self {
        let mut cache = Self::new(config);
        for layer in &mut cache.layers {
            layer.reach = None;
        }
        cache
    }

    /// As many positions of rows that each begin with the one of this cache, a [whole](Self::whole) one, behind so much
    /// padding: what a cache has after these columns of a grid.
    ///
    /// # Panics
    /// When this cache has not one row, or one with padding.
    pub(super) fn behind(&self, padding: &[usize], config: &DecoderConfig) -> Self {
        assert_eq!(self.padding, [0], "the row that others begin with");
        let empty = Self::new(config);
        let layers = self.layers.iter().zip(empty.layers);
        Self {
            layers: layers
                .map(|(layer, empty)| layer.behind(padding, empty.reach))
                .collect(),
            padding: padding.iter().map(|row| self.seen.min(*row)).collect(),
            seen: self.seen,
        }
    }

    /// Positions seen, padding included.
    pub fn positions(&self) -> usize {
        self.seen
    }

    /// Padded positions before the first token of each row.
    pub fn left_padding(&self) -> &[usize] {
        &self.padding
    }

    /// Bytes of all keys and values.
    pub fn num_bytes(&self) -> usize {
        let stored = self.layers.iter().filter_map(|layer| {
            let stored = layer.stored.as_ref()?;
            let of_position = |x: &Tensor<4>| {
                let [batch, _, heads, head_dim] = x.dims();
                batch * heads * head_dim * x.dtype().size()
            };
            Some(layer.positions * stored.iter().map(of_position).sum::<usize>())
        });
        stored.sum()
    }

    /// The rows at `indices` alone, in that order.
    ///
    /// # Panics
    /// When an index is not below the number of rows.
    pub fn select(self, indices: &[usize]) -> Self {
        let padding = indices.iter().map(|row| self.padding[*row]).collect();
        let layers = self.layers.into_iter();
        Self {
            layers: layers.map(|layer| layer.select(indices)).collect(),
            padding,
            seen: self.seen,
        }
    }

    pub(super) fn layer(&mut self, index: usize) -> &mut LayerCache {
        &mut self.layers[index]
    }

    /// Note the padding of new columns.
    ///
    /// # Panics
    /// When the number of rows changes, or padding follows a token.
    pub(super) fn extend_padding(&mut self, grid: &TokenGrid) {
        if self.seen == 0 {
            self.padding = grid.left_padding().to_vec();
            return;
        }
        let (rows, before) = (grid.rows(), self.padding.len());
        assert_eq!(rows, before, "{rows} rows after a cache of {before}");
        for (padding, new) in self.padding.iter_mut().zip(grid.left_padding()) {
            assert!(*new == 0 || *padding == self.seen, "padding after a token");
            *padding += new;
        }
    }

    pub(super) fn advance(&mut self, columns: usize) {
        self.seen += columns;
    }
}

/// The keys and values of one layer.
#[derive(Clone, Debug)]
pub struct LayerCache {
    /// Earlier positions that a query sees; `None` for all.
    reach: Option<usize>,
    /// Each `[batch, room, heads, head_dim]`, of which the first `positions` are taken.
    stored: Option<[Tensor<4>; 2]>,
    positions: usize,
}

/// Positions that a cache makes room for at least, so that most tokens of a text are written into it in place.
const ROOM: usize = 64;

impl LayerCache {
    /// All keys and values that new queries may see: the stored and the new ones.
    ///
    /// # Shapes
    /// `[batch, new, heads, head_dim]` each -> `[batch, stored + new, heads, head_dim]`.
    pub(super) fn extend(&mut self, keys: Tensor<4>, values: Tensor<4>) -> [Tensor<4>; 2] {
        match self.reach {
            Some(reach) => self.extend_window(keys, values, reach),
            None => self.extend_all(keys, values),
        }
    }

    /// The last `reach` positions are kept, no more than a later query sees.
    fn extend_window(
        &mut self,
        keys: Tensor<4>,
        values: Tensor<4>,
        reach: usize,
    ) -> [Tensor<4>; 2] {
        let both = match self.stored.take() {
            None => [keys, values],
            Some([earlier_keys, earlier_values]) => [
                Tensor::cat(vec![earlier_keys, keys], 1),
                Tensor::cat(vec![earlier_values, values], 1),
            ],
        };
        let positions = both[0].dims()[1];
        let kept = reach.min(positions);
        if kept > 0 {
            let last = |x: &Tensor<4>| x.clone().narrow(1, positions - kept, kept);
            self.stored = Some([last(&both[0]), last(&both[1])]);
        }
        self.positions = kept;
        both
    }

    /// New positions are written behind the stored ones, in place while there is room; room doubles where it ends.
    fn extend_all(&mut self, keys: Tensor<4>, values: Tensor<4>) -> [Tensor<4>; 2] {
        let [batch, new, heads, head_dim] = keys.dims();
        let (before, after) = (self.positions, self.positions + new);
        let with_room = |stored: Option<Tensor<4>>, like: &Tensor<4>| match stored {
            Some(stored) if stored.dims()[1] >= after => stored,
            stored => {
                let room = (2 * before).max(after + ROOM);
                let options = (&like.device(), like.dtype());
                let larger = Tensor::zeros([batch, room, heads, head_dim], options);
                match stored {
                    Some(stored) => {
                        let taken = stored.narrow(1, 0, before);
                        larger.slice_assign([0..batch, 0..before], taken)
                    }
                    None => larger,
                }
            }
        };
        let [earlier_keys, earlier_values] = match self.stored.take() {
            Some(stored) => stored.map(Some),
            None => [None, None],
        };
        let written = |stored: Option<Tensor<4>>, new: Tensor<4>| {
            with_room(stored, &new).slice_assign([0..batch, before..after], new)
        };
        let both = [written(earlier_keys, keys), written(earlier_values, values)];
        self.positions = after;
        // The views are gone before the next positions come, which are written in place then.
        let taken = both.clone().map(|x| x.narrow(1, 0, after));
        self.stored = Some(both);
        taken
    }

    /// The columns of [`KeyValueCache::behind`] that a query with this reach sees behind them.
    fn behind(&self, padding: &[usize], reach: Option<usize>) -> Self {
        let seen = self.positions;
        let kept = reach.map_or(seen, |reach| reach.min(seen));
        // Row by row the position that stands in each column; padding is a position of zeros behind the last.
        let of_row = |padding: &usize| {
            let padding = *padding;
            (seen - kept..seen).map(move |column| column.checked_sub(padding).unwrap_or(seen))
        };
        let places: Vec<usize> = padding.iter().flat_map(of_row).collect();
        let moved = |x: &Tensor<4>| {
            let [_, _, heads, head_dim] = x.dims();
            let positions = x.clone().narrow(1, 0, seen);
            let positions = positions.reshape([seen, heads * head_dim]);
            let zeros = Tensor::zeros([1, heads * head_dim], (&x.device(), x.dtype()));
            Tensor::cat(vec![positions, zeros], 0)
                .select(0, row_indices(&places, &x.device()))
                .reshape([padding.len(), kept, heads, head_dim])
        };
        let stored = self.stored.as_ref().filter(|_| kept > 0);
        Self {
            reach,
            stored: stored.map(|stored| stored.each_ref().map(moved)),
            positions: kept,
        }
    }

    fn select(self, indices: &[usize]) -> Self {
        let rows = |x: Tensor<4>| {
            let rows = row_indices(indices, &x.device());
            x.select(0, rows)
        };
        Self {
            stored: self.stored.map(|stored| stored.map(rows)),
            ..self
        }
    }
}

fn row_indices(indices: &[usize], device: &Device) -> Tensor<1, Int> {
    let indices: Vec<i64> = indices.iter().map(|index| *index as i64).collect();
    let length = indices.len();
    Tensor::from_data(TensorData::new(indices, [length]), device)
}
