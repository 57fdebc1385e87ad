//! "New session…": projects in the list instead of sessions.

use vmux::core::model::{ConversationId, Past, Project};

use super::*;

fn ago(seconds: i64) -> chrono::DateTime<chrono::Utc> {
    clock::now() - chrono::TimeDelta::seconds(seconds)
}

fn past(id: &str, title: &str, age: i64) -> Past {
    Past {
        agent: "claude",
        conversation: ConversationId::new(id).unwrap(),
        title: CleanText::line(title),
        at: ago(age),
    }
}

fn projects() -> Vec<Project> {
    vec![
        Project {
            dir: RawPath("/home/someone/shop".into()),
            seen: Some(ago(130)),
            alive: 2,
            past: vec![past("c1", "mend the cart", 8000)],
        },
        Project {
            dir: RawPath("/srv/site".into()),
            seen: Some(ago(4000)),
            past: vec![past("c2", "new look", 4000)],
            ..Project::default()
        },
        Project {
            dir: RawPath("/srv/tools".into()),
            ..Project::default()
        },
    ]
}

/// The projects are known now.
fn known(screen: &mut Screen) {
    screen.board.offer(Ok(projects()));
    screen.take(Event::Render);
    screen.draw();
}

fn chosen(screen: &mut Screen) -> Option<Start> {
    match screen.press(&["enter"]).outcome.take() {
        Some(Outcome::New(start)) => Some(start),
        _ => None,
    }
}

fn begin(dir: &str) -> Option<Start> {
    Some(Start::Begin(RawPath(dir.into())))
}

#[test]
fn a_key_offers_projects_and_escape_goes_back() {
    let mut screen = small(&three());
    screen.kind("shop").press(&["down", "left", "alt-n"]);
    assert_eq!(screen.line(0), "new>");
    assert!(screen.line(1).ends_with("looking for projects\u{2026}"));
    assert_eq!(screen.list(), [""; 0]);
    known(&mut screen);
    assert_eq!(screen.line(1), "  New session: where?");
    assert_eq!(
        screen.list(),
        [">shop", "site", "tools", "resume:", "resume:"]
    );
    let rows = screen.lines()[3..8].join("\n");
    let of = |name: &str, detail: &str, dir: &str| format!("{name:<21}  {detail:<16}  {dir}");
    assert!(
        rows.contains(&of("shop", "2 live, 2m ago", "~/shop")),
        "{rows}"
    );
    assert!(
        rows.contains(&of("resume: new look", "1h ago", "/srv/site")),
        "{rows}"
    );
    // Sessions that come and go, and keys that are about them, change nothing.
    screen
        .news(&three()[1..])
        .press(&["alt-r", "alt-k", "alt-s", "alt-a", "alt-n"]);
    assert_eq!(screen.list().len(), 5);
    screen.press(&["down", "esc"]);
    assert_eq!(screen.line(0), "vmux> shop");
    assert_eq!(screen.list(), ["shop-web", ">shop-api"]);
    screen.kind("o");
    assert_eq!(screen.line(0), "vmux> shoop", "its cursor as well");
    assert_eq!(screen.asked(), ["gather"]);
    assert_eq!(screen.outcome, None);
}

#[test]
fn a_project_or_a_conversation_is_chosen_by_what_is_typed() {
    let taken_up = Start::Resume(RawPath("/home/someone/shop".into()), past("c1", "", 0));
    for (typed, want) in [
        ("", begin("/home/someone/shop")),
        ("sit", begin("/srv/site")),
        ("shop", begin("/home/someone/shop")),
        ("cart", Some(taken_up)),
        ("zzz", None),
    ] {
        let mut screen = small(&three());
        screen.press(&["alt-n"]);
        known(&mut screen);
        screen.kind(typed);
        let found = chosen(&mut screen);
        match (&found, &want) {
            (Some(Start::Resume(dir, past)), Some(Start::Resume(other, other_past))) => {
                assert_eq!((dir, &past.conversation), (other, &other_past.conversation));
            }
            _ => assert_eq!(found, want, "{typed:?}"),
        }
    }
}

#[test]
fn a_directory_that_is_typed_stands_on_top() {
    let mut screen = small(&three());
    screen.press(&["alt-n"]).kind("/srv");
    assert_eq!(screen.list(), [">srv"], "before the projects are known");
    known(&mut screen);
    assert_eq!(screen.list()[..2], [">srv", "site"]);
    screen.kind("/do");
    assert_eq!(screen.list(), [""; 0], "neither a directory nor a project");
    assert_eq!(chosen(&mut screen), None);
    assert!(screen.line(1).contains("there is no such directory"));
    // However fast Enter comes.
    screen.press(&["c", "s", "enter"]);
    assert_eq!(
        screen.outcome.take(),
        Some(Outcome::New(Start::Begin(RawPath("/srv/docs".into()))))
    );
}

#[test]
fn the_pane_tells_of_the_project() {
    let mut screen = Screen::new(140, 14, &three());
    screen.press(&["alt-n"]);
    assert!(screen.line(0).ends_with("no project fits"));
    known(&mut screen);
    let shown = screen.lines().join("\n");
    assert!(shown.contains("resume: mend the cart, 2h ago"), "{shown}");
    screen.press(&["esc"]);
    assert!(screen.line(0).contains("shop-web  waiting "));
}

#[test]
fn what_keeps_projects_from_the_list_is_said() {
    let mut screen = small(&three());
    screen.ui.outside.refuses = Some("there are none".into());
    screen.press(&["alt-n"]);
    assert_eq!(screen.line(0), "vmux>");
    assert_eq!(screen.line(1), "  there are none");
    screen.press(&["alt-n"]);
    screen.board.offer(Err("could not ask the daemon".into()));
    screen.take(Event::Render);
    assert_eq!(screen.line(1), "  could not ask the daemon");
}
