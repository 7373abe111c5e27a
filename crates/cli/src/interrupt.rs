//! Ctrl-C.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result};

/// What a shell reports of a program that Ctrl-C ended.
pub(crate) const EXIT_CODE: u8 = 130;

/// Becomes true at the first Ctrl-C (or SIGTERM) from now on; the second ends the process at once.
pub(crate) fn stop_flag() -> Result<Arc<AtomicBool>> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if let Some(flag) = FLAG.get() {
        return Ok(Arc::clone(flag));
    }
    let flag = Arc::clone(FLAG.get_or_init(Arc::default));
    let seen = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(EXIT_CODE));
        }
        eprintln!("\nstopping after this step, with a checkpoint; once more to stop at once");
    })
    .context("no handler for Ctrl-C")?;
    Ok(flag)
}
