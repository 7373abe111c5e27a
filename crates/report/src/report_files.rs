//! The files of a report: the page and every figure.

use std::{fs, path::Path};

use treelora_core::Error;

use crate::{Report, page};

impl Report {
    /// The page; `files` is where the figures' files are, seen from the page.
    pub fn to_html(&self, files: &str) -> String {
        page::page(self, files).into_string()
    }

    /// Write the page to the file `html`, and every figure as SVG and CSV into the folder
    /// `figures`. Files of an earlier report are replaced.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write(&self, html: &Path, figures: &Path) -> Result<(), Error> {
        fs::create_dir_all(figures).map_err(|e| Error::io(figures, e))?;
        for figure in self.figures() {
            let path = |extension: &str| figures.join(format!("{}.{extension}", figure.name));
            write(&path("svg"), &figure.to_svg())?;
            write(&path("csv"), &figure.data.to_csv())?;
        }
        if let Some(folder) = html.parent() {
            fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        }
        write(html, &self.to_html(&link(html, figures)))
    }
}

/// The folder of the figures as a link from the page.
fn link(html: &Path, figures: &Path) -> String {
    let beside = figures.strip_prefix(html.parent().unwrap_or(Path::new("")));
    let path = match beside {
        Ok(beside) => beside.to_owned(),
        Err(_) => fs::canonicalize(figures).unwrap_or_else(|_| figures.to_owned()),
    };
    let encode = |c: char| match c {
        '%' | '#' | '?' | ' ' => format!("%{:02X}", c as u32),
        '\\' => "/".to_owned(),
        c => c.to_string(),
    };
    let link: String = path.to_string_lossy().chars().map(encode).collect();
    match link.as_str() {
        "" => ".".to_owned(),
        _ => link,
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|e| Error::io(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_from_the_page_to_the_figures() {
        let to = |html: &str, figures: &str| link(Path::new(html), Path::new(figures));
        assert_eq!(
            to("run 1/report.html", "run 1/my figures#1"),
            "my%20figures%231"
        );
        assert_eq!(to("report.html", "report-figures"), "report-figures");
        assert_eq!(to("a/report.html", "a"), ".");
        assert_eq!(to("a/report.html", "no/such/b"), "no/such/b");
    }
}
