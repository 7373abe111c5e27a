//! A readable vision transformer with weight import.
