//! Data sets on disk: the layouts, and files that are wrong.

use std::{fs, path::Path};

use image::{ExtendedColorType, ImageFormat};
use tempfile::TempDir;
use treelora_cl_bench::dataset::{
    Cifar, CifarVariant, DatasetConfig, DatasetError, ENDINGS, ImageFolder, Picture,
};
use treelora_core::Error;

/// Records whose red, green and blue planes begin with 1, 2, 3 more than the record's number.
fn records(labels: &[&[u8]]) -> Vec<u8> {
    let record = |(number, labels): (usize, &&[u8])| {
        let mut bytes = labels.to_vec();
        for channel in 0..3 {
            let mut plane = vec![0; 1024];
            plane[0] = (number + channel + 1) as u8;
            plane[33] = 200 + channel as u8; // row 1, column 1
            bytes.extend(plane);
        }
        bytes
    };
    labels.iter().enumerate().flat_map(record).collect()
}

fn cifar_100(train: &[&[u8]], test: &[&[u8]]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("train.bin"), records(train)).unwrap();
    fs::write(folder.path().join("test.bin"), records(test)).unwrap();
    folder
}

#[test]
fn cifar_100_is_read_by_its_fine_labels_and_planes() {
    let folder = cifar_100(&[&[3, 42], &[19, 99]], &[&[0, 0]]);
    let splits = Cifar::open(CifarVariant::Hundred, folder.path()).unwrap();
    assert_eq!((splits.train.len(), splits.test.len()), (2, 1));
    assert_eq!((splits.train.class(0), splits.train.class(1)), (42, 99));
    assert_eq!(splits.train.class_names()[42], "class 42");
    let picture = splits.train.picture(1).unwrap();
    assert_eq!((picture.width(), picture.height()), (32, 32));
    assert_eq!(picture.pixel(0, 0), [2, 3, 4]);
    assert_eq!(picture.pixel(1, 1), [200, 201, 202]);
    assert_eq!(picture.pixel(1, 0), [0, 0, 0]);
}

#[test]
fn cifar_10_joins_its_batches_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, labels: &[&[u8]]| {
        fs::write(folder.path().join(name), records(labels)).unwrap();
    };
    write("data_batch_2.bin", &[&[7]]);
    write("data_batch_1.bin", &[&[1], &[2]]);
    write("test_batch.bin", &[&[9]]);
    let names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
    fs::write(folder.path().join("batches.meta.txt"), names).unwrap();
    let splits = Cifar::open(CifarVariant::Ten, folder.path()).unwrap();
    let classes: Vec<usize> = (0..3).map(|index| splits.train.class(index)).collect();
    assert_eq!(classes, [1, 2, 7]);
    assert_eq!(splits.test.class_names()[9], "truck");
    assert_eq!(splits.train.picture(2).unwrap().pixel(0, 0), [1, 2, 3]);
}

#[test]
fn a_truncated_cifar_file_names_record_byte_and_sizes() {
    let folder = cifar_100(&[&[3, 42], &[19, 99]], &[&[0, 0]]);
    let path = folder.path().join("train.bin");
    for (kept, record, offset) in [(6000, 1, 3074), (3073, 0, 0), (0, 0, 0)] {
        fs::write(&path, &records(&[&[3, 42], &[19, 99]])[..kept]).unwrap();
        let error = Cifar::open(CifarVariant::Hundred, folder.path()).unwrap_err();
        assert!(
            matches!(
                error,
                DatasetError::Truncated { bytes, record_bytes: 3074, record: r, offset: o, .. }
                    if (bytes, r, o) == (kept as u64, record, offset)
            ),
            "{error}"
        );
        assert_eq!(error.path(), Some(path.as_path()));
    }
    let message = Error::from(Cifar::open(CifarVariant::Hundred, folder.path()).unwrap_err());
    assert!(
        message.to_string().contains("train.bin: 0 bytes"),
        "{message}"
    );
}

#[test]
fn a_label_outside_its_range_names_record_byte_and_range() {
    for (labels, kind, label, classes, offset) in [
        ([3, 100], "fine", 100, 100, 3075),
        ([20, 5], "coarse", 20, 20, 3074),
    ] {
        let folder = cifar_100(&[&[0, 0]], &[&[0, 0], &labels]);
        let error = Cifar::open(CifarVariant::Hundred, folder.path()).unwrap_err();
        assert!(
            matches!(
                &error,
                DatasetError::Label { path, record: 1, offset: o, kind: k, label: l, classes: c }
                    if (*o, *k, *l, *c) == (offset, kind, label, classes)
                        && path.ends_with("test.bin")
            ),
            "{error}"
        );
    }
}

