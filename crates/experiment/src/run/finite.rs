//! Numbers that are none.

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::Tensor,
};

use crate::folder::trainable_state::trainable_state;

/// Path of the first parameter whose gradient is not finite everywhere.
pub(crate) fn spoiled_gradient<M: Module>(
    model: &M,
    gradients: &GradientsParams,
) -> Option<String> {
    struct Of<'a> {
        gradients: &'a GradientsParams,
        found: Found,
    }
    impl ModuleVisitor for Of<'_> {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.found.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.found.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.get::<D>(param.id) {
                self.found.look_at(gradient);
            }
        }
    }
    let mut visitor = Of {
        gradients,
        found: Found::default(),
    };
    model.visit(&mut visitor);
    visitor.found.first()
}

/// Path of the first trainable parameter that is not finite everywhere.
pub(crate) fn spoiled_parameter<M: Module>(model: &M) -> Option<String> {
    let state = trainable_state(model);
    let spoiled = |name: &&str| {
        let data = state.data(name).expect("a name of the file");
        !data.iter::<f32>().all(f32::is_finite)
    };
    state.names().find(spoiled).map(str::to_owned)
}

#[derive(Default)]
struct Found {
    path: Vec<String>,
    names: Vec<String>,
    /// One number a tensor, read back together: 0 where all is finite, else NaN.
    marks: Vec<Tensor<1>>,
}

impl Found {
    fn look_at<const D: usize>(&mut self, tensor: Tensor<D>) {
        // Infinity and NaN times 0 are NaN, and a NaN stays one in a sum.
        self.marks.push((tensor * 0.0).sum());
        self.names.push(self.path.join("."));
    }

    fn first(self) -> Option<String> {
        if self.marks.is_empty() {
            return None;
        }
        let marks = Tensor::cat(self.marks, 0).into_data();
        let spoiled = marks.iter::<f32>().position(|mark| mark != 0.0)?;
        self.names.into_iter().nth(spoiled)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::{
        nn::{Linear, LinearConfig},
        tensor::Device,
    };

    use super::*;

    fn model(bias: [f32; 2]) -> Linear {
        let device = Device::flex().autodiff();
        let mut model = LinearConfig::new(3, 2).init(&device);
        let bias = Tensor::<1>::from_data(bias, &device).require_grad();
        model.bias = model.bias.map(|param| param.map(|_| bias));
        model
    }

    #[test]
    fn one_number_that_is_none_is_named_by_its_parameter() {
        assert_eq!(spoiled_parameter(&model([0.5, 1e38])), None);
        for spoil in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let spoiled = model([0.5, spoil]);
            assert_eq!(spoiled_parameter(&spoiled).as_deref(), Some("bias"));
        }
    }

    #[test]
    fn a_gradient_that_overflows_is_named() {
        for (factor, named) in [(1.0, None), (f32::INFINITY, Some("weight"))] {
            let model = model([0.0, 0.0]);
            let device = model.weight.lazy_device();
            let input = Tensor::<2>::from_data([[1.0, 2.0, 3.0]], &device);
            let loss = (model.forward(input) * factor).sum();
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            assert_eq!(spoiled_gradient(&model, &gradients).as_deref(), named);
        }
    }
}
