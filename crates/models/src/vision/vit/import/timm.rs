//! timm's names and layouts: a fused `qkv`, linear weights as `[outputs, inputs]`.

use std::{collections::BTreeMap, path::Path};

use burn::{
    module::Param,
    nn::Linear,
    tensor::{Device, Shape, Tensor, TensorData},
};

use super::{
    ImportError, Misshaped,
    architecture::{Architecture, PATCH_EMBEDDING},
    resample_positions,
    variant::{CLASS_TOKEN, DISTILLATION_TOKEN, Found, NORM_OF_MEAN, POSITIONS, REGISTERS},
};
use crate::import::{WeightFile, transposed};
use crate::vision::{
    LayerNorm, Mlp, PatchEmbedding,
    vit::{Attention, Block, VisionTransformer, VitConfig, VitPooling},
};

/// Where the classification head comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadSource {
    /// From the file, which must score `config.classes` classes.
    File,
    /// All zero for `config.classes` classes, whatever head the file has. Give it random weights
    /// with [`VisionTransformer::with_head`] and [`head`](crate::vision::head).
    Zeros,
}

impl VisionTransformer {
    /// A model with the weights of `path`, a safetensors file with timm's names.
    ///
    /// The [variant](super::super::VitVariant) is the file's, whatever the configuration says of it. Position embeddings
    /// are interpolated when the file's grid of patches is another than the configuration's; the grid is that of the
    /// image size in timm's `config.json` beside the file, or square ([`uncertainties`](super::uncertainties)).
    /// Tensors may be F32, F16 or BF16; the model is `f32`.
    ///
    /// # Errors
    /// An [`ImportError`] that names the file and every tensor that does not fit.
    pub fn load(
        config: &VitConfig,
        path: &Path,
        head: HeadSource,
        device: &Device,
    ) -> Result<Self, ImportError> {
        config.validate()?;
        let file = WeightFile::read(path)?;
        recognise(&file)?;
        let Found { variant, grid, .. } = Found::of_file(&file, config)?;
        let config = &VitConfig {
            variant,
            ..config.clone()
        };
        check(&file, config, grid, head)?;
        config.validate()?;
        build(
            &Tensors {
                file: &file,
                grid: grid.unwrap_or([config.grid(); 2]),
                device,
            },
            config,
            head,
        )
    }
}

fn recognise(file: &WeightFile) -> Result<(), ImportError> {
    match file.shape(PATCH_EMBEDDING) {
        Some(_) => Ok(()),
        None => Err(ImportError::OtherModel {
            path: file.path().to_owned(),
            kind: "vision transformer in timm's names",
            expected: PATCH_EMBEDDING,
            found: file.names().take(3).collect(),
        }),
    }
}

