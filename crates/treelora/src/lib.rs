//! TreeLoRA: continual learning with layer-wise low-rank adapters guided by a gradient-similarity tree.
