//! The state of an optimiser on disk, found again by the paths of the parameters.

use std::{collections::BTreeMap, path::Path};

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::{ModuleOptimizer, OptimizerRecord},
    tensor::{Bytes, Tensor},
};
use burn_pack::{Reader, Writer};

use crate::{Error, write_atomically};

/// Write the state of `optimizer`, atomically, as burnpack.
///
/// # Errors
/// When writing fails; an earlier file at `path` is then unchanged.
pub fn save_optimizer(optimizer: &ModuleOptimizer, path: &Path) -> Result<(), Error> {
    let bytes = optimizer
        .into_bytes()
        .map_err(|e| Error::format(path, e.to_string()))?;
    Ok(write_atomically(path, &bytes)?)
}

/// A fresh `optimizer` with the state that [`save_optimizer`] wrote, for the parameters of `model`.
///
/// # Errors
/// When the file is missing or damaged, or holds the state of a parameter that `model` lacks.
pub fn load_optimizer<M: Module>(
    optimizer: ModuleOptimizer,
    model: &M,
    path: &Path,
) -> Result<ModuleOptimizer, Error> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let record = addressed_to(model, bytes).map_err(|problem| Error::format(path, problem))?;
    Ok(optimizer.load_record(record))
}

/// Burn finds the state of a parameter by its id, which every process draws anew: the record with
/// the ids that the parameters have in `model`. It names entries `<id>.<field>` and has the path of
/// each id among its metadata.
fn addressed_to<M: Module>(model: &M, bytes: Vec<u8>) -> Result<OptimizerRecord, String> {
    let reader = Reader::from_bytes(Bytes::from_bytes_vec(bytes)).map_err(text)?;
    let ids_now = ids_by_path(model);
    let mut ids = BTreeMap::new();
    for (then, path) in reader.metadata() {
        let now = ids_now
            .get(path)
            .ok_or_else(|| format!("state of `{path}`, which the model does not have"))?;
        ids.insert(then.clone(), (*now, path.clone()));
    }
    let renamed = |name: &str| {
        let of_parameter = name
            .split_once('.')
            .and_then(|(then, field)| Some((ids.get(then)?.0, field)));
        let (now, field) = of_parameter.ok_or_else(|| format!("`{name}` is of no parameter"))?;
        Ok::<_, String>((format!("{now}.{field}"), now))
    };

    let scalars = reader.scalars().clone();
    let mut tensors = Vec::new();
    for tensor in reader.into_tensors().map_err(text)? {
        let (name, dtype, shape, _, bytes) = tensor.into_parts().map_err(text)?;
        let (name, id) = renamed(&name)?;
        tensors.push(burn_pack::Tensor::new(name, dtype, shape, Some(id), bytes));
    }
    let mut writer = Writer::new(tensors);
    for (name, value) in scalars {
        writer = writer.with_scalar(&renamed(&name)?.0, value);
    }
    for (now, path) in ids.values() {
        writer = writer.with_metadata(&now.to_string(), path);
    }
    let bytes = writer.into_bytes().map_err(text)?;
    OptimizerRecord::from_bytes(bytes).map_err(text)
}

fn ids_by_path<M: Module>(model: &M) -> BTreeMap<String, u64> {
    #[derive(Default)]
    struct Ids {
        path: Vec<String>,
        ids: BTreeMap<String, u64>,
    }
    impl ModuleVisitor for Ids {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.ids.insert(self.path.join("."), param.id.val());
        }
    }
    let mut visitor = Ids::default();
    model.visit(&mut visitor);
    visitor.ids
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::{
        nn::{Linear, LinearConfig},
        optim::{AdamConfig, GradientsParams},
        tensor::Device,
    };

    use super::*;

    fn step(optimizer: &mut ModuleOptimizer, model: Linear, scale: f32) -> Linear {
        let device = model.weight.lazy_device();
        let input = Tensor::<2>::from_data([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]], &device);
        let loss = (model.forward(input) * scale).square().mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        optimizer.step(0.01, model, gradients)
    }

    #[test]
    fn a_model_with_other_ids_goes_on_bit_by_bit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("optimizer.bpk");
        let device = Device::flex().autodiff();
        let mut optimizer: ModuleOptimizer = AdamConfig::new().init();
        let mut model = LinearConfig::new(3, 2).init(&device);
        for scale in [1.0, 2.0, 3.0] {
            model = step(&mut optimizer, model, scale);
        }
        save_optimizer(&optimizer, &path).unwrap();

        let mut other = LinearConfig::new(3, 2).init(&device);
        assert_ne!(other.weight.id, model.weight.id);
        other.weight = other.weight.map(|_| model.weight.val());
        other.bias = other
            .bias
            .map(|bias| bias.map(|_| model.bias.as_ref().unwrap().val()));
        let mut read = load_optimizer(AdamConfig::new().init(), &other, &path).unwrap();
        for scale in [4.0, 5.0] {
            model = step(&mut optimizer, model, scale);
            other = step(&mut read, other, scale);
        }
        assert_eq!(
            other.weight.val().into_data(),
            model.weight.val().into_data()
        );
    }

    #[test]
    fn damage_and_other_models_are_errors_that_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("optimizer.bpk");
        let device = Device::flex().autodiff();
        let mut optimizer: ModuleOptimizer = AdamConfig::new().init();
        let model = step(&mut optimizer, LinearConfig::new(3, 2).init(&device), 1.0);
        save_optimizer(&optimizer, &path).unwrap();

        let without_bias = LinearConfig::new(3, 2).with_bias(false).init(&device);
        let fresh = || ModuleOptimizer::from(AdamConfig::new().build());
        let error = load_optimizer(fresh(), &without_bias, &path).err().unwrap();
        let message = error.to_string();
        assert!(
            message.contains("optimizer.bpk") && message.contains("`bias`"),
            "{message}"
        );

        let bytes = std::fs::read(&path).unwrap();
        for length in [0, 3, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let error = load_optimizer(fresh(), &model, &path).err().unwrap();
            assert!(error.to_string().contains("optimizer.bpk"), "{error}");
        }
    }
}
