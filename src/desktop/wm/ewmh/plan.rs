//! What a window manager is asked for, in which order, so that a window gets the focus. Pure.
//!
//! **Source:** 17 window managers. `_NET_ACTIVE_WINDOW` alone leaves the user where he is on
//! openbox 3.6, awesome 4.3, metacity 3.46, marco 1.26 and spectrwm 3.4, and pulls the window to
//! this desktop on xfwm4 4.18; after `_NET_CURRENT_DESKTOP` it lands on all. herbstluftwm 0.9.5
//! swaps its monitors by that, and needs it not. xfwm4 and KWin 5.27 leave a shaded window shaded.

use super::parse::{State, Where};

/// One thing to ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Roll the window down again.
    Unshade,
    /// Show this desktop.
    Show(u32),
    /// Give the window the focus.
    Activate,
}

/// The steps to the focus of a window that is there, in this state, while `current` is shown.
/// `shows`: the manager can be told which desktop to show.
pub(super) fn plan(at: Where, state: State, current: Option<u32>, shows: bool) -> Vec<Step> {
    let unshade = state.shaded.then_some(Step::Unshade);
    let show = match at {
        Where::On(desktop) if shows && current != Some(desktop) => Some(Step::Show(desktop)),
        Where::On(_) | Where::Everywhere | Where::Unknown => None,
    };
    let steps = [unshade, show, Some(Step::Activate)];
    steps.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: State = State {
        shaded: false,
        hidden: false,
        urgent: false,
    };

    #[test]
    fn the_desktop_is_shown_before_the_window_is_asked_for() {
        let far = plan(Where::On(3), PLAIN, Some(0), true);
        assert_eq!(far, [Step::Show(3), Step::Activate]);
        let near = plan(Where::On(3), PLAIN, Some(3), true);
        assert_eq!(near, [Step::Activate]);
        let unknown = plan(Where::On(0), PLAIN, None, true);
        assert_eq!(unknown, [Step::Show(0), Step::Activate]);
    }

    #[test]
    fn a_window_on_all_desktops_or_on_none_moves_nobody() {
        for at in [Where::Everywhere, Where::Unknown] {
            assert_eq!(plan(at, PLAIN, Some(0), true), [Step::Activate]);
        }
    }

    #[test]
    fn who_cannot_be_told_which_desktop_to_show_is_not() {
        assert_eq!(plan(Where::On(3), PLAIN, Some(0), false), [Step::Activate]);
    }

    #[test]
    fn a_rolled_up_window_is_rolled_down_first() {
        let state = State {
            shaded: true,
            ..PLAIN
        };
        let steps = plan(Where::On(1), state, Some(0), true);
        assert_eq!(steps, [Step::Unshade, Step::Show(1), Step::Activate]);
    }
}
