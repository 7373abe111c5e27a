//! What goes in comes out to the bit, and what does not fit is named.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use burn::tensor::{DType, Device, Tensor, TensorData, bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use treelora_tensor_file::{
    FileKind, TensorFile, TensorFileError, TensorProblem, write_atomically,
};

const F32: [u32; 9] = [
    0,
    0x8000_0000, // -0
    1,           // the smallest subnormal
    0x3DCC_CCCD, // 0.1
    0x7F7F_FFFF, // the largest
    0x7F80_0000, // infinity
    0xFF80_0000,
    0x7FC1_2345, // NaNs with a payload, quiet and signalling
    0xFF81_2345,
];

const F64: [u64; 9] = [
    0,
    0x8000_0000_0000_0000,
    1,
    0x3FB9_9999_9999_999A, // 0.1
    0x7FEF_FFFF_FFFF_FFFF,
    0x7FF0_0000_0000_0000,
    0xFFF0_0000_0000_0000,
    0x7FF8_0123_4567_89AB,
    0xFFF0_0123_4567_89AB,
];

/// The first integer that a double cannot hold.
const BEYOND_DOUBLES: i64 = (1 << 53) + 1;

fn f32s() -> Vec<f32> {
    F32.map(f32::from_bits).to_vec()
}

fn f64s() -> Vec<f64> {
    F64.map(f64::from_bits).to_vec()
}

/// Every type, and shapes without and with one entry.
fn file() -> TensorFile {
    let mut file = TensorFile::new().with_format("test-1");
    let matrix = Tensor::from_data(TensorData::new(f32s(), [3, 3]), &Device::flex());
    file.insert::<2>("matrix", matrix);
    file.insert_f32("single", f32s(), [9]);
    file.insert_f64("double", f64s(), [1, 9, 1]);
    file.insert_integers("integers", [i64::MIN, -1, 0, BEYOND_DOUBLES, i64::MAX], [5]);
    file.insert_u32("u32", [0, (1 << 24) + 1, u32::MAX]);
    file.insert_indices("short", [0, 70_000, u32::MAX as usize]);
    file.insert_indices("long", [1, u32::MAX as usize + 1, usize::MAX]);
    file.insert_indices("none", []);
    file.insert_f64("empty", [], [0, 4]);
    file.insert_f64("scalar", [0.1], []);
    file
}

fn saved(file: &TensorFile, folder: &Path) -> TensorFile {
    let path = folder.join("x.safetensors");
    file.save(&path).unwrap();
    TensorFile::load(&path).unwrap()
}

#[test]
fn every_type_comes_back_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    let read = saved(&file(), dir.path());
    for file in [&file(), &read] {
        let singles = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        let doubles = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<_>>();
        let matrix: Tensor<2> = file.tensor("matrix", &Device::flex()).unwrap();
        assert_eq!(matrix.dims(), [3, 3]);
        assert_eq!(singles(matrix.into_data().try_into_vec().unwrap()), F32);
        assert_eq!(singles(file.f32s("single").unwrap()), F32);
        assert_eq!(singles(file.f32s("matrix").unwrap()), F32);
        assert_eq!(doubles(file.f64s("double").unwrap()), F64);
        assert_eq!(file.shape("double").unwrap(), [1, 9, 1]);
        let integers = [i64::MIN, -1, 0, BEYOND_DOUBLES, i64::MAX];
        assert_eq!(file.integers("integers").unwrap(), integers);
        assert_eq!(file.u32s("u32").unwrap(), [0, (1 << 24) + 1, u32::MAX]);
        let short = [0, 70_000, u32::MAX as usize];
        assert_eq!(file.indices("short").unwrap(), short);
        let long = [1, u32::MAX as usize + 1, usize::MAX];
        assert_eq!(file.indices("long").unwrap(), long);
        assert_eq!(file.indices("none").unwrap(), [0; 0]);
        assert_eq!(file.shape("empty").unwrap(), [0, 4]);
        assert!(file.f64s("empty").unwrap().is_empty());
        assert_eq!(file.shape("scalar").unwrap(), [0; 0]);
        assert_eq!(file.f64s("scalar").unwrap(), [0.1]);
        file.check_format("test-1").unwrap();
    }
    let names = "double empty integers long matrix none scalar short single u32";
    assert_eq!(read.names().collect::<Vec<_>>().join(" "), names);
    // 9 + 9 f32, 9 + 1 f64, 5 i64, 3 + 3 u32, 3 u64.
    assert_eq!(read.num_bytes(), 72 + 80 + 40 + 24 + 24);
}

