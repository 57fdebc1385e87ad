//! The words of vmux as types. No behaviour beyond reading and printing themselves.
//!
//! [`Session`] is at once what the registry publishes and what travels: every field has a
//! default, every enum an unknown, so that old and new binaries understand each other.

mod claim;
mod dialog;
mod event;
mod evidence;
mod hook;
mod key;
#[cfg(test)]
pub(crate) mod made;
mod project;
mod session;
mod standing;
pub mod time;
mod told;
mod window;

pub use claim::*;
pub use dialog::*;
pub use event::*;
pub use evidence::*;
pub use hook::*;
pub use key::*;
pub use project::*;
pub use session::*;
pub use standing::Standing;
pub use told::*;
pub use window::*;
