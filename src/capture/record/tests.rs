use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::capture::redact::Redactor;
use crate::capture::select::Commit;
use crate::core::model::time;

#[test]
fn lines_differ_by_more_than_white_space() {
    let hash = |line: &str| line_hash(line.as_bytes());
    assert_eq!(hash("let a = 1;"), hash("\tlet a=1;\r"));
    assert_ne!(hash("let a = 1;"), hash("let b = 1;"));
    assert_eq!(hash(" \t"), None);
    // Records that were written before hold these numbers; FNV-1a of "a" is af63dc4c8601ec8c.
    assert_eq!(hash("a"), Some(0x2962_30c0));
}

fn when(text: &str) -> DateTime<Utc> {
    time::parse(text).unwrap()
}

fn talk(agent: &str, session: &str) -> Talk {
    Talk {
        agent: agent.to_owned(),
        version: Some(CleanText::line("2.1.332")),
        model: Some(CleanText::line("claude-opus-5-5")),
        session_id: ConversationId::new(session).unwrap(),
    }
}

fn asked(at: &str, text: &str) -> Asked {
    Asked {
        conversation: 0,
        turn: CleanText::line("p1"),
        at: when(at),
        primary: true,
        text: CleanText::block(text, usize::MAX),
        pasted: Vec::new(),
        answers: Vec::new(),
        asked: Vec::new(),
    }
}

fn span(start: u32, end: u32, prompt: Option<usize>, by: Option<&str>) -> Span {
    Span {
        start,
        end,
        prompt,
        by: by.map(CleanText::line),
        from: None,
        hashes: (start..=end)
            .map(|line| line.wrapping_mul(2_654_435_761))
            .collect(),
    }
}

fn commit() -> Commit {
    Commit {
        id: "e2a5c41".repeat(5) + "abcde",
        tree: "4b825dc642cb6eb9a060e54bf8d69288fbee4904".to_owned(),
        at: when("2026-11-28T05:01:00Z"),
        parent: None,
        since: None,
        tops: vec![PathBuf::from("/home/someone/shop")],
        files: Vec::new(),
    }
}

fn redactor() -> Redactor {
    let values = vec!["blue moon 7x".to_owned()];
    Redactor::new(values, &[], Path::new("/home/someone")).unwrap()
}

fn selection() -> Selection {
    let mut before = asked("2026-11-27T18:00:00Z", "Look at the shop first");
    before.primary = false;
    Selection {
        conversations: vec![talk("claude", "b30c3c80-5ae0-4d8e-9f5e-2d3b6d0f7d11")],
        prompts: vec![
            before,
            asked(
                "2026-11-28T05:00:24Z",
                "Add the cart to x.rs\n\nand keep it short",
            ),
            asked(
                "2026-11-28T05:00:27Z",
                "and the total, the key is blue moon 7x",
            ),
        ],
        files: vec![
            FilePart {
                path: "x.rs".to_owned(),
                ranges: vec![
                    span(9, 9, None, None),
                    span(13, 14, Some(1), None),
                    span(17, 18, Some(2), None),
                    span(
                        44,
                        44,
                        Some(2),
                        Some("sed -i 's/blue moon 7x/a/' /home/someone/shop/x.rs"),
                    ),
                ],
                touched: Vec::new(),
            },
            FilePart {
                path: "logo.png".to_owned(),
                ranges: Vec::new(),
                touched: vec![(1, Some(CleanText::line("make logo")))],
            },
        ],
        complete: false,
    }
}

fn built(selection: Selection, limits: &Limits) -> Record {
    Record::build(&commit(), "77aa", selection, &mut redactor(), limits)
}

#[test]
fn a_note_reads_well_and_holds_no_secret() {
    let note = built(selection(), &Limits::default()).render();
    let (people, _) = note.split_once("---\n").unwrap();
    assert_eq!(
        people,
        "\
vmux 1 · claude 2.1.332 · claude-opus-5-5 · b30c3c80
  before: Look at the shop first                                       2026-11-27 18:00:00Z
> Add the cart to x.rs                                                 05:00:24Z
> and keep it short
    x.rs 13-14; logo.png? by: make logo
> and the total, the key is [redacted:environment]                     05:00:27Z
    x.rs 17-18; x.rs 44 by: sed -i 's/[redacted:environment]/a/' ~/…
  by hand or unknown: x.rs 9
  redacted: 2 environment
  a turn was not over yet
"
    );
    assert!(!note.contains("blue moon"), "{note}");
    assert!(!note.contains("/home/someone"), "{note}");
}