#[test]
fn other_readers_find_the_same_types_and_values() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    file().save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let read = SafeTensors::deserialize(&bytes).unwrap();
    let dtype = |name| read.tensor(name).unwrap().dtype();
    let types = ["single", "double", "integers", "short", "long"].map(dtype);
    let expected = [Dtype::F32, Dtype::F64, Dtype::I64, Dtype::U32, Dtype::U64];
    assert_eq!(types, expected);
    let integers = read.tensor("integers").unwrap();
    assert_eq!(integers.data()[..8], i64::MIN.to_le_bytes());
    assert_eq!(integers.data()[24..32], BEYOND_DOUBLES.to_le_bytes());
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["format"], "test-1");
    // The same file again: nothing in it depends on the order of a hash map.
    file().save(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

/// A file that another tool wrote.
fn write(path: &Path, tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        let view = TensorView::new(*dtype, shape.to_vec(), bytes);
        (*name, view.unwrap())
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn floats_of_other_widths_are_kept_and_read_as_f32_where_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    let half: Vec<u8> = [1.5, -65504.0]
        .into_iter()
        .flat_map(|x| f16::from_f32(x).to_le_bytes())
        .collect();
    let brain: Vec<u8> = [0.1f32, 3e38]
        .into_iter()
        .flat_map(|x| bf16::from_f32(x).to_le_bytes())
        .collect();
    write(
        &path,
        &[
            ("half", Dtype::F16, &[2], half),
            ("brain", Dtype::BF16, &[2, 1], brain),
            ("double", Dtype::F64, &[1], 0.1f64.to_le_bytes().to_vec()),
        ],
    );
    let file = TensorFile::load(&path).unwrap();
    assert_eq!(file.as_f32s("half").unwrap(), [1.5, -65504.0]);
    let brain = [0.1f32, 3e38].map(|x| bf16::from_f32(x).to_f32());
    assert_eq!(file.as_f32s("brain").unwrap(), brain);
    assert_eq!(file.as_f32s("double").unwrap(), [0.1f32]);
    assert_eq!(file.data("half").unwrap().dtype(), DType::F16);
    assert!(file.f32s("half").is_err());
}

fn problem(error: TensorFileError) -> TensorProblem {
    match error {
        TensorFileError::Content { problem, .. } => problem,
        TensorFileError::Io { .. } => panic!("{error}"),
    }
}

#[test]
fn what_does_not_fit_is_named_with_file_tensor_and_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let read = saved(&file(), dir.path());
    let device = Device::flex();
    let errors = [
        (read.f64s("gone").unwrap_err(), "tensor `gone` is missing"),
        (
            read.f64s("short").unwrap_err(),
            "tensor `short` is U32, expected F64",
        ),
        (
            read.f32s("double").unwrap_err(),
            "tensor `double` is F64, expected F32",
        ),
        (
            read.integers("u32").unwrap_err(),
            "tensor `u32` is U32, expected I64",
        ),
        (
            read.u32s("long").unwrap_err(),
            "tensor `long` is U64, expected U32",
        ),
        (
            read.indices("single").unwrap_err(),
            "tensor `single` is F32, expected U32 or U64",
        ),
        (
            read.indices("integers").unwrap_err(),
            "tensor `integers` is I64, expected U32 or U64",
        ),
        (
            read.as_f32s("integers").unwrap_err(),
            "tensor `integers` is I64, expected F64 or F32 or F16 or BF16",
        ),
        (
            read.tensor::<3>("double", &device).unwrap_err(),
            "tensor `double` is F64, expected F32",
        ),
        (
            read.tensor::<1>("matrix", &device).unwrap_err(),
            "tensor `matrix` has 2 dimensions, expected 1",
        ),
        (
            read.shape::<2>("double").unwrap_err(),
            "tensor `double` has 3 dimensions, expected 2",
        ),
        (
            read.check_format("test-2").unwrap_err(),
            "format `test-1`, expected `test-2`",
        ),
        (read.unfit("two do not fit"), "two do not fit"),
    ];
    let path = dir.path().join("x.safetensors");
    for (error, expected) in errors {
        assert_eq!(error.to_string(), format!("{}: {expected}", path.display()));
    }
    let error = read.f64s("short").unwrap_err();
    let typed = TensorProblem::Type {
        name: "short".into(),
        found: DType::U32,
        expected: &[DType::F64],
    };
    assert_eq!(problem(error), typed);
    let typed = TensorProblem::Rank {
        name: "double".into(),
        found: vec![1, 9, 1],
        expected: 2,
    };
    assert_eq!(problem(read.shape::<2>("double").unwrap_err()), typed);
    // Without a file there is none to name.
    let error = file().f64s("gone").unwrap_err();
    assert_eq!(error.to_string(), "tensor `gone` is missing");
    let error = TensorFile::new().check_format("test-1").unwrap_err();
    assert_eq!(error.to_string(), "format `none`, expected `test-1`");
}

