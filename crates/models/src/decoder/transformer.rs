//! The whole model.

use std::ops::Range;

use burn::{
    module::{Module, Param},
    nn::Linear,
    tensor::{Device, Tensor},
};
use rand::Rng;
use treelora_core::{Error, Pooling, Prefixes};

use super::{
    DecoderBlock, DecoderConfig, KeyValueCache, Positions, RmsNorm, TokenEmbedding, TokenGrid,
    initialization::{linear, normal},
};
use crate::Precision;

/// Token vectors through a stack of layers; a linear head scores the next token at every position.
///
/// Parameter paths, what adapter patterns match, are those of Hugging Face without their `model.`:
/// `embed_tokens.weight`, `layers.<i>.self_attn.{q_proj,k_proj,v_proj,o_proj}.weight`,
/// `layers.<i>.mlp.{gate_proj,up_proj,down_proj}.weight`, `norm.weight`, `lm_head.weight`; with the fused layers of Phi 3
/// `self_attn.qkv_proj` and `mlp.gate_up_proj`. A tied model has no `lm_head`, see
/// [`with_own_head`](Self::with_own_head).
#[derive(Module, Debug)]
pub struct Decoder {
    /// From token ids to vectors.
    pub embed_tokens: TokenEmbedding,
    /// The layers, first to last.
    pub layers: Vec<DecoderBlock>,
    /// After the last layer.
    pub norm: RmsNorm,
    /// Scores of the tokens, `[hidden_size, vocabulary]`; none when tied to the embedding.
    pub lm_head: Option<Linear>,
    #[module(skip)]
    pub(super) config: DecoderConfig,
    #[module(skip)]
    pub(super) pooling: Pooling,
    #[module(skip)]
    pub(super) notes: Vec<String>,
}

impl DecoderConfig {
    /// A model to train from scratch; the same `rng` state gives the same weights.
    ///
    /// # Errors
    /// When the configuration is not [valid](DecoderConfig::validate).
    pub fn init(&self, rng: &mut impl Rng, device: &Device) -> Result<Decoder, Error> {
        self.init_in(Precision::F32, rng, device)
    }

    /// As [`init`](Self::init), with the matrices as a frozen base in `precision`. Each layer is converted as soon as it
    /// is drawn, so that the model never lies in memory in `f32`.
    ///
    /// # Errors
    /// As [`init`](Self::init).
    pub fn init_in(
        &self,
        precision: Precision,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Result<Decoder, Error> {
        self.validate()?;
        let (width, vocabulary) = (self.hidden_size, self.vocab_size);
        let scale = self.family.embedding_scale(width);
        let embedding = TokenEmbedding::new(normal([vocabulary, width], rng, device), scale);
        Ok(Decoder {
            embed_tokens: precision.of_matrices(embedding),
            layers: (0..self.num_hidden_layers)
                .map(|layer| DecoderBlock::init(self, layer, rng, device))
                .map(|layer| precision.of_matrices(layer))
                .collect(),
            norm: RmsNorm::init(width, self, device),
            lm_head: match self.tie_word_embeddings {
                true => None,
                false => Some(precision.of_matrices(linear(width, vocabulary, rng, device))),
            },
            config: self.clone(),
            pooling: Pooling::default(),
            notes: Vec::new(),
        })
    }
}

impl Decoder {
    /// The shape of this model.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// What loading found that is not as the configuration says, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The same function, with a head that is a parameter of its own, which adapters can be attached to: of a tied
    /// model the embedding, transposed. The values are shared until one of the two changes, on the backends that copy
    /// on writing.
    pub fn with_own_head(mut self) -> Self {
        if self.lm_head.is_none() {
            let embedding = self.embed_tokens.weight.val();
            let trained = embedding.is_require_grad();
            // Detached last: a parameter is a leaf of its graph.
            let weight = embedding.transpose().detach();
            self.lm_head = Some(Linear {
                weight: Param::from_tensor(weight).set_require_grad(trained),
                bias: None,
            });
            self.config.tie_word_embeddings = false;
        }
        self
    }

    /// The same model as a frozen base in another number format: projections, embedding and head.
    pub fn in_precision(self, precision: Precision) -> Self {
        precision.of_matrices(self)
    }

