//! Drawing one picture of a class.

use std::f32::consts::{PI, TAU};

use rand::{Rng, RngExt};

use crate::dataset::Picture;

/// Outlines, around the origin, of about radius 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Disc,
    Square,
    Triangle,
    Ring,
    Cross,
    Star,
    Crescent,
    Bar,
}

/// Every outline.
pub(super) const SHAPES: [Shape; 8] = [
    Shape::Disc,
    Shape::Square,
    Shape::Triangle,
    Shape::Ring,
    Shape::Cross,
    Shape::Star,
    Shape::Crescent,
    Shape::Bar,
];

/// How a shape is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Texture {
    Plain,
    Striped,
    Chequered,
    Dotted,
    Ringed,
    Shaded,
}

/// Every filling.
pub(super) const TEXTURES: [Texture; 6] = [
    Texture::Plain,
    Texture::Striped,
    Texture::Chequered,
    Texture::Dotted,
    Texture::Ringed,
    Texture::Shaded,
];

/// What the pictures of one class have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Appearance {
    pub(super) shape: Shape,
    pub(super) texture: Texture,
    /// Colour family, below `colours`.
    pub(super) colour: usize,
    /// Number of colour families around the hue circle.
    pub(super) colours: usize,
}

impl Appearance {
    /// A name in words.
    pub(super) fn name(&self) -> String {
        let colour = 360 * self.colour / self.colours;
        format!("{:?} {:?} of hue {colour}", self.texture, self.shape).to_lowercase()
    }

    /// Draw a picture; everything that is not the class comes from `rng`.
    pub(super) fn render(&self, size: u32, noise: f32, rng: &mut impl Rng) -> Picture {
        let mut uniform = |low: f32, high: f32| rng.random_range(low..high);
        // Neighbouring colour families touch but do not mix: half a family to each side.
        let hue = (self.colour as f32 + uniform(-0.4, 0.4)) / self.colours as f32;
        let saturation = uniform(0.55, 0.95);
        let light = hsv(hue, saturation, uniform(0.75, 1.0));
        let dark = hsv(hue + uniform(-0.05, 0.05), saturation, uniform(0.2, 0.4));
        let figure = Placement {
            centre: [uniform(-0.3, 0.3), uniform(-0.3, 0.3)],
            scale: uniform(0.4, 0.68),
            angle: uniform(-0.35, 0.35),
        };
        let period = uniform(0.42, 0.58);
        let phase = [uniform(0.0, 1.0), uniform(0.0, 1.0)];
        let background = [
            hsv(uniform(0.0, 1.0), uniform(0.1, 0.6), uniform(0.2, 0.9)),
            hsv(uniform(0.0, 1.0), uniform(0.1, 0.6), uniform(0.2, 0.9)),
        ];
        let slope = uniform(0.0, TAU);
        let distractor = Placement {
            centre: [uniform(-1.0, 1.0), uniform(-1.0, 1.0)],
            scale: uniform(0.12, 0.25),
            angle: uniform(0.0, TAU),
        };
        let distractor_shape = SHAPES[(uniform(0.0, 1.0) * SHAPES.len() as f32) as usize % 8];
        let distractor_colour = hsv(uniform(0.0, 1.0), 0.8, uniform(0.4, 1.0));

        // Three pixels wide: edges are soft as in a photograph.
        let softness = 3.0 / size as f32;
        let mut rgb = Vec::with_capacity(3 * (size * size) as usize);
        for row in 0..size {
            for column in 0..size {
                let at = [column, row].map(|p| 2.0 * (p as f32 + 0.5) / size as f32 - 1.0);
                let along = 0.5 + 0.35 * (at[0] * slope.cos() + at[1] * slope.sin());
                let mut colour = blend(background[0], background[1], along);
                let away = distractor.to_local(at);
                let inside = distractor_shape.coverage(away, softness / distractor.scale);
                colour = blend(colour, distractor_colour, inside);
                let local = figure.to_local(at);
                let inside = self.shape.coverage(local, softness / figure.scale);
                if inside > 0.0 {
                    let fill = blend(dark, light, self.texture.at(local, period, phase));
                    colour = blend(colour, fill, inside);
                }
                for channel in colour {
                    // Sum of three uniforms: near enough to a Gaussian, and cheap.
                    let grain: f32 = (0..3).map(|_| rng.random_range(-1.0_f32..1.0)).sum();
                    let value = channel + noise * grain;
                    rgb.push((255.0 * value.clamp(0.0, 1.0)).round() as u8);
                }
            }
        }
        Picture::new(size, size, rgb)
    }
}

