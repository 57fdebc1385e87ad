use super::*;

const EVENTS: [&str; 2] = ["Stop", "Notification"];

fn with(text: &str) -> String {
    install(text, "/opt/vmux", &EVENTS, false).unwrap()
}

/// Taking the hooks out gives back the text, and putting them in twice is putting them in once.
fn round_trip(text: &str) -> String {
    let merged = with(text);
    assert_eq!(with(&merged), merged, "twice: {text}");
    assert_eq!(uninstall(&merged).unwrap(), text, "and out again");
    assert_eq!(installed(&merged).unwrap().len(), 2);
    merged
}

#[test]
fn the_layout_of_a_file_is_kept() {
    assert_eq!(
        round_trip(
            "{\n\t\"model\": \"opus\",\n\t\"hooks\": {\n\t\t\"Stop\": [\n\t\t\t{\"hooks\": []}\n\t\t]\n\t}\n}"
        ),
        "{\n\t\"model\": \"opus\",\n\t\"hooks\": {\n\t\t\"Stop\": [\n\t\t\t{\"hooks\": []},\n\t\t\t{\n\t\t\t\t\"hooks\": [\n\
         \t\t\t\t\t{\n\t\t\t\t\t\t\"type\": \"command\",\n\t\t\t\t\t\t\"command\": \"/opt/vmux hook Stop\",\n\
         \t\t\t\t\t\t\"async\": true\n\t\t\t\t\t}\n\t\t\t\t]\n\t\t\t}\n\t\t],\n\t\t\"Notification\": [\n\t\t\t{\n\
         \t\t\t\t\"hooks\": [\n\t\t\t\t\t{\n\t\t\t\t\t\t\"type\": \"command\",\n\
         \t\t\t\t\t\t\"command\": \"/opt/vmux hook Notification\",\n\t\t\t\t\t\t\"async\": true\n\t\t\t\t\t}\n\
         \t\t\t\t]\n\t\t\t}\n\t\t]\n\t}\n}"
    );
    let entry = |event: &str| {
        format!(
            r#"[{{"hooks":[{{"type":"command","command":"/opt/vmux hook {event}","async":true}}]}}]"#
        )
    };
    assert_eq!(
        round_trip(r#"{"a":1}"#),
        format!(
            r#"{{"a":1,"hooks":{{"Stop":{},"Notification":{}}}}}"#,
            entry("Stop"),
            entry("Notification")
        )
    );
    assert!(
        round_trip(r#"{"a": 1, "b": [1, 2]}"#).starts_with(r#"{"a": 1, "b": [1, 2], "hooks": {"#)
    );
    let windows = round_trip("{\r\n    \"a\": 1\r\n}\r\n");
    assert!(!windows.replace("\r\n", "").contains('\n'));
    assert!(windows.contains("\r\n    \"hooks\": {\r\n        \"Stop\": ["));
    assert!(round_trip("\u{feff}{\n  \"a\": 1\n}\n").starts_with('\u{feff}'));
}

#[test]
fn what_was_empty_is_filled_and_left_empty() {
    for (text, left) in [
        ("", "{}\n"),
        (" \n", "{}\n"),
        ("{}", "{}"),
        ("{ }\n", "{}\n"),
        (r#"{"hooks":{}}"#, "{}"),
    ] {
        let merged = with(text);
        assert_eq!(uninstall(&merged).unwrap(), left, "{text}");
        assert!(is_empty(left) && !is_empty(&merged));
    }
    assert_eq!(
        with("{}"),
        "{\n  \"hooks\": {\n    \"Stop\": [\n      {\n        \"hooks\": [\n          {\n            \
         \"type\": \"command\",\n            \"command\": \"/opt/vmux hook Stop\",\n            \"async\": true\n\
         \x20         }\n        ]\n      }\n    ],\n    \"Notification\": [\n      {\n        \"hooks\": [\n\
         \x20         {\n            \"type\": \"command\",\n            \
         \"command\": \"/opt/vmux hook Notification\",\n            \"async\": true\n          }\n        ]\n\
         \x20     }\n    ]\n  }\n}"
    );
}

#[test]
fn hooks_of_others_stay_wherever_ours_were_put() {
    let theirs = r#"{"type":"command","command":"notify-send done"}"#;
    let ours = r#"{"type":"command","command":"/old/bin/vmux hook Stop"}"#;
    for (groups, left) in [
        (
            format!(r#"{{"hooks":[{theirs},{ours}]}}"#),
            format!(r#"[{{"hooks":[{theirs}]}}]"#),
        ),
        (
            format!(r#"{{"hooks":[{ours},{theirs}]}}"#),
            format!(r#"[{{"hooks":[{theirs}]}}]"#),
        ),
        (
            format!(r#"{{"hooks":[{ours}]}}, {{"hooks":[{theirs}]}}"#),
            format!(r#"[{{"hooks":[{theirs}]}}]"#),
        ),
        (
            format!(
                r#"{{"hooks":[{theirs}]}}, {{"hooks":[{ours}]}} , {{"hooks":[{ours},{ours}]}}"#
            ),
            format!(r#"[{{"hooks":[{theirs}]}}]"#),
        ),
    ] {
        let text = format!(r#"{{"hooks":{{"Stop":[{groups}],"Odd":7}},"z":0}}"#);
        assert_eq!(
            uninstall(&text).unwrap(),
            format!(r#"{{"hooks":{{"Stop":{left},"Odd":7}},"z":0}}"#)
        );
    }
    let only = format!(r#"{{"a":1,"hooks":{{"Stop":[{{"hooks":[{ours}]}}]}},"z":0}}"#);
    assert_eq!(uninstall(&only).unwrap(), r#"{"a":1,"z":0}"#);
    let moved = with(&only);
    assert!(
        !moved.contains("/old/bin"),
        "another program takes its place: {moved}"
    );
}

#[test]
fn a_hook_that_answers_may_take_its_time() {
    let events = ["PermissionRequest", "Stop"];
    let merged = install("{}", "vmux", &events, true).unwrap();
    let read: serde_json::Value = serde_json::from_str(&merged).unwrap();
    let entry = |event: &str| read["hooks"][event][0]["hooks"][0].clone();
    assert_eq!(
        entry("PermissionRequest"),
        serde_json::json!({"type": "command", "command": "vmux hook Answer", "timeout": 600})
    );
    assert_eq!(entry("Stop")["async"], true);
    let silent = install(&merged, "vmux", &events, false).unwrap();
    assert!(!silent.contains("Answer"), "{silent}");
    assert_eq!(uninstall(&merged).unwrap(), "{}");
}

#[test]
fn a_command_of_ours_is_known_by_itself() {
    let own = |program: &str, answers| Own {
        event: "PermissionRequest".to_owned(),
        answers,
        program: program.to_owned(),
    };
    for program in ["/opt/vmux", "/home/a b/it's/vmux", "vmux"] {
        for answers in [false, true] {
            let command = command(&own(program, answers));
            assert_eq!(
                own_program(&command),
                Some((program.into(), answers)),
                "{command}"
            );
        }
    }
    assert_eq!(
        command(&own("/a b/vmux", false)),
        "'/a b/vmux' hook PermissionRequest"
    );
    assert_eq!(command(&own("vmux", true)), "vmux hook Answer");
    for other in [
        "vmux",
        "vmux hook",
        "vmux hooks install",
        "/opt/vmux-rofi hook Stop",
        "/opt/vmux hook Stop; rm x",
        "echo hook Stop",
        "",
    ] {
        assert_eq!(own_program(other), None, "{other}");
    }
}

#[test]
fn what_cannot_be_edited_is_refused_with_its_line() {
    for (text, line, word) in [
        ("{\n  // mine\n  \"a\": 1\n}", 2, "comment"),
        ("{\n  \"a\": 1, /* mine */\n  \"b\": 2\n}", 2, "comment"),
        ("{\n  \"a\": 1,\n}", 3, "comma"),
        ("{\"a\": [1, 2,]}", 1, "comma"),
        ("{\"a\": }", 1, "not JSON"),
        ("{\"a\": 1", 1, "not JSON"),
        ("[]", 1, "not an object"),
        ("7", 1, "not an object"),
        ("{\n\"hooks\":\n []}", 3, "\"hooks\" is not an object"),
        (
            "{\"hooks\":\n{\"Stop\": {}}}",
            2,
            "\"Stop\" is not an array",
        ),
    ] {
        let refusal = install(text, "/opt/vmux", &EVENTS, false).unwrap_err();
        assert_eq!(refusal.line, line, "{text}: {refusal}");
        assert!(refusal.what.contains(word), "{text}: {refusal}");
    }
}

#[test]
fn hooks_of_any_other_shape_are_left_alone() {
    for text in [
        r#"{"hooks":{"Stop":[7,"x",null,{"hooks":{}},{"hooks":[1,{"command":2}]},{}]}}"#,
        r#"{"hooks":{"Stop":[]},"hooks":{"Stop":[{"matcher":""}],"Notification":[{}]}}"#,
        r#"{"\u0068ooks":{"Stop":[{}],"Notification":[{}]}}"#,
    ] {
        round_trip(text);
    }
}

#[test]
fn depth_and_size_end_nothing() {
    let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    round_trip(&deep);
    let many: String = (0..40_000)
        .map(|n| format!("    \"Bash(x {n})\",\n"))
        .collect();
    round_trip(&format!("{{\n  \"allow\": [\n{many}    \"end\"\n  ]\n}}\n"));
}