#[test]
fn missing_cifar_files_and_wrong_names_are_errors() {
    let folder = cifar_100(&[&[0, 0]], &[&[0, 0]]);
    fs::write(folder.path().join("fine_label_names.txt"), "apple\n").unwrap();
    let error = Cifar::open(CifarVariant::Hundred, folder.path()).unwrap_err();
    assert!(matches!(
        error,
        DatasetError::ClassNames {
            found: 1,
            expected: 100,
            ..
        }
    ));
    fs::remove_file(folder.path().join("fine_label_names.txt")).unwrap();
    fs::remove_file(folder.path().join("test.bin")).unwrap();
    let error = Cifar::open(CifarVariant::Hundred, folder.path()).unwrap_err();
    assert!(matches!(error, DatasetError::Io { .. }) && error.to_string().contains("test.bin"));
    let error = Cifar::open(CifarVariant::Ten, folder.path()).unwrap_err();
    assert!(matches!(error, DatasetError::Empty { .. }), "{error}");
}

/// Write an image of one colour.
fn image(path: &Path, colour: [u8; 3]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let bytes = colour.repeat(6);
    let format = ImageFormat::from_path(path).unwrap();
    image::save_buffer_with_format(path, &bytes, 3, 2, ExtendedColorType::Rgb8, format).unwrap();
}

/// Two classes in `train` and `test` below `root`.
fn two_classes(root: &Path) {
    image(&root.join("train/cat/b.png"), [10, 20, 30]);
    image(&root.join("train/cat/a.PNG"), [1, 2, 3]);
    image(&root.join("train/ant/z.jpg"), [100, 100, 100]);
    image(&root.join("test/cat/c.jpeg"), [50, 50, 50]);
    image(&root.join("test/ant/c.png"), [7, 7, 7]);
    fs::write(root.join("train/cat/notes.txt"), "no image").unwrap();
    fs::write(root.join("train/cat/.hidden.png"), "no image").unwrap();
}

#[test]
fn image_folders_are_sorted_by_class_and_file() {
    let folder = tempfile::tempdir().unwrap();
    two_classes(folder.path());
    let splits = ImageFolder::open(folder.path()).unwrap();
    assert_eq!(splits.train.class_names(), ["ant", "cat"]);
    let classes: Vec<usize> = (0..splits.train.len())
        .map(|i| splits.train.class(i))
        .collect();
    assert_eq!(classes, [0, 1, 1]);
    assert_eq!(splits.train.picture(1).unwrap().pixel(2, 1), [1, 2, 3]);
    assert_eq!(splits.train.picture(2).unwrap().pixel(0, 0), [10, 20, 30]);
    let jpeg = splits.test.picture(1).unwrap();
    assert_eq!((jpeg.width(), jpeg.height()), (3, 2));
    assert!(jpeg.pixel(0, 0)[0].abs_diff(50) <= 2);
}

#[test]
fn domains_share_their_classes() {
    let root = tempfile::tempdir().unwrap();
    two_classes(&root.path().join("real"));
    image(&root.path().join("clipart/train/bee/a.png"), [5, 5, 5]);
    image(&root.path().join("clipart/test/bee/a.png"), [6, 6, 6]);
    let splits = ImageFolder::open_domains(root.path()).unwrap();
    assert_eq!(splits.train.class_names(), ["ant", "bee", "cat"]);
    assert_eq!(splits.train.domain_names(), ["clipart", "real"]);
    assert_eq!((splits.train.class(0), splits.train.domain(0)), (1, 0));
    assert_eq!((splits.train.class(3), splits.train.domain(3)), (2, 1));
}

