//! Lines on standard output and standard error.

use std::{fmt::Arguments, io::Write};

/// As that of the standard library, but a reader that has gone away (`treelora run ... | head`) does not end the run.
macro_rules! print {
    ($($text:tt)*) => { $crate::output::write(std::io::stdout(), format_args!($($text)*), "") };
}

/// As `print`, with the end of a line.
macro_rules! println {
    () => { println!("") };
    ($($text:tt)*) => { $crate::output::write(std::io::stdout(), format_args!($($text)*), "\n") };
}

/// As `println`, on standard error.
macro_rules! eprintln {
    () => { eprintln!("") };
    ($($text:tt)*) => { $crate::output::write(std::io::stderr(), format_args!($($text)*), "\n") };
}

/// Write what can be written: results are in the run's folder, and no one is left to tell.
pub(crate) fn write(mut to: impl Write, text: Arguments<'_>, end: &str) {
    let _ = write!(to, "{text}{end}");
}
