//! Several of our layers as one layer of the other model, and back: exact block algebra.
//!
//! Layers on one input, `x -> x W_i + s_i (x A_i) B_i`, side by side are one layer whose update has the A_i side by
//! side and the B_i on the diagonal. The ranks add up.

use std::collections::BTreeMap;

use burn::tensor::{DType, Int, Tensor, TensorData};

use super::{ModuleNames, names::Place};
use crate::{AdapterLayer, AdapterSnapshot, LoraError, host::host};

/// The layers of `snapshot` as modules of the other model, whose names are their paths.
pub(super) fn join(
    snapshot: &AdapterSnapshot,
    names: &ModuleNames,
) -> Result<AdapterSnapshot, LoraError> {
    let mut modules: BTreeMap<String, Vec<Option<&AdapterLayer>>> = BTreeMap::new();
    for layer in snapshot.layers() {
        let fail = |problem: String| LoraError::layer(&layer.path, problem);
        let Place {
            module,
            part,
            parts,
        } = names.theirs(&layer.path).map_err(fail)?;
        let slots = modules.entry(module).or_insert_with(|| vec![None; parts]);
        if slots[part].replace(layer).is_some() {
            return Err(fail("twice in the adapter".into()));
        }
    }
    let joined = modules
        .into_iter()
        .map(|(module, slots)| match slots.as_slice() {
            [Some(layer)] => Ok(AdapterLayer {
                path: module,
                ..(*layer).clone()
            }),
            slots => fuse(module, slots),
        });
    Ok(AdapterSnapshot::from_layers(
        joined.collect::<Result<_, _>>()?,
    ))
}

/// One layer of the `slots`' layers; an empty slot is a part without an update.
///
/// Of several scales the largest becomes the module's and the rest of the others goes into their B, the one place
/// where a value is rounded.
fn fuse(module: String, slots: &[Option<&AdapterLayer>]) -> Result<AdapterLayer, LoraError> {
    let present: Vec<&AdapterLayer> = slots.iter().flatten().copied().collect();
    let (first, width) = (present[0], present[0].b.dims()[1]);
    for layer in &present {
        let sides = |layer: &AdapterLayer| [layer.a.dims()[0], layer.b.dims()[1]];
        if sides(layer) != sides(first) {
            let (layer_sides, first_sides) = (sides(layer), sides(first));
            let problem = format!(
                "{layer_sides:?}, but `{}` is {first_sides:?}: parts of `{module}` are of one shape",
                first.path
            );
            return Err(LoraError::layer(&layer.path, problem));
        }
    }
    let scale = present.iter().fold(first.scale, |largest, layer| {
        match layer.scale.abs() > largest.abs() {
            true => layer.scale,
            false => largest,
        }
    });
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for (part, layer) in slots.iter().enumerate() {
        let Some(layer) = layer else { continue };
        let [own_a, own_b] = [&layer.a, &layer.b].map(|factor| factor.clone().cast(DType::F32));
        let own_b = match layer.scale == scale {
            true => own_b,
            false => own_b * (layer.scale / scale),
        };
        let (rank, device) = (own_b.dims()[0], own_b.device());
        let zeros = |parts: usize| Tensor::zeros([rank, parts * width], &device);
        let row = [(part > 0).then(|| zeros(part)), Some(own_b)];
        let rest = slots.len() - part - 1;
        let row = row.into_iter().chain([(rest > 0).then(|| zeros(rest))]);
        b.push(Tensor::cat(row.flatten().collect(), 1));
        a.push(own_a);
    }
    Ok(AdapterLayer {
        path: module,
        a: Tensor::cat(a, 1),
        b: Tensor::cat(b, 0),
        scale,
    })
}

/// `module` as the layers at `paths`, one a part: its columns of B, and the components that they are not zero in. A
/// part that the update does not touch gets no layer, unless it touches none (an adapter before its first step).
pub(super) fn split(module: AdapterLayer, paths: &[String]) -> Result<Vec<AdapterLayer>, String> {
    if let [path] = paths {
        return Ok(vec![AdapterLayer {
            path: path.clone(),
            ..module
        }]);
    }
    let [rank, d_out] = module.b.dims();
    if d_out % paths.len() != 0 {
        let parts = paths.len();
        return Err(format!(
            "`{}` has {d_out} outputs, which do not divide into {parts} parts",
            module.path
        ));
    }
    let width = d_out / paths.len();
    let values = host(module.b.clone());
    let all: Vec<usize> = (0..rank).collect();
    let used = |part: usize| -> Vec<usize> {
        let row = |i: usize| &values[i * d_out + part * width..][..width];
        let used = |i: &usize| row(*i).iter().any(|value| *value != 0.0);
        all.iter().copied().filter(used).collect()
    };
    let untouched = values.iter().all(|value| *value == 0.0);
    let layers = paths.iter().enumerate().filter_map(|(part, path)| {
        let components = if untouched { all.clone() } else { used(part) };
        if components.is_empty() {
            return None;
        }
        let b = module.b.clone().narrow(1, part * width, width);
        Some(AdapterLayer {
            path: path.clone(),
            a: chosen(module.a.clone(), 1, &components),
            b: chosen(b, 0, &components),
            scale: module.scale,
        })
    });
    Ok(layers.collect())
}

/// Rows or columns of these indices.
fn chosen(matrix: Tensor<2>, axis: usize, indices: &[usize]) -> Tensor<2> {
    let indices: Vec<i32> = indices.iter().map(|&index| index as i32).collect();
    let count = indices.len();
    let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [count]), &matrix.device());
    matrix.select(axis, indices)
}
