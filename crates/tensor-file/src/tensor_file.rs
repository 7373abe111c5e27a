//! Named tensors and their file.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::{DType, Device, Element, Tensor, TensorData};
use safetensors::{SafeTensors, tensor::TensorView};

use crate::{
    FileKind, TensorFileError, TensorProblem,
    element::{decode, stored},
    write_atomically,
};

/// Where safetensors' metadata says what a file is.
const FORMAT: &str = "format";

/// Named tensors, each in its own type, that are written to and read from one safetensors file.
#[derive(Clone, Debug, Default)]
pub struct TensorFile {
    /// Where it was read from, for errors.
    path: Option<PathBuf>,
    format: Option<String>,
    tensors: BTreeMap<String, TensorData>,
}

/// What is put in; a tensor of the same name is replaced.
impl TensorFile {
    /// A file without tensors.
    pub fn new() -> Self {
        Self::default()
    }

    /// The file with a word for what it is, which [`check_format`](Self::check_format) asks for.
    #[must_use]
    pub fn with_format(self, format: impl Into<String>) -> Self {
        Self {
            format: Some(format.into()),
            ..self
        }
    }

    /// Add a tensor, converted to `f32`.
    pub fn insert<const D: usize>(&mut self, name: impl Into<String>, tensor: Tensor<D>) {
        self.insert_data(name, tensor.into_data().convert_dtype(DType::F32));
    }

    /// Add host data in its own type.
    ///
    /// # Panics
    /// When the type is none that a file holds: see [`TensorProblem::UnknownType`].
    pub fn insert_data(&mut self, name: impl Into<String>, data: TensorData) {
        let (name, dtype) = (name.into(), data.dtype());
        assert!(
            stored(dtype).is_some(),
            "tensor `{name}` is {dtype:?}, which a file cannot hold"
        );
        self.tensors.insert(name, data);
    }

    /// Add numbers in single precision.
    ///
    /// # Panics
    /// When there are not as many values as the shape says.
    pub fn insert_f32<const D: usize>(
        &mut self,
        name: impl Into<String>,
        values: impl Into<Vec<f32>>,
        shape: [usize; D],
    ) {
        self.insert_data(name, TensorData::new(values.into(), shape));
    }

    /// Add numbers in double precision.
    ///
    /// # Panics
    /// When there are not as many values as the shape says.
    pub fn insert_f64<const D: usize>(
        &mut self,
        name: impl Into<String>,
        values: impl Into<Vec<f64>>,
        shape: [usize; D],
    ) {
        self.insert_data(name, TensorData::new(values.into(), shape));
    }

    /// Add signed integers.
    ///
    /// # Panics
    /// When there are not as many values as the shape says.
    pub fn insert_integers<const D: usize>(
        &mut self,
        name: impl Into<String>,
        values: impl Into<Vec<i64>>,
        shape: [usize; D],
    ) {
        self.insert_data(name, TensorData::new(values.into(), shape));
    }

    /// Add a vector of short unsigned integers, such as token ids.
    pub fn insert_u32(&mut self, name: impl Into<String>, values: impl Into<Vec<u32>>) {
        let values = values.into();
        let shape = [values.len()];
        self.insert_data(name, TensorData::new(values, shape));
    }

    /// Add a vector of indices or counts: labels, places, numbers of examples. As `u32` if all of
    /// them fit, else as `u64`.
    pub fn insert_indices(
        &mut self,
        name: impl Into<String>,
        indices: impl IntoIterator<Item = usize>,
    ) {
        let indices: Vec<u64> = indices.into_iter().map(|index| index as u64).collect();
        let short: Result<Vec<u32>, _> = indices.iter().map(|&i| u32::try_from(i)).collect();
        match short {
            Ok(short) => self.insert_u32(name, short),
            Err(_) => {
                let shape = [indices.len()];
                self.insert_data(name, TensorData::new(indices, shape));
            }
        }
    }
}

/// What is taken out.
impl TensorFile {
    /// Names in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Bytes of all tensors, without the header.
    pub fn num_bytes(&self) -> usize {
        self.tensors.values().map(|data| data.bytes().len()).sum()
    }

