//! Reports of real runs on a tiny model, seen from outside: their files, and the page in a browser.
#![allow(clippy::unwrap_used)]

mod tiny_run;

mod files;

mod damaged;

mod browser;
