//! What a session asks, read through its app-server, and the answer to it.
//!
//! A connection of its own takes part in the conversation for the moment: the app-server then
//! repeats what it asks, and takes an answer from any client. The terminal's dialog closes by itself.
//!
//! **Source:** 0.171.0: `item/commandExecution/requestApproval` was allowed and declined so; a file's
//! change is named by its id only, and what changes is not in the request.

use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use serde_json::{Map, Value, json};

use super::app_server::socket;
use super::link::Link;
use super::rpc::{self, INITIALIZED, Message, Request, Told};
use crate::core::model::{Decision, Dialog, Offer, Question};
use crate::core::text::{CleanText, spelled_out};
use crate::sys::clock::{self, Deadline};

/// All of it takes 50 ms on an idle machine.
const PATIENCE: Duration = Duration::from_secs(5);
/// After it has let us take part, it repeats its request within 2 ms.
const REPEATS: Duration = Duration::from_secs(1);
/// To leave is waited for so long; the end of the connection is the end of the part in any case.
const LEAVES: Duration = Duration::from_secs(1);
/// Bytes of a request that are shown.
const TEXT: usize = 12_000;

/// What an app-server asks.
#[derive(Clone, PartialEq, Debug)]
pub struct Asking {
    id: Value,
    method: String,
    params: Map<String, Value>,
}