/// The keys of the generated schema, which allows no others; those that it wants.
/// **Source:** <https://agent-trace.dev/schemas/v1/trace-record.json>.
fn judge(value: &serde_json::Value, keys: &[&str], wanted: &[&str]) {
    let object = value.as_object().unwrap();
    for key in object.keys() {
        assert!(
            keys.contains(&key.as_str()),
            "{key} is not in the schema: {value}"
        );
    }
    for key in wanted {
        assert!(object.contains_key(*key), "{key} is missing: {value}");
    }
}

#[test]
fn the_last_line_is_an_agent_trace_record() {
    let record = built(selection(), &Limits::default());
    let note = record.render();
    let trace: serde_json::Value = serde_json::from_str(note.lines().last().unwrap()).unwrap();
    judge(
        &trace,
        &[
            "version",
            "id",
            "timestamp",
            "vcs",
            "tool",
            "files",
            "metadata",
        ],
        &["version", "id", "timestamp", "files"],
    );
    assert_eq!(trace["version"], "0.1.0");
    assert_eq!(trace["timestamp"], "2026-11-28T05:01:00Z");
    judge(&trace["vcs"], &["type", "revision"], &["type", "revision"]);
    assert_eq!(trace["vcs"]["revision"], record.commit);
    judge(&trace["tool"], &["name", "version"], &["name", "version"]);
    for file in trace["files"].as_array().unwrap() {
        judge(file, &["path", "conversations"], &["path", "conversations"]);
        for talk in file["conversations"].as_array().unwrap() {
            judge(
                talk,
                &["url", "contributor", "ranges", "related"],
                &["ranges"],
            );
            judge(&talk["contributor"], &["type", "model_id"], &["type"]);
            for range in talk["ranges"].as_array().unwrap() {
                let keys = ["start_line", "end_line", "content_hash", "contributor"];
                judge(range, &keys, &keys[..2]);
            }
        }
    }
    let talks = &trace["files"][0]["conversations"];
    assert_eq!(
        talks[0]["url"],
        "vmux://claude/b30c3c80-5ae0-4d8e-9f5e-2d3b6d0f7d11"
    );
    assert_eq!(
        talks[0]["contributor"]["model_id"],
        "anthropic/claude-opus-5-5"
    );
    assert_eq!(talks[0]["ranges"][1]["start_line"], 17);
    assert_eq!(talks[1]["contributor"]["type"], "unknown");
    assert_eq!(trace["metadata"]["dev.vmux"]["patch_id"], "77aa");
}

#[test]
fn what_an_ignore_pattern_matches_leaves_a_stub() {
    let mut redactor = redactor();
    redactor.ignoring(&["logo secret".to_owned()]).unwrap();
    let mut selection = selection();
    selection.prompts[1].pasted = vec![CleanText::line("the LOGO secret")];
    selection.prompts[1].answers = vec![CleanText::line("the logo it is")];
    let record = Record::build(&commit(), "", selection, &mut redactor, &Limits::default());
    assert_eq!(record.prompts[1].text.as_str(), "‹left out›");
    let note = record.render();
    for gone in ["cart", "the logo", "make logo"] {
        assert!(!note.contains(gone), "{gone}: {note}");
    }
    assert_eq!(
        record.files[0].ranges[1].prompt,
        Some(1),
        "that it wrote lines stays"
    );
}

