//! Memory of this process.

/// Gives free memory back to the system: without being told, the allocator of GNU keeps what lies
/// below a piece in use, and what a thread used that has ended.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "std has no way to tell the allocator")]
pub fn give_back() {
    unsafe extern "C" {
        fn malloc_trim(pad: usize) -> std::ffi::c_int;
    }
    // SAFETY: it may be called at any time from any thread, and touches free memory only.
    unsafe { malloc_trim(0) };
}

/// Has all threads that start from now on share one heap: what one of them freed serves the others,
/// and [`give_back`] reaches the end of that heap only. A thread without work to do in a hurry loses
/// nothing by it. **Source:** glibc 2.36, `malloc/malloc.c`: `mtrim` trims the top of the main arena.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "std has no way to tell the allocator")]
pub fn share_heap() {
    /// `M_ARENA_MAX` of `malloc.h`.
    const ARENAS: std::ffi::c_int = -8;
    unsafe extern "C" {
        fn mallopt(what: std::ffi::c_int, value: std::ffi::c_int) -> std::ffi::c_int;
    }
    // SAFETY: it sets a number under the allocator's own lock.
    unsafe { mallopt(ARENAS, 1) };
}

/// Others have one anyway.
#[cfg(not(target_env = "gnu"))]
pub fn share_heap() {}

/// Others do so by themselves.
#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}
