//! Published weights: a folder as Hugging Face lays it out.

use std::{collections::BTreeMap, path::Path};

use burn::{
    module::Param,
    nn::Linear,
    tensor::{Device, Shape, Tensor, TensorData},
};
use treelora_core::{FileKind, Pooling};

use super::{
    Decoder, DecoderBlock, DecoderConfig, GatedMlp, RmsNorm, SelfAttention, TokenEmbedding,
    weight_folder::WeightFolder,
};
use crate::{
    Precision,
    import::{ImportError, Misshaped},
};

/// The tensor by which a decoder is recognised.
const EMBEDDING: &str = "model.embed_tokens.weight";
const HEAD: &str = "lm_head.weight";

/// Tables that early checkpoints carry although the configuration tells them.
const TABLE: &str = ".self_attn.rotary_emb.inv_freq";

impl Decoder {
    /// A model with the configuration and the weights of a folder in Hugging Face's layout: `config.json`, and
    /// `model.safetensors` or the shards of `model.safetensors.index.json`.
    ///
    /// Tensors may be F32, F16 or BF16; the model is `f32`. The files are mapped into memory and read tensor by
    /// tensor, so that loading needs no second copy of the model.
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
        if folder.is_file() {
            return Err(ImportError::NoFolder {
                path: folder.to_owned(),
                kind: FileKind::at(folder).ok().flatten(),
            });
        }
        let config = DecoderConfig::load(folder)?;
        let folder = WeightFolder::open(folder)?;
        check(&folder, &config)?;
        let tensors = Tensors {
            folder: &folder,
            config: &config,
            precision,
            device,
        };
        tensors.decoder()
    }
}

/// Every tensor has its place and every parameter its tensor.
fn check(folder: &WeightFolder, config: &DecoderConfig) -> Result<(), ImportError> {
    let path = || folder.path().to_owned();
    if folder.shape(EMBEDDING).is_none() {
        return Err(ImportError::OtherModel {
            path: path(),
            kind: "decoder in Hugging Face's names",
            expected: EMBEDDING,
            found: folder.names().take(3).cloned().collect(),
        });
    }
    let expected = expected_shapes(config);
    let (mut missing, mut misshaped) = (Vec::new(), Vec::new());
    for (name, expected) in &expected {
        match folder.shape(name) {
            None => missing.push(name.clone()),
            Some(found) if found == expected => {}
            Some(found) => misshaped.push(Misshaped {
                name: name.clone(),
                found: found.to_vec(),
                expected: expected.clone(),
            }),
        }
    }
    // A tied head may be written out, as long as it is the embedding.
    let repeats = |name: &String| name == HEAD && folder.are_equal(HEAD, EMBEDDING);
    let unexpected = folder
        .names()
        .filter(|name| !expected.contains_key(*name) && !name.ends_with(TABLE) && !repeats(name));
    let unexpected: Vec<String> = unexpected.cloned().collect();
    if missing.is_empty() && unexpected.is_empty() && misshaped.is_empty() {
        return Ok(());
    }
    Err(ImportError::Tensors {
        path: path(),
        missing,
        unexpected,
        misshaped,
    })
}

fn expected_shapes(config: &DecoderConfig) -> BTreeMap<String, Vec<usize>> {
    let (width, hidden) = (config.hidden_size, config.intermediate_size);
    let (family, [queries, keys]) = (config.family, config.projected());
    let mut shapes = BTreeMap::new();
    let mut expect = |name: String, shape: &[usize]| shapes.insert(name, shape.to_vec());
    expect(EMBEDDING.to_owned(), &[config.vocab_size, width]);
    for layer in 0..config.num_hidden_layers {
        let mut expect =
            |name: &str, shape: &[usize]| expect(format!("model.layers.{layer}.{name}"), shape);
        expect("input_layernorm.weight", &[width]);
        for (name, outputs) in [("q_proj", queries), ("k_proj", keys), ("v_proj", keys)] {
            expect(&format!("self_attn.{name}.weight"), &[outputs, width]);
            if family.qkv_bias() {
                expect(&format!("self_attn.{name}.bias"), &[outputs]);
            }
        }
        expect("self_attn.o_proj.weight", &[width, queries]);
        if family.normalises_queries_and_keys() {
            expect("self_attn.q_norm.weight", &[config.head_dim]);
            expect("self_attn.k_norm.weight", &[config.head_dim]);
        }
        expect("post_attention_layernorm.weight", &[width]);
        expect("mlp.gate_proj.weight", &[hidden, width]);
        expect("mlp.up_proj.weight", &[hidden, width]);
        expect("mlp.down_proj.weight", &[width, hidden]);
    }
    expect("model.norm.weight".to_owned(), &[width]);
    if !config.tie_word_embeddings {
        expect(HEAD.to_owned(), &[config.vocab_size, width]);
    }
    shapes
}

