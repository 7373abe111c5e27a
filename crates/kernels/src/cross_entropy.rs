//! Softmax cross-entropy over the classes that are open, or over a vocabulary.

use burn::tensor::{Bool, DType, Int, Tensor, activation};

#[cfg(feature = "flex")]
use crate::cpu::{self, FusedOps, Kernels, Labels};

/// Mean softmax cross-entropy over the classes where `allowed` is true (all when `None`).
///
/// Rows with a negative target (padding of a token sequence) do not count, neither in the sum nor in the mean; with
/// no row that counts the loss is zero. The fused kernel keeps one number per row for the backward, not a second
/// copy of the logits.
///
/// # Shapes
/// `logits [rows, classes]`, `targets [rows]`, `allowed [classes]` -> `[1]`, in nats
///
/// # Panics
/// When the shapes do not fit. A target that is not allowed is a programmer's error: its loss has no meaning.
pub fn cross_entropy(
    logits: Tensor<2>,
    targets: Tensor<1, Int>,
    allowed: Option<Tensor<1, Bool>>,
) -> Tensor<1> {
    let [rows, classes] = logits.dims();
    assert_eq!(targets.dims()[0], rows, "cross_entropy: one target a row");
    if let Some(allowed) = &allowed {
        assert_eq!(
            allowed.dims()[0],
            classes,
            "cross_entropy: one flag a class"
        );
    }
    if rows == 0 {
        return logits.sum();
    }
    #[cfg(feature = "flex")]
    if cpu::serves(&logits) {
        let offsets = match allowed {
            None => vec![0.0; classes],
            Some(allowed) => {
                let open = allowed.into_data();
                open.iter::<bool>()
                    .map(|open| if open { 0.0 } else { f32::NEG_INFINITY })
                    .collect()
            }
        };
        let labels = Labels {
            targets: targets.into_data().iter::<i64>().collect(),
            offsets,
        };
        return Tensor::from_dispatch(Kernels::cross_entropy_fused(logits.into_dispatch(), labels));
    }
    let logits = match allowed {
        None => logits,
        Some(allowed) => {
            let low = if logits.dtype() == DType::F16 {
                -6e4
            } else {
                -1e30
            };
            let closed = allowed
                .bool_not()
                .reshape([1, classes])
                .expand([rows, classes]);
            logits.mask_fill(closed, low)
        }
    };
    let ignored = targets.clone().lower_elem(0);
    let index = targets.clamp_min(0).reshape([rows, 1]);
    let loss = activation::log_softmax(logits, 1)
        .gather(1, index)
        .reshape([rows])
        .neg()
        .mask_fill(ignored.clone(), 0.0);
    let counted = ignored
        .bool_not()
        .int()
        .sum()
        .clamp_min(1)
        .float()
        .cast(loss.dtype());
    loss.sum() / counted
}