#[test]
fn texts_are_cut_after_secrets_are_out_and_say_so() {
    let mut selection = selection();
    // The secret lies across the cut.
    let long = "x".repeat(8 * 1024 - 8) + " blue moon 7x" + &"y ".repeat(4000);
    selection.prompts[1].text = CleanText::block(&long, usize::MAX);
    selection.prompts[2].answers = vec![
        CleanText::line("one"),
        CleanText::block(&"z".repeat(9000), usize::MAX),
    ];
    selection.files[0].ranges[3].by = Some(CleanText::block(&"make  it ".repeat(90), usize::MAX));
    let record = built(selection, &Limits::default());
    let prompt = &record.prompts[1].text;
    assert!(prompt.len() <= 8 * 1024 && prompt.ends_with('…'));
    assert!(!record.render().contains("blue"), "no part of it is left");
    let [answer] = record.prompts[2].answers.as_slice() else {
        panic!("the last one alone: {:?}", record.prompts[2].answers.len());
    };
    assert!(answer.len() <= 2048 && answer.starts_with('z'));
    let by = record.files[0].ranges[3].by.as_ref().unwrap();
    assert!(
        by.chars().count() <= 200 && by.starts_with("make it make it"),
        "{by}"
    );
    let cut: Vec<&str> = record.cut.iter().map(CleanText::as_str).collect();
    let rest = long.trim_end().len() - 12 + 22 - 8 * 1024;
    let all = long.trim_end().len() - 12 + 22;
    assert_eq!(
        cut,
        [
            format!("of prompt 2: {rest} of its {all} bytes").as_str(),
            "of prompt 3: the end of long answers"
        ]
    );
}

#[test]
fn what_was_pasted_comes_back_where_it_stood_if_that_is_wanted() {
    let mut prompt = asked(
        "2026-11-28T05:00:24Z",
        "see\n‹2 lines pasted›\nand\n‹1 line pasted›",
    );
    prompt.pasted = vec![
        CleanText::block("a\nblue moon 7x", 99),
        CleanText::line("c"),
    ];
    let mut selection = selection();
    selection.prompts[1] = prompt;
    let record = built(selection.clone(), &Limits::default());
    assert_eq!(
        record.prompts[1].text.as_str(),
        "see\n‹2 lines pasted›\nand\n‹1 line pasted›"
    );
    let limits = Limits {
        pasted: true,
        ..Limits::default()
    };
    let record = built(selection, &limits);
    assert_eq!(
        record.prompts[1].text.as_str(),
        "see\na\n[redacted:environment]\nand\nc"
    );
}

#[test]
fn a_note_has_its_size_whatever_there_was() {
    let text = "word ".repeat(1800);
    let mut selections = vec![selection(), selection(), selection(), selection()];
    for at in 0..160 {
        let mut prompt = asked("2026-11-28T05:00:24Z", &text);
        prompt.primary = at % 3 == 0;
        prompt.answers = vec![CleanText::block(&text, usize::MAX)];
        selections[0].prompts.push(prompt);
        let path = format!("src/{at}/{}", "deep/".repeat(60));
        selections[1].files.push(FilePart {
            path,
            ranges: (0..30)
                .map(|n| span(10 * n + 1, 10 * n + 8, Some(n as usize % 3), None))
                .collect(),
            touched: vec![(0, Some(CleanText::line("make it")))],
        });
        let session = format!("{at}-{}", "a".repeat(100));
        let parts = ["x", "y", "z"].map(|part| talk("codex", &format!("{part}{session}")));
        selections[3].conversations.extend(parts);
    }
    selections[2].files[0].ranges = (0..9_000)
        .map(|n| span(2 * n + 1, 2 * n + 1, Some(2), None))
        .collect();
    for (at, selection) in selections.into_iter().enumerate() {
        let record = built(selection, &Limits::default());
        let note = record.render();
        assert!(note.len() <= 64 << 10, "{at}: {} bytes", note.len());
        // Not less than there is room for; of conversations nobody asked anything.
        assert!(
            note.len() > 15 << 10 || at == 3,
            "{at}: {} bytes",
            note.len()
        );
        assert!(!record.cut.is_empty(), "{at}");
        assert_eq!(Record::parse(note.as_bytes()).unwrap(), record, "{at}");
    }
    let tiny = Limits {
        note: 10,
        ..Limits::default()
    };
    assert!(
        built(selection(), &tiny).files.is_empty(),
        "there is an end"
    );
}