impl Asking {
    fn text(&self, name: &str) -> &str {
        self.params
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// A number that the same request has each time it is read, and hardly another one.
    fn serial(&self) -> u64 {
        let bytes = self
            .text("itemId")
            .bytes()
            .chain(self.id.to_string().into_bytes());
        // FNV-1a.
        let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        u64::from(bytes.fold(0x811c_9dc5, mix))
    }

    /// As it is read; nothing if it is of a kind that cannot be answered from here.
    fn dialog(&self) -> Option<Dialog> {
        let (tool, text, whole) = match self.method.as_str() {
            "item/commandExecution/requestApproval" => {
                let known = matches!(self.text("kind"), "" | "command");
                let whole = known && !self.text("command").is_empty();
                ("Shell", self.command(), whole)
            }
            // What would change is not told.
            "item/fileChange/requestApproval" => ("Edit", self.others(&[]), false),
            "item/tool/requestUserInput" => ("request_user_input", String::new(), true),
            _ => return None,
        };
        // Cleaning would hide what a shell still runs: here it is written out.
        let text = spelled_out(&text);
        let questions = self.questions()?;
        Some(Dialog {
            id: self.serial(),
            tool: CleanText::line(tool),
            cut: !whole || CleanText::block(&text, usize::MAX).len() + 4 > TEXT,
            text: CleanText::block(&text, TEXT),
            questions,
        })
    }

    /// The command, where it runs and why, and whatever else may matter.
    fn command(&self) -> String {
        let mut text = self.text("command").to_owned();
        for (mark, name) in [("in", "cwd"), ("#", "reason")] {
            if !self.text(name).is_empty() {
                text.push_str(&format!("\n\n{mark} {}", self.text(name)));
            }
        }
        // The actions are the command, taken apart; the amendments are offered, not asked for.
        let others = self.others(&[
            "command",
            "commandActions",
            "cwd",
            "kind",
            "reason",
            "proposedExecpolicyAmendment",
            "proposedNetworkPolicyAmendments",
        ]);
        if !others.is_empty() {
            text.push_str(&format!("\n\n{others}"));
        }
        text
    }

    /// Fields that are not known to be of no interest: one of them may switch a sandbox off.
    fn others(&self, known: &[&str]) -> String {
        let ids = [
            "approvalId",
            "availableDecisions",
            "environmentId",
            "itemId",
            "startedAtMs",
            "threadId",
            "turnId",
        ];
        let shown = |name: &str| !known.contains(&name) && !ids.contains(&name);
        let others = self.params.iter();
        let others = others.filter(|(name, value)| shown(name) && !value.is_null());
        let lines = others.map(|(name, value)| match value {
            Value::String(text) => format!("{name}: {text}\n"),
            other => format!("{name}: {other}\n"),
        });
        lines.collect()
    }

    /// Its questions; nothing if one of them is not answered by an option.
    fn questions(&self) -> Option<Vec<Question>> {
        let all = self.params.get("questions").and_then(Value::as_array);
        let line = |value: &Value, name: &str| {
            CleanText::line(value.get(name).and_then(Value::as_str).unwrap_or_default())
        };
        let questions = all.into_iter().flatten().map(|question| {
            let options = question.get("options")?.as_array()?;
            let offer = |option: &Value| Offer {
                label: line(option, "label"),
                description: line(option, "description"),
            };
            (question.get("isSecret") != Some(&Value::Bool(true))).then(|| Question {
                text: line(question, "question"),
                options: options.iter().map(offer).collect(),
                several: false,
            })
        });
        questions.collect()
    }

    /// What the app-server is told for a decision that its dialog takes.
    ///
    /// # Errors
    /// Why it cannot be told.
    fn result(&self, decision: &Decision) -> Result<Value, String> {
        let asks = self.method == "item/tool/requestUserInput";
        match decision {
            Decision::Allow if !asks => Ok(json!({"decision": "accept"})),
            Decision::Deny(message) if message.is_empty() && !asks => {
                Ok(json!({"decision": "decline"}))
            }
            Decision::Deny(_) if asks => Err("a question of Codex cannot be denied".into()),
            Decision::Deny(_) => Err("Codex takes no message with a no".into()),
            Decision::Choose(choices) if asks => {
                let answers = self.answers(choices).ok_or("an option is not there")?;
                Ok(json!({"answers": answers}))
            }
            _ => Err("that does not answer it".into()),
        }
    }

    fn answers(&self, choices: &[Vec<usize>]) -> Option<Map<String, Value>> {
        let questions = self.params.get("questions")?.as_array()?;
        let answer = |(question, chosen): (&Value, &Vec<usize>)| {
            let id = question.get("id")?.as_str()?;
            let options = question.get("options")?.as_array()?;
            let labels = chosen
                .iter()
                .map(|n| options.get(*n)?.get("label")?.as_str());
            let labels: Option<Vec<&str>> = labels.collect();
            Some((id.to_owned(), json!({"answers": labels?})))
        };
        questions.iter().zip(choices).map(answer).collect()
    }
}

/// What the conversation asks, of the app-server of this home.
///
/// # Errors
/// In words.
pub fn read(home: &Path, conversation: &str) -> Result<Dialog, String> {
    taking_part(home, conversation, |_, asking| {
        asking.dialog().ok_or_else(|| UNANSWERABLE.into())
    })
}

/// Answers the request of this serial.
///
/// # Errors
/// Why that cannot be, in words.
pub fn decide(
    home: &Path,
    conversation: &str,
    request: Option<u64>,
    decision: &Decision,
) -> Result<(), String> {
    taking_part(home, conversation, |talk, asking| {
        let dialog = asking.dialog().ok_or(UNANSWERABLE)?;
        match request {
            Some(id) if id != dialog.id => return Err("it asks something else by now".into()),
            // What was not read is not allowed.
            None if !matches!(decision, Decision::Deny(_)) => {
                return Err(format!("say which request is meant: it is {}", dialog.id));
            }
            _ => {}
        }
        dialog.takes(decision)?;
        let result = asking.result(decision)?;
        talk.send(&rpc::reply(&asking.id, &result))?;
        let resolved = |message: &Message<'_>| match message {
            Message::Told(method, params, _) => {
                let told = rpc::told(method, params);
                (told == Told::Resolved(asking.id.clone())).then_some(())
            }
            _ => None,
        };
        talk.until(Deadline::after(PATIENCE), resolved)
    })
}

const UNANSWERABLE: &str = "it asks what cannot be answered from here: go there";

