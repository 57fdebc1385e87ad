//! The floor of memory: a Rust program that waits.

fn main() {
    loop {
        std::thread::park();
    }
}
