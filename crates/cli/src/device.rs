//! The device that the user asks for.

use anyhow::{Result, bail};
use burn::tensor::Device;

/// The devices that this binary was built for, by their names.
pub(crate) fn compiled_in() -> Vec<&'static str> {
    let all = [
        ("flex", cfg!(feature = "flex")),
        ("wgpu", cfg!(feature = "wgpu")),
        ("vulkan", cfg!(feature = "vulkan")),
        ("metal", cfg!(feature = "metal")),
        ("cuda", cfg!(feature = "cuda")),
    ];
    let there = all.into_iter().filter(|(_, there)| *there);
    there.map(|(name, _)| name).collect()
}

/// The device called `name`, or the best one compiled in.
pub(crate) fn choose(name: Option<&str>) -> Result<Device> {
    if let Some(name) = name {
        // SAFETY: called at the start of a command, before this process has started a second
        // thread or read its environment elsewhere.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var("BURN_DEVICE", name);
        }
    }
    // burn reports a name it does not know, or that is not compiled in, by a panic.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let device = std::panic::catch_unwind(Device::default);
    std::panic::set_hook(hook);
    match device {
        Ok(device) => Ok(device),
        Err(panic) => {
            let reason = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("the device cannot be opened");
            bail!(
                "--device {}: {reason} Rebuild with `--features {}` to compile it in.",
                name.unwrap_or("(default)"),
                name.unwrap_or("flex")
            )
        }
    }
}
