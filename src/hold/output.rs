//! What a program wrote at once. Clients, the parser and the disk are handed the same bytes.

use std::sync::Arc;

use vmux::hosted::frame;

/// Bytes, and before them what makes a frame of them.
#[derive(Clone, Debug)]
pub(crate) struct Output(Arc<Vec<u8>>);

impl Output {
    /// Of what was read at once, which is never as long as a frame may be.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        debug_assert!(bytes.len() <= frame::LONGEST);
        let mut frame = Vec::with_capacity(bytes.len() + frame::HEAD);
        frame::write(frame::OUTPUT, bytes, &mut frame);
        Self(Arc::new(frame))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.get(frame::HEAD..).unwrap_or_default()
    }

    /// The same as a frame.
    pub(crate) fn frame(&self) -> Arc<Vec<u8>> {
        self.0.clone()
    }
}
