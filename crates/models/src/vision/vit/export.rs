//! A folder that timm loads.

use std::path::Path;

use burn::{nn::Linear, tensor::Tensor};
use serde_json::{Value, json};
use treelora_core::{Error, write_json};

use super::{
    Attention, VisionTransformer, VitConfig, VitPooling,
    import::{heads, norm_name},
};
use crate::{
    export::{self, Stored},
    vision::LayerNorm,
};

/// The entry of timm's registry that the arguments in `config.json` refine; it fixes what they do not say, such as
/// the epsilon of the normalisations, 1e-6.
const ARCHITECTURE: &str = "vit_tiny_patch16_224";

/// The same of models with a distillation token.
const DISTILLED: &str = "deit_tiny_distilled_patch16_224";

impl VisionTransformer {
    /// Write `model.safetensors` in timm's names, with query, key and value fused, and `config.json` into a folder,
    /// which is created: `timm.create_model("local-dir:FOLDER", pretrained=True)` loads both,
    /// [`load`](Self::load) the weights. With adapters attached, the selected ones are folded into the weights.
    ///
    /// `mean` and `std` of the channels are recorded: what was taken out of the pixels that the model learned from.
    ///
    /// # Errors
    /// When writing fails; an earlier `model.safetensors` is then unchanged.
    pub fn save(&self, folder: &Path, mean: &[f32], std: &[f32]) -> Result<(), Error> {
        export::save(folder, self.stored())?;
        write_json(
            &folder.join("config.json"),
            &self.config.timm_fields(mean, std),
        )
    }

    /// All parameters under their names in a file.
    fn stored(&self) -> Vec<(String, Stored)> {
        let config = &self.config;
        let (width, patch) = (config.width, config.patch_size);
        let mut stored = Vec::new();
        let mut store = |name: String, values| stored.push((name, values));
        let tokens = [
            ("cls_token", &self.class_token),
            ("dist_token", &self.distillation_token),
            ("reg_token", &self.register_tokens),
        ];
        for (name, token) in tokens {
            if let Some(token) = token {
                store(name.to_owned(), plane(&token.val()));
            }
        }
        store(
            "pos_embed".to_owned(),
            plane(&self.position_embedding.val()),
        );
        let projection = &self.patch_embedding.projection;
        let kernel = [width, config.channels, patch, patch];
        store(
            "patch_embed.proj.weight".to_owned(),
            Stored::linear(projection).reshaped(&kernel),
        );
        store_bias("patch_embed.proj", projection, &mut store);
        store_norm(norm_name(config), &self.norm, &mut store);
        store_heads(config, &self.head, &mut store);
        for (index, block) in self.blocks.iter().enumerate() {
            let name = |part: &str| format!("blocks.{index}.{part}");
            store_norm(&name("norm1"), &block.norm1, &mut store);
            store_norm(&name("norm2"), &block.norm2, &mut store);
            store_qkv(&name("attn.qkv"), &block.attention, &mut store);
            store_linear(&name("attn.proj"), &block.attention.proj, &mut store);
            store_linear(&name("mlp.fc1"), &block.mlp.fc1, &mut store);
            store_linear(&name("mlp.fc2"), &block.mlp.fc2, &mut store);
            let (q_norm, k_norm) = (&block.attention.q_norm, &block.attention.k_norm);
            for (part, norm) in [("attn.q_norm", q_norm), ("attn.k_norm", k_norm)] {
                if let Some(norm) = norm {
                    store_norm(&name(part), norm, &mut store);
                }
            }
            let (attention, mlp) = (&block.attention_scale, &block.mlp_scale);
            for (part, scale) in [("ls1.gamma", attention), ("ls2.gamma", mlp)] {
                if let Some(scale) = scale {
                    store(name(part), Stored::vector(scale.val()));
                }
            }
        }
        stored
    }
}

/// Query, key and value as the one layer that timm has.
fn store_qkv(name: &str, attention: &Attention, store: &mut impl FnMut(String, Stored)) {
    let parts = [&attention.q, &attention.k, &attention.v];
    let weights = parts.map(|part| part.weight.val()).to_vec();
    let weight = Tensor::cat(weights, 1).transpose();
    store(format!("{name}.weight"), Stored::matrix(weight));
    let biases = parts.map(|part| part.bias.as_ref().map(|bias| bias.val()));
    if let Some(biases) = biases.into_iter().collect() {
        store(
            format!("{name}.bias"),
            Stored::vector(Tensor::cat(biases, 0)),
        );
    }
}