/// Every tensor has its place and every parameter its tensor.
fn check(
    file: &WeightFile,
    config: &VitConfig,
    grid: Option<[usize; 2]>,
    head: HeadSource,
) -> Result<(), ImportError> {
    let path = || file.path().to_owned();
    let expected = Architecture::of_config(config);
    if let Some(found) = Architecture::of_file(file).filter(|found| *found != expected) {
        let (found, expected) = (found.to_string(), expected.to_string());
        return Err(ImportError::OtherArchitecture {
            path: path(),
            found,
            expected,
        });
    }

    let expected = expected_shapes(config, head);
    let (mut missing, mut misshaped) = (Vec::new(), Vec::new());
    for (name, expected) in &expected {
        match file.shape(name) {
            None => missing.push(name.clone()),
            Some(found) if found == expected => {}
            Some([1, _, width])
                if name == POSITIONS && grid.is_some() && *width == config.width => {}
            Some(found) => misshaped.push(Misshaped {
                name: name.clone(),
                found: found.to_vec(),
                expected: expected.clone(),
            }),
        }
    }
    let ignored = |name: &String| {
        let is_head = ["head.", "head_dist."]
            .iter()
            .any(|head| name.starts_with(head));
        head == HeadSource::Zeros && is_head
    };
    let unexpected: Vec<String> = file
        .names()
        .filter(|name| !expected.contains_key(name) && !ignored(name))
        .collect();
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

fn expected_shapes(config: &VitConfig, head: HeadSource) -> BTreeMap<String, Vec<usize>> {
    let (width, mlp_width, patch) = (config.width, config.mlp_width, config.patch_size);
    let mut shapes = BTreeMap::new();
    let variant = &config.variant;
    let mut expect = |name: String, shape: &[usize]| shapes.insert(name, shape.to_vec());
    if variant.class_token {
        expect(CLASS_TOKEN.to_owned(), &[1, 1, width]);
    }
    if variant.distillation_token {
        expect(DISTILLATION_TOKEN.to_owned(), &[1, 1, width]);
    }
    if variant.registers > 0 {
        expect(REGISTERS.to_owned(), &[1, variant.registers, width]);
    }
    expect(
        POSITIONS.to_owned(),
        &[1, config.embedded_positions(), width],
    );
    expect(
        PATCH_EMBEDDING.to_owned(),
        &[width, config.channels, patch, patch],
    );
    expect("patch_embed.proj.bias".to_owned(), &[width]);
    for block in 0..config.depth {
        let mut expect =
            |name: &str, shape: &[usize]| expect(format!("blocks.{block}.{name}"), shape);
        for norm in ["norm1", "norm2"] {
            expect(&format!("{norm}.weight"), &[width]);
            expect(&format!("{norm}.bias"), &[width]);
        }
        expect("attn.qkv.weight", &[3 * width, width]);
        if config.qkv_bias {
            expect("attn.qkv.bias", &[3 * width]);
        }
        expect("attn.proj.weight", &[width, width]);
        expect("attn.proj.bias", &[width]);
        if variant.qk_norm {
            for norm in ["attn.q_norm", "attn.k_norm"] {
                expect(&format!("{norm}.weight"), &[width / config.heads]);
                expect(&format!("{norm}.bias"), &[width / config.heads]);
            }
        }
        if variant.layer_scale {
            expect("ls1.gamma", &[width]);
            expect("ls2.gamma", &[width]);
        }
        expect("mlp.fc1.weight", &[mlp_width, width]);
        expect("mlp.fc1.bias", &[mlp_width]);
        expect("mlp.fc2.weight", &[width, mlp_width]);
        expect("mlp.fc2.bias", &[width]);
    }
    expect(format!("{}.weight", norm_name(config)), &[width]);
    expect(format!("{}.bias", norm_name(config)), &[width]);
    if head == HeadSource::File {
        for head in heads(config) {
            expect(format!("{head}.weight"), &[config.classes, width]);
            expect(format!("{head}.bias"), &[config.classes]);
        }
    }
    shapes
}

/// The normalisation behind the blocks.
pub(in crate::vision::vit) fn norm_name(config: &VitConfig) -> &'static str {
    match config.variant.pooling {
        VitPooling::NormOfMean => NORM_OF_MEAN,
        VitPooling::Token | VitPooling::MeanOfNorm => "norm",
    }
}

/// One head for each token that is read.
pub(in crate::vision::vit) fn heads(config: &VitConfig) -> &'static [&'static str] {
    match config.variant.distillation_token {
        true => &["head", "head_dist"],
        false => &["head"],
    }
}

fn build(
    tensors: &Tensors<'_>,
    config: &VitConfig,
    head: HeadSource,
) -> Result<VisionTransformer, ImportError> {
    let (width, classes, variant) = (config.width, config.classes, &config.variant);
    let token = |is_there: bool, name: &str, count: usize| match is_there {
        true => tensors.parameter(name, [1, count, width]).map(Some),
        false => Ok(None),
    };
    let epsilon = config.norm_epsilon;
    let patch_values = config.patch_values();
    let blocks = (0..config.depth).map(|index| {
        let name = |part: &str| format!("blocks.{index}.{part}");
        let head_norm = |part: &str| match variant.qk_norm {
            true => tensors
                .norm(&name(part), width / config.heads, epsilon)
                .map(Some),
            false => Ok(None),
        };
        let scale = |part: &str| match variant.layer_scale {
            true => tensors.parameter(&name(part), [width]).map(Some),
            false => Ok(None),
        };
        Ok(Block {
            norm1: tensors.norm(&name("norm1"), width, epsilon)?,
            attention: Attention::new(
                tensors.split_qkv(&name("attn.qkv"), config)?,
                tensors.linear(&name("attn.proj"), width, width)?,
                [head_norm("attn.q_norm")?, head_norm("attn.k_norm")?],
                config.heads,
            ),
            norm2: tensors.norm(&name("norm2"), width, epsilon)?,
            mlp: Mlp {
                fc1: tensors.linear(&name("mlp.fc1"), width, config.mlp_width)?,
                fc2: tensors.linear(&name("mlp.fc2"), config.mlp_width, width)?,
            },
            attention_scale: scale("ls1.gamma")?,
            mlp_scale: scale("ls2.gamma")?,
        })
    });
    Ok(VisionTransformer {
        // The convolution [width, channels, patch, patch] is a linear layer over a flat patch.
        patch_embedding: PatchEmbedding::new(
            tensors.linear("patch_embed.proj", patch_values, width)?,
            config.patch_size,
        ),
        class_token: token(variant.class_token, CLASS_TOKEN, 1)?,
        distillation_token: token(variant.distillation_token, DISTILLATION_TOKEN, 1)?,
        register_tokens: token(variant.registers > 0, REGISTERS, variant.registers)?,
        position_embedding: tensors.positions(config)?,
        blocks: blocks.collect::<Result<_, ImportError>>()?,
        norm: tensors.norm(norm_name(config), width, epsilon)?,
        head: match head {
            HeadSource::File => tensors.head(config)?,
            HeadSource::Zeros => Linear {
                weight: Param::from_tensor(Tensor::zeros(
                    [config.features(), classes],
                    tensors.device,
                )),
                bias: Some(Param::from_tensor(Tensor::zeros([classes], tensors.device))),
            },
        },
        config: config.clone(),
    })
}

