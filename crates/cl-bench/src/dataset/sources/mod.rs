//! Data sets of labelled pictures, a file and a row each.

pub mod cifar;

pub mod idx;

pub mod image_folder;

pub mod procedural;

image_datasets! {
    "cifar-10" => Cifar10(cifar::Cifar10Files): "official binary layout",
    "cifar-100" => Cifar100(cifar::Cifar100Files): "official binary layout",
    "idx" => Idx(idx::IdxFiles): "MNIST, Fashion-MNIST, KMNIST: {train,t10k}-{images-idx3,labels-idx1}-ubyte",
    "image-folder" => ImageFolder(image_folder::ClassFolders): "ROOT/{train,test}/CLASS/*.jpg, png, webp, bmp, tiff, ppm",
    "image-domains" => ImageDomains(image_folder::DomainFolders): "ROOT/DOMAIN/{train,test}/CLASS/*.jpg, ...",
    "procedural" => Procedural(procedural::ProceduralConfig): "generated pictures, no files",
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::DatasetConfig;

    #[test]
    fn every_row_reads_back_by_its_name_and_refuses_other_keys() {
        for (name, _) in DatasetConfig::ALL {
            let text = format!("name = \"{name}\"\n");
            let config: DatasetConfig = toml::from_str(&text).unwrap();
            let written = toml::to_string(&config).unwrap();
            assert!(written.starts_with(&text), "{written}");
            assert_eq!(toml::from_str::<DatasetConfig>(&written).unwrap(), config);
            let error = toml::from_str::<DatasetConfig>(&format!("{text}pathh = 1")).unwrap_err();
            assert!(error.to_string().contains("pathh"), "{error}");
            if !written.contains("seed") {
                let error = config.open().unwrap_err().to_string();
                assert!(error.contains("`path`"), "{name}: {error}");
            }
        }
    }
}
