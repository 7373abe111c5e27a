//! A low-rank update with a routing matrix between its factors.

use burn::{module::Param, tensor::Tensor};

use crate::update::{Factors, Update, WeightUpdate};

/// `scale A R B` of a weight `[d_in, d_out]`: one pair of factors for all tasks, and a routing `R = settled + routing`
/// of which `routing` is trained while `settled` holds what earlier tasks have learned.
///
/// A block-diagonal R is a mixture of low-rank experts; a dense one generalises it and needs no router. What passes
/// through `settled` gives A and B no gradient, so that a task moves them for its own share only.
/// Source: Zhang et al., <https://arxiv.org/abs/2502.17920>, eq. 4 and 11 to 17 (B A there is A B here).
#[derive(Clone, Debug)]
pub struct RoutedAdapter {
    /// Down-projection `[d_in, rank]`.
    pub a: Param<Tensor<2>>,
    /// The routing in training, `[rank, rank]`.
    pub routing: Param<Tensor<2>>,
    /// The routing of earlier tasks, `[rank, rank]`; constant.
    pub settled: Param<Tensor<2>>,
    /// Up-projection `[rank, d_out]`.
    pub b: Param<Tensor<2>>,
    /// Factor of the product.
    pub scale: f64,
}

impl RoutedAdapter {
    /// These factors, `a [d_in, rank]` and `b [rank, d_out]`, with a routing of zero: the update is zero, and the
    /// routing has a gradient where A and B are not zero.
    ///
    /// # Panics
    /// When the ranks differ.
    pub fn new(a: Tensor<2>, b: Tensor<2>, scale: f64) -> Self {
        let ([d_in, rank], [b_rank, d_out]) = (a.dims(), b.dims());
        assert_eq!(
            rank, b_rank,
            "ranks of a [{d_in}, {rank}] and b [{b_rank}, {d_out}]"
        );
        let zero = Tensor::zeros([rank, rank], &a.device());
        Self {
            a: Param::from_tensor(a),
            routing: Param::from_tensor(zero.clone()),
            settled: Param::from_tensor(zero).set_require_grad(false),
            b: Param::from_tensor(b),
            scale,
        }
    }

    /// The end of a task: what was trained joins what is settled. The update itself does not change.
    pub fn consolidated(self) -> Self {
        let learned = self.routing.val().detach();
        Self {
            settled: self.settled.map(|settled| {
                let sum = settled.detach() + learned;
                sum.set_require_grad(false)
            }),
            routing: self.routing.map(|routing| {
                let tracked = routing.is_require_grad();
                routing.zeros_like().detach().set_require_grad(tracked)
            }),
            ..self
        }
    }

    /// The trained share and the settled one, each as `(a, R, b)`.
    fn shares(&self) -> [[Tensor<2>; 3]; 2] {
        let (a, b) = (self.a.val(), self.b.val());
        let cut = [a.clone(), self.settled.val(), b.clone()].map(Tensor::detach);
        [[a, self.routing.val(), b], cut]
    }
}

impl WeightUpdate for RoutedAdapter {
    fn dims(&self) -> [usize; 2] {
        [self.a.dims()[0], self.b.dims()[1]]
    }

    fn output(&self, x: Tensor<2>, _product: &dyn Fn() -> Tensor<2>) -> Tensor<2> {
        let share = |[a, routing, b]: [Tensor<2>; 3]| {
            let hidden = treelora_kernels::linear(x.clone(), a, None);
            let routed = treelora_kernels::linear(hidden, routing, None);
            treelora_kernels::linear(routed * self.scale, b, None)
        };
        let [trained, settled] = self.shares().map(share);
        trained + settled
    }

    fn delta(&self, _weight: Tensor<2>) -> Tensor<2> {
        let share = |[a, routing, b]: [Tensor<2>; 3]| a.matmul(routing).matmul(b) * self.scale;
        let [trained, settled] = self.shares().map(share);
        trained + settled
    }

    fn map_parameters(
        &self,
        map: &mut dyn FnMut(&'static str, Param<Tensor<2>>) -> Param<Tensor<2>>,
    ) -> Update {
        Update::new(Self {
            a: map("a", self.a.clone()),
            routing: map("routing", self.routing.clone()),
            settled: map("settled", self.settled.clone()),
            b: map("b", self.b.clone()),
            scale: self.scale,
        })
    }

    fn factors(&self) -> Option<Factors> {
        let value = |parameter: &Param<Tensor<2>>| parameter.val().without_autodiff();
        let routing = value(&self.routing) + value(&self.settled);
        Some(Factors {
            a: value(&self.a),
            b: routing.matmul(value(&self.b)),
            scale: self.scale,
        })
    }
}