#[test]
fn an_ordinary_commit_takes_few_bytes() {
    let mut selection = selection();
    let prompt = "Please make the cart keep its items when the page is loaded again. ".repeat(10);
    for prompt_of in &mut selection.prompts {
        prompt_of.text = CleanText::block(&prompt, usize::MAX);
        prompt_of.answers = vec![CleanText::block(&prompt, usize::MAX)];
    }
    selection.files[0].ranges = vec![span(1, 120, Some(1), None), span(200, 260, Some(2), None)];
    let size = built(selection, &Limits::default()).render().len();
    assert!(size < 8 << 10, "{size} bytes");
}

#[test]
fn lines_that_were_written_under_another_name_say_so() {
    let mut selection = selection();
    let mut moved = span(1, 2, Some(1), None);
    moved.from = Some("old\u{1b}.rs".into());
    selection.files[0].ranges = vec![moved, span(3, 4, Some(1), None)];
    let record = built(selection, &Limits::default());
    let note = record.render();
    assert_eq!(Record::parse(note.as_bytes()).unwrap(), record);
    let path = &record.files[0].path;
    assert!(
        note.contains(&format!("{path} 3-4; {path} 1-2 from old")),
        "{note}"
    );
    assert!(!note.contains('\u{1b}'), "{note}");
    let bad = note.replace("\"from\":[[0,", "\"from\":[[7,");
    assert!(Record::parse(bad.as_bytes()).is_err());
}

#[test]
fn notes_of_others_are_read_with_care() {
    let note = built(selection(), &Limits::default()).render();
    let json = note.lines().last().unwrap();
    let bad = |from: &str, to: &str| {
        let other = json.replace(from, to);
        assert_ne!(other, json, "{from}");
        Record::parse(other.as_bytes()).unwrap_err()
    };
    assert_eq!(bad("\"v\":1", "\"v\":2"), "its form is of another version");
    assert_eq!(
        bad("\"conversation\":0", "\"conversation\":1"),
        "a prompt of it has no conversation"
    );
    assert_eq!(
        bad("[13,14,1,", "[13,14,3,"),
        "lines of it are out of order"
    );
    assert_eq!(
        bad("[13,14,1,", "[13,12,1,"),
        "lines of it are out of order"
    );
    assert_eq!(bad("[13,14,1,", "[9,14,1,"), "lines of it are out of order");
    assert_eq!(
        bad("[13,14,1,", "[13,4000000000,1,"),
        "hashes of it are missing"
    );
    assert_eq!(bad("[17,18,2,", "[17,19,2,"), "hashes of it are missing");
    assert_eq!(bad("[[1,1]]", "[[1,7]]"), "a command of it is missing");
    assert_eq!(
        bad("\"agent\":\"claude\"", "\"agent\":\"a/../b\""),
        "its agent is none"
    );
    assert_eq!(
        bad("\"path\":\"x.rs\"", "\"path\":\"\""),
        "a path of it is none"
    );
    let long = bad(
        "\"path\":\"x.rs\"",
        &format!("\"path\":\"{}\"", "x".repeat(5000)),
    );
    assert_eq!(long, "a path of it is none");
    assert_eq!(
        bad("\"revision\":\"e2", "\"revision\":\"zz"),
        "its commit is none"
    );
    assert!(bad("2026-11-28T05:01:00Z", "9999-01-01T00:00:00Z").contains("no time"));
}

#[test]
fn what_is_no_note_is_an_error_and_what_is_odd_is_cleaned() {
    let note = built(selection(), &Limits::default()).render();
    let json = note.lines().last().unwrap();
    // Control bytes, escapes and other tricks of a text go, what it says stays.
    let odd = json.replace(
        "Look at the shop first",
        "L\\u001b[31mook\\u202e at\\u0000\\r",
    );
    assert_eq!(
        Record::parse(odd.as_bytes()).unwrap().prompts[0]
            .text
            .as_str(),
        "Look at"
    );
    for text in [
        String::new(),
        "agent: claude\n---\n{}".to_owned(),
        "{".repeat(1_000_000),
        format!("{{\"files\":{}", "[".repeat(100_000)),
        "x".repeat(100 << 20),
        "{\"a\":1}\n".repeat(100_000),
    ] {
        assert!(Record::parse(text.as_bytes()).is_err());
    }
    assert!(Record::parse(&[b'{', 0xff, 0xfe]).is_err());
}

