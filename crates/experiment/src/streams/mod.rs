//! Streams of tasks as batches for the models.

pub(crate) mod image_stream;

pub(crate) mod text_stream;
