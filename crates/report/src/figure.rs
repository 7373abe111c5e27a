//! One drawing with its words and its numbers.

use maud::{Markup, PreEscaped, html};

use crate::{
    DataTable,
    drawing::{CHART_WIDTH, Rounded},
};

/// Colours of figures, light and dark; the page uses the same.
pub(crate) const FIGURE_STYLE: &str = include_str!("figure.css");

/// A drawing in SVG with a title, a description for those who do not see it, and its data.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Name of its files, without extension; unique within a report.
    pub name: String,
    /// What it shows, in a few words.
    pub title: String,
    /// What it shows in a sentence, with the formula of each metric.
    pub description: String,
    /// Width in pixels at which text has its natural size.
    pub width: f64,
    /// Height in those pixels.
    pub height: f64,
    /// The numbers.
    pub data: DataTable,
    pub(crate) drawing: Markup,
}

impl Figure {
    /// The figure as a file of its own, with its colours.
    pub fn to_svg(&self) -> String {
        let style = html! {
            style { (PreEscaped(FIGURE_STYLE)) }
            rect class="paper" width="100%" height="100%" {}
        };
        self.svg(style, "").into_string()
    }

    /// The figure as a part of the page, which has the colours.
    pub(crate) fn inline(&self) -> Markup {
        // Below four fifths of their size letters are too small: then the figure scrolls.
        let style = format!(
            "min-width:{:.0}px;max-width:{:.0}px",
            0.78 * self.width,
            1.4 * self.width
        );
        self.svg(html! {}, &style)
    }

    fn svg(&self, style: Markup, size: &str) -> Markup {
        let (title, description) = (
            format!("title-{}", self.name),
            format!("words-{}", self.name),
        );
        let view = format!("0 0 {} {}", Rounded(self.width), Rounded(self.height));
        html! {
            svg xmlns="http://www.w3.org/2000/svg" class="figure" viewBox=(view) role="img"
                width=(Rounded(self.width)) height=(Rounded(self.height)) style=(size)
                aria-labelledby=(title) aria-describedby=(description)
            {
                title id=(title) { (self.title) }
                desc id=(description) { (self.description) }
                (style)
                (self.drawing)
            }
        }
    }

    /// Whether it needs the width of the page.
    fn is_wide(&self) -> bool {
        self.width > 1.1 * CHART_WIDTH
    }

    /// The figure with its words, its table, and links to its files in the folder `files`.
    pub(crate) fn to_html(&self, files: &str) -> Markup {
        let href = |extension: &str| format!("{files}/{}.{extension}", self.name);
        html! {
            figure id={ "figure-" (self.name) } class=[self.is_wide().then_some("wide")] {
                figcaption { (self.title) }
                div.scroll tabindex="0" role="region" aria-label=(self.title) { (self.inline()) }
                p.note { (self.description) }
                details {
                    summary { "Numbers of this figure" }
                    p { a href=(href("csv")) { "CSV" } " · " a href=(href("svg")) { "SVG" } }
                    (self.data.to_html(&self.title))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_from_files_cannot_become_markup() {
        let figure = Figure {
            name: "x".into(),
            title: "<script>alert(1)</script>".into(),
            description: "a & b \"c\"".into(),
            width: 10.0,
            height: 20.0,
            data: DataTable::new(["<b>"]),
            drawing: html! { text { "</svg>" } },
        };
        for text in [figure.to_svg(), figure.to_html("files").into_string()] {
            assert!(
                !text.contains("<script>") && !text.contains("<b>"),
                "{text}"
            );
            assert!(text.contains("&lt;/svg&gt;"), "{text}");
            assert!(
                text.contains("role=\"img\"") && text.contains("<desc"),
                "{text}"
            );
        }
    }
}