    /// The tensor called `name` as it is stored.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn data(&self, name: &str) -> Result<&TensorData, TensorFileError> {
        let missing = || TensorProblem::Missing {
            name: name.to_owned(),
        };
        self.tensors.get(name).ok_or_else(|| self.error(missing()))
    }

    /// The shape of the tensor called `name`.
    ///
    /// # Errors
    /// When there is none of that name or its rank is not `D`.
    pub fn shape<const D: usize>(&self, name: &str) -> Result<[usize; D], TensorFileError> {
        let found = self.data(name)?.shape().to_vec();
        <[usize; D]>::try_from(found).map_err(|found| {
            self.error(TensorProblem::Rank {
                name: name.to_owned(),
                found,
                expected: D,
            })
        })
    }

    /// The `f32` tensor called `name`, on `device`.
    ///
    /// # Errors
    /// When there is none of that name, or it has another type, or its rank is not `D`.
    pub fn tensor<const D: usize>(
        &self,
        name: &str,
        device: &Device,
    ) -> Result<Tensor<D>, TensorFileError> {
        let data = self.data_of(name, &[DType::F32])?;
        self.shape::<D>(name)?;
        Ok(Tensor::from_data(data.clone(), device))
    }

    /// Numbers that were stored in single precision, in row order.
    ///
    /// # Errors
    /// When there is no tensor of that name or it has another type.
    pub fn f32s(&self, name: &str) -> Result<Vec<f32>, TensorFileError> {
        self.values(name, &[DType::F32])
    }

    /// Numbers that were stored as `f64`, `f32`, `f16` or `bf16`, in row order, as `f32`.
    ///
    /// # Errors
    /// When there is no tensor of that name or it has another type.
    pub fn as_f32s(&self, name: &str) -> Result<Vec<f32>, TensorFileError> {
        let data = self.data_of(name, &[DType::F64, DType::F32, DType::F16, DType::BF16])?;
        Ok(data.iter::<f32>().collect())
    }

    /// Numbers that were stored in double precision, in row order.
    ///
    /// # Errors
    /// When there is no tensor of that name or it has another type.
    pub fn f64s(&self, name: &str) -> Result<Vec<f64>, TensorFileError> {
        self.values(name, &[DType::F64])
    }

    /// Signed integers, in row order.
    ///
    /// # Errors
    /// When there is no tensor of that name or it has another type.
    pub fn integers(&self, name: &str) -> Result<Vec<i64>, TensorFileError> {
        self.values(name, &[DType::I64])
    }

    /// Short unsigned integers, in row order.
    ///
    /// # Errors
    /// When there is no tensor of that name or it has another type.
    pub fn u32s(&self, name: &str) -> Result<Vec<u32>, TensorFileError> {
        self.values(name, &[DType::U32])
    }

    /// Indices or counts that [`insert_indices`](Self::insert_indices) stored.
    ///
    /// # Errors
    /// When there is no tensor of that name, it has another type, or a value is no `usize`.
    pub fn indices(&self, name: &str) -> Result<Vec<usize>, TensorFileError> {
        let data = self.data_of(name, &[DType::U32, DType::U64])?;
        let index = |value: u64| {
            usize::try_from(value).map_err(|_| {
                self.error(TensorProblem::Index {
                    name: name.to_owned(),
                    value,
                })
            })
        };
        data.iter::<u64>().map(index).collect()
    }

    /// An error that names this file, for tensors that do not fit each other or what reads them.
    pub fn unfit(&self, problem: impl Into<String>) -> TensorFileError {
        self.error(TensorProblem::Unfit(problem.into()))
    }

    fn values<E: Element>(
        &self,
        name: &str,
        expected: &'static [DType],
    ) -> Result<Vec<E>, TensorFileError> {
        let data = self.data_of(name, expected)?;
        Ok(data.iter::<E>().collect())
    }

    fn data_of(
        &self,
        name: &str,
        expected: &'static [DType],
    ) -> Result<&TensorData, TensorFileError> {
        let data = self.data(name)?;
        let found = data.dtype();
        match expected.contains(&found) {
            true => Ok(data),
            false => Err(self.error(TensorProblem::Type {
                name: name.to_owned(),
                found,
                expected,
            })),
        }
    }

    fn error(&self, problem: TensorProblem) -> TensorFileError {
        TensorFileError::content(self.path.as_deref(), problem)
    }
}

/// The file.
impl TensorFile {
    /// Write the file atomically.
    ///
    /// # Errors
    /// When writing fails; an earlier file at `path` is then unchanged.
    pub fn save(&self, path: &Path) -> Result<(), TensorFileError> {
        let bytes = self
            .encode()
            .map_err(|problem| TensorFileError::content(Some(path), problem))?;
        write_atomically(path, &bytes)
    }

    /// Read a file of tensors.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged or [something else](FileKind), or holds a type that is not read.
    pub fn load(path: &Path) -> Result<Self, TensorFileError> {
        if path.is_dir() {
            let problem = TensorProblem::Kind(FileKind::Folder);
            return Err(TensorFileError::content(Some(path), problem));
        }
        let bytes = fs::read(path).map_err(|e| TensorFileError::io(path, e))?;
        let file = Self::decode(&bytes)
            .map_err(|problem| TensorFileError::content(Some(path), problem))?;
        Ok(Self {
            path: Some(path.to_owned()),
            ..file
        })
    }

    /// Refuse a file that is something else.
    ///
    /// # Errors
    /// Naming both words.
    pub fn check_format(&self, expected: &str) -> Result<(), TensorFileError> {
        match self.format.as_deref() == Some(expected) {
            true => Ok(()),
            false => Err(self.error(TensorProblem::Format {
                found: self.format.clone(),
                expected: expected.to_owned(),
            })),
        }
    }

    fn encode(&self) -> Result<Vec<u8>, TensorProblem> {
        let damaged = |e: safetensors::SafeTensorError| TensorProblem::Damaged(e.to_string());
        let view = |(name, data)| -> Result<_, TensorProblem> {
            let data: &TensorData = data;
            let dtype = stored(data.dtype()).expect("only types that a file holds are put in");
            let view = TensorView::new(dtype, data.shape().to_vec(), data.bytes());
            Ok((name, view.map_err(damaged)?))
        };
        let views: Vec<(&String, TensorView)> =
            self.tensors.iter().map(view).collect::<Result<_, _>>()?;
        // One entry: several are written in no fixed order.
        let metadata = self.format.as_ref();
        let metadata = metadata.map(|format| HashMap::from([(FORMAT.to_owned(), format.clone())]));
        safetensors::serialize(views, metadata).map_err(damaged)
    }

    fn decode(bytes: &[u8]) -> Result<Self, TensorProblem> {
        let damaged = |e: safetensors::SafeTensorError| match FileKind::of(bytes) {
            Some(kind) if kind != FileKind::Safetensors => TensorProblem::Kind(kind),
            _ => TensorProblem::Damaged(e.to_string()),
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let metadata = header.metadata().as_ref();
        let parsed = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in parsed.tensors() {
            let Some(data) = decode(&view) else {
                let found = view.dtype().to_string();
                return Err(TensorProblem::UnknownType { name, found });
            };
            tensors.insert(name, data);
        }
        Ok(Self {
            path: None,
            format: metadata.and_then(|metadata| metadata.get(FORMAT).cloned()),
            tensors,
        })
    }
}
