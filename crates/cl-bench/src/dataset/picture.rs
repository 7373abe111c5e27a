//! Decoded pixels.

use std::path::Path;

use super::{DatasetError, decoding::decode};

/// Red, green and blue bytes of a picture, row by row, `[height, width, 3]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// A picture of `[height, width, 3]` bytes.
    ///
    /// # Panics
    /// When a side is 0 or the bytes are not `3 * width * height`.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Self {
        assert!(
            width > 0 && height > 0,
            "a picture of {width}x{height} pixels"
        );
        assert_eq!(
            rgb.len(),
            3 * width as usize * height as usize,
            "bytes of a picture of {width}x{height} pixels"
        );
        Self { width, height, rgb }
    }

    /// Decode a file of any format that image folders may hold; grey, 16-bit and transparent images become plain RGB.
    /// As with Pillow, an orientation in EXIF turns nothing, and of several pictures in a file the first counts.
    ///
    /// # Errors
    /// When the file cannot be read, does not hold one whole picture, or declares more than 16,384 pixels.
    pub fn open(path: &Path) -> Result<Self, DatasetError> {
        let image = decode(path)?;
        let (width, height) = (image.width(), image.height());
        match width > 0 && height > 0 {
            true => Ok(Self::new(width, height, image.into_rgb8().into_raw())),
            false => Err(DatasetError::Image {
                path: path.to_owned(),
                problem: format!("{width}x{height} pixels"),
            }),
        }
    }

    /// Pixels of a row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Number of rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes, `[height, width, 3]`.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Red, green and blue at column `x` and row `y`.
    ///
    /// # Panics
    /// When the position is outside the picture.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        assert!(
            x < self.width && y < self.height,
            "pixel ({x}, {y}) is outside"
        );
        let at = 3 * (y as usize * self.width as usize + x as usize);
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// The part of the picture that begins at column `left` and row `top`.
    ///
    /// # Panics
    /// When the part is empty or reaches outside the picture.
    pub fn cropped(&self, left: u32, top: u32, width: u32, height: u32) -> Self {
        assert!(
            left + width <= self.width && top + height <= self.height,
            "a part of {width}x{height} at ({left}, {top}) of a picture of {}x{}",
            self.width,
            self.height
        );
        let row_bytes = 3 * self.width as usize;
        let columns = 3 * left as usize..3 * (left + width) as usize;
        let rgb = self.rgb[top as usize * row_bytes..(top + height) as usize * row_bytes]
            .chunks_exact(row_bytes)
            .flat_map(|row| &row[columns.clone()])
            .copied()
            .collect();
        Self::new(width, height, rgb)
    }
}