/// Why there is no connection, in words. Codex before 0.161 has no app-server for terminals.
fn unlinked(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "it runs without an app-server, which is what vmux answers through: go there".into()
        }
        _ => format!("its app-server cannot be asked: {error}"),
    }
}

/// Takes part in a conversation while `then` is done with what it asks, and leaves it.
fn taking_part<T>(
    home: &Path,
    conversation: &str,
    then: impl FnOnce(&mut Talk, &Asking) -> Result<T, String>,
) -> Result<T, String> {
    let link = Link::connect(&socket(home), clock::steady());
    let mut talk = Talk {
        link: link.map_err(|error| unlinked(&error))?,
        last_id: 0,
        asked: None,
    };
    talk.call(&Request::Initialize, PATIENCE)?;
    talk.send(INITIALIZED)?;
    let done = talk
        .join(conversation)
        .and_then(|asking| then(&mut talk, &asking));
    // The answer stands, whether or not it hears that we leave.
    let left = talk.call(&Request::Unsubscribe(conversation.to_owned()), LEAVES);
    if let Err(why) = left {
        log::info!("could not leave a conversation of Codex: {why}");
    }
    done
}

/// A conversation with an app-server, one request after the other.
struct Talk {
    link: Link,
    last_id: u64,
    /// What it asked last.
    asked: Option<Asking>,
}

impl Talk {
    fn join(&mut self, conversation: &str) -> Result<Asking, String> {
        self.call(&Request::Resume(conversation.to_owned()), PATIENCE)?;
        if self.asked.is_none() {
            let asks = |message: &Message<'_>| matches!(message, Message::Asked(..)).then_some(());
            let waited = self.until(Deadline::after(REPEATS), asks);
            waited.map_err(|_| "it asks nothing that can be answered from here")?;
        }
        let asked = self.asked.take();
        let own = asked.filter(|asking| asking.text("threadId") == conversation);
        own.ok_or_else(|| "it asks nothing that can be answered from here".into())
    }

    fn send(&mut self, message: &str) -> Result<(), String> {
        let sent = self.link.send(message, clock::steady());
        sent.map_err(|error| format!("its app-server does not listen: {error}"))
    }