#[test]
fn a_type_that_is_not_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    write(&path, &[("mask", Dtype::BOOL, &[2], vec![0, 1])]);
    let error = TensorFile::load(&path).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("x.safetensors"), "{message}");
    let typed = TensorProblem::UnknownType {
        name: "mask".into(),
        found: "BOOL".into(),
    };
    assert_eq!(problem(error), typed);
}

#[test]
#[should_panic(expected = "`mask` is Bool")]
fn a_type_that_no_file_holds_cannot_be_put_in() {
    TensorFile::new().insert_data("mask", TensorData::new(vec![true, false], [2]));
}

#[test]
fn cut_and_damaged_files_are_errors_that_name_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged.safetensors");
    file().save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in 1..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let error = TensorFile::load(&path).unwrap_err();
        assert!(error.to_string().contains("damaged.safetensors"), "{error}");
        assert!(
            matches!(problem(error), TensorProblem::Damaged(_)),
            "{length}"
        );
    }
    // Whatever byte of the header is spoilt: an error, or a file whose tensors can be asked for,
    // never a panic. (Values may be anything.)
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let mut refused = 0;
    for place in 0..header {
        for flip in [0x01, 0x10, 0x80] {
            let mut bytes = whole.clone();
            bytes[place] ^= flip;
            fs::write(&path, &bytes).unwrap();
            match TensorFile::load(&path) {
                Ok(read) => touch(&read),
                Err(error) => {
                    refused += 1;
                    assert!(error.to_string().contains("damaged.safetensors"), "{error}");
                }
            }
        }
    }
    // Each byte with its highest bit set is no text, at the least.
    assert!(
        refused >= header - 8,
        "{refused} of {} were refused",
        3 * header
    );
}

/// Read every tensor in every way.
fn touch(file: &TensorFile) {
    for name in file.names() {
        let _ = (file.f32s(name), file.f64s(name), file.integers(name));
        let _ = (file.u32s(name), file.indices(name), file.as_f32s(name));
        let _ = (
            file.shape::<1>(name),
            file.tensor::<2>(name, &Device::flex()),
        );
    }
}

