//! Which files a patch changed. Pure.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::agent::changes::absolute;
use crate::agent::record::Fields;
use crate::core::transcript::{Edit, Hunk};

/// The files that an event tells of, by their paths.
///
/// **Source:** observed on 0.139.0 (`patch_apply_end`) and 0.171.0 (`FileChange`): one that failed is
/// told of by no event, or says so.
pub(super) fn made(payload: &Fields<'_>) -> Vec<(String, Edit)> {
    let item = match &*payload.word("type") {
        "item_completed" => payload.object("item"),
        "patch_apply_end" => payload.clone(),
        _ => return Vec::new(),
    };
    let fit = matches!(&*item.word("type"), "FileChange" | "patch_apply_end");
    if !fit || item.word("status") != "completed" {
        return Vec::new();
    }
    let changes = item.raw("changes").map(RawValue::get).unwrap_or_default();
    let changes: BTreeMap<String, &RawValue> = serde_json::from_str(changes).unwrap_or_default();
    let changes = changes.into_iter();
    let edits = changes.filter_map(|(path, raw)| {
        let change = Fields::parse(raw.get()).ok()?;
        Some((path, edit(&change)))
    });
    edits.collect()
}

fn edit(change: &Fields<'_>) -> Edit {
    let told = || match &*change.word("type") {
        // It may have been there before: a patch that adds it writes over it.
        "add" => Some(Edit::Whole {
            before: None,
            after: change.text("content")?,
            shown: Vec::new(),
        }),
        "delete" => Some(Edit::Hunks {
            hunks: Vec::new(),
            created: false,
            deleted: true,
        }),
        "update" => {
            let hunks = hunks(&change.text("unified_diff")?);
            let to = change.text("move_path");
            Some(match to.and_then(|to| absolute(None, &to)) {
                Some(to) => Edit::Moved { to, hunks },
                None => Edit::Hunks {
                    hunks,
                    created: false,
                    deleted: false,
                },
            })
        }
        _ => None,
    };
    told().unwrap_or(Edit::Touched)
}

/// The hunks of a unified diff.
fn hunks(diff: &str) -> Vec<Hunk> {
    let mut hunks: Vec<Hunk> = Vec::new();
    for line in diff.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some(head) = line.strip_prefix("@@ -") {
            let starts = || {
                let (old, rest) = head.split_once(" +")?;
                let new = rest.split_once(' ').map_or(rest, |(new, _)| new);
                let start = |range: &str| range.split(',').next()?.parse().ok();
                Some((start(old)?, start(new)?))
            };
            let (old_start, new_start) = starts().unwrap_or_default();
            hunks.push(Hunk {
                old_start,
                new_start,
                lines: Vec::new(),
            });
        } else if line.starts_with([' ', '+', '-'])
            && let Some(hunk) = hunks.last_mut()
        {
            hunk.lines.push(line.to_owned());
        }
    }
    hunks
}
