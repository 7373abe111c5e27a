//! One low-rank update of one weight.

use burn::{
    module::{Module, Param},
    tensor::{DType, Device, Tensor, TensorData},
};
use rand::Rng;
use treelora_kernels::Dropout;

use crate::{
    gates::Amount,
    update::{Factors, Update, WeightUpdate},
};

/// A low-rank update `scale a b` of a weight `[d_in, d_out]`.
///
/// Source: Hu et al., <https://arxiv.org/abs/2106.09685>. Hugging Face PEFT stores `lora_A` as `[rank, d_in]`
/// and `lora_B` as `[d_out, rank]`: the transposes.
#[derive(Module, Debug)]
pub struct LoraAdapter {
    /// Down-projection `[d_in, rank]`.
    pub a: Param<Tensor<2>>,
    /// Up-projection `[rank, d_out]`.
    pub b: Param<Tensor<2>>,
    /// `alpha / rank`, or `alpha / sqrt(rank)` with rank-stabilised scaling.
    pub scale: f64,
    /// Probability that an input feature is dropped while the adapter is trained.
    pub dropout: f64,
}

impl LoraAdapter {
    /// A trainable adapter of these factors, `a [d_in, rank]` and `b [rank, d_out]`.
    ///
    /// # Panics
    /// When the ranks differ.
    pub fn new(a: Tensor<2>, b: Tensor<2>, scale: f64, dropout: f64) -> Self {
        let ([d_in, rank], [b_rank, d_out]) = (a.dims(), b.dims());
        assert_eq!(
            rank, b_rank,
            "ranks of a [{d_in}, {rank}] and b [{b_rank}, {d_out}]"
        );
        Self {
            a: Param::from_tensor(a),
            b: Param::from_tensor(b),
            scale,
            dropout,
        }
    }

    /// Rank of the update.
    pub fn rank(&self) -> usize {
        self.a.dims()[1]
    }

    /// The update's output `amount * scale (x a) b`, `[.., d_in] -> [.., d_out]`.
    pub(crate) fn partial<const D: usize>(&self, x: Tensor<D>, amount: &Amount) -> Tensor<D> {
        let hidden = treelora_kernels::linear(self.dropped(x), self.a.val(), None);
        // Scaled at width `rank`, where it costs least.
        treelora_kernels::linear(amount.times(hidden, self.scale), self.b.val(), None)
    }

    /// What drops input features now: only while the adapter itself is trained, so that evaluation (`valid()`) and
    /// frozen adapters of other tasks are deterministic.
    ///
    /// Its seed comes from the device's generator: one `device.seed(..)` at the start of a step makes a resumed run equal.
    pub(crate) fn dropout_on(&self, device: &Device) -> Option<Dropout> {
        let drops = self.dropout > 0.0 && self.a.is_require_grad();
        drops.then(|| Dropout::draw(self.dropout, device))
    }

    /// `x` with features dropped at random and the others scaled to keep the expectation.
    fn dropped<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match self.dropout_on(&x.device()) {
            Some(dropout) => dropout.apply(x),
            None => x,
        }
    }
}

impl WeightUpdate for LoraAdapter {
    fn dims(&self) -> [usize; 2] {
        [self.a.dims()[0], self.b.dims()[1]]
    }

    fn output(&self, x: Tensor<2>, _product: &dyn Fn() -> Tensor<2>) -> Tensor<2> {
        self.partial(x, &Amount::Constant(1.0))
    }

    fn delta(&self, _weight: Tensor<2>) -> Tensor<2> {
        self.a.val().matmul(self.b.val()) * self.scale
    }

    fn map_parameters(
        &self,
        map: &mut dyn FnMut(&'static str, Param<Tensor<2>>) -> Param<Tensor<2>>,
    ) -> Update {
        Update::new(Self {
            a: map("a", self.a.clone()),
            b: map("b", self.b.clone()),
            scale: self.scale,
            dropout: self.dropout,
        })
    }

    fn factors(&self) -> Option<Factors> {
        Some(Factors {
            a: self.a.val().without_autodiff(),
            b: self.b.val().without_autodiff(),
            scale: self.scale,
        })
    }
}

impl From<LoraAdapter> for Update {
    fn from(adapter: LoraAdapter) -> Self {
        Self::new(adapter)
    }
}

/// PEFT's initial A: Kaiming-uniform with `a = sqrt(5)`, that is `U(-1/sqrt(d_in), 1/sqrt(d_in))`, `[d_in, rank]`.
///
/// Drawn on the host so that all backends start from equal bits.
pub(crate) fn initial_a(d_in: usize, rank: usize, rng: &mut impl Rng) -> TensorData {
    let bound = 1.0 / (d_in as f32).sqrt();
    let uniform = |bits: u32| (bits >> 8) as f32 / (1u32 << 24) as f32;
    let values: Vec<f32> = (0..d_in * rank)
        .map(|_| (2.0 * uniform(rng.next_u32()) - 1.0) * bound)
        .collect();
    TensorData::new(values, [d_in, rank])
}

/// A factor beside its weight: on its device and in its autodiff context; untracked. In `f32` beside a weight of lower
/// precision, in which the steps of an optimiser would be rounded away.
pub(crate) fn beside(value: Tensor<2>, weight: &Tensor<2>) -> Tensor<2> {
    let value = match weight.dtype() {
        DType::F64 => value.cast(DType::F64),
        _ => value.cast(DType::F32),
    };
    in_context_of(weight, value.without_autodiff())
}

/// `value` on the device, in the autodiff context and in the float type of `like`; untracked.
pub(crate) fn placed(value: Tensor<2>, like: &Tensor<2>) -> Tensor<2> {
    let value = value.without_autodiff();
    let value = match like.dtype() {
        dtype @ (DType::F64 | DType::F32 | DType::Flex32 | DType::F16 | DType::BF16)
            if dtype != value.dtype() =>
        {
            value.cast(dtype)
        }
        _ => value,
    };
    in_context_of(like, value)
}

fn in_context_of(like: &Tensor<2>, value: Tensor<2>) -> Tensor<2> {
    let value = value.to_device(&like.device().without_autodiff());
    match like.gradient_checkpointing_strategy() {
        Some(strategy) => value
            .autodiff()
            .with_gradient_checkpointing_strategy(strategy),
        None => value,
    }
}

/// `param` with another value; identity, device, type and gradient requirement stay.
pub(crate) fn with_value(param: &Param<Tensor<2>>, value: Tensor<2>) -> Param<Tensor<2>> {
    param.clone().map(|old| {
        let tracked = old.is_require_grad();
        placed(value, &old).set_require_grad(tracked)
    })
}
