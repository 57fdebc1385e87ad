use super::*;
use crate::core::model::{Reason, State, made};
use crate::protocol::reply::Committed;

fn session(pid: u32, state: State, reason: Option<Reason>) -> Session {
    Session {
        state_since: None,
        reason,
        ..made::session(pid, "/home/dev/R&D", state)
    }
}

fn scene(sessions: &[Arc<Session>]) -> Scene<'_> {
    Scene {
        sessions,
        // What these tests look at needs no rows.
        rows: &[],
        workspace: None,
        icons: "/icons",
        keys: None,
        hints: true,
        now: DateTime::UNIX_EPOCH,
        edition: 0,
    }
}

fn usual() -> Keys {
    Keys::of(&[1, 2, 3, 4, 5, 6].map(|n| format!("Alt+{n}")))
}

#[test]
fn what_waits_stands_out_and_the_keys_do_not() {
    let keys = usual();
    let all = [
        session(1, State::NeedsInput, Some(Reason::Permission)),
        session(2, State::Working, None),
    ]
    .map(Arc::new);
    assert_eq!(
        message(Filter::All, None, &scene(&all).with(&keys)),
        "<b>1 waiting</b> \u{b7} 1 working&#10;<span alpha=\"65%\"><b>Alt+1</b> label   \
         <b>Alt+2</b> preview   <b>Alt+3</b> end   <b>Alt+4</b> show waiting   \
         <b>Alt+6</b> new session</span>"
    );
    let waiting = message(Filter::Waiting, None, &scene(&all).with(&keys));
    assert!(waiting.contains("<b>Alt+4</b> show all   "), "{waiting}");
    let quiet = Scene {
        hints: false,
        ..scene(&all[1..]).with(&keys)
    };
    assert_eq!(message(Filter::All, None, &quiet), "1 working");
    // Only keys that are known to work, as the user has them.
    let own = Keys::of(&["<F1>", "", "Super+x"].map(String::from));
    assert_eq!(
        message(Filter::All, None, &scene(&all[1..]).with(&own)),
        "1 working&#10;<span alpha=\"65%\"><b>&lt;F1&gt;</b> label   <b>Super+x</b> end</span>"
    );
    assert_eq!(message(Filter::All, None, &scene(&all[1..])), "1 working");
}

#[test]
fn the_list_is_made_anew_for_another_edition_and_another_workspace() {
    let all = [session(1, State::Working, None)].map(Arc::new);
    let mut menus = Menus::default();
    let mut page = |sessions, edition, workspace| {
        let scene = Scene {
            edition,
            workspace,
            ..scene(sessions)
        };
        let call = Call {
            retv: 0,
            info: None,
            rofi: 1,
            keys: &usual(),
        };
        let Effect::Show(page) = menus.answer(call, &scene) else {
            panic!("a first call shows the list")
        };
        page
    };
    let first = page(&all[..], 1, None);
    assert_eq!(page(&all, 1, None), first);
    assert_eq!(page(&[], 1, None), first, "not looked at again");
    assert_ne!(page(&[], 2, None), first);
    let here = page(&[], 2, Some("1"));
    assert_eq!(here, page(&[], 3, Some("1")));
}

#[test]
fn a_preview_tells_of_the_last_commits() {
    let all = [Arc::new(session(1, State::Idle, None))];
    let commit = |n: u32| Committed {
        commit: CleanText::line(&n.to_string().repeat(40)),
        subject: CleanText::line("Add <b>"),
        at: Some(made::second(0)),
    };
    let told = Contents {
        messages: Vec::new(),
        commits: (1..6).map(commit).collect(),
    };
    let page = String::from_utf8(show_preview(&all[0], &told, &scene(&all))).unwrap();
    assert!(
        page.contains("&#10;committed 11111111 Add &lt;b&gt;  "),
        "{page:?}"
    );
    assert!(
        page.contains("33333333") && !page.contains("44444444"),
        "{page:?}"
    );
}

#[test]
fn a_preview_says_a_question_once() {
    let asks = Session {
        ask: Some(CleanText::line("Bash(a < b)")),
        ..session(1, State::NeedsInput, Some(Reason::Permission))
    };
    let said = |role: &str, text: &str| PreviewMessage {
        role: CleanText::line(role),
        text: CleanText::line(text),
        at: None,
    };
    let all = [Arc::new(asks)];
    let messages = [said("user", "Go"), said("tool", "Bash(a < b)")];
    let told = messages.to_vec().into();
    let page = show_preview(&all[0], &told, &scene(&all));
    let page = String::from_utf8(page).unwrap();
    let want = "\0message\x1f<b>R&amp;D</b>  <span alpha=\"65%\">waiting</span>&#10;\u{203a} Go\
                &#10;<span alpha=\"65%\">\u{2022} Bash(a &lt; b)</span>\n";
    assert!(page.contains(want), "{page:?}");
    let told = messages[..1].to_vec().into();
    let page = show_preview(&all[0], &told, &scene(&all));
    assert!(
        String::from_utf8(page)
            .unwrap()
            .contains("waiting  Bash(a &lt; b)</span>")
    );
}
