//! i3's replies, typed: only what vmux uses, everything optional. Pure.
//!
//! **Source:** i3 4.22 and 4.24, sway 1.7 and 1.10.

use std::borrow::Cow;

use serde::Deserialize;

use crate::core::model::{
    ConId, Focus, Pid, Window, WindowKey, WmTree, Workspace, WorkspaceId, Xid,
};
use crate::core::text::CleanText;
use crate::desktop::wm::WmError;

/// The workspace of hidden windows (i3 user guide, "Scratchpad").
const HIDDEN_WORKSPACE: &str = "__i3_scratch";

/// Deepest nesting that is walked. People nest five deep; i3 itself allows any.
const DEPTH: usize = 100;

#[derive(Deserialize)]
struct Node<'a> {
    #[serde(default)]
    id: u64,
    #[serde(default, borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    name: Option<Text<'a>>,
    #[serde(default)]
    window: Option<u32>,
    #[serde(default)]
    pid: Option<u32>,
    #[serde(default, borrow)]
    app_id: Option<Text<'a>>,
    #[serde(default, borrow)]
    window_properties: Option<Properties<'a>>,
    #[serde(default)]
    focused: bool,
    #[serde(default)]
    urgent: bool,
    #[serde(default, borrow)]
    nodes: Vec<Node<'a>>,
    #[serde(default, borrow)]
    floating_nodes: Vec<Node<'a>>,
}

#[derive(Deserialize)]
struct Properties<'a> {
    #[serde(default, borrow)]
    class: Option<Text<'a>>,
}

/// A string that is borrowed where it holds no escapes; serde borrows no `Option<Cow>`.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Where a node is.
#[derive(Clone, Copy, Default)]
struct Context<'a> {
    output: &'a str,
    workspace: &'a str,
}

/// The windows of a GET_TREE reply.
///
/// # Errors
/// Those of JSON; invalid UTF-8 is replaced first (i3 does so itself).
pub fn parse(bytes: &[u8]) -> Result<WmTree, serde_json::Error> {
    let text = String::from_utf8_lossy(bytes);
    let root: Node<'_> = serde_json::from_str(&text)?;
    let mut tree = WmTree::default();
    walk(&root, Context::default(), &mut tree, 0);
    // Of i3 something has the focus always, a menu does not count there. Of sway nothing has,
    // while a layer on top takes the keys (sway 1.7).
    tree.menu = tree.focus.key == WindowKey::Unknown;
    Ok(tree)
}

fn walk<'a>(node: &'a Node<'a>, context: Context<'a>, tree: &mut WmTree, depth: usize) {
    if depth > DEPTH {
        return;
    }
    let name = node.name.as_ref().map_or("", |text| &*text.0);
    let context = match &*node.kind {
        "output" => Context {
            output: name,
            ..context
        },
        "workspace" => {
            let context = Context {
                workspace: name,
                ..context
            };
            tree.workspaces.push(context.here());
            context
        }
        _ => context,
    };
    if node.focused {
        tree.focus = Focus {
            key: WindowKey::Con(ConId(node.id)),
            xid: node.window.map(Xid),
            pid: node.pid.map(Pid),
            workspace: context.here(),
        };
    }
    // A leaf with a window: X11 has `window`, a native Wayland view under sway only `pid`.
    let leaf = node.nodes.is_empty() && node.floating_nodes.is_empty();
    if node.window.is_some() || (leaf && node.pid.is_some()) {
        let class = node
            .window_properties
            .as_ref()
            .and_then(|p| p.class.as_ref())
            .or(node.app_id.as_ref());
        tree.windows.push(Window {
            key: WindowKey::Con(ConId(node.id)),
            xid: node.window.map(Xid),
            pid: node.pid.map(Pid),
            title: CleanText::line(name),
            class: CleanText::line(class.map_or("", |text| &*text.0)),
            workspace: context.here(),
            focused: node.focused,
            urgent: node.urgent,
        });
    }
    for child in node.nodes.iter().chain(&node.floating_nodes) {
        walk(child, context, tree, depth + 1);
    }
}

impl Context<'_> {
    fn here(self) -> Workspace {
        workspace(self.workspace, self.output)
    }
}

/// A workspace by its name and that of its output, as i3 and sway have them.
#[must_use]
pub fn workspace(raw: &str, output: &str) -> Workspace {
    let id = workspace_id(raw);
    let name = match id {
        WorkspaceId::Hidden => "scratchpad",
        _ => raw,
    };
    Workspace {
        name: CleanText::line(name),
        output: CleanText::line(output),
        id,
    }
}

