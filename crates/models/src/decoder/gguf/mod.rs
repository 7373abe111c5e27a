//! A decoder out of a GGUF file: its metadata as `config.json` would say it, its tensors under Hugging Face's names and
//! in their order.

mod architecture;

mod metadata;

mod rope_factors;

mod names;

mod row_order;

mod weights;

pub(super) use weights::GgufWeights;