/// Where a shape lies in a picture that spans -1 to 1.
struct Placement {
    centre: [f32; 2],
    scale: f32,
    angle: f32,
}

impl Placement {
    /// A point of the picture in the shape's own frame.
    fn to_local(&self, at: [f32; 2]) -> [f32; 2] {
        let (x, y) = (at[0] - self.centre[0], at[1] - self.centre[1]);
        let (sin, cos) = self.angle.sin_cos();
        [
            (x * cos + y * sin) / self.scale,
            (y * cos - x * sin) / self.scale,
        ]
    }
}

impl Shape {
    /// How much of the point belongs to the shape, 0 to 1, falling over `softness`.
    fn coverage(self, at: [f32; 2], softness: f32) -> f32 {
        (0.5 - self.distance(at) / softness).clamp(0.0, 1.0)
    }

    /// Roughly the signed distance to the outline, negative inside.
    fn distance(self, [x, y]: [f32; 2]) -> f32 {
        let radius = x.hypot(y);
        let rectangle = |width: f32, height: f32| (x.abs() - width).max(y.abs() - height);
        match self {
            Self::Disc => radius - 0.9,
            Self::Square => rectangle(0.8, 0.8),
            Self::Triangle => y.mul_add(0.5, 0.866 * x.abs()).max(-y) - 0.5,
            Self::Ring => (radius - 0.72).abs() - 0.26,
            Self::Cross => rectangle(0.95, 0.3).min(rectangle(0.3, 0.95)),
            Self::Star => {
                let fifth = TAU / 5.0;
                let angle = (x.atan2(-y)).rem_euclid(fifth) - 0.5 * fifth;
                radius * (1.0 + 0.9 * (1.0 - angle.abs() / (PI / 5.0))) - 1.05
            }
            Self::Crescent => (radius - 0.95).max(0.75 - (x - 0.45).hypot(y)),
            Self::Bar => rectangle(1.1, 0.36),
        }
    }
}

impl Texture {
    /// Share of the light colour at a point of the shape, 0 to 1.
    fn at(self, [x, y]: [f32; 2], period: f32, phase: [f32; 2]) -> f32 {
        let wave = |position: f32, phase: f32| (TAU * (position / period + phase)).sin();
        // A steep wave: bands with short edges.
        let bands = |value: f32| 0.5 + 0.5 * (4.0 * value).clamp(-1.0, 1.0);
        match self {
            Self::Plain => 1.0,
            Self::Striped => bands(wave(x, phase[0])),
            Self::Chequered => bands(wave(0.7 * x, phase[0]) * wave(0.7 * y, phase[1])),
            Self::Dotted => bands(wave(x, phase[0]) + wave(y, phase[1]) - 0.9),
            Self::Ringed => bands(wave(x.hypot(y), phase[0])),
            Self::Shaded => (0.5 + 0.6 * y).clamp(0.0, 1.0),
        }
    }
}

fn blend(from: [f32; 3], to: [f32; 3], share: f32) -> [f32; 3] {
    std::array::from_fn(|channel| from[channel] + share * (to[channel] - from[channel]))
}

/// Red, green and blue of a hue (in turns), a saturation and a value.
fn hsv(hue: f32, saturation: f32, value: f32) -> [f32; 3] {
    [5.0, 3.0, 1.0].map(|offset: f32| {
        let k = (offset + 6.0 * hue.rem_euclid(1.0)) % 6.0;
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    })
}
