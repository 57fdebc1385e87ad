//! What logind says of a user's logins: what outlives them.
//!
//! **Source:** `org.freedesktop.login1(5)`: `GetUser` and `Linger`, `KillUserProcesses`.

use std::path::PathBuf;

use super::{Address, Argument, Body, Bus, BusError, parse_address};
use crate::sys::proc::Environ;

const NAME: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const USER: &str = "org.freedesktop.login1.User";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// Where the bus of the machine is, unless the environment says so.
const SYSTEM: &str = "/run/dbus/system_bus_socket";

/// What outlives a user's logins.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Logins {
    /// His manager, and what it runs, goes on without any login: `loginctl enable-linger`.
    pub lingers: bool,
    /// Each login takes along what was started in it.
    pub kills: bool,
}

/// Asks logind about this user.
///
/// # Errors
/// If there is no logind, or no answer.
pub fn logins(environ: &Environ) -> Result<Logins, BusError> {
    let named = environ.text("DBUS_SYSTEM_BUS_ADDRESS");
    let named = named.and_then(|text| text.split(';').find_map(parse_address));
    let address = named.unwrap_or_else(|| Address::Path(PathBuf::from(SYSTEM)));
    let mut bus = Bus::over(super::open(&address)?)?;
    let kills = is_set(&mut bus, PATH, MANAGER, "KillUserProcesses")?;
    let uid = Body::default().u32(rustix::process::getuid().as_raw());
    let lingers = match bus.call(NAME, PATH, MANAGER, "GetUser", &uid) {
        Ok(found) => match found.arguments().first() {
            Some(Argument::Text(user)) => is_set(&mut bus, user, USER, "Linger")?,
            _ => return Err(BusError::Garbled),
        },
        // Who neither is logged in nor lingers is not known.
        Err(BusError::Failed(name)) if name.ends_with(".NoSuchUser") => false,
        Err(error) => return Err(error),
    };
    Ok(Logins { lingers, kills })
}

fn is_set(bus: &mut Bus, path: &str, interface: &str, name: &str) -> Result<bool, BusError> {
    let body = Body::default().text(interface).text(name);
    let said = bus.call(NAME, path, PROPERTIES, "Get", &body)?;
    said.boolean().ok_or(BusError::Garbled)
}
