use proptest::prelude::*;

use super::markdown::{code, escaped};
use super::*;
use crate::capture::record::{Asked, FilePart, LEFT_OUT, Span, Talk};
use crate::core::model::{ConversationId, time};

fn asked(minute: u32, text: &str) -> Asked {
    Asked {
        conversation: 0,
        turn: CleanText::line(&format!("p{minute}")),
        at: time::parse(&format!("2026-11-28T05:{minute:02}:24Z")).unwrap(),
        primary: true,
        text: CleanText::block(text, usize::MAX),
        pasted: Vec::new(),
        answers: vec![CleanText::line("Done: the cart is there.")],
        asked: Vec::new(),
    }
}

fn entry() -> Entry {
    let span = |start, end, prompt| Span {
        start,
        end,
        prompt,
        by: None,
        from: None,
        hashes: Vec::new(),
    };
    let file = |path: &str, ranges| FilePart {
        path: path.to_owned(),
        ranges,
        touched: Vec::new(),
    };
    let mut touched = file("logo.png", Vec::new());
    touched.touched = vec![(1, Some(CleanText::line("make `logo`")))];
    Entry {
        record: Record {
            commit: "e2a5c41".repeat(5) + "abcde",
            at: time::parse("2026-11-28T06:00:00Z").unwrap(),
            complete: true,
            conversations: vec![Talk {
                agent: "claude".to_owned(),
                version: Some(CleanText::line("2.1.332")),
                model: Some(CleanText::line("claude-opus-5-5")),
                session_id: ConversationId::new("b30c3c80-5ae0").unwrap(),
            }],
            prompts: vec![
                asked(0, "Add the cart\n\n  to <x.rs>"),
                asked(3, "and the total"),
            ],
            files: vec![
                file(
                    "x.rs",
                    vec![
                        span(9, 9, None),
                        span(13, 14, Some(0)),
                        span(17, 18, Some(1)),
                    ],
                ),
                file("a b.rs", vec![span(1, 1, Some(1)), span(5, 6, Some(1))]),
                touched,
            ],
            ..Record::default()
        },
        subject: CleanText::line("Cart: *first* steps"),
        author: Author {
            email: CleanText::line("someone@example.com"),
            name: CleanText::line("Some One"),
        },
        own: true,
    }
}

#[test]
fn a_pull_request_reads_well() {
    let want = r"### `e2a5c41e2a` Cart: \*first\* steps

claude 2.1.332 · claude-opus-5-5 · session `b30c3c80`

**Prompt** (2026-11-28 05:00 UTC)

> Add the cart
>
> &nbsp;&nbsp;to &lt;x.rs&gt;

<details><summary>Answer</summary>

> Done: the cart is there.

</details>

`x.rs` 13-14

**Prompt** (2026-11-28 05:03 UTC)

> and the total

<details><summary>Answer</summary>

> Done: the cart is there.

</details>

`x.rs` 17-18 · `a b.rs` 1, 5-6 · `logo.png` by `` make `logo` ``
";
    assert_eq!(markdown(&[entry()]), want);
    let mut long = entry();
    long.record.prompts[0] = asked(0, &"one\n".repeat(20));
    assert!(markdown(&[long]).contains("<details><summary>8 more lines</summary>"));
}

#[test]
fn what_a_session_said_is_nothing_but_text() {
    for (text, want) in [
        ("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"),
        ("![a](https://b)", r"\!\[a\]\(https:&#8203;//b\)"),
        ("thanks @octocat", r"thanks \@&#8203;octocat"),
        ("fixes #12, GH-12", r"fixes \#&#8203;12, GH&#8203;-12"),
        ("# not a title", r"\# not a title"),
        ("- no list", r"\- no list"),
        ("12. no list", r"12\. no list"),
        ("a. b) 1.2 c", r"a. b\) 1.2 c"),
        ("---", r"\---"),
        ("/close", r"\/&#8203;close"),
        ("`a` **b** &amp; |", r"\`a\` \*\*b\*\* &amp;amp; \|"),
        ("www.example.com", "www&#8203;.example.com"),
        ("a-b/c-d, x = 1", "a-b/c-d, x = 1"),
    ] {
        assert_eq!(escaped(text), want);
    }
    assert_eq!(code("a``b`"), "``` a``b` ```");
}

