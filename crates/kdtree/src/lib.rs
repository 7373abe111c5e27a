//! The hierarchical gradient-similarity tree over task signatures.