/// Headers that lie about sizes: no panic and no memory for what is not there.
#[test]
fn headers_that_lie_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lies.safetensors");
    let huge = usize::MAX / 2 + 1;
    let headers = [
        format!(r#"{{"a":{{"dtype":"F64","shape":[{huge},2],"data_offsets":[0,0]}}}}"#),
        format!(r#"{{"a":{{"dtype":"F64","shape":[{huge},0,4],"data_offsets":[0,8]}}}}"#),
        r#"{"a":{"dtype":"F64","shape":[2],"data_offsets":[0,8]}}"#.to_owned(),
        r#"{"a":{"dtype":"F64","shape":[1],"data_offsets":[8,16]}}"#.to_owned(),
        r#"{"a":{"dtype":"F64","shape":[1],"data_offsets":[8,0]}}"#.to_owned(),
        r#"{"a":{"dtype":"F65","shape":[1],"data_offsets":[0,8]}}"#.to_owned(),
        "[]".to_owned(),
    ];
    for header in headers {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend([0; 8]);
        fs::write(&path, bytes).unwrap();
        let error = TensorFile::load(&path).unwrap_err();
        assert!(
            matches!(problem(error), TensorProblem::Damaged(_)),
            "{header}"
        );
    }
    fs::write(&path, u64::MAX.to_le_bytes()).unwrap();
    let error = TensorFile::load(&path).unwrap_err();
    assert!(matches!(problem(error), TensorProblem::Damaged(_)));
}

#[test]
fn files_of_other_kinds_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("adapter.safetensors");
    let cases: [(&[u8], FileKind); 3] = [
        (b"", FileKind::Empty),
        (b"\x80\x02}q\0(X\x01\0\0\0a", FileKind::Pickle),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            FileKind::GitLfsPointer,
        ),
    ];
    for (bytes, kind) in cases {
        fs::write(&path, bytes).unwrap();
        let error = TensorFile::load(&path).unwrap_err();
        assert!(error.to_string().contains("adapter.safetensors"), "{error}");
        assert_eq!(problem(error), TensorProblem::Kind(kind));
    }
    let error = TensorFile::load(dir.path()).unwrap_err();
    assert_eq!(problem(error), TensorProblem::Kind(FileKind::Folder));
}

#[test]
fn a_write_that_fails_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    file().save(&path).unwrap();
    let before = fs::read(&path).unwrap();
    // A folder stands where the temporary file goes.
    let blocked = dir.path().join("x.safetensors.tmp");
    fs::create_dir(&blocked).unwrap();
    let error = TensorFile::new().save(&path).unwrap_err();
    assert!(
        matches!(&error, TensorFileError::Io { path: of, .. } if *of == path),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::remove_dir(&blocked).unwrap();
    // The rename fails: the place is taken by a folder.
    let taken = dir.path().join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("inside"), "kept").unwrap();
    write_atomically(&taken, b"new").unwrap_err();
    assert_eq!(fs::read_to_string(taken.join("inside")).unwrap(), "kept");
    // What was begun is not left lying about, and the next write succeeds.
    let names = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(names, 2);
    TensorFile::new().save(&path).unwrap();
    assert_eq!(TensorFile::load(&path).unwrap().names().count(), 0);
}

/// A file system without space, as Linux offers it.
#[cfg(target_os = "linux")]
#[test]
fn without_space_the_old_file_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    write_atomically(&path, b"old").unwrap();
    let temporary = dir.path().join("x.safetensors.tmp");
    std::os::unix::fs::symlink("/dev/full", &temporary).unwrap();
    let error = write_atomically(&path, b"new").unwrap_err().to_string();
    assert!(
        error.contains("x.safetensors") && error.contains("No space"),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert!(fs::symlink_metadata(&temporary).is_err());
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gone.safetensors");
    let error = TensorFile::load(&path).unwrap_err();
    assert!(matches!(error, TensorFileError::Io { .. }));
    assert!(error.to_string().contains("gone.safetensors"), "{error}");
}