/// A head for each token that is read, of which timm takes the mean.
fn store_heads(config: &VitConfig, head: &Linear, store: &mut impl FnMut(String, Stored)) {
    let names = heads(config);
    if let [name] = names {
        return store_linear(name, head, store);
    }
    for (index, name) in names.iter().enumerate() {
        let rows = head
            .weight
            .val()
            .narrow(0, index * config.width, config.width);
        let weight = (rows * names.len() as f32).transpose();
        store(format!("{name}.weight"), Stored::matrix(weight));
        store_bias(name, head, store);
    }
}

fn store_linear(name: &str, layer: &Linear, store: &mut impl FnMut(String, Stored)) {
    store(format!("{name}.weight"), Stored::linear(layer));
    store_bias(name, layer, store);
}

fn store_bias(name: &str, layer: &Linear, store: &mut impl FnMut(String, Stored)) {
    if let Some(bias) = &layer.bias {
        store(format!("{name}.bias"), Stored::vector(bias.val()));
    }
}

fn store_norm(name: &str, norm: &LayerNorm, store: &mut impl FnMut(String, Stored)) {
    store(format!("{name}.weight"), Stored::vector(norm.weight.val()));
    store(format!("{name}.bias"), Stored::vector(norm.bias.val()));
}

/// `[1, positions, width]`.
fn plane(tensor: &Tensor<3>) -> Stored {
    Stored::matrix(tensor.clone().squeeze_dim(0)).reshaped(&tensor.dims())
}

impl VitConfig {
    /// The fields of timm's `config.json`.
    fn timm_fields(&self, mean: &[f32], std: &[f32]) -> Value {
        let mlp_ratio = self.mlp_width as f64 / self.width as f64;
        let mut fields = json!({
            "architecture": match self.variant.distillation_token {
                true => DISTILLED,
                false => ARCHITECTURE,
            },
            "num_classes": self.classes,
            "num_features": self.width,
            "global_pool": match self.variant.pooling {
                VitPooling::Token => "token",
                VitPooling::NormOfMean | VitPooling::MeanOfNorm => "avg",
            },
            "model_args": {
                "img_size": self.image_size,
                "patch_size": self.patch_size,
                "in_chans": self.channels,
                "embed_dim": self.width,
                "depth": self.depth,
                "num_heads": self.heads,
                "mlp_ratio": mlp_ratio,
                "qkv_bias": self.qkv_bias,
            },
            "pretrained_cfg": {
                "input_size": [self.channels, self.image_size, self.image_size],
                "fixed_input_size": true,
                "mean": mean,
                "std": std,
                "first_conv": "patch_embed.proj",
                "classifier": heads(self),
            },
        });
        if let [head] = heads(self) {
            fields["pretrained_cfg"]["classifier"] = json!(head);
        }
        let arguments = self.timm_variant();
        if let (Some(all), Value::Object(arguments)) =
            (fields["model_args"].as_object_mut(), arguments)
        {
            all.extend(arguments);
        }
        fields
    }

    /// Arguments of the model for what differs from the first vision transformer.
    fn timm_variant(&self) -> Value {
        let variant = &self.variant;
        let mut arguments = json!({});
        if !variant.class_token {
            arguments["class_token"] = json!(false);
        }
        if variant.registers > 0 {
            arguments["reg_tokens"] = json!(variant.registers);
        }
        if !variant.embeds_leading {
            arguments["no_embed_class"] = json!(true);
        }
        if variant.layer_scale {
            // Any number makes the factors, which the file then sets.
            arguments["init_values"] = json!(1e-5);
        }
        if variant.qk_norm {
            arguments["qk_norm"] = json!(true);
        }
        if variant.pooling != VitPooling::Token {
            arguments["global_pool"] = json!("avg");
            arguments["fc_norm"] = json!(variant.pooling == VitPooling::NormOfMean);
        }
        arguments
    }
}
