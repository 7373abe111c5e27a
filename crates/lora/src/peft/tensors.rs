//! `adapter_model.safetensors`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use burn::tensor::{Device, Tensor, TensorData};
use treelora_tensor_file::TensorFile;

use crate::{AdapterLayer, LoraError, host::host};

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
    let mut file = TensorFile::new().with_format("pt");
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
            file.insert_f32(name, values, [rows, columns]);
        }
    }
    Ok(file)
}

/// A `[rank, d_in]` and B `[d_out, rank]` of each module.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, [Matrix; 2]>, LoraError> {
    let file = TensorFile::load(path)?;
    let problem = |problem: String| LoraError::from(file.unfit(problem));
    let mut adapters = BTreeSet::new();
    let mut modules: BTreeMap<&str, [Option<Matrix>; 2]> = BTreeMap::new();
    for name in file.names() {
        let key = Key::parse(name).ok_or_else(|| {
            problem(format!(
                "tensor `{name}` is not the lora_A or lora_B of a linear layer"
            ))
        })?;
        adapters.insert(key.adapter);
        let matrix = matrix(&file, name)?;
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

/// A matrix of finite values, narrow types widened.
fn matrix(file: &TensorFile, name: &str) -> Result<Matrix, LoraError> {
    let problem = |found: String| LoraError::from(file.unfit(format!("tensor `{name}` {found}")));
    let shape = file.data(name)?.shape().to_vec();
    let [rows, columns] = shape[..] else {
        return Err(problem(format!("is {shape:?}, not a matrix")));
    };
    if rows == 0 || columns == 0 {
        return Err(problem(format!("is [{rows}, {columns}]: it is empty")));
    }
    let values = file.widened(name)?;
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(problem(format!("holds {value}"))),
        None => Ok(Matrix {
            rows,
            columns,
            values,
        }),
    }
}
