//! The process-wide switch between fused kernels and plain burn operations.

use std::sync::atomic::{AtomicBool, Ordering};

static FUSED: AtomicBool = AtomicBool::new(true);

/// Whether operations run as fused kernels where the backend has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fused {
    /// Every operation is composed of plain burn operations.
    Off,
    /// Operations run as fused kernels on the CPU backend (the default, with the feature `fused`).
    On,
}

/// Sets the switch for the whole process. A graph recorded before keeps the backward it was recorded with.
pub fn set_fused(fused: Fused) {
    FUSED.store(fused == Fused::On, Ordering::Relaxed);
}

/// What operations called now will do.
pub fn fused() -> Fused {
    if cfg!(feature = "fused") && FUSED.load(Ordering::Relaxed) {
        Fused::On
    } else {
        Fused::Off
    }
}
