//! What a program can switch that the grid does not show. Pure.

/// Most modes that are remembered.
const MOST: usize = 64;
/// Most entries of a stack of keyboard modes or titles.
const DEEPEST: usize = 32;

/// What the mouse tells, and how: in some terminals the last mode that was switched on counts, in
/// some any that is switched off ends all, in some each is for itself.
const MOUSE: [u16; 9] = [9, 1000, 1001, 1002, 1003, 1005, 1006, 1015, 1016];

/// Private modes in the order in which they were last switched. Of a mode of the mouse both are
/// kept, that it was switched on last and off last: so all terminals come to what they would have.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub(crate) struct Switches(Vec<(u16, bool)>);

impl Switches {
    pub(crate) fn set(&mut self, mode: u16, on: bool) {
        let both = MOUSE.contains(&mode);
        self.0
            .retain(|(known, was)| *known != mode || (both && *was != on));
        if self.0.len() < MOST {
            self.0.push((mode, on));
        }
    }

    /// `None` if the program never touched it.
    pub(crate) fn get(&self, mode: u16) -> Option<bool> {
        let known = self.0.iter().rfind(|(known, _)| *known == mode);
        known.map(|(_, on)| *on)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, bool)> + '_ {
        self.0.iter().copied()
    }
}

/// The keyboard modes of one screen, the current one last.
///
/// **Source:** <https://sw.kovidgoyal.net/kitty/keyboard-protocol/#progressive-enhancement>
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keyboard(Vec<u8>);

impl Default for Keyboard {
    fn default() -> Self {
        Self(vec![0])
    }
}

impl Keyboard {
    pub(crate) fn current(&self) -> u8 {
        self.0.last().copied().unwrap_or_default()
    }

    pub(crate) fn push(&mut self, flags: u8) {
        if self.0.len() > DEEPEST {
            self.0.remove(1);
        }
        self.0.push(flags);
    }

    pub(crate) fn pop(&mut self, n: usize) {
        self.0.truncate(self.0.len().saturating_sub(n));
        if self.0.is_empty() {
            self.0.push(0);
        }
    }

    pub(crate) fn change(&mut self, change: impl FnOnce(u8) -> u8) {
        if let Some(current) = self.0.last_mut() {
            *current = change(*current);
        }
    }

    /// What brings a keyboard without any mode to this one.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let (base, pushed) = self.0.split_first().unwrap_or((&0, &[]));
        if *base != 0 {
            out.extend_from_slice(format!("\x1b[={base};1u").as_bytes());
        }
        for flags in pushed {
            out.extend_from_slice(format!("\x1b[>{flags}u").as_bytes());
        }
    }
}

/// Titles, the current one and those that were put aside.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub(crate) struct Titles {
    /// Empty if there is none.
    pub(crate) current: String,
    aside: Vec<String>,
}

impl Titles {
    /// Longest title that is kept, in bytes.
    const LONGEST: usize = 1024;

    pub(crate) fn set(&mut self, title: Option<String>) {
        let mut title = title.unwrap_or_default();
        title.truncate(title.floor_char_boundary(Self::LONGEST));
        title.retain(|c| !c.is_control());
        title.shrink_to_fit();
        self.current = title;
    }

    pub(crate) fn push(&mut self) {
        if self.aside.len() >= DEEPEST {
            self.aside.remove(0);
        }
        self.aside.push(self.current.clone());
    }

    pub(crate) fn pop(&mut self) {
        if let Some(title) = self.aside.pop() {
            self.current = title;
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for title in &self.aside {
            out.extend_from_slice(format!("\x1b]2;{title}\x1b\\\x1b[22;0t").as_bytes());
        }
        if !self.aside.is_empty() || !self.current.is_empty() {
            out.extend_from_slice(format!("\x1b]2;{}\x1b\\", self.current).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_terminal_makes_of_modes_of_the_mouse_is_in_their_order() {
        for (switched, kept) in [
            ("1000h 1002h 1002l", "1000h 1002h 1002l"),
            ("1002h 1000h 1002l", "1002h 1000h 1002l"),
            ("1000l 1000h 1000l 1000h", "1000l 1000h"),
            ("2004h 2004l 2004h 2004l", "2004l"),
        ] {
            let mut switches = Switches::default();
            for word in switched.split(' ') {
                let (mode, last) = word.split_at(4);
                switches.set(mode.parse().unwrap(), last == "h");
            }
            let words = switches.iter().map(|(mode, on)| {
                assert_ne!(switches.get(mode), None);
                format!("{mode}{}", if on { 'h' } else { 'l' })
            });
            assert_eq!(words.collect::<Vec<_>>().join(" "), kept);
            let on = switched.ends_with('h');
            assert_eq!(switches.iter().last().map(|(_, was)| was), Some(on));
        }
    }
}
