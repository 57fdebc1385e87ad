//! The frames of a websocket's client side (RFC 6455), as far as Codex's app-server uses them. Pure.
//!
//! Of a library these 150 lines would need the frames only: there is no TLS, no proxy and no
//! extension on a Unix socket, and the poll loop reads and writes by itself.

/// The largest message that is taken, in bytes. What is asked for is some kilobytes; a first
/// prompt of a megabyte, twice escaped, still fits.
pub const MESSAGE_CAP: usize = 4 << 20;

/// The largest answer to the request for the upgrade.
const HEAD_CAP: usize = 16 * 1024;

/// The request for the upgrade. A key keeps caches from answering; there are none here.
/// **Source:** 0.161.0 to 0.171.0 take any key and any path.
pub const UPGRADE: &[u8] = b"GET /rpc HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
Connection: Upgrade\r\nSec-WebSocket-Key: dm11eCBhc2tzIG5pY2VseQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// What came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Incoming {
    /// The other side speaks websocket from here on.
    Upgraded,
    /// A whole message.
    Message(Vec<u8>),
    /// To be answered with a pong of the same bytes.
    Ping(Vec<u8>),
    /// The other side ends it.
    Closed,
}

/// Why the other side cannot be followed any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Broken(pub &'static str);

/// Takes bytes as they come, and gives what they mean.
#[derive(Debug, Default)]
pub struct Reader {
    upgraded: bool,
    bytes: Vec<u8>,
    /// Where the first frame that is not taken begins.
    at: usize,
    /// The parts of a message so far, once one has begun.
    message: Option<Vec<u8>>,
}

impl Reader {
    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next thing that is whole.
    ///
    /// # Errors
    /// What is no websocket, or too large.
    pub fn pull(&mut self) -> Result<Option<Incoming>, Broken> {
        if !self.upgraded {
            return self.upgrade();
        }
        while let Some((head, size)) = self.head()? {
            let from = self.at + size;
            let Some(payload) = self.bytes.get(from..from + head.length) else {
                break;
            };
            let payload = payload.to_vec();
            self.at = from + head.length;
            if self.at == self.bytes.len() {
                // A large message leaves no large buffer behind.
                self.bytes = Vec::new();
                self.at = 0;
            }
            if let Some(incoming) = self.take(&head, payload)? {
                return Ok(Some(incoming));
            }
        }
        Ok(None)
    }

    fn upgrade(&mut self) -> Result<Option<Incoming>, Broken> {
        let Some(end) = memchr::memmem::find(&self.bytes, b"\r\n\r\n") else {
            return match self.bytes.len() > HEAD_CAP {
                true => Err(Broken("its answer to the upgrade has no end")),
                false => Ok(None),
            };
        };
        let line = self.bytes.split(|byte| *byte == b'\r').next();
        let mut words = line.unwrap_or_default().split(|byte| *byte == b' ');
        let http = words
            .next()
            .is_some_and(|word| word.starts_with(b"HTTP/1."));
        if !http || words.next() != Some(b"101") {
            return Err(Broken("it does not speak websocket"));
        }
        self.at = end + 4;
        self.upgraded = true;
        Ok(Some(Incoming::Upgraded))
    }

    /// The head of the next frame, and its size.
    fn head(&self) -> Result<Option<(Head, usize)>, Broken> {
        let bytes = &self.bytes[self.at..];
        let (Some(first), Some(second)) = (bytes.first(), bytes.get(1)) else {
            return Ok(None);
        };
        if second & 0x80 != 0 {
            return Err(Broken("a server masks no frames"));
        }
        let (length, size) = match second & 0x7f {
            126 => match bytes.get(2..4).and_then(|b| b.try_into().ok()) {
                Some(length) => (u64::from(u16::from_be_bytes(length)), 4),
                None => return Ok(None),
            },
            127 => match bytes.get(2..10).and_then(|b| b.try_into().ok()) {
                Some(length) => (u64::from_be_bytes(length), 10),
                None => return Ok(None),
            },
            short => (u64::from(short), 2),
        };
        let before = self.message.as_ref().map_or(0, Vec::len);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MESSAGE_CAP - before.min(MESSAGE_CAP) {
            return Err(Broken("its message is too large"));
        }
        let head = Head {
            last: first & 0x80 != 0,
            code: first & 0x0f,
            length,
        };
        Ok(Some((head, size)))
    }

    /// Takes a frame; what it ends, if it ends something.
    fn take(&mut self, head: &Head, payload: Vec<u8>) -> Result<Option<Incoming>, Broken> {
        match (head.code, &mut self.message) {
            (8, _) => return Ok(Some(Incoming::Closed)),
            (9, _) => return Ok(Some(Incoming::Ping(payload))),
            (10, _) => return Ok(None),
            (0, Some(message)) => message.extend_from_slice(&payload),
            (1 | 2, message @ None) => *message = Some(payload),
            _ => return Err(Broken("its frames make no sense")),
        }
        let whole = if head.last { self.message.take() } else { None };
        Ok(whole.map(Incoming::Message))
    }
}

