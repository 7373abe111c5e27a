//! What is added to a frozen weight: the trait, and any value of it as a module.

use std::{any::Any, fmt::Debug, ops::Deref, sync::Arc};

use burn::{
    module::{Devices, Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Device, Tensor},
};

/// An update of a frozen weight, which is seen as a matrix `[d_in, d_out]` that multiplies from the right.
///
/// The effective weight is `W + delta(W)`, and `output` is what `delta` adds to the layer's output. The two must say
/// the same: a model may compute either.
///
/// Kernels of convolutions `[d_out, channels, height, width]` are seen as `[channels * height * width, d_out]`, and
/// vectors `[d_out]` as matrices of one row.
///
/// ```
/// use burn::{module::Param, tensor::{Device, Tensor}};
/// use treelora_lora::{Update, WeightUpdate};
///
/// /// Any dense change of the weight.
/// #[derive(Clone, Debug)]
/// struct Dense(Param<Tensor<2>>);
///
/// impl WeightUpdate for Dense {
///     fn dims(&self) -> [usize; 2] {
///         self.0.dims()
///     }
///     fn output(&self, x: Tensor<2>, _product: &dyn Fn() -> Tensor<2>) -> Tensor<2> {
///         x.matmul(self.0.val())
///     }
///     fn delta(&self, _weight: Tensor<2>) -> Tensor<2> {
///         self.0.val()
///     }
///     fn map_parameters(
///         &self,
///         map: &mut dyn FnMut(&'static str, Param<Tensor<2>>) -> Param<Tensor<2>>,
///     ) -> Update {
///         Update::new(Self(map("delta", self.0.clone())))
///     }
/// }
///
/// let update = Update::new(Dense(Param::from_tensor(Tensor::ones([3, 2], &Device::flex()))));
/// assert_eq!(update.dims(), [3, 2]);
/// assert_eq!(update.parameters()[0].0, "delta");
/// ```
pub trait WeightUpdate: Any + Debug + Send + Sync {
    /// `[d_in, d_out]` of the weights that take this update.
    fn dims(&self) -> [usize; 2];

    /// What the update adds to the output of the layer, `x delta`. `product` gives `x W`, which the layer has computed.
    ///
    /// # Shapes
    /// `x [rows, d_in]` -> `[rows, d_out]`
    fn output(&self, x: Tensor<2>, product: &dyn Fn() -> Tensor<2>) -> Tensor<2>;

    /// What the update adds to `weight [d_in, d_out]`, as a dense matrix.
    fn delta(&self, weight: Tensor<2>) -> Tensor<2>;

    /// The update with `map` applied to each parameter, always in one order. The names are the last components of the
    /// parameters' paths. A vector is a parameter of one row.
    fn map_parameters(
        &self,
        map: &mut dyn FnMut(&'static str, Param<Tensor<2>>) -> Param<Tensor<2>>,
    ) -> Update;

    /// The same update as a low-rank pair, outside the graph, for what copies and exports adapters. `None` when it is
    /// not of low rank.
    fn factors(&self) -> Option<Factors> {
        None
    }
}

/// A low-rank update `scale a b`, by value and without autodiff.
#[derive(Clone, Debug)]
pub struct Factors {
    /// Down-projection `[d_in, rank]`.
    pub a: Tensor<2>,
    /// Up-projection `[rank, d_out]`.
    pub b: Tensor<2>,
    /// Factor of the product.
    pub scale: f64,
}

/// Any [`WeightUpdate`], as a module with its parameters. Clones share them.
#[derive(Clone, Debug)]
pub struct Update(Arc<dyn WeightUpdate>);

impl Update {
    /// This update.
    pub fn new(update: impl WeightUpdate) -> Self {
        Self(Arc::new(update))
    }

    /// The update, when it is of this type.
    pub fn get<U: WeightUpdate>(&self) -> Option<&U> {
        (self.0.as_ref() as &dyn Any).downcast_ref()
    }

    /// Names and parameters, in the order of [`map_parameters`](WeightUpdate::map_parameters).
    pub fn parameters(&self) -> Vec<(&'static str, Param<Tensor<2>>)> {
        let mut parameters = Vec::new();
        self.0.map_parameters(&mut |name, parameter| {
            parameters.push((name, parameter.clone()));
            parameter
        });
        parameters
    }

    fn each(&self, mut map: impl FnMut(Param<Tensor<2>>) -> Param<Tensor<2>>) -> Self {
        self.0.map_parameters(&mut |_, parameter| map(parameter))
    }
}

impl Deref for Update {
    type Target = dyn WeightUpdate;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref()
    }
}

/// What visitors and mappers are told that the parameters lie in.
const CONTAINER: &str = "Struct:Update";

// By hand: burn's traversals are generic, which no trait object can be.
impl Module for Update {
    fn collect_devices(&self, devices: Devices) -> Devices {
        let parameters = self.parameters().into_iter();
        parameters.fold(devices, |devices, (_, parameter)| {
            parameter.collect_devices(devices)
        })
    }

    fn fork(self, device: &Device) -> Self {
        self.each(|parameter| parameter.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.each(|parameter| parameter.to_device(device))
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for (name, parameter) in self.parameters() {
            visitor.enter_module(name, CONTAINER);
            parameter.visit(visitor);
            visitor.exit_module(name, CONTAINER);
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        self.0.map_parameters(&mut |name, parameter| {
            mapper.enter_module(name, CONTAINER);
            let parameter = Module::map(parameter, mapper);
            mapper.exit_module(name, CONTAINER);
            parameter
        })
    }

    fn valid(&self) -> Self {
        self.each(|parameter| parameter.valid())
    }

    fn train(self) -> Self {
        self.each(Module::train)
    }

    fn materialize(self) -> Self {
        self
    }
}
