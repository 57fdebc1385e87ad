//! What people see: rofi, menu programs, terminals, status bars. Each renders purely and gives a choice back
//! by id.

pub mod bar;
pub mod filter;
pub mod icons;
pub mod menu;
pub mod preview;
pub mod projects;
pub mod prompt;
pub mod rofi;
pub mod row;
pub mod table;
