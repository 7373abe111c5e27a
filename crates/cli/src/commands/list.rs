//! `treelora list`: what this binary can do.

use anyhow::Result;
use treelora_experiment::catalogue;

use crate::device;

/// Print methods, data sets, presets and the default device.
pub(crate) fn run() -> Result<()> {
    for section in catalogue() {
        println!("{}", section.title);
        for (name, meaning) in section.entries {
            println!("  {name:<18} {meaning}");
        }
        println!();
    }
    match device::choose(None) {
        Ok(device) => println!("default device\n  {device:?}"),
        Err(error) => println!("default device\n  none: {error}"),
    }
    Ok(())
}