fn workspace_id(name: &str) -> WorkspaceId {
    match name {
        HIDDEN_WORKSPACE => WorkspaceId::Hidden,
        "" => WorkspaceId::Unknown,
        name => WorkspaceId::Name(name.to_owned()),
    }
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    success: bool,
    #[serde(default)]
    error: Option<String>,
}

/// Reads the reply to a command: refused if any part of it was.
///
/// # Errors
/// `Refused` with the manager's words, `Garbled`.
pub fn parse_command_reply(bytes: &[u8]) -> Result<(), WmError> {
    let outcomes: Vec<Outcome> =
        serde_json::from_slice(bytes).map_err(|error| WmError::Garbled(error.to_string()))?;
    match outcomes.into_iter().find(|outcome| !outcome.success) {
        None => Ok(()),
        Some(outcome) => Err(WmError::Refused(
            outcome.error.unwrap_or_else(|| "without a reason".into()),
        )),
    }
}

/// What a window manager says it is.
#[derive(Deserialize)]
pub struct Version {
    /// In words.
    #[serde(default)]
    pub human_readable: String,
    /// `sway`, or one of its forks. i3 4.22 has no such field.
    #[serde(default)]
    pub variant: Option<String>,
}

/// Reads the reply to GET_VERSION.
///
/// # Errors
/// Those of JSON.
pub fn parse_version(bytes: &[u8]) -> Result<Version, serde_json::Error> {
    serde_json::from_slice(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{"id":1,"type":"root","nodes":[{"id":2,"type":"output","name":"DP-1","nodes":[
        {"id":3,"type":"con","name":"content","nodes":[{"id":4,"type":"workspace","name":"2:web","nodes":[
          {"id":5,"type":"con","window":77,"name":"a \u001b[31mtitle","focused":true,
           "window_properties":{"class":"XTerm","machine":"h"},"nodes":[],"floating_nodes":[]},
          {"id":6,"type":"con","name":null,"window":null,"nodes":[
            {"id":7,"type":"con","window":78,"urgent":true,"nodes":[]}]}],
         "floating_nodes":[{"id":8,"type":"floating_con","nodes":[{"id":9,"type":"con","window":79}]}]}]}]},
        {"id":10,"type":"output","name":"__i3","nodes":[{"id":11,"type":"workspace","name":"__i3_scratch",
         "floating_nodes":[{"id":12,"type":"floating_con","nodes":[{"id":13,"type":"con","window":80}]}]}]}]}"#;

    fn con(key: WindowKey) -> u64 {
        match key {
            WindowKey::Con(id) => id.0,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn windows_are_found_wherever_they_hang() {
        let tree = parse(SMALL.as_bytes()).unwrap();
        let found: Vec<_> = tree
            .windows
            .iter()
            .map(|w| (con(w.key), w.xid.unwrap().0, w.workspace.name.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                (5, 77, "2:web"),
                (7, 78, "2:web"),
                (9, 79, "2:web"),
                (13, 80, "scratchpad")
            ]
        );
        let first = &tree.windows[0];
        assert_eq!(
            (
                first.title.as_str(),
                first.class.as_str(),
                first.workspace.output.as_str()
            ),
            ("a title", "XTerm", "DP-1")
        );
        assert_eq!(
            (
                tree.focus.workspace.name.as_str(),
                tree.focused().unwrap().xid
            ),
            ("2:web", Some(Xid(77)))
        );
    }

    #[test]
    fn a_wayland_view_is_known_by_its_pid() {
        let tree = parse(br#"{"type":"workspace","name":"1","nodes":[{"id":5,"type":"con","pid":42,"app_id":"foot"}]}"#);
        let window = &tree.unwrap().windows[0];
        assert_eq!(
            (window.pid, window.xid, window.class.as_str()),
            (Some(Pid(42)), None, "foot")
        );
    }

    #[test]
    fn surprises_are_errors_not_panics() {
        for bad in [&b""[..], b"{\"nodes\":7}", b"null"] {
            assert!(parse(bad).is_err());
        }
        assert!(parse(b"{}").unwrap().windows.is_empty());
        let deep = "{\"nodes\":[".repeat(120) + &"]}".repeat(120);
        assert!(
            parse(deep.as_bytes()).is_err() || parse(deep.as_bytes()).unwrap().windows.is_empty()
        );
    }

    #[test]
    fn a_refusal_keeps_i3s_words() {
        assert!(parse_command_reply(br#"[{"success":true}]"#).is_ok());
        let refused = parse_command_reply(
            br#"[{"success":false,"error":"No window matches given criteria"}]"#,
        );
        assert_eq!(
            refused.unwrap_err().to_string(),
            "it refused: No window matches given criteria"
        );
        assert!(matches!(
            parse_command_reply(b"{}"),
            Err(WmError::Garbled(_))
        ));
    }
}
