//! Image files of every coding: read as Pillow reads them (xtask/golden/pictures.py), and refused when a part is missing.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use treelora_cl_bench::dataset::{DatasetError, Picture};

#[derive(Deserialize)]
struct Expected {
    size: [u32; 2],
    mean: [f64; 3],
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pictures")
}

fn expected() -> BTreeMap<String, Expected> {
    let json = fs::read_to_string(fixtures().join("expected.json")).unwrap();
    serde_json::from_str(&json).unwrap()
}

/// What comes of a file of these bytes.
fn opened(bytes: &[u8]) -> Result<Picture, DatasetError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("picture.jpg");
    fs::write(&path, bytes).unwrap();
    Picture::open(&path)
}

#[track_caller]
fn refused(bytes: &[u8], what: &str) -> String {
    match opened(bytes) {
        Ok(_) => panic!("{what}: used as if it were whole"),
        Err(error @ DatasetError::Image { .. }) => error.to_string(),
        Err(error) => panic!("{what}: {error}"),
    }
}

#[test]
fn every_coding_is_read_as_pillow_reads_it() {
    for (name, Expected { size, mean }) in expected() {
        let picture = Picture::open(&fixtures().join(&name)).unwrap();
        assert_eq!([picture.width(), picture.height()], size, "{name}");
        let pixels = picture.rgb().chunks_exact(3);
        for channel in 0..3 {
            let sum: u64 = pixels.clone().map(|pixel| u64::from(pixel[channel])).sum();
            let ours = sum as f64 / pixels.len() as f64;
            // Decoders of lossy codings, and ways from CMYK to RGB, differ by a rounding.
            assert!(
                (ours - mean[channel]).abs() < 1.5,
                "{name}: {ours}, {}",
                mean[channel]
            );
        }
    }
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    for name in expected().into_keys() {
        let whole = fs::read(fixtures().join(&name)).unwrap();
        for length in (1..whole.len())
            .step_by(13)
            .chain(whole.len() - 9..whole.len())
        {
            refused(&whole[..length], &format!("{length} bytes of {name}"));
        }
        let trailing = [&whole[..], b"and something behind it"].concat();
        assert!(opened(&trailing).is_ok(), "{name}");
    }
}

#[test]
fn an_end_marker_does_not_make_half_a_jpeg_whole() {
    for name in expected().into_keys().filter(|name| name.ends_with("jpg")) {
        let whole = fs::read(fixtures().join(&name)).unwrap();
        let marker = |from: usize| {
            let next = |pair: &[u8]| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xD0..=0xD7);
            from + whole[from..].windows(2).position(next).unwrap()
        };
        let scan = whole
            .windows(2)
            .position(|bytes| bytes == [0xFF, 0xDA])
            .unwrap();
        // Within the first scan: a progressive picture may end after any.
        for length in (scan + 14..marker(scan + 2) - 2).step_by(3) {
            let closed = [&whole[..length], &[0xFF, 0xD9]].concat();
            refused(
                &closed,
                &format!("{length} bytes of {name} and an end marker"),
            );
        }
    }
}

#[test]
fn a_jpeg_with_damage_in_its_middle_is_refused() {
    for name in ["baseline.jpg", "restarts.jpg"] {
        let whole = fs::read(fixtures().join(name)).unwrap();
        let scan = whole
            .windows(2)
            .position(|bytes| bytes == [0xFF, 0xDA])
            .unwrap();
        // Behind the scan's header, several units are missing, and the rest does not make up for them.
        for start in (scan + 20..whole.len() - 160).step_by(11) {
            let gap = [&whole[..start], &whole[start + 150..]].concat();
            refused(&gap, &format!("{name} without 150 bytes at {start}"));
        }
    }
    let restarts = fs::read(fixtures().join("restarts.jpg")).unwrap();
    let marker = restarts
        .windows(2)
        .position(|bytes| bytes == [0xFF, 0xD1])
        .unwrap();
    let mut swapped = restarts.clone();
    swapped[marker + 1] = 0xD4;
    let message = refused(&swapped, "restart markers out of order");
    assert!(
        message.contains("restart marker 4 in place of 1"),
        "{message}"
    );
}

#[test]
fn files_that_are_no_pictures_are_told_by_their_first_bytes() {
    let cases: [(&[u8], &str); 5] = [
        (b"", "an empty file"),
        (b"<html>404 not found</html>", "web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "git lfs pull",
        ),
        (b"GIF89a\x01\0\x01\0\0\0\0;", "GIF is not read"),
        (b"just words", "no image format"),
    ];
    for (bytes, part) in cases {
        let message = refused(bytes, part);
        assert!(
            message.contains("picture.jpg") && message.contains(part),
            "{message}"
        );
    }
}

/// Bitmaps of run lengths, and TIFFs whose directory stands in front, can lose the end of their pixels alone.
#[test]
fn missing_rows_are_not_filled_up() {
    let palette: Vec<u8> = (0..=255).flat_map(|grey| [grey, grey, grey, 0]).collect();
    let bitmap = |rows: &[u8]| -> Vec<u8> {
        let offset = 54 + palette.len() as u32;
        let mut bytes = b"BM".to_vec();
        bytes.extend((offset + rows.len() as u32).to_le_bytes());
        bytes.extend([0; 4]);
        for word in [offset, 40, 16, 4] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend([1, 0, 8, 0]);
        for word in [1, rows.len() as u32, 0, 0, 256, 0] {
            bytes.extend(word.to_le_bytes());
        }
        [&bytes, &palette[..], rows].concat()
    };
    let rows: [u8; 16] = [16, 9, 0, 0, 16, 70, 0, 0, 16, 120, 0, 0, 16, 200, 0, 1];
    assert_eq!(opened(&bitmap(&rows)).unwrap().pixel(3, 0), [200; 3]);
    for length in 1..14 {
        refused(&bitmap(&rows[..length]), &format!("{length} bytes of runs"));
    }
}
