//! Weights of a folder that are not read.

use std::{fs, path::Path};

use crate::FileKind;

/// Endings of files with weights, in any case.
const ENDINGS: [&str; 11] = [
    "bin",
    "pt",
    "pth",
    "ckpt",
    "gguf",
    "h5",
    "msgpack",
    "npz",
    "onnx",
    "safetensors",
    "zip",
];

/// What training leaves beside weights.
const OTHERS: [&str; 5] = [
    "training_args",
    "optimizer",
    "scheduler",
    "rng_state",
    "scaler",
];

/// Files shown, at most.
const SHOWN: usize = 4;

/// What a folder without `expected` has in its place, as the rest of a sentence, and how it becomes that; `None` where
/// there is `expected`, or no other file with weights either.
///
/// ```
/// use treelora_tensor_file::other_weights;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path();
/// std::fs::write(folder.join("adapter_model.bin"), b"PK\x03\x04").unwrap();
/// let found = other_weights(folder, "adapter_model.safetensors").unwrap();
/// assert!(found.starts_with("it has adapter_model.bin: "));
///
/// std::fs::write(folder.join("adapter_model.safetensors"), b"").unwrap();
/// assert_eq!(other_weights(folder, "adapter_model.safetensors"), None);
/// ```
pub fn other_weights(folder: &Path, expected: &str) -> Option<String> {
    if folder.join(expected).exists() {
        return None;
    }
    let mut names: Vec<String> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_weights(name))
        .collect();
    names.sort();
    names.first()?;
    let kinds = names
        .iter()
        .filter_map(|name| FileKind::at(&folder.join(name)).ok().flatten());
    // What has to be converted, rather than what has to be renamed.
    let advice = match kinds
        .into_iter()
        .find(|kind| *kind != FileKind::Safetensors)
    {
        Some(kind) => kind.to_string(),
        None => format!("`{expected}` is the name that is looked for"),
    };
    let more = match names.len() {
        count if count > SHOWN => format!(" and {} more", count - SHOWN),
        _ => String::new(),
    };
    let names = names[..names.len().min(SHOWN)].join(", ");
    Some(format!("it has {names}{more}: {advice}"))
}

fn is_weights(name: &str) -> bool {
    let name = name.to_lowercase();
    let Some((stem, ending)) = name.rsplit_once('.') else {
        return false;
    };
    ENDINGS.contains(&ending) && !OTHERS.iter().any(|other| stem.starts_with(other))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_named_with_what_they_are_and_the_rest_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let found = || other_weights(folder, "model.safetensors");
        assert_eq!(
            other_weights(&folder.join("nowhere"), "model.safetensors"),
            None
        );
        for name in ["config.json", "training_args.bin", "optimizer.pt", "readme"] {
            fs::write(folder.join(name), "{}").unwrap();
        }
        assert_eq!(found(), None);
        fs::write(
            folder.join("model.fp16.safetensors"),
            b"\x02\0\0\0\0\0\0\0{}",
        )
        .unwrap();
        assert!(found().unwrap().contains("`model.safetensors` is the name"));
        for shard in 1..=5 {
            fs::write(
                folder.join(format!("model-{shard}.BIN")),
                b"\x80\x02\x8a\x0a",
            )
            .unwrap();
        }
        let found = found().unwrap();
        for part in ["model-1.BIN", "and 2 more", "pickle", "torch.load"] {
            assert!(found.contains(part), "{part}: {found}");
        }
    }
}
