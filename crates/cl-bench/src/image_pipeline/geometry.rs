//! Resizing and cropping with the rounding rules of torchvision and Pillow.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use serde::{Deserialize, Serialize};

use crate::dataset::{MAX_SIDE, Picture};

/// A filter of the resizer; both widen when they shrink (antialiasing), as Pillow's do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// Catmull-Rom, `a = -0.5`: timm's default for vision transformers.
    #[default]
    Bicubic,
    /// Triangle.
    Bilinear,
}

/// A resizer with its filter and buffers.
pub(super) struct Resizing {
    resizer: Resizer,
    options: ResizeOptions,
}

impl Resizing {
    pub(super) fn new(interpolation: Interpolation) -> Self {
        let filter = match interpolation {
            Interpolation::Bicubic => FilterType::CatmullRom,
            Interpolation::Bilinear => FilterType::Bilinear,
        };
        Self {
            resizer: Resizer::new(),
            options: ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)),
        }
    }

    /// Resize so that the shorter side has `shorter` pixels, then crop `size` x `size` in the
    /// centre (torchvision's `Resize` and `CenterCrop`).
    pub(super) fn centre(&mut self, picture: &Picture, shorter: u32, size: u32) -> Picture {
        let (width, height) = (picture.width(), picture.height());
        // A very long picture is cropped first: its resized form could be arbitrarily large.
        let longest = u64::from(width.min(height)) * u64::from(MAX_SIDE) / u64::from(shorter);
        let longest = u32::try_from(longest)
            .unwrap_or(u32::MAX)
            .max(width.min(height));
        let (kept_width, kept_height) = (width.min(longest), height.min(longest));
        let part = centre_crop(picture, kept_width, kept_height);
        let longer = |side: u32| {
            let scaled =
                u64::from(shorter) * u64::from(side) / u64::from(kept_width.min(kept_height));
            u32::try_from(scaled).unwrap_or(MAX_SIDE)
        };
        let resized = match kept_width <= kept_height {
            true => self.resize(&part, shorter, longer(kept_height)),
            false => self.resize(&part, longer(kept_width), shorter),
        };
        centre_crop(&resized, size, size)
    }

    /// Resize to exactly `width` x `height`.
    ///
    /// Rows first, then columns: the values between the two passes are rounded to bytes, so that the
    /// order shows at sharp edges, and this is Pillow's.
    pub(super) fn resize(&mut self, picture: &Picture, width: u32, height: u32) -> Picture {
        let rows = self.pass(picture, width, picture.height());
        self.pass(&rows, width, height)
    }

    fn pass(&mut self, picture: &Picture, width: u32, height: u32) -> Picture {
        if (picture.width(), picture.height()) == (width, height) {
            return picture.clone();
        }
        let (from_width, from_height) = (picture.width(), picture.height());
        let source = ImageRef::new(from_width, from_height, picture.rgb(), PixelType::U8x3);
        let mut resized = Image::new(width, height, PixelType::U8x3);
        let resize = |source| self.resizer.resize(&source, &mut resized, &self.options);
        match source.map(resize) {
            Ok(Ok(())) => Picture::new(width, height, resized.into_vec()),
            // A picture has the bytes of its size, and both images have the same pixel type.
            Ok(Err(problem)) => unreachable!("resizing a picture: {problem}"),
            Err(problem) => unreachable!("resizing a picture: {problem}"),
        }
    }
}

impl Picture {
    /// The picture at another size, as Pillow's `resize` gives it (to one of 255 steps).
    ///
    /// # Panics
    /// When a side is 0.
    pub fn resized(&self, width: u32, height: u32, interpolation: Interpolation) -> Self {
        Resizing::new(interpolation).resize(self, width, height)
    }
}

/// The part of `width` x `height` in the centre, with the halves rounded as Python does.
fn centre_crop(picture: &Picture, width: u32, height: u32) -> Picture {
    if (picture.width(), picture.height()) == (width, height) {
        return picture.clone();
    }
    let offset = |outer: u32, inner: u32| (f64::from(outer - inner) / 2.0).round_ties_even() as u32;
    picture.cropped(
        offset(picture.width(), width),
        offset(picture.height(), height),
        width,
        height,
    )
}

/// The picture with left and right exchanged.
pub(super) fn mirrored(picture: &Picture) -> Picture {
    let rgb = picture
        .rgb()
        .chunks_exact(3 * picture.width() as usize)
        .flat_map(|row| row.rchunks_exact(3).flatten())
        .copied()
        .collect();
    Picture::new(picture.width(), picture.height(), rgb)
}
