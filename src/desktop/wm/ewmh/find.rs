//! Which display an environment means, and which window manager is there.

use super::{Ewmh, SCHEME};
use crate::core::model::WmAddress;
use crate::desktop::wm::discover::open_display;
use crate::desktop::wm::x11::canonical;
use crate::desktop::wm::{Backend, Found, Missing, WindowManager, WmError};
use crate::sys::proc::{Environ, Proc};

/// Its line of the table.
pub const BACKEND: Backend = Backend {
    variables: &["DISPLAY"],
    find,
    connect,
};

/// A manager with a protocol of its own, which tells more: it is not asked by EWMH where it could
/// not be asked by that (i3 4.22 calls itself so).
const I3: &str = "i3";

fn find(environ: &Environ, _: &Proc) -> Result<Found, Missing> {
    let Some(name) = environ.text("DISPLAY") else {
        return Err(Missing::default());
    };
    let missing = |words: String, hangs| Missing {
        tried: vec![words],
        hangs,
    };
    let connected = open_display(name, environ).and_then(Ewmh::connect);
    let mut ewmh = connected.map_err(|error| {
        let hangs = matches!(error, WmError::Hung);
        missing(format!("DISPLAY {name}: {error}"), hangs)
    })?;
    if ewmh.name.as_str() == I3 {
        return Err(missing(
            format!("DISPLAY {name} has an i3 that does not listen"),
            false,
        ));
    }
    ewmh.in_wayland = environ.get("WAYLAND_DISPLAY").is_some();
    Ok(Found {
        by: format!("DISPLAY {name}"),
        manager: Box::new(ewmh),
    })
}

fn connect(
    at: &WmAddress,
    environs: &[&Environ],
) -> Option<Result<Box<dyn WindowManager>, WmError>> {
    let name = at.0.strip_prefix(SCHEME)?;
    let nobody = Environ::default();
    // The cookie of another display is of no use.
    let leads = |e: &&&Environ| e.text("DISPLAY").and_then(canonical).as_deref() == Some(name);
    let of_it = environs.iter().find(leads);
    let environ = of_it.or(environs.first()).copied().unwrap_or(&nobody);
    let connected = open_display(name, environ).and_then(Ewmh::connect);
    Some(connected.map(|ewmh| Box::new(ewmh) as Box<dyn WindowManager>))
}
