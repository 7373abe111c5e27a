//! Methods by their names in files, and what answers in the place of their heads.

pub(crate) mod classifier_config;

pub(crate) mod frozen;

pub(crate) mod method_config;

pub(crate) mod rows;
