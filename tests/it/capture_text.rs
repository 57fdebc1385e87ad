//! What of conversations is written, and how it is printed again.

use std::fs;

use serde_json::Value;
use vmux::capture::record::{Asked, FilePart, Record, Span, Talk};
use vmux::core::model::{ConversationId, time};
use vmux::core::text::CleanText;

use super::kit::home::{Home, VMUX};
use super::kit::process::run;

/// Sends a text through `vmux capture check` in a directory below `work`.
fn check(home: &Home, dir: &str, text: &str) -> (Option<i32>, String, String) {
    let input = home.path("text");
    fs::write(&input, text).unwrap();
    let mut command = home.command("sh");
    command.current_dir(home.path("work").join(dir));
    let script = "exec \"$1\" capture check < \"$2\"";
    let done = run(command.args(["-c", script, "sh"]).arg(VMUX).arg(input));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

#[test]
fn a_text_can_be_checked_for_secrets_before_anything_is_kept() {
    let home = Home::new();
    let top = home.repository("shop");
    let (code, out, error) = check(&home, "shop", "nothing here\u{1b}[31m, no line break");
    assert_eq!(
        (code, &*out),
        (Some(0), "nothing here\u{1b}[31m, no line break")
    );
    assert_eq!(error, "");

    // Of the environment, of a package's file, by shape, and what the repository's user lists.
    home.set("SHOP_TOKEN", "blue-moon-7-9");
    fs::create_dir(top.join("api")).unwrap();
    fs::write(top.join("api/.env"), "API_SECRET=red-sun-8-1\n").unwrap();
    fs::create_dir(top.join(".git/vmux")).unwrap();
    let settings = top.join(".git/vmux/capture.toml");
    fs::write(&settings, "redact = [\"Acme (Ltd.)\"]\n").unwrap();
    let text = "blue-moon-7-9\nred-sun-8-1\npostgres://a:bc4-9x@db/x\nfor acme (ltd.)\n";
    let (code, out, error) = check(&home, "shop", text);
    let want = "[redacted:environment]\n[redacted:environment]\npostgres://[redacted:url]@db/x\nfor [redacted:own]\n";
    assert_eq!((code, &*out), (Some(1), want));
    assert!(
        error.contains("marked: environment 2, own 1, url 1"),
        "{error}"
    );

    // Patterns that cannot be understood: nothing can be told.
    fs::write(&settings, "redact = [\"/(/\"]\n").unwrap();
    let (code, out, error) = check(&home, "shop", text);
    assert_eq!((code, &*out), (Some(2), ""));
    assert!(error.contains("is no regular expression"), "{error}");
}

/// What `vmux log` prints in `work/shop`.
fn log(home: &Home, words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = home.command(VMUX);
    command.current_dir(home.path("work/shop"));
    let done = run(command.arg("log").args(words));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

/// Keeps a prompt with the commit that `HEAD` is.
fn keep(home: &Home, prompt: &str) -> String {
    let id = home.git("shop", &["rev-parse", "HEAD"]).trim().to_owned();
    let at = time::parse("2026-11-28T05:00:24Z").unwrap();
    let record = Record {
        commit: id.clone(),
        at,
        complete: true,
        conversations: vec![Talk {
            agent: "claude".to_owned(),
            version: None,
            model: None,
            session_id: ConversationId::new("b30c3c80").unwrap(),
        }],
        prompts: vec![Asked {
            conversation: 0,
            turn: CleanText::line(prompt),
            at,
            primary: true,
            text: CleanText::line(prompt),
            pasted: Vec::new(),
            answers: Vec::new(),
            asked: Vec::new(),
        }],
        files: vec![FilePart {
            path: "a.rs".to_owned(),
            ranges: vec![Span {
                start: 1,
                end: 1,
                prompt: Some(0),
                by: None,
                from: None,
                hashes: Vec::new(),
            }],
            touched: Vec::new(),
        }],
        ..Record::default()
    };
    let note = record.render();
    home.git(
        "shop",
        &["notes", "--ref=vmux/someone-0000", "add", "-m", &note],
    );
    id
}

#[test]
fn what_was_kept_is_printed_in_every_form() {
    let home = Home::new();
    let top = home.repository("shop");
    let mut ids = Vec::new();
    for (at, prompt) in ["Add the cart", "now *the* total"].into_iter().enumerate() {
        fs::write(top.join("a.rs"), format!("{at}\n")).unwrap();
        home.git("shop", &["add", "a.rs"]);
        home.git("shop", &["commit", "-q", "-m", &format!("step {at}")]);
        ids.push(keep(&home, prompt));
    }
    fs::write(top.join("a.rs"), "by hand\n").unwrap();
    home.git("shop", &["commit", "-q", "-a", "-m", "by hand"]);

    let (code, out, error) = log(&home, &[]);
    assert_eq!((code, &*error), (Some(0), ""));
    let heads: Vec<&str> = out.lines().filter(|line| line.contains(" step ")).collect();
    let short = |at: usize| format!("{} step {at}  (of another writer)", &ids[at][..10]);
    assert_eq!(heads, [short(1), short(0)]);
    assert!(out.contains("    > Add the cart"), "{out}");

    let (_, out, _) = log(&home, &["--json", "-n", "1"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["commit"], ids[1]);
    assert_eq!(told["subject"], "step 1");
    assert_eq!(told["prompts"][0]["text"], "now *the* total");
    assert_eq!(told["files"][0]["ranges"][0]["prompt"], 0);

    let of = |form: &str| log(&home, &["--format", form, "HEAD~2..HEAD~1"]).1;
    assert!(of("markdown").contains("> now \\*the\\* total"));
    let trace: Value = serde_json::from_str(&of("agent-trace")).unwrap();
    assert_eq!(trace["vcs"]["revision"], ids[1]);
    let line: Value = serde_json::from_str(&of("plf")).unwrap();
    assert_eq!(line["outcome"]["commits"], serde_json::json!([ids[1]]));
    assert!(of("git-ai").starts_with("a.rs\n  s_"));

    let (code, out, error) = log(&home, &["HEAD~1.."]);
    assert_eq!((code, &*out), (Some(0), ""));
    assert!(error.contains("nothing is kept of HEAD~1.."), "{error}");
    let (code, _, error) = log(&home, &["no-such-branch"]);
    assert_eq!(code, Some(2));
    assert!(
        error.contains("could not list the commits of no-such-branch"),
        "{error}"
    );
    let (code, _, error) = log(&home, &["--", "--all"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("it is no range of commits"), "{error}");
}
