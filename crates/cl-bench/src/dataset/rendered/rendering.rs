//! The transforms that make a domain, by name.

use serde::{Deserialize, Serialize};

use super::{blur, colours, edges, noise, turns};
use crate::dataset::Picture;

/// A fixed transform of pictures; whole numbers alone, so that its bytes are the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rendering {
    /// The picture as it is.
    Plain,
    /// Every colour by its opposite.
    Negative,
    /// How steep the grey picture is, white on black.
    Edges,
    /// A quarter turn against the clock.
    #[serde(rename = "rotated-90")]
    Rotated90,
    /// Half a turn.
    #[serde(rename = "rotated-180")]
    Rotated180,
    /// A quarter turn with the clock.
    #[serde(rename = "rotated-270")]
    Rotated270,
    /// Top and bottom exchanged.
    Flipped,
    /// Without colour.
    Grey,
    /// The mean of the pixels around.
    Blurred,
    /// Four steps a channel.
    Posterised,
    /// Red and blue exchanged.
    ChannelsSwapped,
    /// Black lines on white where the picture is steep.
    Sketch,
    /// A quarter of the contrast, around the middle.
    LowContrast,
    /// Noise that is the same whenever an example is read.
    Noisy,
}

impl Rendering {
    /// All there are.
    pub const ALL: [Self; 14] = [
        Self::Plain,
        Self::Negative,
        Self::Edges,
        Self::Rotated90,
        Self::Rotated180,
        Self::Rotated270,
        Self::Flipped,
        Self::Grey,
        Self::Blurred,
        Self::Posterised,
        Self::ChannelsSwapped,
        Self::Sketch,
        Self::LowContrast,
        Self::Noisy,
    ];

    /// Its name in files, and that of the domain it makes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Negative => "negative",
            Self::Edges => "edges",
            Self::Rotated90 => "rotated-90",
            Self::Rotated180 => "rotated-180",
            Self::Rotated270 => "rotated-270",
            Self::Flipped => "flipped",
            Self::Grey => "grey",
            Self::Blurred => "blurred",
            Self::Posterised => "posterised",
            Self::ChannelsSwapped => "channels-swapped",
            Self::Sketch => "sketch",
            Self::LowContrast => "low-contrast",
            Self::Noisy => "noisy",
        }
    }

    /// What it does.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Plain => "the picture as it is",
            Self::Negative => "255 less each value",
            Self::Edges => "Sobel magnitude of the grey picture",
            Self::Rotated90 => "a quarter turn against the clock",
            Self::Rotated180 => "half a turn",
            Self::Rotated270 => "a quarter turn with the clock",
            Self::Flipped => "upside down, left and right as they were",
            Self::Grey => "luma (ITU-R 601)",
            Self::Blurred => "mean of a box that reaches a sixteenth of the shorter side each way",
            Self::Posterised => "2 bits a channel",
            Self::ChannelsSwapped => "blue, green, red",
            Self::Sketch => {
                "black lines where the picture is steeper than half as much again as its mean"
            }
            Self::LowContrast => "a quarter of the contrast",
            Self::Noisy => "noise of a fifth of the range, fixed for each example",
        }
    }

    /// The picture through the transform; `example` is its place in the data set, which decides its noise.
    pub fn apply(self, picture: Picture, example: usize) -> Picture {
        match self {
            Self::Plain => picture,
            Self::Negative => colours::negative(&picture),
            Self::Edges => edges::edges(&picture),
            Self::Rotated90 => turns::rotated_90(&picture),
            Self::Rotated180 => turns::rotated_180(&picture),
            Self::Rotated270 => turns::rotated_270(&picture),
            Self::Flipped => turns::flipped(&picture),
            Self::Grey => colours::grey(&picture),
            Self::Blurred => blur::blurred(&picture),
            Self::Posterised => colours::posterised(&picture),
            Self::ChannelsSwapped => colours::channels_swapped(&picture),
            Self::Sketch => edges::sketch(&picture),
            Self::LowContrast => colours::low_contrast(&picture),
            Self::Noisy => noise::noisy(&picture, example),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::Rendering;

    #[test]
    fn every_name_reads_as_its_transform_and_none_is_left_out() {
        for rendering in Rendering::ALL {
            let quoted = format!("\"{}\"", rendering.name());
            assert_eq!(
                serde_json::from_str::<Rendering>(&quoted).unwrap(),
                rendering
            );
            assert_eq!(serde_json::to_string(&rendering).unwrap(), quoted);
        }
        let problem = serde_json::from_str::<Rendering>("\"sepia\"").unwrap_err();
        let problem = problem.to_string();
        let (_, known) = problem.split_once("expected one of ").unwrap();
        let known: BTreeSet<&str> = known.split('`').skip(1).step_by(2).collect();
        assert_eq!(known, Rendering::ALL.map(Rendering::name).into());
    }
}
