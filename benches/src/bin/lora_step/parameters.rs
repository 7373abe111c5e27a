//! The parameters of a model with adapters: how many, and the frozen projections in bf16.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{DType, Tensor},
};

use crate::case::Precision;

/// Trainable parameters, and all.
pub(crate) fn count<M: Module>(model: &M) -> [usize; 2] {
    let mut trainable = Trainable(0);
    model.visit(&mut trainable);
    [trainable.0, model.num_params()]
}

struct Trainable(usize);

impl ModuleVisitor for Trainable {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.0 += param.lazy_shape().num_elements();
        }
    }
}

/// The model with its frozen projections in this precision: the matrices of the blocks and of the module `head`, if
/// that is frozen. Embeddings, normalisations, biases and everything trainable stay in f32.
pub(crate) fn with_base<M: Module>(model: M, precision: Precision, head: &str) -> M {
    match precision {
        Precision::F32 => model,
        Precision::Bf16 => model.map(&mut HalfBase {
            path: Vec::new(),
            head,
        }),
    }
}

struct HalfBase<'a> {
    path: Vec<String>,
    head: &'a str,
}

impl ModuleMapper for HalfBase<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let container = self.path.first().map(String::as_str);
        let is_projection = D == 2
            && container
                .is_some_and(|name| matches!(name, "blocks" | "layers") || name == self.head);
        match is_projection && !param.is_require_grad() {
            true => param
                .map(|weight| weight.cast(DType::BF16))
                .set_require_grad(false),
            false => param,
        }
    }

    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use burn::{
        nn::{Linear, LinearConfig},
        tensor::Device,
    };
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use treelora_lora::LoraConfig;

    #[derive(Module, Debug)]
    struct Model {
        embedding: Linear,
        blocks: Vec<Linear>,
        head: Linear,
    }

    #[test]
    fn only_frozen_projections_become_bf16() {
        let device = Device::flex().autodiff();
        let layer = || LinearConfig::new(4, 4).init(&device);
        let model = Model {
            embedding: layer(),
            blocks: vec![layer()],
            head: layer(),
        };
        let lora = LoraConfig {
            target_modules: vec!["^blocks".into()],
            trainable: vec!["^head".into()],
            ..LoraConfig::new(1, 1.0)
        };
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let model = treelora_lora::attach(model, &lora, &mut rng).unwrap();
        assert_eq!(count(&model), [4 + 4 + 20, 3 * 20 + 8]);

        let model = with_base(model, Precision::Bf16, "head");
        assert_eq!(count(&model), [4 + 4 + 20, 3 * 20 + 8]);
        assert_eq!(model.blocks[0].weight.base().dtype(), DType::BF16);
        let adapters = treelora_lora::adapters_at(&model, 0);
        assert_eq!(adapters[0].1.a.val().dtype(), DType::F32);
        let bias = model.blocks[0].bias.as_ref().unwrap();
        assert_eq!(bias.val().dtype(), DType::F32);
        assert_eq!(model.embedding.weight.val().dtype(), DType::F32);
        assert_eq!(model.head.weight.val().dtype(), DType::F32);
    }
}