    /// Waits for the answer to a request.
    fn call(&mut self, request: &Request, patience: Duration) -> Result<(), String> {
        self.last_id += 1;
        let own = self.last_id;
        self.send(&request.write(own))?;
        let answered = |message: &Message<'_>| match message {
            Message::Answer(id, result) if *id == own => Some(
                result
                    .as_ref()
                    .map(drop)
                    .map_err(|why| CleanText::line(why).to_string()),
            ),
            _ => None,
        };
        self.until(Deadline::after(patience), answered)?
    }

    /// Reads until a message is the one that is waited for; what is asked meanwhile is kept.
    fn until<T>(
        &mut self,
        deadline: Deadline,
        wanted: impl Fn(&Message<'_>) -> Option<T>,
    ) -> Result<T, String> {
        loop {
            let read = self.link.read(clock::steady());
            let messages = read.map_err(|error| format!("its app-server is lost: {error}"))?;
            let mut found = None;
            for bytes in messages {
                let message = rpc::read(&bytes);
                if let Message::Asked(id, method, params) = &message {
                    let params = serde_json::from_str(params.get()).unwrap_or_default();
                    let (id, method) = (id.clone(), (*method).to_owned());
                    self.asked = Some(Asking { id, method, params });
                }
                found = found.or_else(|| wanted(&message));
            }
            if let Some(found) = found {
                return Ok(found);
            }
            self.wait(deadline)
                .map_err(|error| format!("its app-server does not answer: {error}"))?;
        }
    }

    fn wait(&self, deadline: Deadline) -> io::Result<()> {
        if deadline.passed() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut fds = [PollFd::from_borrowed_fd(self.link.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&clock::timespec(deadline.left()))) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(method: &str, params: Value) -> Asking {
        let Value::Object(params) = params else {
            panic!("an object");
        };
        Asking {
            id: json!(0),
            method: format!("item/{method}"),
            params,
        }
    }

    /// As 0.171.0 asked it, with a field that is not known.
    fn command() -> Asking {
        asking(
            "commandExecution/requestApproval",
            json!({
                "kind": "command", "threadId": "t", "turnId": "u", "itemId": "call_1", "startedAtMs": 5,
                "environmentId": "local", "reason": "May I?", "command": "/bin/bash -lc 'touch \u{1b}[1mx'",
                "cwd": "/w", "commandActions": [{"type": "unknown", "command": "touch x"}],
                "proposedExecpolicyAmendment": ["touch"], "availableDecisions": ["accept"],
                "additionalPermissions": {"network": true},
            }),
        )
    }

    #[test]
    fn the_whole_command_is_shown() {
        let dialog = command().dialog().unwrap();
        let text = "/bin/bash -lc 'touch \\u{1b}[1mx'\n\nin /w\n\n# May I?\n\n\
                    additionalPermissions: {\"network\":true}";
        assert_eq!(
            (&*dialog.text, &*dialog.tool, dialog.cut),
            (text, "Shell", false)
        );
        assert_eq!(
            command().dialog().unwrap().id,
            dialog.id,
            "the same each time"
        );
        let mut other = command();
        other.params.insert("itemId".into(), json!("call_2"));
        assert_ne!(other.dialog().unwrap().id, dialog.id);
        for (name, value) in [
            ("kind", json!("writeStdin")),
            ("command", json!("")),
            ("command", json!("x".repeat(TEXT))),
        ] {
            let mut odd = command();
            odd.params.insert(name.into(), value);
            assert!(
                odd.dialog().unwrap().cut,
                "what is not read whole is not allowed: {name}"
            );
        }
    }

    #[test]
    fn a_decision_becomes_an_answer() {
        let deny = |words: &str| Decision::Deny(words.into());
        assert_eq!(
            command().result(&Decision::Allow),
            Ok(json!({"decision": "accept"}))
        );
        assert_eq!(
            command().result(&deny("")),
            Ok(json!({"decision": "decline"}))
        );
        assert!(command().result(&deny("use make")).is_err());
        let change = asking(
            "fileChange/requestApproval",
            json!({"itemId": "i", "reason": "r"}),
        );
        let dialog = change.dialog().unwrap();
        assert!(dialog.cut && dialog.takes(&Decision::Allow).is_err());
        assert_eq!(change.result(&deny("")), Ok(json!({"decision": "decline"})));
        assert_eq!(
            asking("permissions/requestApproval", json!({})).dialog(),
            None
        );
    }

    #[test]
    fn a_question_is_answered_by_its_options() {
        let question = |secret: bool, options: Value| {
            asking(
                "tool/requestUserInput",
                json!({
                    "itemId": "i", "threadId": "t", "questions": [
                        {"id": "colour", "header": "Colour", "question": "Which?", "isSecret": secret, "options": options},
                    ],
                }),
            )
        };
        let options =
            json!([{"label": "Red", "description": "warm"}, {"label": "Blue", "description": ""}]);
        let asks = question(false, options.clone());
        let dialog = asks.dialog().unwrap();
        assert_eq!(
            (
                &*dialog.questions[0].text,
                dialog.questions[0].options.len()
            ),
            ("Which?", 2)
        );
        let blue = Decision::Choose(vec![vec![1]]);
        assert_eq!(dialog.takes(&blue), Ok(()));
        assert_eq!(
            asks.result(&blue),
            Ok(json!({"answers": {"colour": {"answers": ["Blue"]}}}))
        );
        assert!(asks.result(&Decision::Choose(vec![vec![7]])).is_err());
        assert!(asks.result(&Decision::Deny(String::new())).is_err());
        assert_eq!(
            question(true, options).dialog(),
            None,
            "a secret is typed there"
        );
        assert_eq!(
            question(false, json!(null)).dialog(),
            None,
            "so is a free answer"
        );
    }
}
