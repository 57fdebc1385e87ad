//! The schema of the protocol, made from its types. It is the same for all runs, so that only the
//! test links `schemars`; the programs carry the text.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize as _;
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Map, Value, json};

use super::reply::{Code, EventLine};
use super::{SCHEMA, request};
use crate::core::model::{ConversationId, LocalKey, Reason, Session, SessionKey};
use crate::core::text::CleanText;

/// A type that travels as a text of its own form.
macro_rules! text {
    ($($type:ty, $name:literal, $about:literal, $pattern:expr;)*) => {
        $(impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let mut schema = json_schema!({"type": "string", "description": $about});
                if let Some(pattern) = $pattern {
                    schema.insert("pattern".into(), Value::from(pattern));
                }
                schema
            }
        })*
    };
}

text! {
    LocalKey, "LocalKey", "A process of the daemon's machine: PID-TICKS.", Some("^[0-9]+-[0-9]+$");
    SessionKey, "SessionKey", "A session: PID-TICKS, of another machine MACHINE/PID-TICKS.",
        Some("^([A-Za-z0-9][A-Za-z0-9._-]{0,252}/)?[0-9]+-[0-9]+$");
    ConversationId, "ConversationId", "The agent's own id of a conversation.",
        Some("^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$");
    CleanText, "CleanText", "A text without control characters.", None::<&str>;
    Reason, "Reason", "What decides or adds to a state; more words may come.", None::<&str>;
}

/// A generator whose definitions lie under `path`.
fn generator(settings: SchemaSettings, path: &str) -> SchemaGenerator {
    settings
        .with(|settings| settings.definitions_path = format!("/$defs/{path}").into())
        .into_generator()
}

/// What of a reply stands beside its body.
fn frame(ok: bool, sessions: &Schema, code: &Schema, body: Option<&Schema>) -> Value {
    let mut properties = json!({
        "ok": {"const": ok},
        "version": {"type": "string", "description": "vmux that wrote it."},
        "error": {"type": if ok { "null" } else { "string" }, "description": "Why not, for people."},
        "sessions": {"type": "array", "items": sessions,
            "description": "Those asked for, the one that was acted on, or those that fit equally well."},
    });
    if !ok {
        properties["hint"] =
            json!({"type": "string", "description": "What a person can do about it."});
        properties["code"] = json!(code);
    }
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "required": ["ok", "error", "sessions"],
    });
    if let Some(body) = body {
        schema["allOf"] = json!([body]);
    }
    schema
}

fn schema() -> Value {
    // Of requests it says what is understood, of replies and events what is written.
    let mut asked = generator(SchemaSettings::draft2020_12().for_deserialize(), "asked");
    let mut told = generator(SchemaSettings::draft2020_12().for_serialize(), "told");
    let session = told.subschema_for::<Session>();
    let code = told.subschema_for::<Code>();
    let event = told.subschema_for::<EventLine>();
    let refusal = frame(false, &session, &code, None);
    let mut requests = Vec::new();
    let mut replies = Map::new();
    for (action, args, body) in request::schemas(&mut asked, &mut told) {
        requests.push(json!({
            "type": "object",
            "properties": {"action": {"const": action}, "args": args,
                "version": {"type": "string", "description": "vmux that wrote it."}},
            "required": ["action"],
        }));
        let done = frame(true, &session, &code, Some(&body));
        replies.insert(
            action.to_owned(),
            json!({"anyOf": [done, {"$ref": "#/$defs/Refusal"}]}),
        );
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vmux",
        "description": "One JSON object on one line each way. Fields are only ever added: ignore \
            what you do not know, words in the place of words too. The reply to an action is the one of its name in $defs/Replies.",
        "anyOf": [{"$ref": "#/$defs/Request"}, {"$ref": "#/$defs/Refusal"}, {"$ref": "#/$defs/Event"}],
        "$defs": {
            "Request": {"oneOf": requests},
            "Replies": replies,
            "Refusal": refusal,
            "Event": event,
            "asked": asked.take_definitions(true),
            "told": told.take_definitions(true),
        },
    })
}

/// In lines that can be compared, and no wider than needed: it is part of the program. Links of the
/// types' own documentation lead nowhere here.
fn printed(schema: &Value) -> String {
    let mut text = Vec::new();
    let format = PrettyFormatter::with_indent(b" ");
    schema
        .serialize(&mut Serializer::with_formatter(&mut text, format))
        .unwrap();
    let text = String::from_utf8(text).unwrap();
    text.replace("[`", "`").replace("`]", "`") + "\n"
}

#[test]
fn the_schema_that_is_printed_is_that_of_the_types() {
    let made = printed(&schema());
    if made != SCHEMA {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/protocol/schema.json");
        fs::write(path.with_extension("json.new"), made).unwrap();
        panic!("schema.json is out of date: schema.json.new is what the types say");
    }
}
