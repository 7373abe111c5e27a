//! Published weights: a folder as Hugging Face lays it out, or a GGUF file.

use std::path::Path;

use burn::{
    module::Param,
    nn::Linear,
    tensor::{Device, Shape as TensorShape, Tensor, TensorData},
};
use treelora_core::{FileKind, Pooling};

use super::{
    Decoder, DecoderBlock, DecoderConfig, RmsNorm, TokenEmbedding,
    gguf::GgufWeights,
    layer_shape::Shape,
    model_weights::ModelWeights,
    tensor_names,
    tied_pair::{EMBEDDING, HEAD, TiedPair},
    weight_folder::WeightFolder,
};
use crate::{Precision, import::ImportError};

impl Decoder {
    /// A model with the configuration and the weights of a folder in Hugging Face's layout: `config.json`, and
    /// `model.safetensors` or the shards of `model.safetensors.index.json`; or of one GGUF file, whose metadata stand for
    /// `config.json` and whose numbers are widened ([`GgufType`](treelora_core::GgufType)).
    ///
    /// Tensors of a folder may be F64, F32, F16 or BF16; the model is `f32`. The files are mapped into memory and read tensor by
    /// tensor, so that loading needs no second copy of the model. Of a tied pair either name may hold the matrix; two
    /// different ones are not tied, as in transformers, whatever the configuration says. [`notes`](Self::notes) tells
    /// of that, and of tensors that are no parameters and were passed over.
    ///
    /// # Errors
    /// An [`ImportError`] that names the file, and the field of the configuration or every tensor that does not fit.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, ImportError> {
        Self::load_in(folder, Precision::F32, device)
    }

    /// As [`load`](Self::load), with the matrices as a frozen base in `precision`. Each layer is converted as soon as it
    /// is read, so that the model never lies in memory in `f32`.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_in(
        folder: &Path,
        precision: Precision,
        device: &Device,
    ) -> Result<Self, ImportError> {
        let (folder, mut config) = opened(folder)?;
        let pair = TiedPair::of(&folder, &config)?;
        let mut notes = Vec::new();
        if pair.is_untied_by(&config) {
            config.tie_word_embeddings = false;
            notes.push(format!(
                "{}: `{EMBEDDING}` and `{HEAD}` are different matrices; they are not tied, although \
                 `tie_word_embeddings` is true",
                folder.path().display()
            ));
        }
        notes.extend(tensor_names::check(&folder, &config, pair)?);
        let tensors = Tensors {
            folder: &folder,
            config: &config,
            precision,
            device,
        };
        tensors.decoder(pair, notes)
    }
}

/// The tensors at a path, and the shape of their model.
fn opened(path: &Path) -> Result<(ModelWeights, DecoderConfig), ImportError> {
    if !path.is_file() {
        let config = DecoderConfig::load(path)?;
        return Ok((ModelWeights::Folder(WeightFolder::open(path)?), config));
    }
    match FileKind::at(path).ok().flatten() {
        Some(FileKind::Gguf) => {
            let file = Box::new(GgufWeights::open(path)?);
            let config = file.config().clone();
            Ok((ModelWeights::Gguf(file), config))
        }
        kind => Err(ImportError::NoFolder {
            path: path.to_owned(),
            kind,
        }),
    }
}

/// Parameters out of checked files.
struct Tensors<'f> {
    folder: &'f ModelWeights,
    config: &'f DecoderConfig,
    precision: Precision,
    device: &'f Device,
}

impl Tensors<'_> {
    fn decoder(&self, pair: TiedPair, notes: Vec<String>) -> Result<Decoder, ImportError> {
        let (config, precision) = (self.config, self.precision);
        let (width, vocabulary) = (config.hidden_size, config.vocab_size);
        let embedding = self.values(pair.embedding())?;
        Ok(Decoder {
            embed_tokens: precision.of_matrices(TokenEmbedding::new(
                self.on_device(embedding, [vocabulary, width]),
                config.family.embedding_scale(width),
            )),
            layers: (0..config.num_hidden_layers)
                .map(|layer| self.block(layer).map(|block| precision.of_matrices(block)))
                .collect::<Result<_, _>>()?,
            norm: self.norm("model.norm", width)?,
            lm_head: match config.tie_word_embeddings {
                true => None,
                false => {
                    let head = self.linear("lm_head", Shape::of(width, vocabulary))?;
                    Some(precision.of_matrices(head))
                }
            },
            config: config.clone(),
            pooling: Pooling::default(),
            notes,
        })
    }

    fn block(&self, layer: usize) -> Result<DecoderBlock, ImportError> {
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        DecoderBlock::build(
            self.config,
            layer,
            |part, shape| self.linear(&name(part), shape),
            |part, features| self.norm(&name(part), features),
        )
    }

    /// Hugging Face's `[outputs, inputs]` as burn's `[inputs, outputs]`.
    fn linear(&self, name: &str, shape: Shape) -> Result<Linear, ImportError> {
        let Shape {
            inputs,
            outputs,
            has_bias,
        } = shape;
        let bias = match has_bias {
            true => Some(self.vector(&format!("{name}.bias"), outputs)?),
            false => None,
        };
        let name = format!("{name}.weight");
        let values = self.folder.transposed(&name, inputs)?;
        Ok(Linear {
            weight: self.on_device(values, [inputs, outputs]),
            bias,
        })
    }

    fn norm(&self, name: &str, features: usize) -> Result<RmsNorm, ImportError> {
        let weight = self.vector(&format!("{name}.weight"), features)?;
        Ok(RmsNorm::new(weight, self.config))
    }

    fn vector(&self, name: &str, length: usize) -> Result<Param<Tensor<1>>, ImportError> {
        Ok(self.on_device(self.values(name)?, [length]))
    }

    fn values(&self, name: &str) -> Result<Vec<f32>, ImportError> {
        self.folder.values(name)
    }

    fn on_device<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Param<Tensor<D>> {
        let data = TensorData::new(values, TensorShape::from(shape));
        Param::from_data(data, self.device)
    }
}
