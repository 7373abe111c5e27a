//! An affine map of the features that a layer gives.

use crate::{feature_scale::FeatureScale, shift::Shift, site::Site, update::Update};

/// The share of one parameter in an affine map of features, zero at first: a [`Shift`] of what is called `bias` or
/// `beta`, a
/// [`FeatureScale`] of any other parameter.
///
/// Of a normalisation, the weight and the bias together are an affine map of the normalised features; of a linear layer
/// or a convolution, one of its outputs, `x W (1 + scale) + bias + shift`.
/// Source: Verma et al., <https://arxiv.org/abs/2103.13558>.
///
/// ```
/// use burn::{module::Module, nn::{LayerNorm, LayerNormConfig}, tensor::{Device, Tensor}};
/// use treelora_lora::{affine, attach_updates};
///
/// #[derive(Module, Debug)]
/// struct Model { norm: LayerNorm }
///
/// let device = Device::flex().autodiff();
/// let model = Model { norm: LayerNormConfig::new(4).init(&device) };
/// let x = Tensor::<2>::from_floats([[1.0, -2.0, 0.5, 3.0]], &device);
/// let before = model.norm.forward(x.clone()).into_data();
///
/// let model = attach_updates(model, &[r"^norm\.".into()], &[], affine)?;
/// assert_eq!(model.norm.forward(x).into_data(), before);
/// # Ok::<(), treelora_lora::LoraError>(())
/// ```
pub fn affine(site: &Site) -> Update {
    match site.path.rsplit('.').next() {
        Some("bias" | "beta") => Update::new(Shift::zero(site)),
        _ => Update::new(FeatureScale::zero(site)),
    }
}
