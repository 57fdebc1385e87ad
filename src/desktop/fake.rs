//! A window manager that is none: it keeps what it was asked.

use std::sync::{Arc, Mutex};

use super::wm::x11::Display;
use super::wm::{Watch, WindowManager, WmError};
use crate::core::model::{Pid, Window, WindowId, WmAddress, WmTree, Workspace};

/// Says yes to everything.
pub(super) struct Fake {
    address: WmAddress,
    tree: WmTree,
    /// It does what it says.
    obeys: bool,
    asked: Arc<Mutex<Vec<&'static str>>>,
}

impl Fake {
    pub(super) fn new(address: &WmAddress, tree: &WmTree, obeys: bool) -> Self {
        Self {
            address: address.clone(),
            tree: tree.clone(),
            obeys,
            asked: Arc::default(),
        }
    }

    /// What it is asked, in order.
    pub(super) fn asked(&self) -> Arc<Mutex<Vec<&'static str>>> {
        Arc::clone(&self.asked)
    }

    fn note(&self, what: &'static str) {
        self.asked.lock().unwrap().push(what);
    }
}

impl WindowManager for Fake {
    fn address(&self) -> &WmAddress {
        &self.address
    }

    fn pid(&self) -> Option<Pid> {
        None
    }

    fn describe(&mut self) -> Result<String, WmError> {
        Ok("a fake".into())
    }

    fn tree(&mut self) -> Result<WmTree, WmError> {
        self.note("tree");
        Ok(self.tree.clone())
    }

    fn focus(&mut self, aim: &WindowId) -> Result<(), WmError> {
        self.note("focus");
        if self.obeys {
            for window in &mut self.tree.windows {
                window.focused = window.key == aim.key;
            }
        }
        Ok(())
    }

    fn guards(&self, _: &WindowId) -> bool {
        true
    }

    fn put(&mut self, _: &Window, _: &Workspace, _: &WmTree) -> Result<(), WmError> {
        self.note("put");
        Ok(())
    }

    fn go(&mut self, _: &Workspace, _: &WmTree) -> Result<(), WmError> {
        self.note("go");
        Ok(())
    }

    fn urgent(&mut self, _: &WindowId, _: bool, _: Option<&Display>) -> Result<bool, WmError> {
        self.note("urgent");
        Ok(true)
    }

    fn watch(&self) -> Result<Box<dyn Watch>, WmError> {
        Err(WmError::Refused("it tells nothing".into()))
    }
}
