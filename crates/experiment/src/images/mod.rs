//! Experiments on images: a vision model of any family, and its answers on new images.

pub(crate) mod families;

pub(crate) mod image_inputs;

pub(crate) mod image_prediction;
