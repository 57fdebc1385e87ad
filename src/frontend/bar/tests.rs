use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::core::model::{RawPath, Reason, State, made};
use crate::core::text::CleanText;

const FORMATS: [Format; 5] = [
    Format::I3blocks,
    Format::I3bar,
    Format::Waybar,
    Format::Polybar,
    Format::Json,
];

/// What a session would say to get out of any of them: Pango, tags of polybar, escapes, controls.
const HOSTILE: &str = "</b><span foreground='red'>&amp;\" %{A1:rm -rf ~:}%{F#f00}x%{A} \u{1b}]0;t\u{7}\u{0}\u{1f}\n\r\u{202e}#000000";

fn now() -> DateTime<Utc> {
    made::at(0)
}

fn session(pid: u32, state: State, seconds: i64) -> Session {
    let since = made::second(-seconds);
    Session {
        state_since: Some(since),
        waiting_since: (state == State::NeedsInput).then_some(since),
        ..made::session(pid, &format!("/w/shop{pid}"), state)
    }
}

fn done(pid: u32, seconds: i64) -> Session {
    Session {
        unseen: true,
        ..session(pid, State::Idle, seconds)
    }
}

fn asks(pid: u32, seconds: i64) -> Session {
    Session {
        reason: Some(Reason::Permission),
        ask: Some(CleanText::line("Bash(a < b && c)")),
        ..session(pid, State::NeedsInput, seconds)
    }
}

fn busy() -> Vec<Arc<Session>> {
    let all = [
        asks(1, 190),
        asks(2, 59),
        done(3, 7300),
        session(4, State::Working, 5),
        session(5, State::Idle, 5),
    ];
    all.map(Arc::new).to_vec()
}

/// Once, and as one of many, with what stands before the first.
fn shown(look: &Look<'_>, format: Format) -> String {
    format!(
        "{}---\n{}{}",
        look.render(format, false),
        header(format),
        look.render(format, true)
    )
}

