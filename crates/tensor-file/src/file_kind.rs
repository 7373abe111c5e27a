//! What a file is that should have been another.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
};

/// First bytes that are looked at.
const HEAD: usize = 512;

/// What a file is, as its first bytes tell: the kinds of files that people have in the place of safetensors and
/// pictures. As text it is a noun with what can be done about it.
///
/// ```
/// use treelora_tensor_file::FileKind;
///
/// let kind = FileKind::of(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a").unwrap();
/// assert!(kind.to_string().contains("git lfs pull"));
/// assert_eq!(FileKind::of(b"anything else"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Nothing at all.
    Empty,
    /// A folder.
    Folder,
    /// What Git LFS leaves in the place of a large file.
    GitLfsPointer,
    /// A web page.
    WebPage,
    /// Python's own format, which PyTorch wrote until 1.6.
    Pickle,
    /// A zip archive with a pickle: what `torch.save` writes.
    PyTorch,
    /// Arrays of NumPy in a zip archive.
    Npz,
    /// One array of NumPy.
    Npy,
    /// Any other zip archive.
    Zip,
    /// Weights for llama.cpp.
    Gguf,
    /// Compressed by gzip.
    Gzip,
    /// Compressed by another program.
    Compressed,
    /// A tar archive.
    Tar,
    /// Weights of Keras and TensorFlow.
    Hdf5,
    /// A picture.
    Picture,
    /// A document.
    Pdf,
    /// JSON, as configurations and indices are.
    Json,
    /// Weights without code.
    Safetensors,
}

/// How a pickle becomes safetensors: PyTorch reads it without running code.
const CONVERT: &str = "Convert it: python -c \"import torch; from safetensors.torch import save_file; \
     s = torch.load('FILE', map_location='cpu', weights_only=True); s = s.get('state_dict', s.get('model', s)); \
     save_file({k: v.clone().contiguous() for k, v in s.items()}, 'FILE.safetensors', {'format': 'pt'})\"";