#[test]
fn incomplete_image_folders_name_the_folder() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let fails = |role: &str| {
        let error = ImageFolder::open(root).unwrap_err();
        assert!(error.to_string().contains(role), "{error}");
        error
    };
    assert!(matches!(fails("train"), DatasetError::MissingFolder { .. }));
    two_classes(root);

    fs::create_dir(root.join("train/dog")).unwrap();
    assert!(matches!(
        fails("train/dog: no image"),
        DatasetError::NoImage { left_out: None, .. }
    ));
    fs::write(root.join("train/dog/readme.md"), "nothing here").unwrap();
    assert!(matches!(
        fails("train/dog: no image; left out 1 of other endings"),
        DatasetError::NoImage { .. }
    ));
    fs::remove_dir_all(root.join("train/dog")).unwrap();

    image(&root.join("test/eel/a.png"), [0, 0, 0]);
    assert!(matches!(fails("`eel`"), DatasetError::UnknownClass { .. }));
    fs::remove_dir_all(root.join("test")).unwrap();
    assert!(matches!(fails("test"), DatasetError::MissingFolder { .. }));
    fs::create_dir(root.join("test")).unwrap();
    assert!(matches!(
        fails("no folder of a class"),
        DatasetError::Empty { .. }
    ));
}

#[test]
fn an_image_that_does_not_decode_names_its_file() {
    let folder = tempfile::tempdir().unwrap();
    two_classes(folder.path());
    let path = folder.path().join("train/cat/a.PNG");
    let whole = fs::read(&path).unwrap();
    let check = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let splits = ImageFolder::open(folder.path()).unwrap();
        let error = splits.train.picture(1).unwrap_err();
        assert!(matches!(error, DatasetError::Image { .. }), "{error}");
        assert!(error.to_string().contains("a.PNG"), "{error}");
        error.to_string()
    };
    check(b"");
    check(b"not an image");
    check(&whole[..whole.len() / 2]);
}

#[test]
fn a_small_file_that_declares_a_huge_image_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.png");
    // A header of 100,000 x 100,000 pixels with a right checksum, and hardly any data.
    let mut header = b"IHDR".to_vec();
    header.extend(100_000_u32.to_be_bytes());
    header.extend(100_000_u32.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    bytes.extend(&header);
    bytes.extend(crc(&header).to_be_bytes());
    bytes.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
    fs::write(&path, bytes).unwrap();
    let message = Picture::open(&path).unwrap_err().to_string();
    assert!(
        message.contains("bomb.png") && message.contains("imit"),
        "{message}"
    );
}

/// The checksum of PNG chunks.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 * (crc & 1))
        })
    })
}

#[test]
fn every_ending_is_read_in_any_case_and_the_others_are_counted() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    image(&root.join("train/cat/a.png"), [1, 2, 3]);
    let png = fs::read(root.join("train/cat/a.png")).unwrap();
    let mut endings: Vec<String> = ENDINGS.map(String::from).to_vec();
    endings.extend(["JPG", "Png", "TIFF", "WebP"].map(String::from));
    // The bytes tell the format, the ending only that it is an image.
    for (number, ending) in endings.iter().enumerate() {
        let file = root.join(format!("train/cat/{number}.{ending}"));
        fs::write(file, &png).unwrap();
    }
    image(&root.join("test/cat/a.png"), [1, 2, 3]);
    for system in [
        ".DS_Store",
        "._a.png",
        "Thumbs.db",
        "desktop.ini",
        "Desktop.ini",
    ] {
        fs::write(root.join("train/cat").join(system), "x").unwrap();
    }
    fs::create_dir_all(root.join("train/cat/@eaDir")).unwrap();
    fs::write(root.join("train/cat/@eaDir/thumb.jpg"), "x").unwrap();
    let splits = ImageFolder::open(root).unwrap();
    assert_eq!(splits.train.len(), 1 + endings.len());
    assert_eq!(splits.train.left_out(), None);
    for index in 0..splits.train.len() {
        assert_eq!(splits.train.picture(index).unwrap().pixel(0, 0), [1, 2, 3]);
    }

    for other in ["b.GIF", "c.gif", "d.heic", "notes"] {
        fs::write(root.join("train/cat").join(other), "x").unwrap();
    }
    let splits = ImageFolder::open(root).unwrap();
    let left_out = splits.train.left_out().unwrap();
    for part in [
        "training",
        "left out 4",
        "2 .gif",
        "1 .heic",
        "1 without ending",
    ] {
        assert!(left_out.contains(part), "{part}: {left_out}");
    }
    assert_eq!(splits.test.left_out(), None);
}

