//! `adapter_model.safetensors`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use burn::tensor::{Device, Tensor, TensorData, bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::{
    AdapterLayer, LoraError,
    tensor_file::{Array, TensorFile, host},
};

const PREFIX: &str = "base_model.model.";
const FACTORS: [&str; 2] = ["lora_A", "lora_B"];

/// A matrix on the host, in row order.
pub(super) struct Matrix {
    pub(super) rows: usize,
    pub(super) columns: usize,
    values: Vec<f32>,
}

impl Matrix {
    fn of(tensor: Tensor<2>) -> Self {
        let [rows, columns] = tensor.dims();
        Self {
            rows,
            columns,
            values: host(tensor),
        }
    }

    fn transpose(self) -> Self {
        let Self {
            rows,
            columns,
            values,
        } = self;
        let entries = (0..columns).flat_map(|column| (0..rows).map(move |row| (row, column)));
        Self {
            values: entries
                .map(|(row, column)| values[row * columns + column])
                .collect(),
            rows: columns,
            columns: rows,
        }
    }

    /// The transpose on `device`.
    pub(super) fn transposed(self, device: &Device) -> Tensor<2> {
        let Self {
            rows,
            columns,
            values,
        } = self.transpose();
        Tensor::from_data(TensorData::new(values, [rows, columns]), device)
    }
}

/// The factors of modules whose names are their paths.
pub(super) fn encode(modules: &[AdapterLayer]) -> Result<TensorFile, LoraError> {
    // Tools that read weights look for this word.
    let mut file = TensorFile::new("pt");
    for module in modules {
        for (factor, tensor) in FACTORS.into_iter().zip([&module.a, &module.b]) {
            let Matrix {
                rows,
                columns,
                values,
            } = Matrix::of(tensor.clone()).transpose();
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                let problem = format!("{factor} holds {value}");
                return Err(LoraError::layer(&module.path, problem));
            }
            let name = format!("{PREFIX}{}.{factor}.weight", module.path);
            file.insert(name, Array::F32(values, vec![rows, columns]));
        }
    }
    Ok(file)
}

/// A `[rank, d_in]` and B `[d_out, rank]` of each module.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, [Matrix; 2]>, LoraError> {
    let bytes = fs::read(path).map_err(|source| LoraError::Io {
        path: path.to_owned(),
        source,
    })?;
    let problem = |problem: String| LoraError::Format {
        path: path.to_owned(),
        problem,
    };
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| problem(e.to_string()))?;
    let mut adapters = BTreeSet::new();
    let mut modules: BTreeMap<&str, [Option<Matrix>; 2]> = BTreeMap::new();
    let mut found: Vec<(&str, TensorView)> = tensors.iter().collect();
    found.sort_by_key(|(name, _)| *name);
    for (name, view) in found {
        let key = Key::parse(name).ok_or_else(|| {
            problem(format!(
                "tensor `{name}` is not the lora_A or lora_B of a linear layer"
            ))
        })?;
        adapters.insert(key.adapter);
        let matrix = matrix(&view).map_err(|found| problem(format!("tensor `{name}` {found}")))?;
        modules.entry(key.module).or_default()[key.factor] = Some(matrix);
    }
    if adapters.len() > 1 {
        let names = adapters.into_iter().collect::<Vec<_>>().join("`, `");
        return Err(problem(format!("several adapters: `{names}`")));
    }
    let complete = modules.into_iter().map(|(module, factors)| {
        let (present, missing) = match factors {
            [Some(a), Some(b)] => return Ok((module.to_owned(), [a, b])),
            [Some(_), None] => ("lora_A", "lora_B"),
            _ => ("lora_B", "lora_A"),
        };
        Err(problem(format!(
            "`{module}` has {present} but no {missing}"
        )))
    });
    complete.collect()
}

/// The parts of a tensor's name.
struct Key<'a> {
    module: &'a str,
    /// Index in [`FACTORS`].
    factor: usize,
    /// PEFT leaves it out of files; what others write may have it.
    adapter: &'a str,
}

impl<'a> Key<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let name = name.strip_prefix(PREFIX)?.strip_suffix(".weight")?;
        let (rest, last) = name.rsplit_once('.')?;
        let factor = |word: &str| FACTORS.iter().position(|factor| *factor == word);
        if let Some(factor) = factor(last) {
            return Some(Self {
                module: rest,
                factor,
                adapter: "",
            });
        }
        let (module, word) = rest.rsplit_once('.')?;
        Some(Self {
            module,
            factor: factor(word)?,
            adapter: last,
        })
    }
}

/// The values of a matrix, or what is wrong with them.
fn matrix(view: &TensorView) -> Result<Matrix, String> {
    let &[rows, columns] = view.shape() else {
        return Err(format!("is {:?}, not a matrix", view.shape()));
    };
    if rows == 0 || columns == 0 {
        return Err(format!("is [{rows}, {columns}]: it is empty"));
    }
    let words = view.data().chunks_exact(4);
    let halves = view.data().chunks_exact(2).map(|b| [b[0], b[1]]);
    let values: Vec<f32> = match view.dtype() {
        Dtype::F32 => words
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
        Dtype::F16 => halves.map(|b| f16::from_le_bytes(b).to_f32()).collect(),
        Dtype::BF16 => halves.map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
        other => return Err(format!("is {other:?}; F32, F16 and BF16 are read")),
    };
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(format!("holds {value}")),
        None => Ok(Matrix {
            rows,
            columns,
            values,
        }),
    }
}
