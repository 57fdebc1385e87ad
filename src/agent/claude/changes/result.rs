//! Which files a tool changed, by its result.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::agent::record::Fields;
use crate::core::transcript::{Edit, Hunk};

/// Files that one result tells of.
const FILES: usize = 10_000;

/// A change of a file, by its path as it is told.
pub(super) struct Made {
    pub(super) path: String,
    pub(super) edit: Edit,
    /// A command of a shell made it.
    pub(super) by_shell: bool,
}

/// The changes that a tool's result tells of.
///
/// **Source:** observed on 2.1.332; `edits` is of the tool `MultiEdit` (up to 2.0).
pub(super) fn made(result: &Fields<'_>) -> Vec<Made> {
    let mut all = Vec::new();
    if let Some(path) = result.text("filePath") {
        all.extend(edits(result).into_iter().map(|edit| Made {
            path: path.clone(),
            edit,
            by_shell: false,
        }));
    }
    if let Some(path) = result.text("notebook_path") {
        let edit = match result.text("updated_file") {
            Some(after) => Edit::Whole {
                before: result.text("original_file"),
                after,
                shown: Vec::new(),
            },
            None => Edit::Touched,
        };
        all.push(Made {
            path,
            edit,
            by_shell: false,
        });
    }
    let shell = result.object("bashEditDiff");
    for raw in shell.list("files").into_iter().take(FILES) {
        let Ok(file) = Fields::parse(raw.get()) else {
            continue;
        };
        let edit = Edit::Hunks {
            hunks: hunks(file.raw("hunks")),
            created: file.flag("created"),
            deleted: file.flag("deleted"),
        };
        all.extend(file.text("filePath").map(|path| Made {
            path,
            edit,
            by_shell: true,
        }));
    }
    // It shows the first five, and names all.
    let named = shell.list("changedFiles").into_iter().take(FILES);
    let named = named.filter_map(|raw| serde_json::from_str::<String>(raw.get()).ok());
    let shown: HashSet<String> = all.iter().map(|made| made.path.clone()).collect();
    all.extend(named.filter(|path| !shown.contains(path)).map(|path| Made {
        path,
        edit: Edit::Touched,
        by_shell: true,
    }));
    all
}

/// What a call is to change. What it finds there it does not say.
///
/// **Source:** observed on 2.1.332.
pub(super) fn asked(call: &Fields<'_>) -> Option<Made> {
    let input = call.object("input");
    let text = |name: &str| input.text(name);
    let edit = match &*call.word("name") {
        "Write" => Edit::Whole {
            before: None,
            after: text("content")?,
            shown: Vec::new(),
        },
        "Edit" => {
            let all = input.flag("replace_all");
            replaced(
                None,
                text("old_string")?,
                text("new_string")?,
                all,
                Vec::new(),
            )
        }
        _ => return None,
    };
    Some(Made {
        path: text("file_path")?,
        edit,
        by_shell: false,
    })
}

/// What `Edit`, `Write` and `MultiEdit` did to their file.
fn edits(result: &Fields<'_>) -> Vec<Edit> {
    // What a person changed in it before it was made looks like the agent's own.
    if result.flag("userModified") {
        return vec![Edit::Touched];
    }
    let new = || (result.word("type") == "create").then(String::new);
    let before = result.text("originalFile").or_else(new);
    let shown = || hunks(result.raw("structuredPatch"));
    if let (Some(old), Some(new)) = (result.text("oldString"), result.text("newString")) {
        let all = result.flag("replaceAll");
        return vec![replaced(before, old, new, all, shown())];
    }
    if let Some(after) = result.text("content") {
        let shown = shown();
        return vec![Edit::Whole {
            before,
            after,
            shown,
        }];
    }
    let mut before = before.or_else(|| result.text("originalFileContents"));
    let several = result.list("edits").into_iter().filter_map(|raw| {
        let edit = Fields::parse(raw.get()).ok()?;
        let (old, new) = (edit.text("old_string")?, edit.text("new_string")?);
        let all = edit.flag("replace_all");
        Some(replaced(before.take(), old, new, all, Vec::new()))
    });
    let several: Vec<_> = several.collect();
    match several.is_empty() {
        true if result.raw("structuredPatch").is_some() => vec![Edit::Touched],
        _ => several,
    }
}

fn replaced(before: Option<String>, old: String, new: String, all: bool, shown: Vec<Hunk>) -> Edit {
    if !old.is_empty() {
        return Edit::Replace {
            before,
            old,
            new,
            all,
            shown,
        };
    }
    // A file is made by replacing nothing.
    match before.as_deref() {
        None | Some("") => Edit::Whole {
            before,
            after: new,
            shown,
        },
        Some(_) => Edit::Touched,
    }
}

fn hunks(raw: Option<&RawValue>) -> Vec<Hunk> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Shown {
        old_start: u32,
        new_start: u32,
        lines: Vec<String>,
    }
    let shown: Option<Vec<Shown>> = raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
    let shown = shown.into_iter().flatten().map(|mut hunk| {
        // `\ No newline at end of file` is none.
        hunk.lines.retain(|line| line.starts_with([' ', '+', '-']));
        Hunk {
            old_start: hunk.old_start,
            new_start: hunk.new_start,
            lines: hunk.lines,
        }
    });
    shown.collect()
}
