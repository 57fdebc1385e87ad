//! Checks JSON against the schema that `vmux protocol` prints: as much of JSON Schema as that one
//! uses, and a keyword that is not known here fails. A field that the schema does not name is an
//! error, though readers have to ignore it. Patterns are left to the tests of their types.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// The schema, as the program prints it.
pub(crate) struct Schema(Value);

impl Schema {
    pub(crate) fn printed() -> Self {
        let vmux = env!("CARGO_BIN_EXE_vmux");
        let done = Command::new(vmux).arg("protocol").output().unwrap();
        assert!(done.status.success());
        Self(serde_json::from_slice(&done.stdout).unwrap())
    }

    /// Checks a value against the part at `pointer`.
    pub(crate) fn check(&self, pointer: &str, value: &Value) -> Result<(), String> {
        let part = self.0.pointer(pointer).ok_or(format!("no {pointer}"))?;
        self.holds(part, value, true)
            .map_err(|why| format!("{value}\nis no {pointer}: {why}"))
    }

    fn at(&self, reference: &Value) -> &Value {
        let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
        self.0
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }

    /// The fields that a schema names, wherever in it.
    fn names<'a>(&'a self, schema: &'a Value, names: &mut BTreeSet<&'a str>) {
        if let Some(reference) = schema.get("$ref") {
            self.names(self.at(reference), names);
        }
        let fields = schema.get("properties").and_then(Value::as_object);
        names.extend(fields.into_iter().flatten().map(|(name, _)| name.as_str()));
        for part in ["allOf", "anyOf", "oneOf"] {
            for part in schema[part].as_array().into_iter().flatten() {
                self.names(part, names);
            }
        }
    }

    /// `whole`: no other part of the schema speaks of the same value.
    fn holds(&self, schema: &Value, value: &Value, whole: bool) -> Result<(), String> {
        let Some(keywords) = schema.as_object() else {
            return Ok(());
        };
        if let (true, Some(object)) = (whole, value.as_object()) {
            let mut names = BTreeSet::new();
            self.names(schema, &mut names);
            let open = |schema: &Value| schema.get("additionalProperties").is_some();
            let new = object.keys().find(|key| !names.contains(key.as_str()));
            if let Some(new) = new.filter(|_| !names.is_empty() && !open(schema)) {
                return Err(format!("{new:?} is not in it"));
            }
        }
        for (keyword, what) in keywords {
            self.keyword(keyword, what, value)?;
        }
        if let Some(others) = schema.get("additionalProperties") {
            let known = schema["properties"].as_object();
            for (name, field) in value.as_object().into_iter().flatten() {
                if known.is_none_or(|known| !known.contains_key(name)) {
                    self.holds(others, field, true)?;
                    if *others == Value::Bool(false) {
                        return Err(format!("{name:?} has no place in it"));
                    }
                }
            }
        }
        Ok(())
    }

    fn keyword(&self, keyword: &str, what: &Value, value: &Value) -> Result<(), String> {
        let parts = || what.as_array().unwrap().iter();
        let count = || {
            parts()
                .filter(|part| self.holds(part, value, false).is_ok())
                .count()
        };
        let fits = match keyword {
            "$ref" => return self.holds(self.at(what), value, false),
            "allOf" => return parts().try_for_each(|part| self.holds(part, value, false)),
            "type" if what.is_array() => parts().any(|kind| is(kind, value)),
            "type" => is(what, value),
            "const" => what == value,
            "anyOf" => count() > 0,
            "oneOf" => count() == 1,
            "minimum" => value
                .as_f64()
                .is_none_or(|number| Some(number) >= what.as_f64()),
            "required" => value.as_object().is_none_or(|object| {
                parts().all(|name| object.contains_key(name.as_str().unwrap()))
            }),
            "properties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = what.get(name) {
                        let held = self.holds(schema, field, true);
                        held.map_err(|why| format!("{name}: {why}"))?;
                    }
                }
                true
            }
            "items" => {
                let items = value.as_array().into_iter().flatten();
                return items
                    .into_iter()
                    .try_for_each(|item| self.holds(what, item, true));
            }
            // Above, and what is only said.
            "additionalProperties" | "description" | "title" | "default" | "format" | "pattern" => {
                true
            }
            other => panic!("{other} is not known here"),
        };
        if fits {
            Ok(())
        } else {
            Err(format!("{value:.80} is not of {keyword} {what:.200}"))
        }
    }
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    }
}

#[test]
fn the_check_refuses_what_the_schema_does_not_say() {
    let schema = Schema::printed();
    let request = |text: &str| schema.check("/$defs/Request", &text.parse().unwrap());
    for good in [
        r#"{"action":"list"}"#,
        r#"{"action":"list","args":{"format":"dmenu","width":80}}"#,
        r#"{"action":"answer","args":{"query":"a","decision":{"choose":[[0]]}}}"#,
        r#"{"action":"preview","args":{"id":"box/7-1"},"version":"0.1.0"}"#,
    ] {
        assert_eq!(request(good), Ok(()));
    }
    for bad in [
        r#"{"action":"dance"}"#,
        r#"{"args":{}}"#,
        r#"{"action":"list","args":{"all":"yes"}}"#,
        r#"{"action":"list","args":{"format":"songs"}}"#,
        r#"{"action":"list","args":{"wdith":80}}"#,
        r#"{"action":"list","argz":{}}"#,
        r#"{"action":"snooze","args":{"seconds":-1}}"#,
        r#"{"action":"answer","args":{"query":"a"}}"#,
        r#"{"action":"answer","args":{"decision":{"shrug":1}}}"#,
    ] {
        assert!(request(bad).is_err(), "{bad}");
    }
    let reply = r#"{"ok":true,"error":null,"sessions":[{"id":7}]}"#;
    let checked = schema.check("/$defs/Replies/list", &reply.parse().unwrap());
    assert!(checked.is_err());
}