/// Parameters out of a checked file.
struct Tensors<'f> {
    file: &'f WeightFile,
    /// Of the file's position embeddings.
    grid: [usize; 2],
    device: &'f Device,
}

impl Tensors<'_> {
    fn on_device<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Param<Tensor<D>> {
        Param::from_data(TensorData::new(values, Shape::from(shape)), self.device)
    }

    fn parameter<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
    ) -> Result<Param<Tensor<D>>, ImportError> {
        Ok(self.on_device(self.file.values(name)?, shape))
    }

    fn norm(&self, name: &str, width: usize, epsilon: f64) -> Result<LayerNorm, ImportError> {
        let weight = self.parameter(&format!("{name}.weight"), [width])?;
        let bias = self.parameter(&format!("{name}.bias"), [width])?;
        Ok(LayerNorm::new(weight, bias, epsilon))
    }

    fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Result<Linear, ImportError> {
        let values = self.file.transposed(&format!("{name}.weight"), inputs)?;
        Ok(Linear {
            weight: self.on_device(values, [inputs, outputs]),
            bias: Some(self.parameter(&format!("{name}.bias"), [outputs])?),
        })
    }

    /// The rows of `qkv` are those of q, then k, then v.
    fn split_qkv(&self, name: &str, config: &VitConfig) -> Result<[Linear; 3], ImportError> {
        let width = config.width;
        let weight = self.file.values(&format!("{name}.weight"))?;
        let bias = match config.qkv_bias {
            true => Some(self.file.values(&format!("{name}.bias"))?),
            false => None,
        };
        Ok([0, 1, 2].map(|part| Linear {
            weight: self.on_device(
                transposed(&weight[part * width * width..][..width * width], width),
                [width, width],
            ),
            bias: bias
                .as_ref()
                .map(|bias| self.on_device(bias[part * width..][..width].to_vec(), [width])),
        }))
    }

    fn positions(&self, config: &VitConfig) -> Result<Param<Tensor<3>>, ImportError> {
        let values = self.file.values(POSITIONS)?;
        let leading = config.embedded_positions() - config.patches();
        let to = [config.grid(); 2];
        let values = resample_positions(&values, config.width, leading, self.grid, to);
        Ok(self.on_device(values, [1, config.embedded_positions(), config.width]))
    }

    /// Of several heads the mean, as one of their features one behind the other: timm's answer.
    fn head(&self, config: &VitConfig) -> Result<Linear, ImportError> {
        let (heads, classes) = (heads(config), config.classes);
        let [mut weights, mut sum] = [Vec::new(), vec![0.0; classes]];
        let share = 1.0 / heads.len() as f32;
        for head in heads {
            let weight = self
                .file
                .transposed(&format!("{head}.weight"), config.width)?;
            weights.extend(weight.into_iter().map(|weight| weight * share));
            let bias = self.file.values(&format!("{head}.bias"))?;
            sum.iter_mut()
                .zip(bias)
                .for_each(|(sum, bias)| *sum += bias * share);
        }
        Ok(Linear {
            weight: self.on_device(weights, [config.features(), classes]),
            bias: Some(self.on_device(sum, [classes])),
        })
    }
}
