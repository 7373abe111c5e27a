//! The loss of many tokens over a large vocabulary, a piece of the tokens at a time.

use burn::tensor::{Int, Tensor};

/// Scores that are held at once: 64 MiB.
const PIECE: usize = 1 << 24;

/// Mean cross-entropy of `targets`, whose scores `score` gives from `states`.
///
/// Where nothing in `score` is trained, no more than a piece of the scores is ever held: the gradient of the states is
/// all that the backward needs of the head, and it is as narrow as they are. It is taken right after the piece's loss,
/// so that forward and backward multiply with the head as often as without pieces. Source of the idea: Hsu et al.,
/// <https://arxiv.org/abs/2410.10989>, section 3.2.
///
/// # Shapes
/// `states [tokens, width]`, `targets [tokens]`, `score` from `[n, width]` to `[n, vocabulary]` -> `[1]`
pub(super) fn head_loss(
    states: Tensor<2>,
    targets: Tensor<1, Int>,
    vocabulary: usize,
    score: impl Fn(Tensor<2>) -> Tensor<2>,
) -> Tensor<1> {
    let rows = (PIECE / vocabulary.max(1)).max(1);
    in_pieces_of(rows, states, targets, score)
}

fn in_pieces_of(
    rows: usize,
    states: Tensor<2>,
    targets: Tensor<1, Int>,
    score: impl Fn(Tensor<2>) -> Tensor<2>,
) -> Tensor<1> {
    let [tokens, _] = states.dims();
    let is_trained = || score(states.clone().detach().narrow(0, 0, 1)).is_tracked();
    if tokens <= rows || is_trained() {
        return treelora_kernels::cross_entropy(score(states), targets, None);
    }
    let is_tracked = states.is_tracked();
    let (mut loss, mut gradients) = (None, Vec::new());
    for first in (0..tokens).step_by(rows) {
        let count = rows.min(tokens - first);
        let piece = states.clone().detach().narrow(0, first, count);
        let piece = match is_tracked {
            true => piece.detach().require_grad(),
            false => piece,
        };
        let targets = targets.clone().narrow(0, first, count);
        let mean = treelora_kernels::cross_entropy(score(piece.clone()), targets, None);
        let share = mean * (count as f64 / tokens as f64);
        let value = share.clone().detach();
        loss = Some(match loss {
            None => value,
            Some(sum) => sum + value,
        });
        if is_tracked {
            gradients.extend(piece.grad(&share.backward()));
        }
    }
    let loss = loss.expect("more tokens than rows are some");
    match is_tracked {
        true => with_gradient(loss, states, Tensor::cat(gradients, 0)),
        false => loss,
    }
}

/// `loss` as a function of `states` with this gradient: a product with the gradient, whose value is taken off again.
fn with_gradient(loss: Tensor<1>, states: Tensor<2>, gradient: Tensor<2>) -> Tensor<1> {
    let gradient = treelora_core::in_context_of(gradient, &states.device());
    let product = (states * gradient).sum();
    loss + (product.clone() - product.detach())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution, TensorData};

    struct Case {
        states: Tensor<2>,
        targets: Tensor<1, Int>,
        head: Tensor<2>,
    }

    /// Seven tokens of width 5, one of which does not count, and eleven words.
    fn case(device: &Device) -> Case {
        device.seed(3);
        let random = |shape| Tensor::random(shape, Distribution::Normal(0.0, 1.0), device);
        Case {
            states: random([7, 5]),
            targets: Tensor::from_data(TensorData::from([3_i64, 0, 10, 7, 7, 2, 9]), device),
            head: random([5, 11]),
        }
    }

    fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().iter().collect()
    }

    /// Loss and gradient of the states, through something that comes before them.
    fn measured(rows: usize, case: &Case) -> [Vec<f32>; 2] {
        let states = case.states.clone() * 2.0;
        let score = |states: Tensor<2>| states.matmul(case.head.clone());
        let loss = in_pieces_of(rows, states, case.targets.clone(), score);
        let gradients = (loss.clone() * 3.0).backward();
        [
            numbers(loss),
            numbers(case.states.grad(&gradients).unwrap()),
        ]
    }

    fn assert_close(one: &[f32], other: &[f32]) {
        assert_eq!(one.len(), other.len());
        for (a, b) in one.iter().zip(other) {
            assert!((a - b).abs() < 1e-5, "{one:?}\n{other:?}");
        }
    }

    #[test]
    fn pieces_have_the_loss_and_the_gradient_of_the_whole() {
        let kept = Device::flex().autodiff();
        for device in [kept.clone(), kept.gradient_checkpointing()] {
            let mut case = case(&device);
            case.states = case.states.require_grad();
            let whole = measured(7, &case);
            assert!(whole[1].iter().any(|g| g.abs() > 0.1));
            for rows in [1, 2, 3, 6] {
                for (piece, whole) in measured(rows, &case).iter().zip(&whole) {
                    assert_close(piece, whole);
                }
            }
        }
    }

    #[test]
    fn a_head_that_is_trained_keeps_its_gradient() {
        let Case {
            states,
            targets,
            head,
        } = case(&Device::flex().autodiff());
        let head = head.require_grad();
        let gradient = |rows: usize| {
            let (states, score) = (states.clone(), |x: Tensor<2>| x.matmul(head.clone()));
            let loss = in_pieces_of(rows, states, targets.clone(), score);
            numbers(head.grad(&loss.backward()).unwrap())
        };
        assert_eq!(gradient(2), gradient(7));
    }

    #[test]
    fn without_gradients_the_loss_is_the_same() {
        let Case {
            states,
            targets,
            head,
        } = case(&Device::flex());
        let loss = |rows: usize| {
            let score = |states: Tensor<2>| states.matmul(head.clone());
            numbers(in_pieces_of(rows, states.clone(), targets.clone(), score))
        };
        assert_close(&loss(3), &loss(7));
    }
}
