//! One layer of the decoder.

use std::convert::Infallible;

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor},
};
use rand::Rng;
use treelora_core::Prefix;

use super::{
    DecoderConfig, GatedMlp, Positions, RmsNorm, SelfAttention,
    cache::LayerCache,
    initialization::{constant, linear},
    layer_shape::Shape,
};

/// Attention and MLP, each normalised before and added to what came in; in some families what they give is normalised
/// too.
#[derive(Module, Debug)]
pub struct DecoderBlock {
    /// Before the attention.
    pub input_layernorm: RmsNorm,
    /// Mixes positions.
    pub self_attn: SelfAttention,
    /// Before the MLP; in a family that normalises outputs, behind the attention.
    pub post_attention_layernorm: RmsNorm,
    /// Before the MLP, in a family that normalises outputs.
    pub pre_feedforward_layernorm: Option<RmsNorm>,
    /// Behind the MLP, in a family that normalises outputs.
    pub post_feedforward_layernorm: Option<RmsNorm>,
    /// Transforms each position.
    pub mlp: GatedMlp,
}

impl DecoderBlock {
    /// Layer number `layer`, whose parts `linear` and `norm` give by name.
    pub(super) fn build<E>(
        config: &DecoderConfig,
        layer: usize,
        mut linear: impl FnMut(&str, Shape) -> Result<Linear, E>,
        mut norm: impl FnMut(&str, usize) -> Result<RmsNorm, E>,
    ) -> Result<Self, E> {
        let width = config.hidden_size;
        let input_layernorm = norm("input_layernorm", width)?;
        let self_attn = SelfAttention::build(
            config,
            layer,
            |name, shape| linear(&format!("self_attn.{name}"), shape),
            |name, features| norm(&format!("self_attn.{name}"), features),
        )?;
        let mut of_outputs = |name| match config.family.normalises_outputs() {
            true => norm(name, width).map(Some),
            false => Ok(None),
        };
        let pre_feedforward_layernorm = of_outputs("pre_feedforward_layernorm")?;
        let post_feedforward_layernorm = of_outputs("post_feedforward_layernorm")?;
        Ok(Self {
            input_layernorm,
            self_attn,
            post_attention_layernorm: norm("post_attention_layernorm", width)?,
            pre_feedforward_layernorm,
            post_feedforward_layernorm,
            mlp: GatedMlp::build(config, |name, shape| linear(&format!("mlp.{name}"), shape))?,
        })
    }

    pub(super) fn init(
        config: &DecoderConfig,
        layer: usize,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        let linear = |_: &str, shape: Shape| {
            Ok::<_, Infallible>(Linear {
                bias: shape.has_bias.then(|| constant(shape.outputs, 0.0, device)),
                ..linear(shape.inputs, shape.outputs, rng, device)
            })
        };
        let norm = |_: &str, features| Ok(RmsNorm::init(features, config, device));
        match Self::build(config, layer, linear, norm) {
            Ok(block) => block,
            Err(never) => match never {},
        }
    }

    /// The linear layers under their names.
    pub(super) fn linears(&self) -> impl Iterator<Item = (String, &Linear)> {
        let named = |part: &'static str| move |(name, layer)| (format!("{part}.{name}"), layer);
        let attention = self.self_attn.linears().map(named("self_attn"));
        attention.chain(self.mlp.linears().map(named("mlp")))
    }

    /// The normalisations under their names.
    pub(super) fn norms(&self) -> impl Iterator<Item = (&'static str, &RmsNorm)> {
        let attention = &self.self_attn;
        [
            ("input_layernorm", Some(&self.input_layernorm)),
            (
                "post_attention_layernorm",
                Some(&self.post_attention_layernorm),
            ),
            (
                "pre_feedforward_layernorm",
                self.pre_feedforward_layernorm.as_ref(),
            ),
            (
                "post_feedforward_layernorm",
                self.post_feedforward_layernorm.as_ref(),
            ),
            ("self_attn.q_norm", attention.q_norm.as_ref()),
            ("self_attn.k_norm", attention.k_norm.as_ref()),
        ]
        .into_iter()
        .filter_map(|(name, norm)| Some((name, norm?)))
    }

    /// All positions after this layer, whose attention may see a prefix.
    ///
    /// # Shapes
    /// `[batch, positions, hidden_size]` -> the same.
    pub fn forward(
        &self,
        x: Tensor<3>,
        positions: &Positions,
        prefix: Option<&Prefix>,
    ) -> Tensor<3> {
        let normed = self.input_layernorm.forward(x.clone());
        self.add(x, self.self_attn.forward(normed, positions, prefix))
    }

    /// [`forward`](Self::forward) of positions that follow those of a cache, which takes them up.
    pub fn forward_cached(
        &self,
        x: Tensor<3>,
        positions: &Positions,
        cache: &mut LayerCache,
    ) -> Tensor<3> {
        let normed = self.input_layernorm.forward(x.clone());
        self.add(x, self.self_attn.forward_cached(normed, positions, cache))
    }

    /// `x` with what the attention gathered for it, and with what the MLP makes of both.
    fn add(&self, x: Tensor<3>, gathered: Tensor<3>) -> Tensor<3> {
        let (before, behind) = (
            &self.pre_feedforward_layernorm,
            &self.post_feedforward_layernorm,
        );
        let (Some(before), Some(behind)) = (before, behind) else {
            let x = x + gathered;
            return x.clone() + self.mlp.forward(self.post_attention_layernorm.forward(x));
        };
        let x = x + self.post_attention_layernorm.forward(gathered);
        x.clone() + behind.forward(self.mlp.forward(before.forward(x)))
    }
}
