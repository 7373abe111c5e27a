//! `treelora list`: what this binary can do.

use anyhow::Result;
use treelora_experiment::{catalogue, method_page};

use crate::{arguments::ListArguments, device};

/// Print methods, data sets, presets and the default device; of one method its settings.
pub(crate) fn run(arguments: &ListArguments) -> Result<()> {
    if let Some(method) = &arguments.method {
        print!("{}", method_page(method)?);
        return Ok(());
    }
    for section in catalogue() {
        println!("{}", section.title);
        for (name, meaning) in section.entries {
            println!("  {name:<20} {meaning}");
        }
        println!();
    }
    println!("devices of this binary (--device; another is compiled in by its feature)");
    println!("  {}\n", device::compiled_in().join(", "));
    match device::choose(None) {
        Ok(device) => println!("default device\n  {device:?}"),
        Err(error) => println!("default device\n  none: {error}"),
    }
    Ok(())
}
