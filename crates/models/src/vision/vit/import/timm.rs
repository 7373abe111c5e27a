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
};
use crate::import::{WeightFile, transposed};
use crate::vision::{
    LayerNorm, Mlp, PatchEmbedding,
    vit::{Attention, Block, VisionTransformer, VitConfig},
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

const POSITIONS: &str = "pos_embed";

impl VisionTransformer {
    /// A model with the weights of `path`, a safetensors file with timm's names.
    ///
    /// Position embeddings are interpolated when the file's grid of patches is another than the
    /// configuration's. Tensors may be F32, F16 or BF16; the model is `f32`.
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
        check(&file, config, head)?;
        build(
            &Tensors {
                file: &file,
                device,
            },
            config,
            head,
        )
    }
}

/// Every tensor has its place and every parameter its tensor.
fn check(file: &WeightFile, config: &VitConfig, head: HeadSource) -> Result<(), ImportError> {
    let path = || file.path().to_owned();
    if file.shape(PATCH_EMBEDDING).is_none() {
        let found = file.names().take(3).collect();
        return Err(ImportError::OtherModel {
            path: path(),
            kind: "vision transformer in timm's names",
            expected: PATCH_EMBEDDING,
            found,
        });
    }
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
            Some(found) if name == POSITIONS && square_grid(found, config.width).is_some() => {}
            Some(found) => misshaped.push(Misshaped {
                name: name.clone(),
                found: found.to_vec(),
                expected: expected.clone(),
            }),
        }
    }
    let ignored = |name: &String| head == HeadSource::Zeros && name.starts_with("head.");
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
    let mut expect = |name: String, shape: &[usize]| shapes.insert(name, shape.to_vec());
    expect("cls_token".to_owned(), &[1, 1, width]);
    expect(POSITIONS.to_owned(), &[1, config.positions(), width]);
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
        expect("mlp.fc1.weight", &[mlp_width, width]);
        expect("mlp.fc1.bias", &[mlp_width]);
        expect("mlp.fc2.weight", &[width, mlp_width]);
        expect("mlp.fc2.bias", &[width]);
    }
    expect("norm.weight".to_owned(), &[width]);
    expect("norm.bias".to_owned(), &[width]);
    if head == HeadSource::File {
        expect("head.weight".to_owned(), &[config.classes, width]);
        expect("head.bias".to_owned(), &[config.classes]);
    }
    shapes
}

/// Side of the square grid behind position embeddings `[1, 1 + side * side, width]`.
fn square_grid(shape: &[usize], width: usize) -> Option<usize> {
    match *shape {
        [1, positions, features] if features == width && positions > 1 => {
            let side = (positions - 1).isqrt();
            (side * side == positions - 1).then_some(side)
        }
        _ => None,
    }
}

fn build(
    tensors: &Tensors<'_>,
    config: &VitConfig,
    head: HeadSource,
) -> Result<VisionTransformer, ImportError> {
    let (width, classes) = (config.width, config.classes);
    let epsilon = config.norm_epsilon;
    let patch_values = config.patch_values();
    let blocks = (0..config.depth).map(|index| {
        let name = |part: &str| format!("blocks.{index}.{part}");
        Ok(Block {
            norm1: tensors.norm(&name("norm1"), width, epsilon)?,
            attention: Attention::new(
                tensors.split_qkv(&name("attn.qkv"), config)?,
                tensors.linear(&name("attn.proj"), width, width)?,
                config.heads,
            ),
            norm2: tensors.norm(&name("norm2"), width, epsilon)?,
            mlp: Mlp {
                fc1: tensors.linear(&name("mlp.fc1"), width, config.mlp_width)?,
                fc2: tensors.linear(&name("mlp.fc2"), config.mlp_width, width)?,
            },
        })
    });
    Ok(VisionTransformer {
        // The convolution [width, channels, patch, patch] is a linear layer over a flat patch.
        patch_embedding: PatchEmbedding::new(
            tensors.linear("patch_embed.proj", patch_values, width)?,
            config.patch_size,
        ),
        class_token: tensors.parameter("cls_token", [1, 1, width])?,
        position_embedding: tensors.positions(config)?,
        blocks: blocks.collect::<Result<_, ImportError>>()?,
        norm: tensors.norm("norm", width, epsilon)?,
        head: match head {
            HeadSource::File => tensors.linear("head", width, classes)?,
            HeadSource::Zeros => Linear {
                weight: Param::from_tensor(Tensor::zeros([width, classes], tensors.device)),
                bias: Some(Param::from_tensor(Tensor::zeros([classes], tensors.device))),
            },
        },
        config: config.clone(),
    })
}

/// Parameters out of a checked file.
struct Tensors<'f> {
    file: &'f WeightFile,
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
        let grid = self
            .file
            .shape(POSITIONS)
            .and_then(|shape| square_grid(shape, config.width))
            .unwrap_or(config.grid());
        let values = resample_positions(&values, config.width, grid, config.grid());
        Ok(self.on_device(values, [1, config.positions(), config.width]))
    }
}
