//! Experiments on images: a vision transformer, and its answers on new images.

pub(crate) mod image_inputs;

pub(crate) mod image_prediction;
