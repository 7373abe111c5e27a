//! Writes decoders as Hugging Face's tools load them: `save_decoder IN OUT` loads every folder of IN that holds a decoder
//! and saves it in a folder of the same name in OUT (`xtask/golden/decoder.py` compares what transformers makes of both).

use std::{error::Error, fs, path::PathBuf};

use burn::tensor::Device;
use treelora_models::decoder::Decoder;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(from), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err("save_decoder IN OUT".into());
    };
    for entry in fs::read_dir(from)? {
        let folder = entry?.path();
        if !folder.join("config.json").is_file() {
            continue;
        }
        let model = Decoder::load(&folder, &Device::default())?;
        model.save(&to.join(folder.file_name().unwrap_or_default()))?;
    }
    Ok(())
}
