//! Constants beside tensors of a graph.

use burn::tensor::Tensor;

/// `constant`, which is in no graph, brought to where `like` is; no gradient flows into it.
pub(crate) fn on_graph<const D: usize>(constant: Tensor<D>, like: &Tensor<D>) -> Tensor<D> {
    treelora_core::in_context_of(constant, &like.device())
}
