//! `vmux answer`: what a session asks, whole, and the answer to it.

use std::fmt::Write as _;

use super::call::{Context, target};
use super::out;
use crate::cmd::cli::Answer;
use crate::cmd::exit::{Exit, Failure};
use crate::core::model::{Decision, Dialog};
use crate::protocol::reply::Asks;
use crate::protocol::request::{DecideArgs, DialogArgs};

pub(super) fn run(context: &Context, args: &Answer) -> anyhow::Result<Exit> {
    if args.decision.is_empty() {
        return show(context, args);
    }
    let verb = DecideArgs {
        target: target(&args.query),
        request: args.request,
        decision: decision(args)?,
    };
    let session = context.call(verb)?.session;
    out::write(format!("{}  {} was answered\n", session.id, session.title()).as_bytes())?;
    Ok(Exit::Done)
}

fn decision(args: &Answer) -> Result<Decision, Failure> {
    let words: Vec<&str> = args.decision.iter().map(String::as_str).collect();
    let decision = match words[..] {
        ["allow"] => Decision::Allow,
        ["deny"] => Decision::Deny(args.message.clone().unwrap_or_default()),
        _ => {
            let chosen: Option<Vec<Vec<usize>>> = words.iter().map(|word| numbers(word)).collect();
            Decision::Choose(chosen.ok_or_else(|| {
                Failure::new(format!("could not read the answer {:?}", words.join(" ")))
                    .hint("allow, deny, or the number of an option for each question")
                    .exit(Exit::Usage)
            })?)
        }
    };
    if args.message.is_some() && !matches!(decision, Decision::Deny(_)) {
        return Err(
            Failure::new("could not pass a message on: only `deny` takes one").exit(Exit::Usage),
        );
    }
    Ok(decision)
}

/// `1,3`, as options counted from 0.
fn numbers(word: &str) -> Option<Vec<usize>> {
    let number = |word: &str| word.parse::<usize>().ok()?.checked_sub(1);
    word.split(',').map(number).collect()
}

fn show(context: &Context, args: &Answer) -> anyhow::Result<Exit> {
    let verb = DialogArgs {
        target: target(&args.query),
    };
    let Asks { session, asked } = context.call(verb)?;
    if args.json {
        out::write(format!("{}\n", serde_json::to_string(&asked)?).as_bytes())?;
        return Ok(Exit::Done);
    }
    let text = rendered(&session.title(), &asked, &args.query);
    out::write(text.as_bytes())?;
    Ok(Exit::Done)
}

/// The request as a person reads it, and how to answer it.
fn rendered(title: &str, asked: &Dialog, query: &str) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{title} asks (request {}): {}", asked.id, asked.tool);
    for line in asked.text.lines() {
        let _ = writeln!(text, "  {line}");
    }
    if asked.cut {
        text.push_str("  (cut: go there to read and allow it)\n");
    }
    for question in &asked.questions {
        let several = if question.several { " (several)" } else { "" };
        let _ = writeln!(text, "\n{}{several}", question.text);
        for (n, option) in question.options.iter().enumerate() {
            let meaning = match &*option.description {
                "" => String::new(),
                words => format!("  {words}"),
            };
            let _ = writeln!(text, "  {}  {}{meaning}", n + 1, option.label);
        }
    }
    let how = if asked.questions.is_empty() {
        "allow|deny"
    } else {
        "NUMBER"
    };
    let _ = writeln!(text, "\nvmux answer {query} --request {} {how}", asked.id);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str], message: Option<&str>) -> Answer {
        Answer {
            query: "api".into(),
            decision: words.iter().map(ToString::to_string).collect(),
            message: message.map(str::to_owned),
            request: None,
            json: false,
        }
    }

    #[test]
    fn answers_are_words_or_numbers() {
        let read = |words: &[&str]| decision(&args(words, None)).ok();
        assert_eq!(read(&["allow"]), Some(Decision::Allow));
        assert_eq!(read(&["deny"]), Some(Decision::Deny(String::new())));
        assert_eq!(
            read(&["2", "1,3"]),
            Some(Decision::Choose(vec![vec![1], vec![0, 2]]))
        );
        for wrong in [&["yes"][..], &["0"], &["1", "x"], &["allow", "1"], &["-1"]] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        let word = decision(&args(&["deny"], Some("use make"))).ok();
        assert_eq!(word, Some(Decision::Deny("use make".into())));
        assert!(decision(&args(&["allow"], Some("x"))).is_err());
    }
}
