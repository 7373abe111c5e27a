//! Horizontal bars of several parts.

use maud::{Markup, html};

use super::{CHART_WIDTH, Legend, Mark, Rounded, Scale, Spacing, compact, label_width, shortened};

const LINE: f64 = 22.0;
const NAME: usize = 22;

/// A bar: its name and the sizes of its parts, from 0 up.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) parts: Vec<f64>,
}

/// Bars on one scale; parts have names.
#[derive(Clone, Debug)]
pub(crate) struct Bars {
    pub(crate) unit: String,
    pub(crate) parts: Vec<String>,
    pub(crate) bars: Vec<Bar>,
}

impl Bars {
    /// Size in pixels.
    pub(crate) fn size(&self) -> (f64, f64) {
        let height = 8.0 + self.legend().height + LINE * self.bars.len() as f64 + 34.0;
        (CHART_WIDTH, height)
    }

    fn legend(&self) -> Legend {
        Legend::new(self.parts.iter().cloned(), CHART_WIDTH - 20.0)
    }

    /// The drawing.
    pub(crate) fn draw(&self) -> Markup {
        let legend = self.legend();
        let names = self
            .bars
            .iter()
            .map(|bar| label_width(&shortened(&bar.name, NAME)));
        let left = 16.0 + names.fold(0.0, f64::max);
        let right = CHART_WIDTH - 56.0;
        let totals = self.bars.iter().map(|bar| bar.parts.iter().sum::<f64>());
        let largest = totals.fold(0.0, f64::max);
        let x = Scale::new(Spacing::Linear, (0.0, largest), (left, right));
        let top = 8.0 + legend.height;
        let bottom = top + LINE * self.bars.len() as f64;
        html! {
            (legend.draw(10.0, 8.0))
            @for tick in x.ticks().into_iter().filter(|tick| *tick >= 0.0) {
                @let at = x.at(tick);
                line class="grid" x1=(Rounded(at)) x2=(Rounded(at)) y1=(Rounded(top)) y2=(Rounded(bottom)) {}
                text class="soft small middle" x=(Rounded(at)) y=(Rounded(bottom + 15.0)) { (compact(tick)) }
            }
            text class="soft small end" x=(Rounded(right + 46.0)) y=(Rounded(bottom + 30.0)) { (self.unit) }
            @for (index, bar) in self.bars.iter().enumerate() {
                (self.draw_bar(bar, top + LINE * index as f64, &x))
            }
        }
    }

    fn draw_bar(&self, bar: &Bar, y: f64, x: &Scale) -> Markup {
        let starts = bar.parts.iter().scan(0.0, |sum, part| {
            let start = *sum;
            *sum += part;
            Some(start)
        });
        let total: f64 = bar.parts.iter().sum();
        html! {
            text class="ink" x="10" y=(Rounded(y + 15.0)) { (shortened(&bar.name, NAME)) }
            @for (index, (start, part)) in starts.zip(&bar.parts).enumerate() {
                rect class=(Mark(index).fill()) x=(Rounded(x.at(start))) y=(Rounded(y + 3.0))
                    width=(Rounded(x.at(start + part) - x.at(start))) height=(Rounded(LINE - 6.0)) {
                    title { (self.parts.get(index).map_or("", String::as_str)) ": " (compact(*part)) }
                }
            }
            text class="soft small" x=(Rounded(x.at(total) + 5.0)) y=(Rounded(y + 15.0)) { (compact(total)) }
        }
    }
}
