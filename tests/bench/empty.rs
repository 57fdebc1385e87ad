//! The floor: a Rust program that does nothing.

fn main() {}