#[test]
fn folders_below_a_class_are_of_the_class() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    two_classes(root);
    image(&root.join("train/ant/2019/may/a.png"), [9, 9, 9]);
    image(&root.join("train/ant/2018/b.png"), [8, 8, 8]);
    image(&root.join("train/ant/.cache/c.png"), [7, 7, 7]);
    #[cfg(unix)]
    std::os::unix::fs::symlink(root.join("train/ant"), root.join("train/ant/2018/again")).unwrap();
    let splits = ImageFolder::open(root).unwrap();
    let classes: Vec<usize> = (0..splits.train.len())
        .map(|index| splits.train.class(index))
        .collect();
    assert_eq!(classes, [0, 0, 0, 1, 1]);
    assert_eq!(splits.train.picture(1).unwrap().pixel(0, 0), [8, 8, 8]);
    assert_eq!(splits.train.picture(2).unwrap().pixel(0, 0), [9, 9, 9]);
}

#[test]
fn class_names_in_two_compositions_are_told() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    image(&root.join("train/caf\u{e9}/a.png"), [1, 1, 1]);
    image(&root.join("test/cafe\u{301}/a.png"), [1, 1, 1]);
    let message = ImageFolder::open(root).unwrap_err().to_string();
    for part in ["Unicode composition", r"caf\u{e9}", r"cafe\u{301}"] {
        assert!(message.contains(part), "{message}");
    }
    image(&root.join("train/cafe\u{301}/a.png"), [1, 1, 1]);
    let message = ImageFolder::open(root).unwrap_err().to_string();
    assert!(
        message.contains("differ only in their Unicode composition"),
        "{message}"
    );
}

#[test]
fn grey_and_transparent_images_become_rgb() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grey.png");
    image::save_buffer(&path, &[9, 200], 2, 1, ExtendedColorType::L8).unwrap();
    assert_eq!(
        Picture::open(&path).unwrap().rgb(),
        [9, 9, 9, 200, 200, 200]
    );
    image::save_buffer(&path, &[1, 2, 3, 0], 1, 1, ExtendedColorType::Rgba8).unwrap();
    assert_eq!(Picture::open(&path).unwrap().rgb(), [1, 2, 3]);
}

#[test]
fn the_data_table_names_what_is_missing_or_unknown() {
    let config: DatasetConfig = toml::from_str("name = 'cifar-100'").unwrap();
    let error = config.open().unwrap_err();
    assert!(error.to_string().contains("`path`"), "{error}");
    let error = toml::from_str::<DatasetConfig>("name = 'cifar-100'\npaht = 'x'").unwrap_err();
    assert!(error.to_string().contains("paht"), "{error}");
    let error = toml::from_str::<DatasetConfig>("name = 'cifar-1000'").unwrap_err();
    assert!(error.to_string().contains("cifar-1000"), "{error}");
    let config: DatasetConfig = toml::from_str("name = 'procedural'\nclasses = 0").unwrap();
    assert!(config.open().unwrap_err().to_string().contains("`classes`"));
    let error = toml::from_str::<DatasetConfig>("name = 'procedural'\nclass = 0").unwrap_err();
    assert!(error.to_string().contains("`class`"), "{error}");
    let text = "name = 'image-domains'\npath = 'x'";
    let config: DatasetConfig = toml::from_str(text).unwrap();
    let again = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<DatasetConfig>(&again).unwrap(), config);
}

/// The published files, where `TREELORA_DATA` names their folder.
#[test]
fn the_published_cifar_100_has_its_classes_and_means() {
    let folder = std::env::var_os("TREELORA_DATA").unwrap_or_default();
    let folder = Path::new(&folder);
    if !folder.join("train.bin").is_file() {
        eprintln!("skipped: TREELORA_DATA names no folder with train.bin and test.bin");
        return;
    }
    let splits = Cifar::open(CifarVariant::Hundred, folder).unwrap();
    for (split, per_class) in [(&splits.train, 500), (&splits.test, 100)] {
        let mut counts = [0; 100];
        for index in 0..split.len() {
            counts[split.class(index)] += 1;
        }
        assert_eq!(counts, [per_class; 100]);
    }
    let mut sums = [0_u64; 3];
    for index in 0..splits.train.len() {
        for pixel in splits.train.picture(index).unwrap().rgb().chunks_exact(3) {
            for (sum, byte) in sums.iter_mut().zip(pixel) {
                *sum += u64::from(*byte);
            }
        }
    }
    for (sum, mean) in sums.into_iter().zip([0.5071, 0.4865, 0.4409]) {
        assert!((sum as f64 / (50_000.0 * 1024.0 * 255.0) - mean).abs() < 1e-4);
    }
}