struct Head {
    last: bool,
    code: u8,
    length: usize,
}

/// A text as one frame. The mask, which a client must set, protects what lies between client and
/// server; on a Unix socket nothing does, so it is zero.
#[must_use]
pub fn text(payload: &[u8]) -> Vec<u8> {
    frame(0x81, payload)
}

/// The answer to a ping.
#[must_use]
pub fn pong(payload: &[u8]) -> Vec<u8> {
    frame(0x8a, payload)
}

/// The end.
#[must_use]
pub fn close() -> Vec<u8> {
    frame(0x88, &[])
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 14);
    out.push(first);
    let length = payload.len();
    if let Some(short) = u8::try_from(length).ok().filter(|n| *n < 126) {
        out.push(0x80 | short);
    } else if let Ok(length) = u16::try_from(length) {
        out.push(0x80 | 126);
        out.extend_from_slice(&length.to_be_bytes());
    } else {
        out.push(0x80 | 127);
        out.extend_from_slice(&(length as u64).to_be_bytes());
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n";

    /// A server's frame.
    fn served(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = frame(first, payload);
        let size = match frame[1] & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        frame[1] &= 0x7f;
        frame.drain(size..size + 4);
        frame
    }

    fn all(reader: &mut Reader) -> Result<Vec<Incoming>, Broken> {
        std::iter::from_fn(|| reader.pull().transpose()).collect()
    }

    fn upgraded() -> Reader {
        let mut reader = Reader::default();
        reader.push(SWITCHED);
        assert_eq!(all(&mut reader), Ok(vec![Incoming::Upgraded]));
        reader
    }

    fn message(text: &str) -> Incoming {
        Incoming::Message(text.as_bytes().to_vec())
    }

    #[test]
    fn fragments_are_joined_and_control_frames_stand_between() {
        let mut reader = upgraded();
        reader.push(&served(0x01, b"he"));
        reader.push(&served(0x89, b"you?"));
        reader.push(&served(0x8a, b"late"));
        reader.push(&served(0x80, b"llo"));
        reader.push(&served(0x81, &[b'x'; 300]));
        reader.push(&served(0x88, &[3, 232]));
        assert_eq!(
            all(&mut reader).unwrap(),
            [
                Incoming::Ping(b"you?".to_vec()),
                message("hello"),
                message(&"x".repeat(300)),
                Incoming::Closed,
            ]
        );
    }

    #[test]
    fn what_is_no_websocket_or_too_large_ends_it() {
        let refused = |bytes: &[u8]| {
            let mut reader = Reader::default();
            reader.push(bytes);
            all(&mut reader).is_err()
        };
        assert!(refused(b"HTTP/1.1 404 Not Found\r\n\r\n"));
        assert!(refused(b"SSH-2.0 101 x\r\n\r\n"));
        assert!(refused(&[b'a'; HEAD_CAP + 1]));
        let broken = |frames: &[Vec<u8>]| {
            let mut reader = upgraded();
            frames.iter().for_each(|frame| reader.push(frame));
            all(&mut reader).is_err()
        };
        assert!(broken(&[frame(0x81, b"masked")]));
        assert!(broken(&[served(0x80, b"no beginning")]));
        assert!(broken(&[served(0x01, b"a"), served(0x81, b"b")]));
        assert!(broken(&[served(0x83, b"?")]));
        let mut endless = vec![0x81, 127];
        endless.extend_from_slice(&u64::MAX.to_be_bytes());
        assert!(broken(&[endless]), "before any of it was read");
        let half = vec![b'x'; MESSAGE_CAP / 2 + 1];
        assert!(broken(&[served(0x01, &half), served(0x80, &half)]));
    }

    #[test]
    fn a_frame_says_its_length_in_three_ways() {
        for (length, head) in [(125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let payload = vec![b'a'; length];
            assert_eq!(text(&payload).len(), head + 4 + length);
            let mut reader = upgraded();
            reader.push(&served(0x81, &payload));
            assert_eq!(all(&mut reader).unwrap(), [Incoming::Message(payload)]);
        }
        assert_eq!(pong(b"x"), [0x8a, 0x81, 0, 0, 0, 0, b'x']);
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_same_comes_out(
            texts in prop::collection::vec("[a-z]{0,200}", 1..5),
            cuts in prop::collection::vec(1usize..40, 1..60),
        ) {
            let mut stream = SWITCHED.to_vec();
            texts.iter().for_each(|text| stream.extend(served(0x81, text.as_bytes())));
            let mut reader = Reader::default();
            let mut found = Vec::new();
            let mut rest = &stream[..];
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                reader.push(now);
                found.extend(all(&mut reader).unwrap());
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            let texts = texts.iter().map(|text| message(text));
            let wanted: Vec<_> = std::iter::once(Incoming::Upgraded).chain(texts).collect();
            prop_assert_eq!(found, wanted);
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut reader = upgraded();
            reader.push(&bytes);
            while let Ok(Some(_)) = reader.pull() {}
        }
    }
}
