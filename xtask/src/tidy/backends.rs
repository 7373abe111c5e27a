//! No source file names a backend: Cargo features and a runtime argument choose it.

use std::path::Path;

use anyhow::Result;

use super::{
    Problem,
    source::{without_comments_and_literals, without_test_modules, words},
};
use crate::workspace::Workspace;

const BACKENDS: [&str; 5] = ["flex", "wgpu", "cuda", "vulkan", "metal"];

/// A number format that only sounds like one.
const NUMBER_FORMAT: &str = "Flex32";

pub(crate) fn check(workspace: &Workspace) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for path in workspace
        .files_with("rs")
        .filter(|path| must_not_name(path))
    {
        for (line, word) in named(&workspace.text(path)?) {
            problems.push(format!(
                "{}:{line} names the backend `{word}`",
                path.display()
            ));
        }
    }
    Ok(problems)
}

/// Sources of the crates, except kernels, whose purpose is one backend.
fn must_not_name(path: &Path) -> bool {
    let parts: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
    matches!(parts.as_slice(), ["crates", name, "src", ..] if *name != "kernels")
}

/// Line and identifier of each backend that code outside tests names: `flex`, `Flex`, `FlexDevice`.
fn named(source: &str) -> Vec<(usize, String)> {
    let code = without_test_modules(&without_comments_and_literals(source));
    let is_backend = |word: &str| {
        let parts = word.split('_').map(str::to_lowercase);
        let camel = |backend: &&str| {
            let mut chars = backend.chars();
            let title: String = chars
                .next()
                .iter()
                .flat_map(|c| c.to_uppercase())
                .chain(chars)
                .collect();
            word.starts_with(&title)
                && !word[title.len()..].starts_with(|c: char| c.is_ascii_lowercase())
        };
        parts
            .into_iter()
            .any(|part| BACKENDS.contains(&part.as_str()))
            || BACKENDS.iter().any(camel)
    };
    words(&code)
        .filter(|(_, word)| is_backend(word) && *word != NUMBER_FORMAT)
        .map(|(line, word)| (line, word.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_count_in_every_spelling() {
        let source = "use burn::backend::Flex;\nlet d = Device::wgpu(x);\nCudaDevice; metal_kernel(); VULKAN";
        let found: Vec<String> = named(source).into_iter().map(|(_, word)| word).collect();
        assert_eq!(
            found,
            ["Flex", "wgpu", "CudaDevice", "metal_kernel", "VULKAN"]
        );
    }

    #[test]
    fn docs_features_tests_and_other_words_do_not() {
        let source = "//! Device::flex()\n#[cfg(feature = \"wgpu\")]\nlet flexible = Flexible; DType::Flex32;\n\
            #[cfg(test)]\nmod tests { fn a() { Device::flex(); } }";
        assert_eq!(named(source), []);
    }

    #[test]
    fn kernels_tests_and_benches_are_exempt() {
        assert!(must_not_name(Path::new("crates/models/src/vit/block.rs")));
        for path in [
            "crates/kernels/src/gelu.rs",
            "crates/models/tests/laws.rs",
            "benches/src/lib.rs",
        ] {
            assert!(!must_not_name(Path::new(path)), "{path}");
        }
    }
}