impl FileKind {
    /// What a file is that begins with these bytes; `None` when they tell nothing.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        const STARTS: [(&[u8], FileKind); 24] = [
            (b"version https://git-lfs", FileKind::GitLfsPointer),
            (b"version https://hawser", FileKind::GitLfsPointer),
            // Protocols 2 to 5; those before have no mark.
            (b"\x80\x02", FileKind::Pickle),
            (b"\x80\x03", FileKind::Pickle),
            (b"\x80\x04\x95", FileKind::Pickle),
            (b"\x80\x05\x95", FileKind::Pickle),
            (b"\x93NUMPY", FileKind::Npy),
            (b"GGUF", FileKind::Gguf),
            (b"tjgg", FileKind::Gguf),
            (b"lmgg", FileKind::Gguf),
            (b"\x1f\x8b", FileKind::Gzip),
            (b"\x28\xb5\x2f\xfd", FileKind::Compressed),
            (b"\xfd7zXZ\0", FileKind::Compressed),
            (b"BZh", FileKind::Compressed),
            (b"7z\xbc\xaf\x27\x1c", FileKind::Compressed),
            (b"\x89HDF\r\n\x1a\n", FileKind::Hdf5),
            (b"\x89PNG\r\n", FileKind::Picture),
            (b"\xff\xd8\xff", FileKind::Picture),
            (b"GIF8", FileKind::Picture),
            (b"II*\0", FileKind::Picture),
            (b"MM\0*", FileKind::Picture),
            (b"%PDF-", FileKind::Pdf),
            (b"PK\x05\x06", FileKind::Zip),
            (b"PK\x06\x06", FileKind::Zip),
        ];
        if bytes.is_empty() {
            return Some(Self::Empty);
        }
        if bytes.get(4..9) == Some(b"\0\0\0\0{") {
            // The length of a header below 4 GiB, whose bytes may be those of any mark, then the header.
            return Some(Self::Safetensors);
        }
        if bytes.starts_with(b"PK\x03\x04") {
            return Some(Self::of_archive(bytes));
        }
        if let Some((_, kind)) = STARTS.iter().find(|(start, _)| bytes.starts_with(start)) {
            return Some(*kind);
        }
        if bytes.get(257..262) == Some(b"ustar") {
            return Some(Self::Tar);
        }
        Self::of_text(bytes)
    }

    /// What is at `path`; `None` when its first bytes tell nothing.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn at(path: &Path) -> io::Result<Option<Self>> {
        if path.is_dir() {
            return Ok(Some(Self::Folder));
        }
        let mut head = Vec::with_capacity(HEAD);
        File::open(path)?.take(HEAD as u64).read_to_end(&mut head)?;
        Ok(Self::of(&head))
    }

    /// The name of the first file in a zip archive tells what the archive is.
    fn of_archive(bytes: &[u8]) -> Self {
        let length = |at: usize| match bytes.get(at..at + 2) {
            Some(&[low, high]) => usize::from(u16::from_le_bytes([low, high])),
            _ => 0,
        };
        let end = (30 + length(26)).min(bytes.len());
        let name = bytes.get(30..end).unwrap_or_default();
        let within = name.split(|byte| *byte == b'/').next_back();
        match within {
            Some(b"data.pkl" | b"byteorder" | b"version" | b".format_version") => Self::PyTorch,
            Some(name) if name.ends_with(b".npy") => Self::Npz,
            _ => Self::Zip,
        }
    }

    fn of_text(bytes: &[u8]) -> Option<Self> {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = text.trim_ascii_start();
        let start = text[..text.len().min(9)].to_ascii_lowercase();
        let page = ["<!doctype", "<html", "<head", "<?xml", "<body", "<error"];
        if page.iter().any(|mark| start.starts_with(mark.as_bytes())) {
            return Some(Self::WebPage);
        }
        match text {
            [b'{', ..] | [b'[', ..] => Some(Self::Json),
            _ => None,
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an empty file"),
            Self::Folder => f.write_str("a folder, where a file is asked for"),
            Self::GitLfsPointer => f.write_str(
                "a Git LFS pointer to the file, not the file itself: `git lfs pull` in its repository fetches it",
            ),
            Self::WebPage => f.write_str(
                "a web page (HTML or XML), as a download leaves it that was answered by an error or a login",
            ),
            Self::Pickle => write!(
                f,
                "a Python pickle (.pth, .pt, .bin, .pkl), which can run code and is not read. {CONVERT}"
            ),
            Self::PyTorch => write!(
                f,
                "a PyTorch file (.pth, .pt, .bin, .ckpt: a pickle in a zip archive), which can run code and is not \
                 read. {CONVERT}"
            ),
            Self::Npz => f.write_str(
                "an archive of NumPy arrays (.npz), which is not read; convert it: python -c \"import numpy; from \
                 safetensors.numpy import save_file; save_file(dict(numpy.load('FILE')), 'FILE.safetensors')\"",
            ),
            Self::Npy => f.write_str(
                "a NumPy array (.npy), which is not read and has no names of tensors",
            ),
            Self::Zip => f.write_str("a zip archive; unpack it"),
            Self::Gguf => f.write_str(
                "a GGUF file (weights for llama.cpp, mostly quantised), which is read as the base of a language model \
                 alone, where the file itself is named",
            ),
            Self::Gzip => f.write_str("compressed by gzip; unpack it: `gzip -d`, or `tar xzf` for an archive"),
            Self::Compressed => f.write_str("compressed by zstd, xz, bzip2 or 7z; unpack it"),
            Self::Tar => f.write_str("a tar archive; unpack it: `tar xf`"),
            Self::Hdf5 => f.write_str("an HDF5 file (.h5, weights of Keras or TensorFlow), which is not read"),
            Self::Picture => f.write_str("a picture"),
            Self::Pdf => f.write_str("a PDF document"),
            Self::Json => f.write_str("JSON text, as configurations and indices of shards are, without weights"),
            Self::Safetensors => f.write_str("a safetensors file"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The local header of a file in a zip archive.
    fn archive(name: &[u8]) -> Vec<u8> {
        let length = (name.len() as u16).to_le_bytes();
        [
            b"PK\x03\x04",
            &[0; 22][..],
            &length,
            &[0; 2],
            name,
            b"content",
        ]
        .concat()
    }

    #[test]
    fn the_first_bytes_tell_the_kind() {
        let tar = [&[b'a'; 257][..], b"ustar\x0000"].concat();
        let cases: [(&[u8], FileKind); 17] = [
            (b"", FileKind::Empty),
            (
                b"version https://git-lfs.github.com/spec/v1\n",
                FileKind::GitLfsPointer,
            ),
            (b"\n <!DOCTYPE html><html>", FileKind::WebPage),
            (b"\xef\xbb\xbf<html lang=\"en\">", FileKind::WebPage),
            (
                b"<?xml version=\"1.0\"?><Error><Code>AccessDenied",
                FileKind::WebPage,
            ),
            (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9", FileKind::Pickle),
            (b"\x80\x04\x95\x10\0\0\0\0\0\0\0", FileKind::Pickle),
            (&archive(b"archive/data.pkl"), FileKind::PyTorch),
            (
                &archive(b"pytorch_model/.format_version"),
                FileKind::PyTorch,
            ),
            (&archive(b"arr_0.npy"), FileKind::Npz),
            (&archive(b"readme.txt"), FileKind::Zip),
            (b"\x93NUMPY\x01\0v\0{'descr'", FileKind::Npy),
            (b"GGUF\x03\0\0\0", FileKind::Gguf),
            (b"\x1f\x8b\x08\0", FileKind::Gzip),
            (&tar, FileKind::Tar),
            (b"  {\"weight_map\": {}}", FileKind::Json),
            (b"\x89HDF\r\n\x1a\n\0", FileKind::Hdf5),
        ];
        for (bytes, kind) in cases {
            assert_eq!(
                FileKind::of(bytes),
                Some(kind),
                "{:?}",
                bytes.escape_ascii().to_string()
            );
        }
        assert_eq!(FileKind::of(b"just words"), None);
        // No pickle, but a header of 0x80 + 2 * 256 bytes.
        assert_eq!(
            FileKind::of(b"\x80\x02\0\0\0\0\0\0{\"a\":"),
            Some(FileKind::Safetensors)
        );
    }

    #[test]
    fn a_folder_is_told_and_a_file_by_its_head() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(FileKind::at(folder.path()).unwrap(), Some(FileKind::Folder));
        let file = folder.path().join("model.safetensors");
        assert_eq!(
            FileKind::at(&file).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        std::fs::write(&file, [&b"GGUF"[..], &[0; 5000]].concat()).unwrap();
        assert_eq!(FileKind::at(&file).unwrap(), Some(FileKind::Gguf));
    }
}