#[test]
fn each_bar_gets_its_own_terms() {
    let sessions = busy();
    let look = Look::of(&sessions, now());
    assert_snapshot!(shown(&look, Format::I3blocks), @r##"
    2 waiting 3m · 1 done · 1 working
    2 waiting
    #f5790a
    ---
    {"full_text":"2 waiting 3m · 1 done · 1 working","short_text":"2 waiting","color":"#f5790a"}
    "##);
    assert_snapshot!(shown(&look, Format::I3bar), @r##"
    {"name":"vmux","full_text":"2 waiting 3m · 1 done · 1 working","short_text":"2 waiting","color":"#f5790a"}
    ---
    {"version":1,"click_events":true}
    [
    [{"name":"vmux","full_text":"2 waiting 3m · 1 done · 1 working","short_text":"2 waiting","color":"#f5790a"}],
    "##);
    assert_snapshot!(shown(&look, Format::Waybar), @r##"
    {"text":"2 waiting 3m · 1 done · 1 working","alt":"waiting","class":"waiting","tooltip":"<b>shop1</b>  waiting 3m  permission: Bash(a &lt; b &amp;&amp; c)\n<b>shop2</b>  waiting  permission: Bash(a &lt; b &amp;&amp; c)\n<b>shop3</b>  done 2h"}
    ---
    {"text":"2 waiting 3m · 1 done · 1 working","alt":"waiting","class":"waiting","tooltip":"<b>shop1</b>  waiting 3m  permission: Bash(a &lt; b &amp;&amp; c)\n<b>shop2</b>  waiting  permission: Bash(a &lt; b &amp;&amp; c)\n<b>shop3</b>  done 2h"}
    "##);
    assert_snapshot!(shown(&look, Format::Polybar), @r##"
    %{A1:vmux next:}%{A2:vmux back:}%{A3:vmux menu:}%{F#f5790a}2 waiting 3m%{F-} · %{F#2f9e44}1 done%{F-} · 1 working%{A}%{A}%{A}
    ---
    %{A1:vmux next:}%{A2:vmux back:}%{A3:vmux menu:}%{F#f5790a}2 waiting 3m%{F-} · %{F#2f9e44}1 done%{F-} · 1 working%{A}%{A}%{A}
    "##);
    assert_snapshot!(Look::of(&sessions[1..2], now()).render(Format::Json, true), @r##"{"text":"1 waiting","class":"waiting","counts":{"waiting":1,"done":0,"snoozed":0,"menu":0,"working":0,"idle":0,"unknown":0},"waiting_since":"2026-11-20T08:47:21Z","sessions":[{"id":"2-7","pid":2,"session_id":null,"agent":"","cwd":"/w/shop2","git_branch":null,"state":"needs_input","reason":"permission prompt","state_since":"2026-11-20T08:47:21Z","waiting_since":"2026-11-20T08:47:21Z","ask":"Bash(a < b && c)","preview":null,"workspace":null,"label":null,"kind":"interactive"}]}"##);
}

#[test]
fn a_bar_without_sessions_hides_it_and_one_without_a_daemon_says_so() {
    let none = Look::of(&[], now());
    let off = Look::off("vmux off", now());
    let text = |look: &Look<'_>| {
        let all = FORMATS.map(|format| look.render(format, false));
        all.concat()
    };
    assert_snapshot!(text(&none), @r##"
    {"name":"vmux","full_text":"","short_text":""}
    {"text":"","alt":"none","class":"none","tooltip":""}

    {"text":"","class":"none","counts":{"waiting":0,"done":0,"snoozed":0,"menu":0,"working":0,"idle":0,"unknown":0},"waiting_since":null,"sessions":[]}
    "##);
    assert_snapshot!(text(&off), @r##"
    vmux off
    vmux off
    #8490a8
    {"name":"vmux","full_text":"vmux off","short_text":"vmux off","color":"#8490a8"}
    {"text":"vmux off","alt":"off","class":"off","tooltip":""}
    %{A1:vmux next:}%{A2:vmux back:}%{A3:vmux menu:}%{F#8490a8}vmux off%{F-}%{A}%{A}%{A}
    {"text":"vmux off","class":"off","counts":{"waiting":0,"done":0,"snoozed":0,"menu":0,"working":0,"idle":0,"unknown":0},"waiting_since":null,"sessions":[]}
    "##);
    assert_snapshot!(text(&Look::off("", now())), @r##"
    {"name":"vmux","full_text":"","short_text":"","color":"#8490a8"}
    {"text":"","alt":"off","class":"off","tooltip":""}

    {"text":"","class":"off","counts":{"waiting":0,"done":0,"snoozed":0,"menu":0,"working":0,"idle":0,"unknown":0},"waiting_since":null,"sessions":[]}
    "##);
}

#[test]
fn the_text_names_what_is_worth_a_look() {
    let text = |sessions: &[Session]| {
        let sessions: Vec<_> = sessions.iter().cloned().map(Arc::new).collect();
        Look::of(&sessions, now()).text()
    };
    let idle = session(9, State::Idle, 5);
    let menu = Session {
        reason: Some(Reason::Dialog),
        ..session(8, State::NeedsInput, 500)
    };
    let snoozed = Session {
        snoozed_until: Some(now()),
        ..session(7, State::NeedsInput, 500)
    };
    assert_eq!(text(&[]), "");
    assert_eq!(text(&[idle.clone(), idle.clone()]), "2 idle");
    assert_eq!(
        text(&[idle.clone(), menu.clone()]),
        "1 in a menu \u{b7} 1 idle"
    );
    assert_eq!(
        text(&[idle, menu, snoozed, session(1, State::Working, 5)]),
        "1 working"
    );
    for (seconds, words) in [
        (-30, "1 waiting"),
        (59, "1 waiting"),
        (60, "1 waiting 1m"),
        (3599, "1 waiting 59m"),
        (3600, "1 waiting 1h"),
        (200_000, "1 waiting 2d"),
    ] {
        assert_eq!(text(&[asks(1, seconds)]), words);
    }
}

#[test]
fn nothing_that_a_session_says_gets_out_of_its_place() {
    let hostile = Session {
        cwd: RawPath(HOSTILE.into()),
        name: Some(CleanText::line(HOSTILE)),
        label: Some(CleanText::line(HOSTILE)),
        git_branch: Some(CleanText::line(HOSTILE)),
        ask: Some(CleanText::line(HOSTILE)),
        preview: Some(CleanText::line(HOSTILE)),
        ..asks(1, 190)
    };
    let plain = [Arc::new(asks(1, 190))];
    let hostile = [Arc::new(hostile)];
    let [plain, look] = [&plain, &hostile].map(|sessions| Look::of(sessions, now()));
    for format in [Format::I3blocks, Format::I3bar, Format::Polybar] {
        assert_eq!(shown(&look, format), shown(&plain, format), "{format:?}");
    }
    assert_snapshot!(look.render(Format::Waybar, true), @r##"{"text":"1 waiting 3m","alt":"waiting","class":"waiting","tooltip":"<b>&lt;/b&gt;&lt;span foreground=&#39;red&#39;&gt;&amp;amp;&quot; %{A1:rm -rf ~:}%{F#f00}x%{A} #000000</b>  waiting 3m  permission: &lt;/b&gt;&lt;span foreground=&#39;red&#39;&gt;&amp;amp;&quot; %{A1:rm -rf ~…"}"##);
    let json = look.render(Format::Json, true);
    assert!(!json.trim_end().chars().any(char::is_control), "{json}");
    serde_json::from_str::<serde_json::Value>(&json).unwrap();
}

#[test]
fn a_long_tooltip_ends() {
    let many: Vec<_> = (0..90).map(|pid| Arc::new(asks(pid, 190))).collect();
    let tooltip = Look::of(&many, now()).tooltip();
    assert_eq!(tooltip.lines().count(), TOOLTIP_ROWS + 1);
    assert!(tooltip.ends_with("… and 70 more"), "{tooltip}");
}

#[test]
fn the_next_change_is_that_of_a_shown_age() {
    let next = |format, sessions: &[Session]| {
        let sessions: Vec<_> = sessions.iter().cloned().map(Arc::new).collect();
        next_change(format, &sessions, now()).map(|left| left.as_secs())
    };
    let bar = |sessions: &[Session]| next(Format::I3bar, sessions);
    assert_eq!(bar(&[]), None);
    assert_eq!(bar(&[session(1, State::Working, 5), done(2, 5)]), None);
    assert_eq!(bar(&[asks(1, 0)]), Some(60));
    assert_eq!(bar(&[asks(1, 61), asks(2, 3)]), Some(59));
    assert_eq!(bar(&[asks(1, 3600)]), Some(3600));
    assert_eq!(bar(&[asks(1, 90_000)]), Some(82_800));
    assert_eq!(bar(&[asks(1, -7)]), Some(67), "a clock that was set back");
    let all = [asks(1, 3600), done(2, 70)];
    assert_eq!(bar(&all), Some(3600));
    assert_eq!(next(Format::Waybar, &all), Some(50), "its tooltip has ages");
}

#[test]
fn clicks_are_read_in_every_form() {
    for (line, button) in [
        ("1", Some(Button::Left)),
        ("2\n", Some(Button::Middle)),
        ("3", Some(Button::Right)),
        ("4", None),
        ("", None),
        ("[", None),
        (r#"{"name":"vmux","button":1,"x":9}"#, Some(Button::Left)),
        (r#",{"name":"vmux","button":3}"#, Some(Button::Right)),
        (r#"[{"button":2}"#, Some(Button::Middle)),
        (r#"{"":"","button":"1"}"#, Some(Button::Left)),
        (r#"{"name":"clock","button":1}"#, None),
        (r#"{"button":true}"#, None),
        (r#"{"button":1"#, None),
        ("\u{0}", None),
    ] {
        assert_eq!(
            parse_click(Format::I3bar, line.as_bytes()),
            button,
            "{line}"
        );
    }
    for named in [
        r#"{"name":"agents","button":1}"#,
        r#"{"name":7,"button":1}"#,
    ] {
        let button = parse_click(Format::I3blocks, named.as_bytes());
        assert_eq!(button, Some(Button::Left), "{named}");
    }
    assert_eq!(parse_click(Format::I3blocks, b"\xff1"), None);
}

proptest! {
    #[test]
    fn any_text_makes_one_line_of_its_format(raw in "\\PC*|[\\x00-\\x7f]{0,80}", seconds in any::<i32>()) {
        let text = CleanText::line(&raw);
        let session = Session {
            cwd: RawPath(raw.clone()),
            label: Some(text.clone()),
            ask: Some(text),
            ..asks(1, seconds.into())
        };
        let sessions = [Arc::new(session)];
        let look = Look::of(&sessions, now());
        for format in FORMATS {
            let out = look.render(format, true);
            prop_assert_eq!(out.matches('\n').count(), 1);
            // A path is given to scripts as it is; JSON writes DEL plainly.
            let own = format == Format::Json;
            let control = |c: char| c.is_control() && !(own && c >= '\u{7f}');
            prop_assert!(!out.trim_end_matches('\n').chars().any(control));
            if !matches!(format, Format::Polybar) {
                let value = serde_json::from_str::<serde_json::Value>(out.trim_end_matches(",\n"));
                prop_assert!(value.is_ok(), "{}", out);
            }
        }
        prop_assert!(next_change(Format::Waybar, &sessions, now()).is_some());
    }

    #[test]
    fn no_click_panics(line in proptest::collection::vec(any::<u8>(), 0..60)) {
        for format in FORMATS {
            let _button = parse_click(format, &line);
        }
    }
}
