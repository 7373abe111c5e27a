//! An adapter stored as its difference to a relative.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use treelora_tensor_file::TensorFile;

use crate::{AdapterLayer, AdapterSnapshot, LoraError, host::host};

/// Entries of an adapter that differ from those of a relative by more than a threshold.
///
/// Holds the adapter's own values at these places, not the differences, so that restoring has no rounding: with a
/// threshold of 0, [`restore`](Self::restore) returns the adapter bit for bit.
#[derive(Clone, Debug, PartialEq)]
pub struct SparseDifference {
    layers: Vec<SparseLayer>,
}

#[derive(Clone, Debug, PartialEq)]
struct SparseLayer {
    path: String,
    a: SparseFactor,
    b: SparseFactor,
}

/// Values and their places in row order.
#[derive(Clone, Debug, PartialEq)]
struct SparseFactor {
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl AdapterSnapshot {
    /// The entries of this adapter that differ from `relative`'s by more than `threshold`, in units of the entries.
    /// Reads both adapters back from the device.
    ///
    /// # Errors
    /// When layers, shapes or scales differ.
    pub fn difference(
        &self,
        relative: &Self,
        threshold: f32,
    ) -> Result<SparseDifference, LoraError> {
        if let Some(layer) = relative
            .layers()
            .iter()
            .find(|l| self.layer(&l.path).is_err())
        {
            return Err(LoraError::layer(&layer.path, "not in the adapter"));
        }
        let layers = self.layers().iter().map(|own| {
            let other = relative.layer(&own.path)?;
            if (own.a.dims(), own.b.dims()) != (other.a.dims(), other.b.dims()) {
                let (own_dims, dims) = (own.a.dims(), other.a.dims());
                let problem = format!("a is {own_dims:?}, the relative's {dims:?}");
                return Err(LoraError::layer(&own.path, problem));
            }
            if own.scale != other.scale {
                let problem = format!("scale is {}, the relative's {}", own.scale, other.scale);
                return Err(LoraError::layer(&own.path, problem));
            }
            Ok(SparseLayer {
                path: own.path.clone(),
                a: SparseFactor::between(&own.a, &other.a, threshold),
                b: SparseFactor::between(&own.b, &other.b, threshold),
            })
        });
        Ok(SparseDifference {
            layers: layers.collect::<Result<_, _>>()?,
        })
    }
}

impl SparseDifference {
    /// The adapter: the relative with the stored entries in place, on the relative's device.
    ///
    /// # Errors
    /// When the layers are not the relative's, or an entry lies outside its factor.
    pub fn restore(&self, relative: &AdapterSnapshot) -> Result<AdapterSnapshot, LoraError> {
        if self.layers.len() != relative.layers().len() {
            let (own, other) = (self.layers.len(), relative.layers().len());
            let problem = format!("{own} layers, the relative has {other}");
            return Err(LoraError::layer("", problem));
        }
        let layers = self.layers.iter().map(|layer| {
            let other = relative.layer(&layer.path)?;
            Ok(AdapterLayer {
                path: layer.path.clone(),
                a: layer.a.onto(&other.a, &layer.path)?,
                b: layer.b.onto(&other.b, &layer.path)?,
                scale: other.scale,
            })
        });
        Ok(AdapterSnapshot::from_layers(
            layers.collect::<Result<_, LoraError>>()?,
        ))
    }

    /// Entries stored.
    pub fn num_entries(&self) -> usize {
        self.layers
            .iter()
            .map(|layer| layer.a.values.len() + layer.b.values.len())
            .sum()
    }

    /// Bytes of the stored entries: a value and a place each.
    pub fn num_bytes(&self) -> usize {
        self.num_entries() * (size_of::<f32>() + size_of::<u32>())
    }

    /// Write one safetensors file, atomically.
    ///
    /// # Errors
    /// When writing fails; an earlier file is then unchanged.
    pub fn save(&self, path: &Path) -> Result<(), LoraError> {
        let mut file = TensorFile::new().with_format(FORMAT);
        for layer in &self.layers {
            for (factor, entries) in [("a", &layer.a), ("b", &layer.b)] {
                let (name, values) = (format!("{}.{factor}", layer.path), &entries.values);
                file.insert_u32(format!("{name}.indices"), entries.indices.clone());
                file.insert_f32(format!("{name}.values"), values.clone(), [values.len()]);
            }
        }
        Ok(file.save(path)?)
    }

    /// Read a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, is of another format, or misses a tensor.
    pub fn load(path: &Path) -> Result<Self, LoraError> {
        let file = TensorFile::load(path)?;
        file.check_format(FORMAT)?;
        let factor = |name: String| -> Result<SparseFactor, LoraError> {
            let indices = file.u32s(&format!("{name}.indices"))?;
            let values = file.f32s(&format!("{name}.values"))?;
            if indices.len() != values.len() {
                let (indices, values) = (indices.len(), values.len());
                let problem = format!("`{name}`: {indices} indices, {values} values");
                return Err(file.unfit(problem).into());
            }
            Ok(SparseFactor { indices, values })
        };
        let paths = file
            .names()
            .filter_map(|name| name.strip_suffix(".a.indices"));
        let layers = paths.map(|path| {
            Ok(SparseLayer {
                path: path.to_owned(),
                a: factor(format!("{path}.a"))?,
                b: factor(format!("{path}.b"))?,
            })
        });
        let mut layers = layers.collect::<Result<Vec<_>, LoraError>>()?;
        layers.sort_by(|left, right| crate::path::natural_order(&left.path, &right.path));
        Ok(Self { layers })
    }
}

const FORMAT: &str = "treelora-adapter-difference-1";

impl SparseFactor {
    fn between(own: &Tensor<2>, relative: &Tensor<2>, threshold: f32) -> Self {
        let (own, relative) = (host(own.clone()), host(relative.clone()));
        let differs = |(_, (own, relative)): &(usize, (&f32, &f32))| {
            // By bits as well, so that a zero of the other sign or a NaN is kept.
            (*own - *relative).abs() > threshold
                || (threshold == 0.0 && own.to_bits() != relative.to_bits())
        };
        let kept = own.iter().zip(&relative).enumerate().filter(differs);
        let (indices, values) = kept.map(|(index, (own, _))| (index as u32, *own)).unzip();
        Self { indices, values }
    }

    fn onto(&self, relative: &Tensor<2>, path: &str) -> Result<Tensor<2>, LoraError> {
        let (dims, device): (_, Device) = (relative.dims(), relative.device());
        let mut values = host(relative.clone());
        let count = values.len();
        for (&index, &value) in self.indices.iter().zip(&self.values) {
            let entry = values.get_mut(index as usize).ok_or_else(|| {
                LoraError::layer(path, format!("entry {index} of a factor of {count}"))
            })?;
            *entry = value;
        }
        let restored = Tensor::<2>::from_data(TensorData::new(values, dims), &device);
        Ok(crate::adapter::placed(restored, relative))
    }
}