#[test]
fn prompts_are_logged_as_promptcellar_has_it() {
    let mut again = entry();
    again.record.commit = "77".repeat(20);
    again.record.prompts.truncate(1);
    again.record.files.truncate(1);
    again.record.files[0].path = "y.rs".to_owned();
    again.record.files[0].ranges.truncate(2);
    let mut out = entry();
    out.record.prompts[1].text = CleanText::line(LEFT_OUT);
    let text = lines(&[out, again]);
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [first, second] = lines.as_slice() else {
        panic!("{text}");
    };
    assert_eq!(first["version"], "plf-1");
    assert_eq!(first["session_id"], "b30c3c80-5ae0");
    assert_eq!(first["timestamp"], "2026-11-28T05:00:24Z");
    assert_eq!(first["author"]["email"], "someone@example.com");
    assert_eq!(first["tool"]["name"], "claude-code");
    assert_eq!(first["model"]["provider"], "anthropic");
    assert_eq!(first["prompt"], "Add the cart\n\n  to <x.rs>");
    let outcome = &first["outcome"];
    assert_eq!(outcome["summary"], "Done: the cart is there.");
    assert_eq!(
        outcome["files_touched"],
        serde_json::json!(["x.rs", "y.rs"])
    );
    let both = serde_json::json!(["e2a5c41".repeat(5) + "abcde", "77".repeat(20)]);
    assert_eq!(outcome["commits"], both);
    assert_eq!(outcome["status"], "completed");
    // A stub has no other fields than these.
    let mut keys: Vec<&String> = second.as_object().unwrap().keys().collect();
    keys.sort();
    let want = [
        "author",
        "excluded",
        "id",
        "model",
        "session_id",
        "timestamp",
        "tool",
        "version",
    ];
    assert_eq!(keys, want);
}

#[test]
fn git_ai_is_told_which_lines_are_whose() {
    let note = git_ai(&entry());
    let (lines, json) = note.split_once("---\n").unwrap();
    let key = |line: &str| line.trim().split_once(' ').unwrap().0.to_owned();
    let rows: Vec<&str> = lines.lines().collect();
    assert_eq!(rows[0], "x.rs");
    assert_eq!(rows[3], "\"a b.rs\"");
    let mut own = [rows[1], rows[2]].map(|row| row.rsplit(' ').next().unwrap());
    own.sort_unstable();
    assert_eq!(own, ["13-14", "17-18"]);
    assert!(rows[4].ends_with(" 1,5-6"), "{note}");
    let (session, trace) = key(rows[4])
        .split_once("::")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert_eq!((session.len(), trace.len()), (16, 16));
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["schema_version"], "authorship/3.0.0");
    assert_eq!(json["prompts"], serde_json::json!({}));
    assert_eq!(json["sessions"][&session]["agent_id"]["tool"], "claude");
    let author = "Some One <someone@example.com>";
    assert_eq!(json["sessions"][&session]["human_author"], author);
    assert!(!note.contains("Add the cart"), "no prompt is in it");
}

#[test]
fn each_trace_is_a_line() {
    let text = agent_trace(&[entry(), entry()]);
    assert_eq!(text.lines().count(), 2);
    let trace: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(trace["version"], "0.1.0");
}

#[test]
fn people_see_whose_record_it_is() {
    let mut other = entry();
    other.own = false;
    let text = people(&[entry(), other]);
    assert!(
        text.starts_with("e2a5c41e2a Cart: *first* steps\n    vmux 1 · claude 2.1.332"),
        "{text}"
    );
    assert!(
        text.contains("\n\ne2a5c41e2a Cart: *first* steps  (of another writer)\n"),
        "{text}"
    );
}

proptest! {
    #[test]
    fn nothing_of_a_text_becomes_more_than_text(text in "([<>@#!/`*~|:\\[\\]()&-]|[a-z0-9. ]|https://){0,40}") {
        let out = escaped(&text);
        prop_assert!(!out.contains('<') && !out.contains('>'), "{}", out);
        // Every bracket and backtick has its backslash, and none of these loses it to another one.
        let mut escaped = false;
        for c in out.chars() {
            let special = matches!(c, '`' | '*' | '[' | ']' | '(' | ')');
            prop_assert!(!special || escaped, "{}", out);
            escaped = c == '\\' && !escaped;
        }
        for (sign, _) in out.match_indices(['@', '#']).filter(|(at, _)| !out[*at..].starts_with("#8203;")) {
            let next = out[sign + 1..].chars().next();
            prop_assert!(!next.is_some_and(char::is_alphanumeric), "{}", out);
        }
        prop_assert!(!out.contains("://"), "{}", out);
    }
}
