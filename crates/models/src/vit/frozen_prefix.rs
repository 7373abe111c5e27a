//! Activations before the first adapter, which never change and need computing only once.

use burn::{
    module::{Module, ModuleVisitor},
    tensor::Tensor,
};

use super::VisionTransformer;

impl VisionTransformer {
    /// The lowest block that carries an adapter, `None` when no block does.
    ///
    /// The activations entering it are the same for every setting of the adapters, so
    /// [`frozen_prefix`](Self::frozen_prefix) can compute them once. Adapters that are attached
    /// but deselected count.
    pub fn first_adapted_block(&self) -> Option<usize> {
        self.adapted_parts().first_block
    }

    /// The activations entering block `until_block`, for
    /// [`ImageInput::Hidden`](super::ImageInput::Hidden); detached from any graph.
    ///
    /// # Shapes
    /// `[batch, channels, image_size, image_size]` -> `[batch, positions, width]`; only the
    /// read-out, `[batch, Block::READ_OUT, width]`, when `until_block` is the depth.
    ///
    /// # Panics
    /// When an adapter sits before `until_block`, because the activations would go stale, or
    /// `until_block` is above the depth.
    pub fn frozen_prefix(&self, images: Tensor<4>, until_block: usize) -> Tensor<3> {
        self.assert_frozen_before(until_block);
        self.run_blocks(self.embed_images(images), 0, until_block)
            .detach()
    }

    pub(super) fn assert_frozen_before(&self, block: usize) {
        let adapted = self.adapted_parts();
        assert!(!adapted.embedding, "the patch embedding carries an adapter");
        if let Some(first) = adapted.first_block {
            assert!(
                block <= first,
                "activations entering block {block} depend on the adapter of block {first}"
            );
        }
    }

    fn adapted_parts(&self) -> AdaptedParts {
        let mut parts = AdaptedParts::default();
        self.visit(&mut parts);
        parts
    }
}

/// Where the model carries adapters; burn announces each as a container of its own.
#[derive(Default)]
struct AdaptedParts {
    path: Vec<String>,
    embedding: bool,
    first_block: Option<usize>,
}

impl ModuleVisitor for AdaptedParts {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        if container_type == "Reparameterization" {
            match self.path.as_slice() {
                [field, index, ..] if field == "blocks" => {
                    let block = index.parse().ok();
                    self.first_block = self.first_block.into_iter().chain(block).min();
                }
                [field, ..] if field == "patch_embedding" => self.embedding = true,
                _ => {}
            }
        }
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
}