    /// The same model with other features: how the last hidden states of a prompt become one vector, their mean
    /// unless set.
    pub fn with_pooling(self, pooling: Pooling) -> Self {
        Self { pooling, ..self }
    }

    /// How the last hidden states of a prompt become its features.
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// The device of the parameters, on which the model computes.
    pub fn device(&self) -> Device {
        self.norm.weight.val().device()
    }

    /// Scores of the next token at every position of every row.
    ///
    /// # Shapes
    /// `[rows, positions, vocabulary]`; what stands at padding means nothing.
    ///
    /// # Panics
    /// When an id is not in the vocabulary.
    pub fn forward(&self, grid: &TokenGrid) -> Tensor<3> {
        self.score(self.hidden(grid))
    }

    /// The vectors that the head scores.
    ///
    /// # Shapes
    /// `[rows, positions, hidden_size]`; what stands at padding means nothing.
    ///
    /// # Panics
    /// When an id is not in the vocabulary.
    pub fn hidden(&self, grid: &TokenGrid) -> Tensor<3> {
        let x = self.embed_ids(grid, &self.device());
        let layers = 0..self.layers.len();
        let x = self.run_range(x, layers, grid.left_padding(), &Prefixes::none());
        self.norm.forward(x)
    }

    /// [`hidden`](Self::hidden) of columns that follow those of a cache, which takes them up.
    ///
    /// # Panics
    /// When the rows are not as many as the cache's, an id is not in the vocabulary, or padding follows a token.
    pub fn hidden_cached(&self, grid: &TokenGrid, cache: &mut KeyValueCache) -> Tensor<3> {
        self.norm.forward(self.run_cached(grid, cache))
    }

    /// [`hidden_cached`](Self::hidden_cached) of the last column alone, `[rows, hidden_size]`.
    pub(super) fn last_hidden_cached(
        &self,
        grid: &TokenGrid,
        cache: &mut KeyValueCache,
    ) -> Tensor<2> {
        let x = self.run_cached(grid, cache);
        let last = x.narrow(1, grid.positions() - 1, 1);
        self.norm.forward(last.squeeze_dim::<2>(1))
    }

    /// The activations behind the last layer of columns that follow those of a cache.
    pub(super) fn run_cached(&self, grid: &TokenGrid, cache: &mut KeyValueCache) -> Tensor<3> {
        cache.extend_padding(grid);
        let device = self.device();
        let mut x = self.embed_ids(grid, &device);
        let positions = Positions::new(
            &self.config,
            grid.positions(),
            cache.positions(),
            cache.left_padding(),
            &device,
        );
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward_cached(x, &positions, cache.layer(index));
        }
        cache.advance(grid.positions());
        x
    }

    /// Scores of all tokens from [`hidden`](Self::hidden) vectors.
    ///
    /// # Shapes
    /// `[.., hidden_size]` -> `[.., vocabulary]`.
    pub fn score<const D: usize>(&self, hidden: Tensor<D>) -> Tensor<D> {
        let scores = match &self.lm_head {
            Some(head) => treelora_lora::linear(head, hidden),
            None => self.embed_tokens.score(hidden),
        };
        match self.config.final_logit_softcapping {
            Some(cap) => (scores / cap).tanh() * cap,
            None => scores,
        }
    }

    /// The activations behind a range of layers, in rows whose first `left_padding` positions are padding.
    pub(super) fn run_range(
        &self,
        mut x: Tensor<3>,
        layers: Range<usize>,
        left_padding: &[usize],
        prefixes: &Prefixes,
    ) -> Tensor<3> {
        let columns = x.dims()[1];
        let positions = Positions::new(&self.config, columns, 0, left_padding, &self.device());
        for index in layers {
            x = self.layers[index].forward(x, &positions, prefixes.at(index));
        }
        x
    }

    /// The vectors of the tokens, `[rows, positions, hidden_size]`.
    pub(super) fn embed_ids(&self, grid: &TokenGrid, device: &Device) -> Tensor<3> {
        self.embed_tokens
            .forward(grid.ids(self.config.vocab_size, device))
    }
}
