//! The element types of a file, between burn's names and safetensors'.

use burn::tensor::{DType, Element, TensorData, bf16, f16};
use safetensors::{Dtype, tensor::TensorView};

// Host data goes to the file as it lies in memory.
const _: () = assert!(
    cfg!(target_endian = "little"),
    "safetensors is little-endian"
);

/// The type in a file of host data; `None` for types that no file holds.
pub(crate) fn stored(dtype: DType) -> Option<Dtype> {
    Some(match dtype {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::U64 => Dtype::U64,
        DType::U32 => Dtype::U32,
        _ => return None,
    })
}

/// A tensor of a file on the host, in its own type; `None` for types that are not read.
pub(crate) fn decode(view: &TensorView) -> Option<TensorData> {
    Some(match view.dtype() {
        Dtype::F64 => values(view, f64::from_le_bytes),
        Dtype::F32 => values(view, f32::from_le_bytes),
        Dtype::F16 => values(view, f16::from_le_bytes),
        Dtype::BF16 => values(view, bf16::from_le_bytes),
        Dtype::I64 => values(view, i64::from_le_bytes),
        Dtype::U64 => values(view, u64::from_le_bytes),
        Dtype::U32 => values(view, u32::from_le_bytes),
        _ => return None,
    })
}

/// Value by value into memory that is aligned for them, which the bytes of a file need not be.
fn values<E: Element, const BYTES: usize>(
    view: &TensorView,
    value: fn([u8; BYTES]) -> E,
) -> TensorData {
    let (words, _) = view.data().as_chunks::<BYTES>();
    let values: Vec<E> = words.iter().map(|word| value(*word)).collect();
    TensorData::new(values, view.shape().to_vec())
}
