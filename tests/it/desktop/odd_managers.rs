//! Window managers that do what real ones were seen to do, played by the test itself.

use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ChangeWindowAttributesAux, ClientMessageEvent, ConnectionExt as _, CreateWindowAux,
    EventMask, InputFocus, PropMode, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use super::managers::{assert_keys_reach, numbers};
use super::{Desktop, wait_for};

/// How it answers a wish for the focus.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// Says that the window is active, and leaves the keyboard where it is (spectrwm 3.4).
    Lies,
    /// Leaves an icon alone, until that asks to be mapped (qtile 0.37).
    WaitsForMapping,
}

/// A window manager of one desktop.
struct Played {
    x: RustConnection,
    root: u32,
    habit: Habit,
    clients: Vec<u32>,
}

impl Played {
    /// Manages a display, in a thread that ends with the X server.
    fn on(desktop: &Desktop, habit: Habit) {
        let (x, root) = desktop.x();
        let mask = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
        let aux = ChangeWindowAttributesAux::new().event_mask(mask);
        let managed = x.change_window_attributes(root, &aux).unwrap().check();
        managed.unwrap();
        let check = x.generate_id().unwrap();
        let (kind, aux) = (WindowClass::INPUT_ONLY, CreateWindowAux::new());
        x.create_window(0, check, root, -9, -9, 1, 1, 0, kind, 0, &aux)
            .unwrap();
        let mut played = Self {
            x,
            root,
            habit,
            clients: Vec::new(),
        };
        let can = [
            "_NET_CLIENT_LIST",
            "_NET_ACTIVE_WINDOW",
            "_NET_CURRENT_DESKTOP",
        ];
        let can = can.map(|name| played.atom(name));
        played.set(root, "_NET_SUPPORTED", AtomEnum::ATOM, &can);
        played.set(root, "_NET_NUMBER_OF_DESKTOPS", AtomEnum::CARDINAL, &[1]);
        played.set(root, "_NET_CURRENT_DESKTOP", AtomEnum::CARDINAL, &[0]);
        for window in [check, root] {
            let name = "_NET_SUPPORTING_WM_CHECK";
            played.set(window, name, AtomEnum::WINDOW, &[check]);
        }
        std::thread::spawn(move || {
            while let Ok(event) = played.x.wait_for_event() {
                played.take(event);
                if played.x.flush().is_err() {
                    return;
                }
            }
        });
    }

    fn atom(&self, name: &str) -> u32 {
        let atom = self.x.intern_atom(false, name.as_bytes()).unwrap();
        atom.reply().unwrap().atom
    }

    fn set(&self, window: u32, name: &str, kind: AtomEnum, values: &[u32]) {
        let (replace, name) = (PropMode::REPLACE, self.atom(name));
        let sent = self
            .x
            .change_property32(replace, window, name, kind, values);
        sent.unwrap();
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::MapRequest(event) => {
                if !self.clients.contains(&event.window) {
                    self.clients.push(event.window);
                }
                let clients = self.clients.clone();
                self.set(self.root, "_NET_CLIENT_LIST", AtomEnum::WINDOW, &clients);
                self.set(event.window, "_NET_WM_DESKTOP", AtomEnum::CARDINAL, &[0]);
                self.set(event.window, "WM_STATE", AtomEnum::CARDINAL, &[1, 0]);
                self.x.map_window(event.window).unwrap();
                self.say_active(event.window);
                self.give_keyboard(event.window);
            }
            Event::ClientMessage(event) if event.type_ == self.atom("WM_CHANGE_STATE") => {
                self.set(event.window, "WM_STATE", AtomEnum::CARDINAL, &[3, 0]);
                self.x.unmap_window(event.window).unwrap();
            }
            Event::ClientMessage(event) if event.type_ == self.atom("_NET_ACTIVE_WINDOW") => {
                self.is_asked(&event);
            }
            _ => {}
        }
    }

    fn is_asked(&self, event: &ClientMessageEvent) {
        // Who does not say when is refused (metacity 3.46, mutter 43).
        if event.data.as_data32()[1] == x11rb::CURRENT_TIME {
            return;
        }
        match self.habit {
            Habit::Lies => self.say_active(event.window),
            Habit::WaitsForMapping => {
                let shown = self.x.get_window_attributes(event.window).unwrap();
                if shown.reply().unwrap().map_state == x11rb::protocol::xproto::MapState::VIEWABLE {
                    self.say_active(event.window);
                    self.give_keyboard(event.window);
                }
            }
        }
    }

    fn say_active(&self, window: u32) {
        self.set(self.root, "_NET_ACTIVE_WINDOW", AtomEnum::WINDOW, &[window]);
    }

    fn give_keyboard(&self, window: u32) {
        let now = x11rb::CURRENT_TIME;
        let given = self.x.set_input_focus(InputFocus::PARENT, window, now);
        given.unwrap();
    }
}

#[test]
#[ignore = "needs a desktop"]
fn a_manager_that_says_yes_and_keeps_the_keyboard_elsewhere_is_not_believed() {
    let desktop = Desktop::bare(false);
    Played::on(&desktop, Habit::Lies);
    let [below, above] = ["below", "above"].map(|name| desktop.listener(name));
    let [below_window, _] = [&below, &above].map(|shown| desktop.window_of(shown));
    let said = desktop.vmux(&["switch", &below.name]);
    let error = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(1), "{error}");
    assert!(error.contains("has the focus instead"), "{error}");
    let active = numbers(&desktop, 0, "_NET_ACTIVE_WINDOW");
    assert_eq!(active, [u32::try_from(below_window).unwrap()], "it lied");
    assert_keys_reach(&desktop, &above, &[&below]);
}

#[test]
#[ignore = "needs a desktop"]
fn an_icon_that_its_manager_leaves_alone_is_mapped() {
    let desktop = Desktop::bare(false);
    Played::on(&desktop, Habit::WaitsForMapping);
    let [icon, above] = ["icon", "above"].map(|name| desktop.listener(name));
    let [icon_window, _] = [&icon, &above].map(|shown| desktop.window_of(shown));
    desktop.xdotool(&["windowminimize", &icon_window.to_string()]);
    wait_for("an icon", || {
        let state = numbers(&desktop, icon_window, "WM_STATE");
        (state.first() == Some(&3)).then_some(())
    });
    desktop.switch(&icon);
    assert_keys_reach(&desktop, &icon, &[&above]);
}
