//! One format under libFuzzer: `cargo xtask fuzz` says which in `FORMAT`, and in `SEEDS` where its valid files go.
#![no_main]

use std::{fs, panic, path::Path, sync::LazyLock};

use treelora_fuzz::{FORMATS, Format};

static FORMAT: LazyLock<&Format> = LazyLock::new(|| {
    let name = std::env::var("FORMAT").expect("FORMAT names a format");
    let format = FORMATS.into_iter().find(|format| format.name == name);
    format.unwrap_or_else(|| panic!("no format `{name}`"))
});

libfuzzer_sys::fuzz_target!(init: write_seeds(), |bytes: &[u8]| {
    let _ = FORMAT.check(bytes);
});

/// libFuzzer reads its corpus after this.
fn write_seeds() {
    // The hook so far ends the process, also for a panic of a library that is caught and becomes an error. One that is
    // not caught still ends it.
    drop(panic::take_hook());
    let Some(folder) = std::env::var_os("SEEDS") else {
        return;
    };
    panic::set_hook(Box::new(|_| {}));
    for (index, seed) in (FORMAT.seeds)().iter().enumerate() {
        let path = Path::new(&folder).join(format!("seed-{index}"));
        fs::write(path, seed).expect("the folder of the seeds can be written");
    }
}
