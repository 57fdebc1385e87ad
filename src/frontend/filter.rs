//! Which sessions a picker lists, where a key goes from one part of them to the next. Pure.

use crate::core::model::{Session, Standing};

/// A part of the sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Filter {
    /// All of them.
    #[default]
    All,
    /// Those that wait.
    Waiting,
    /// Those of the workspace that has the focus.
    Workspace,
}

impl Filter {
    /// The one after it; there is none for a workspace that is not known.
    #[must_use]
    pub fn next(self, workspace: Option<&str>) -> Self {
        match self {
            Self::All => Self::Waiting,
            Self::Waiting if workspace.is_some() => Self::Workspace,
            Self::Waiting | Self::Workspace => Self::All,
        }
    }

    /// What people call it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Waiting => "waiting",
            Self::Workspace => "this workspace",
        }
    }

    /// Whether it has this session; `workspace` is the one that has the focus.
    #[must_use]
    pub fn has(self, session: &Session, workspace: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Waiting => session.standing() == Standing::Waiting,
            Self::Workspace => session.workspace.as_deref() == workspace,
        }
    }
}