/// Parameters out of checked files.
struct Tensors<'f> {
    folder: &'f WeightFolder,
    config: &'f DecoderConfig,
    precision: Precision,
    device: &'f Device,
}

impl Tensors<'_> {
    fn decoder(&self) -> Result<Decoder, ImportError> {
        let (config, precision) = (self.config, self.precision);
        let (width, vocabulary) = (config.hidden_size, config.vocab_size);
        let embedding = self.values(EMBEDDING)?;
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
                false => Some(precision.of_matrices(self.linear("lm_head", width, vocabulary)?)),
            },
            config: config.clone(),
            pooling: Pooling::default(),
        })
    }

    fn block(&self, layer: usize) -> Result<DecoderBlock, ImportError> {
        let config = self.config;
        let (width, hidden) = (config.hidden_size, config.intermediate_size);
        let [queries, keys] = config.projected();
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        let linear = |part: &str, inputs, outputs| self.linear(&name(part), inputs, outputs);
        let biased = |part: &str, outputs| {
            let layer = linear(part, width, outputs)?;
            let bias = match config.family.qkv_bias() {
                true => Some(self.vector(&format!("{}.bias", name(part)), outputs)?),
                false => None,
            };
            Ok::<_, ImportError>(Linear { bias, ..layer })
        };
        let head_norm = |part: &str| match config.family.normalises_queries_and_keys() {
            true => self.norm(&name(part), config.head_dim).map(Some),
            false => Ok(None),
        };
        let projections = [
            biased("self_attn.q_proj", queries)?,
            biased("self_attn.k_proj", keys)?,
            biased("self_attn.v_proj", keys)?,
            linear("self_attn.o_proj", queries, width)?,
        ];
        let norms = [
            head_norm("self_attn.q_norm")?,
            head_norm("self_attn.k_norm")?,
        ];
        let mlp = [
            linear("mlp.gate_proj", width, hidden)?,
            linear("mlp.up_proj", width, hidden)?,
            linear("mlp.down_proj", hidden, width)?,
        ];
        Ok(DecoderBlock {
            input_layernorm: self.norm(&name("input_layernorm"), width)?,
            self_attn: SelfAttention::new(projections, norms, config, layer),
            post_attention_layernorm: self.norm(&name("post_attention_layernorm"), width)?,
            mlp: GatedMlp::new(mlp, config.family.activation()),
        })
    }

    /// Hugging Face's `[outputs, inputs]` as burn's `[inputs, outputs]`.
    fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Result<Linear, ImportError> {
        let name = format!("{name}.weight");
        let values = match self.folder.holder(&name) {
            Some(file) => file.transposed(&name, inputs)?,
            None => Vec::new(),
        };
        Ok(Linear {
            weight: self.on_device(values, [inputs, outputs]),
            bias: None,
        })
    }

    fn norm(&self, name: &str, features: usize) -> Result<RmsNorm, ImportError> {
        let weight = self.vector(&format!("{name}.weight"), features)?;
        Ok(RmsNorm::new(weight, self.config))
    }

    fn vector(&self, name: &str, length: usize) -> Result<Param<Tensor<1>>, ImportError> {
        Ok(self.on_device(self.values(name)?, [length]))
    }

    /// Empty for a tensor that is not there, which `check` has ruled out.
    fn values(&self, name: &str) -> Result<Vec<f32>, ImportError> {
        match self.folder.holder(name) {
            Some(file) => file.values(name),
            None => Ok(Vec::new()),
        }
    }

    fn on_device<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Param<Tensor<D>> {
        Param::from_data(TensorData::new(values, Shape::from(shape)), self.device)
    }
}
