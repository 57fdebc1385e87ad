//! D-Bus messages as bytes. Pure.

/// Largest message that is accepted, in bytes; the specification allows 128 MiB.
const MESSAGE_CAP: usize = 1 << 20;

const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SENDER: u8 = 7;
const SIGNATURE: u8 = 8;

/// What a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The answer to a call.
    Return,
    /// An answer that says that the call failed.
    Error,
    /// Something happened.
    Signal,
    /// A call to us, or a kind of the future.
    Other,
}

/// Arguments under construction, little-endian.
#[derive(Clone, Debug, Default)]
pub struct Body {
    bytes: Vec<u8>,
    signature: String,
}

/// A value of `a{sv}`.
#[derive(Clone, Copy, Debug)]
pub enum Variant<'a> {
    /// `y`.
    Byte(u8),
    /// `b`.
    Bool(bool),
    /// `s`.
    Text(&'a str),
    /// `t`.
    Long(u64),
    /// `au`.
    Numbers(&'a [u32]),
}

impl Body {
    /// Adds a `u`.
    #[must_use]
    pub fn u32(mut self, value: u32) -> Self {
        self.signature.push('u');
        put_u32(&mut self.bytes, value);
        self
    }

    /// Adds an `i`.
    #[must_use]
    pub fn i32(mut self, value: i32) -> Self {
        self.signature.push('i');
        put_u32(&mut self.bytes, value.cast_unsigned());
        self
    }

    /// Adds an `s`. A NUL, which no string may hold, ends it.
    #[must_use]
    pub fn text(mut self, value: &str) -> Self {
        self.signature.push('s');
        put_text(&mut self.bytes, value);
        self
    }

    /// Adds an `as`.
    #[must_use]
    pub fn texts(mut self, values: &[&str]) -> Self {
        self.signature.push_str("as");
        put_array(&mut self.bytes, 4, |bytes| {
            for value in values {
                put_text(bytes, value);
            }
        });
        self
    }

    /// Adds an `a(sv)`: properties, as systemd takes them.
    #[must_use]
    pub fn properties(mut self, entries: &[(&str, Variant<'_>)]) -> Self {
        self.signature.push_str("a(sv)");
        put_entries(&mut self.bytes, entries);
        self
    }

    /// Adds an `au`.
    #[must_use]
    pub fn numbers(mut self, values: &[u32]) -> Self {
        self.signature.push_str("au");
        put_numbers(&mut self.bytes, values);
        self
    }

    /// Adds an `a(sa(sv))` with nothing in it.
    #[must_use]
    pub fn no_units(mut self) -> Self {
        self.signature.push_str("a(sa(sv))");
        put_array(&mut self.bytes, 8, |_| {});
        self
    }

    /// Adds an `a{sv}`.
    #[must_use]
    pub fn dict(mut self, entries: &[(&str, Variant<'_>)]) -> Self {
        self.signature.push_str("a{sv}");
        put_entries(&mut self.bytes, entries);
        self
    }
}

/// Pairs, which look the same in a dictionary and in a list.
fn put_entries(bytes: &mut Vec<u8>, entries: &[(&str, Variant<'_>)]) {
    put_array(bytes, 8, |bytes| {
        for (key, value) in entries {
            pad(bytes, 8);
            put_text(bytes, key);
            put_variant(bytes, *value);
        }
    });
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn put_u32(bytes: &mut Vec<u8>, value: u32) {
    pad(bytes, 4);
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    let text = text.split('\0').next().unwrap_or_default();
    put_u32(bytes, u32::try_from(text.len()).unwrap_or(0));
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
}

fn put_signature(bytes: &mut Vec<u8>, signature: &str) {
    bytes.push(u8::try_from(signature.len()).unwrap_or(0));
    bytes.extend_from_slice(signature.as_bytes());
    bytes.push(0);
}

fn put_variant(bytes: &mut Vec<u8>, value: Variant<'_>) {
    match value {
        Variant::Byte(byte) => {
            put_signature(bytes, "y");
            bytes.push(byte);
        }
        Variant::Bool(yes) => {
            put_signature(bytes, "b");
            put_u32(bytes, u32::from(yes));
        }
        Variant::Text(text) => {
            put_signature(bytes, "s");
            put_text(bytes, text);
        }
        Variant::Long(value) => {
            put_signature(bytes, "t");
            pad(bytes, 8);
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        Variant::Numbers(values) => {
            put_signature(bytes, "au");
            put_numbers(bytes, values);
        }
    }
}

fn put_numbers(bytes: &mut Vec<u8>, values: &[u32]) {
    put_array(bytes, 4, |bytes| {
        for value in values {
            put_u32(bytes, *value);
        }
    });
}

/// An array's length does not count the padding before its first element.
fn put_array(bytes: &mut Vec<u8>, align: usize, fill: impl FnOnce(&mut Vec<u8>)) {
    put_u32(bytes, 0);
    let length_at = bytes.len() - 4;
    pad(bytes, align);
    let start = bytes.len();
    fill(bytes);
    let length = u32::try_from(bytes.len() - start).unwrap_or(0);
    bytes[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
}

/// A method call as bytes.
pub(super) fn method_call(
    serial: u32,
    destination: &str,
    path: &str,
    interface: &str,
    member: &str,
    body: &Body,
) -> Vec<u8> {
    // Little-endian, method call, no flags, protocol 1.
    let mut bytes = vec![b'l', 1, 0, 1];
    put_u32(&mut bytes, u32::try_from(body.bytes.len()).unwrap_or(0));
    put_u32(&mut bytes, serial);
    put_array(&mut bytes, 8, |bytes| {
        let fields = [
            (PATH, "o", path),
            (DESTINATION, "s", destination),
            (INTERFACE, "s", interface),
            (MEMBER, "s", member),
            (SIGNATURE, "g", &body.signature),
        ];
        for (code, kind, value) in fields {
            if kind == "g" && value.is_empty() {
                continue;
            }
            pad(bytes, 8);
            bytes.push(code);
            put_signature(bytes, kind);
            if kind == "g" {
                put_signature(bytes, value);
            } else {
                put_text(bytes, value);
            }
        }
    });
    pad(&mut bytes, 8);
    bytes.extend_from_slice(&body.bytes);
    bytes
}

/// A message that arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Incoming {
    /// What it is.
    pub kind: Kind,
    /// The call it answers.
    pub reply_serial: Option<u32>,
    /// Name of an error.
    pub error_name: Option<String>,
    /// Interface of a signal.
    pub interface: Option<String>,
    /// Name of a signal.
    pub member: Option<String>,
    /// The connection it came from, as the bus says: nobody can pretend to be another.
    pub sender: Option<String>,
    signature: String,
    body: Vec<u8>,
    big_endian: bool,
}

/// An argument of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Argument {
    /// `u` or `i`.
    Number(u32),
    /// `s` or `o`.
    Text(String),
}

impl Incoming {
    /// Its first arguments, up to one that is neither a number of 32 bits nor a text.
    #[must_use]
    pub fn arguments(&self) -> Vec<Argument> {
        let mut reader = Reader {
            bytes: &self.body,
            at: 0,
            big_endian: self.big_endian,
        };
        let mut arguments = Vec::new();
        for kind in self.signature.chars() {
            let argument = match kind {
                'u' | 'i' => reader.u32().map(Argument::Number),
                's' | 'o' => reader.text().map(Argument::Text),
                _ => None,
            };
            match argument {
                Some(argument) => arguments.push(argument),
                None => break,
            }
        }
        arguments
    }

    /// Its first argument, if that is an array of texts.
    #[must_use]
    pub fn texts(&self) -> Option<Vec<String>> {
        self.signature.strip_prefix("as")?;
        let mut reader = Reader {
            bytes: &self.body,
            at: 0,
            big_endian: self.big_endian,
        };
        let end = reader.u32()? as usize + reader.at;
        let mut texts = Vec::new();
        while reader.at < end {
            texts.push(reader.text()?);
        }
        Some(texts)
    }

    /// Its first argument, if that is a variant of a truth value.
    #[must_use]
    pub fn boolean(&self) -> Option<bool> {
        self.signature.strip_prefix('v')?;
        let mut reader = Reader {
            bytes: &self.body,
            at: 0,
            big_endian: self.big_endian,
        };
        (reader.signature()? == "b").then_some(())?;
        reader.u32().map(|value| value != 0)
    }

    /// Its first argument, if that is a number.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        match self.arguments().first() {
            Some(Argument::Number(number)) => Some(*number),
            _ => None,
        }
    }
}

/// Takes a whole message out of the buffer.
///
/// # Errors
/// If these bytes are no D-Bus messages.
pub(super) fn take_message(buffer: &mut Vec<u8>) -> Result<Option<Incoming>, ()> {
    if buffer.len() < 16 {
        return Ok(None);
    }
    let big_endian = match buffer[0] {
        b'l' => false,
        b'B' => true,
        _ => return Err(()),
    };
    let mut reader = Reader {
        bytes: buffer,
        at: 4,
        big_endian,
    };
    let body_length = reader.u32().ok_or(())? as usize;
    let _serial = reader.u32();
    let fields_length = reader.u32().ok_or(())? as usize;
    if body_length > MESSAGE_CAP || fields_length > MESSAGE_CAP {
        return Err(());
    }
    let body_at = (16 + fields_length).next_multiple_of(8);
    let end = body_at + body_length;
    if buffer.len() < end {
        return Ok(None);
    }
    let message: Vec<u8> = buffer.drain(..end).collect();
    let kind = match message[1] {
        2 => Kind::Return,
        3 => Kind::Error,
        4 => Kind::Signal,
        _ => Kind::Other,
    };
    let mut incoming = Incoming {
        kind,
        reply_serial: None,
        error_name: None,
        interface: None,
        member: None,
        sender: None,
        signature: String::new(),
        body: message[body_at..].to_vec(),
        big_endian,
    };
    let mut reader = Reader {
        bytes: &message[..16 + fields_length],
        at: 16,
        big_endian,
    };
    read_fields(&mut reader, &mut incoming).ok_or(())?;
    Ok(Some(incoming))
}

fn read_fields(reader: &mut Reader<'_>, incoming: &mut Incoming) -> Option<()> {
    loop {
        reader.align(8);
        if reader.at >= reader.bytes.len() {
            return Some(());
        }
        let code = reader.byte()?;
        let kind = reader.signature()?;
        match &*kind {
            "s" | "o" => {
                let value = reader.text()?;
                match code {
                    INTERFACE => incoming.interface = Some(value),
                    MEMBER => incoming.member = Some(value),
                    ERROR_NAME => incoming.error_name = Some(value),
                    SENDER => incoming.sender = Some(value),
                    _ => {}
                }
            }
            "g" => {
                let value = reader.signature()?;
                if code == SIGNATURE {
                    incoming.signature = value;
                }
            }
            "u" => {
                let value = reader.u32()?;
                if code == REPLY_SERIAL {
                    incoming.reply_serial = Some(value);
                }
            }
            _ => return None,
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    big_endian: bool,
}

impl Reader<'_> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, n: usize) -> Option<&[u8]> {
        let bytes = self.bytes.get(self.at..self.at.checked_add(n)?)?;
        self.at += n;
        Some(bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u32(&mut self) -> Option<u32> {
        self.align(4);
        let big_endian = self.big_endian;
        let bytes: [u8; 4] = self.take(4)?.try_into().ok()?;
        Some(if big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    fn text(&mut self) -> Option<String> {
        let length = self.u32()? as usize;
        let bytes = self.take(length)?.to_vec();
        self.take(1)?;
        String::from_utf8(bytes).ok()
    }

    fn signature(&mut self) -> Option<String> {
        let length = usize::from(self.byte()?);
        let bytes = self.take(length)?.to_vec();
        self.take(1)?;
        String::from_utf8(bytes).ok()
    }
}

#[cfg(test)]
impl Incoming {
    /// A signal, as it arrives from `sender`.
    pub(crate) fn signal(sender: &str, member: &str, body: Body) -> Self {
        Self {
            kind: Kind::Signal,
            reply_serial: None,
            error_name: None,
            interface: None,
            member: Some(member.to_owned()),
            sender: Some(sender.to_owned()),
            signature: body.signature,
            body: body.bytes,
            big_endian: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A signal as dbus-daemon sends it: header fields in its own order, body `us`.
    fn signal() -> Vec<u8> {
        let body = Body::default().u32(7).text("default");
        let mut bytes = method_call(
            9,
            ":1.5",
            "/n",
            "org.x.Notifications",
            "ActionInvoked",
            &body,
        );
        bytes[1] = 4;
        bytes
    }

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let mut buffer = signal();
        buffer.extend_from_slice(&signal()[..10]);
        let message = take_message(&mut buffer).unwrap().unwrap();
        assert_eq!(
            (message.kind, message.member.as_deref()),
            (Kind::Signal, Some("ActionInvoked"))
        );
        assert_eq!(
            message.arguments(),
            [Argument::Number(7), Argument::Text("default".into())]
        );
        assert_eq!(message.number(), Some(7));
        assert_eq!((take_message(&mut buffer), buffer.len()), (Ok(None), 10));
    }

    #[test]
    fn a_truth_value_is_read_in_its_variant() {
        let said = |signature: &str, body: &[u8]| Incoming {
            signature: signature.to_owned(),
            body: body.to_vec(),
            ..Incoming::signal(":1.1", "Get", Body::default())
        };
        let yes = [1, b'b', 0, 0, 1, 0, 0, 0];
        let no = [1, b'b', 0, 0, 0, 0, 0, 0];
        assert_eq!(said("v", &yes).boolean(), Some(true));
        assert_eq!(said("v", &no).boolean(), Some(false));
        let number = [1, b'u', 0, 0, 1, 0, 0, 0];
        for (signature, body) in [
            ("v", &number[..]),
            ("v", &yes[..5]),
            ("b", &yes),
            ("v", &[]),
        ] {
            assert_eq!(
                said(signature, body).boolean(),
                None,
                "{signature} {body:?}"
            );
        }
    }

    #[test]
    fn arrays_and_dictionaries_are_padded_as_specified() {
        let body = Body::default()
            .texts(&["a", "b"])
            .dict(&[("urgency", Variant::Byte(2))]);
        assert_eq!(body.signature, "asa{sv}");
        let mut want = vec![
            14, 0, 0, 0, 1, 0, 0, 0, b'a', 0, 0, 0, 1, 0, 0, 0, b'b', 0, 0, 0,
        ];
        want.extend([16, 0, 0, 0]);
        want.extend([7, 0, 0, 0]);
        want.extend(b"urgency\0");
        want.extend([1, b'y', 0, 2]);
        assert_eq!(body.bytes, want);
    }

    #[test]
    fn damaged_bytes_are_errors_or_nothing() {
        let whole = signal();
        for at in 0..whole.len() {
            let mut cut = whole[..at].to_vec();
            assert_eq!(take_message(&mut cut), Ok(None));
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] ^= flip;
                if let Ok(Some(message)) = take_message(&mut damaged) {
                    let _never_panics = message.arguments();
                }
            }
        }
        assert_eq!(take_message(&mut b"HTTP/1.1 200 OK\r\n".to_vec()), Err(()));
    }
}
