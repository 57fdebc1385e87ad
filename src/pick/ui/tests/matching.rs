//! Order and marks of the list while a query is typed.

use super::*;

/// skim's own matcher knows no titles, and marked a letter here and there.
#[test]
fn the_list_is_vmuxs_order_and_marks_what_fits() {
    let sessions: Vec<_> = ["relay", "web-app", "app-web", "a-web", "webapp", "awe-blog"]
        .iter()
        .zip(1..)
        .map(|(name, pid)| session(pid, name, State::Idle))
        .collect();
    for query in [
        "web",
        "'app",
        "a w",
        "^a",
        "web$",
        "ab",
        "eb",
        "!web",
        "relay | blog",
    ] {
        let mut screen = small(&sessions);
        screen.kind(query);
        let ranked = vmux::core::query::rank(query, &sessions);
        let want: Vec<_> = ranked.iter().map(|(_, s)| s.title().to_string()).collect();
        let list = screen.list().join(" ").replace('>', "");
        assert_eq!(list, want.join(" "), "{query}");
        assert!(!want.is_empty());
    }
    let mut screen = small(&sessions);
    screen.kind("web");
    assert_eq!(screen.list()[..2], [">web-app", "webapp"]);
    let buffer = screen.ui.parts().1.backend().buffer();
    let marked = |row: u16| {
        let cells = (0..20).map(|x| &buffer[(x, row)]);
        let marked = cells.filter(|cell| cell.modifier.contains(Modifier::UNDERLINED));
        marked
            .map(ratatui::buffer::Cell::symbol)
            .collect::<String>()
    };
    assert_eq!([3, 4, 5].map(marked), ["web", "web", "web"]);
}
