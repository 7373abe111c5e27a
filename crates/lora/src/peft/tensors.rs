//! `adapter_model.safetensors`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use burn::tensor::{Device, Tensor, TensorData};
use treelora_tensor_file::TensorFile;

use super::ModuleNames;
use crate::{AdapterLayer, LoraError, host::host};

const PREFIX: &str = "base_model.model.";
const FACTORS: [&str; 2] = ["lora_A", "lora_B"];
/// The factors of an embedding, which have no `.weight` behind them.
const EMBEDDING_FACTORS: [&str; 2] = ["lora_embedding_A", "lora_embedding_B"];

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
pub(super) fn encode(
    modules: &[AdapterLayer],
    names: &ModuleNames,
) -> Result<TensorFile, LoraError> {
    // Tools that read weights look for this word.
    let mut file = TensorFile::new().with_format("pt");
    for module in modules {
        let path = &module.path;
        let factors = match names.is_embedding(path) {
            true => EMBEDDING_FACTORS.map(|factor| format!("{PREFIX}{path}.{factor}")),
            false => FACTORS.map(|factor| format!("{PREFIX}{path}.{factor}.weight")),
        };
        for ((name, factor), tensor) in factors.into_iter().zip(FACTORS).zip([&module.a, &module.b])
        {
            let Matrix {
                rows,
                columns,
                values,
            } = Matrix::of(tensor.clone()).transpose();
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                let problem = format!("{factor} holds {value}");
                return Err(LoraError::layer(path, problem));
            }
            file.insert_f32(name, values, [rows, columns]);
        }
    }
    Ok(file)
}

/// What a file holds.
pub(super) struct Contents {
    /// A `[rank, d_in]` and B `[d_out, rank]` of each module.
    pub(super) factors: BTreeMap<String, [Matrix; 2]>,
    /// Weights of the model itself.
    pub(super) copies: Vec<Stored>,
}

/// A weight or bias of the model itself.
pub(super) struct Stored {
    /// Name of the tensor.
    pub(super) tensor: String,
    pub(super) module: String,
    /// `weight` or `bias`.
    pub(super) parameter: &'static str,
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

pub(super) fn read(path: &Path) -> Result<Contents, LoraError> {
    let file = TensorFile::load(path)?;
    let problem = |problem: String| LoraError::from(file.unfit(problem));
    let mut adapters = BTreeSet::new();
    let mut modules: BTreeMap<&str, [Option<Matrix>; 2]> = BTreeMap::new();
    let mut copies = Vec::new();
    for name in file.names() {
        match Key::parse(name) {
            Some(Key::Factor {
                module,
                factor,
                adapter,
            }) => {
                adapters.insert(adapter);
                let matrix = matrix(&file, name)?;
                modules.entry(module).or_default()[factor] = Some(matrix);
            }
            Some(Key::Copy { module, parameter }) => copies.push(Stored {
                tensor: name.to_owned(),
                module: module.to_owned(),
                parameter,
                shape: file.data(name)?.shape().to_vec(),
                values: finite(&file, name)?,
            }),
            Some(Key::Replaced) => {}
            None => {
                return Err(problem(format!(
                    "tensor `{name}` is neither the lora_A or lora_B of a layer nor a weight of the model"
                )));
            }
        }
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
    Ok(Contents {
        factors: complete.collect::<Result<_, _>>()?,
        copies,
    })
}

/// What a tensor's name says it is.
enum Key<'a> {
    Factor {
        module: &'a str,
        /// Index in [`FACTORS`].
        factor: usize,
        /// PEFT leaves it out of files; what others write may have it.
        adapter: &'a str,
    },
    Copy {
        module: &'a str,
        parameter: &'static str,
    },
    /// Of a module before it was trained as a whole: nothing computes with it.
    Replaced,
}

impl<'a> Key<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let name = name.strip_prefix(PREFIX)?;
        let weight = name.strip_suffix(".weight");
        let factor = match weight {
            Some(weight) => Self::factor(weight, FACTORS),
            None => Self::factor(name, EMBEDDING_FACTORS),
        };
        if factor.is_some() || name.contains(".lora_") {
            return factor;
        }
        let (module, parameter) = match (weight, name.strip_suffix(".bias")) {
            (Some(module), _) => (module, "weight"),
            (None, Some(module)) => (module, "bias"),
            (None, None) => return None,
        };
        if module.ends_with(".original_module") {
            return Some(Self::Replaced);
        }
        // What wraps a layer that is adapted, or trained as a whole; the last may have the adapter's name behind it.
        let module = ["base_layer", "modules_to_save"]
            .into_iter()
            .find_map(|wrapper| module.strip_suffix(&format!(".{wrapper}")))
            .or_else(|| module.rsplit_once('.')?.0.strip_suffix(".modules_to_save"))
            .unwrap_or(module);
        Some(Self::Copy { module, parameter })
    }

    fn factor(name: &'a str, factors: [&str; 2]) -> Option<Self> {
        let (rest, last) = name.rsplit_once('.')?;
        let factor = |word: &str| factors.iter().position(|factor| *factor == word);
        if let Some(factor) = factor(last) {
            return Some(Self::Factor {
                module: rest,
                factor,
                adapter: "",
            });
        }
        let (module, word) = rest.rsplit_once('.')?;
        Some(Self::Factor {
            module,
            factor: factor(word)?,
            adapter: last,
        })
    }
}

/// A matrix of finite values.
fn matrix(file: &TensorFile, name: &str) -> Result<Matrix, LoraError> {
    let problem = |found: String| LoraError::from(file.unfit(format!("tensor `{name}` {found}")));
    let shape = file.data(name)?.shape().to_vec();
    let [rows, columns] = shape[..] else {
        return Err(problem(format!("is {shape:?}, not a matrix")));
    };
    if rows == 0 || columns == 0 {
        return Err(problem(format!("is [{rows}, {columns}]: it is empty")));
    }
    Ok(Matrix {
        rows,
        columns,
        values: finite(file, name)?,
    })
}

/// Finite values, of any type of float.
fn finite(file: &TensorFile, name: &str) -> Result<Vec<f32>, LoraError> {
    let values = file.as_f32s(name)?;
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => {
            let problem = format!("tensor `{name}` holds {value}");
            Err(file.unfit(problem).into())
        }
        None => Ok(values),
    }
}
