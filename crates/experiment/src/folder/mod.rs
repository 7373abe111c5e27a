//! A run on disk: where it comes from, its checkpoints and what it leaves for readers.

mod agreement;

pub(crate) mod base_loss_change;

pub(crate) mod checkpoint;

pub(crate) mod checksums;

mod classes;

pub(crate) mod manifest;

pub(crate) mod own_config;

pub(crate) mod provenance;

pub(crate) mod run_lock;

pub(crate) mod stage_progress;

pub(crate) mod summary;

pub(crate) mod trainable_state;