#[test]
fn notes_that_git_glued_together_are_read_one_by_one() {
    let one = built(selection(), &Limits::default());
    let mut two = one.clone();
    two.commit = "77".repeat(20);
    // As `git notes` does it when it rewrites, and as its strategy cat_sort_uniq does.
    let glued = format!("{}\n{}", one.render(), two.render());
    assert_eq!(note::read(glued.as_bytes()).0, [one.clone(), two.clone()]);
    let mut lines: Vec<&str> = glued.lines().collect();
    lines.sort_unstable();
    assert_eq!(note::read(lines.join("\n").as_bytes()).0.len(), 2);
    assert_eq!(Record::parse(glued.as_bytes()).unwrap(), two);
    // A note of another tool before ours.
    let other = format!(
        "src/main.rs\n  d9978a 1-4\n---\n{{\n  \"prompts\": {{}}\n}}\n\n{}",
        one.render()
    );
    assert_eq!(Record::parse(other.as_bytes()).unwrap(), one);
}

fn any_text() -> impl Strategy<Value = CleanText> {
    "(\\PC|\n|\\\\|\"|---|blue| ){0,60}".prop_map(|text| CleanText::block(&text, 4096))
}

fn any_span() -> impl Strategy<Value = (u32, u32, Option<usize>, Option<CleanText>, bool)> {
    let by = proptest::option::of(any_text());
    (
        1..60_u32,
        0..5_u32,
        proptest::option::of(0..3_usize),
        by,
        any::<bool>(),
    )
}

fn any_record() -> impl Strategy<Value = Record> {
    let text = (
        any_text(),
        any_text(),
        any_text(),
        any::<bool>(),
        0..2_usize,
        0..4_000_000_i64,
    );
    let spans = proptest::collection::vec(any_span(), 0..6);
    let files = proptest::collection::vec(("\\PC{1,20}|a\nb", spans, any_text()), 0..4);
    (proptest::collection::vec(text, 3), files, "[0-9a-f]{40}").prop_map(
        |(texts, files, commit)| {
            let prompts =
                texts
                    .into_iter()
                    .map(|(text, answer, back, primary, conversation, at)| Asked {
                        conversation,
                        primary,
                        answers: vec![answer.clone()],
                        asked: vec![(back, answer)],
                        at: time::from_millis(1_795_888_800_000 + at).unwrap(),
                        text,
                        ..asked("2026-11-28T05:00:24Z", "")
                    });
            let files = files.into_iter().map(|(path, spans, by)| {
                let mut last = 0;
                let ranges = spans.into_iter().map(|(gap, len, prompt, by, hashed)| {
                    let mut span = span(last + gap, last + gap + len, prompt, None);
                    last = span.end;
                    span.by = by;
                    span.hashes.retain(|_| hashed);
                    span
                });
                FilePart {
                    path,
                    ranges: ranges.collect(),
                    touched: vec![(2, None), (0, Some(by))],
                }
            });
            Record {
                commit,
                at: when("2026-11-28T05:01:00.25Z"),
                from: vec!["ab".repeat(20)],
                conversations: vec![talk("claude", "a-1"), talk("codex", "b.2")],
                prompts: prompts.collect(),
                files: files.collect(),
                redacted: BTreeMap::from([("url".to_owned(), 3)]),
                cut: vec![CleanText::line("answers")],
                ..Record::default()
            }
        },
    )
}

proptest! {
    #[test]
    fn a_record_survives_its_note(record in any_record()) {
        let note = record.render();
        prop_assert_eq!(Record::parse(note.as_bytes()).unwrap(), record);
        // What git does to a note that it is given.
        prop_assert!(note.lines().all(|line| !line.is_empty() && line.trim_end() == line));
        prop_assert_eq!(note.lines().filter(|line| *line == "---").count(), 1);
    }

    #[test]
    fn no_bytes_make_reading_panic(at in 0..6000_usize, byte: u8, end in 0..6000_usize) {
        let mut note = built(selection(), &Limits::default()).render().into_bytes();
        let len = note.len();
        note[at % len] = byte;
        note.truncate(len.max(end));
        if let Ok(record) = Record::parse(&note) {
            let again = record.render();
            let json = again.lines().last().unwrap_or_default().as_bytes();
            prop_assert_eq!(json.first(), Some(&b'{'));
        }
    }
}
