//! What the program says of itself, and who is told.
//!
//! `OSC 7501` is taken out of the stream before anybody else sees it: the query is answered here
//! and at once, before any terminal answers another one, so that a client whose terminal does not
//! know it changes nothing. Reports are kept, and said again to the terminals that know them.

use std::time::{Duration, Instant};

use vmux::core::model::{Record, Told};
use vmux::core::text::CleanText;
use vmux::hosted::frame;
use vmux::hosted::sieve::{Found, Sieve};
use vmux::hosted::told::{self, Report};
use vmux::sys::clock;

use crate::client::{Client, View};
use crate::holder::Holder;

/// Reports that come one after the other are told at once.
const PACE: Duration = Duration::from_millis(50);
/// A title that turns, and a bell that rings on, are told at most so often.
const SLOW: Duration = Duration::from_secs(1);

/// What the program says, and what of that is not told yet.
#[derive(Default)]
pub(crate) struct Telling {
    pub(crate) told: Told,
    pub(crate) sieve: Sieve,
    /// When followers are to be told of what is new.
    due: Option<Instant>,
    /// When they were told last.
    last: Option<Instant>,
}

/// As [`Found`], once the stream is read.
enum Heard {
    Says(Vec<u8>),
    Asks(&'static [u8]),
    Prompt,
    Reset,
}

impl Telling {
    /// There is news, to be told after this pause since the last.
    fn note(&mut self, pace: Duration) {
        let now = clock::steady();
        let at = self.last.map_or(now, |last| now.max(last + pace));
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// What is kept of a session that is over.
    pub(crate) fn last_words(&self) -> Told {
        let mut told = self.told.clone();
        told::end(&mut told);
        told.records.retain(|record: &Record| record.id.is_empty());
        told
    }
}

impl Holder {
    /// Hears what of the output is said to the holder; what is left for terminals, if that is not
    /// all of it.
    pub(crate) fn sift(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut heard = Vec::new();
        let passed = self.telling.sieve.feed(bytes, |found| {
            heard.push(match found {
                Found::Says(body) => Heard::Says(body.to_vec()),
                Found::Asks(end) => Heard::Asks(end),
                Found::Prompt => Heard::Prompt,
                Found::Reset => Heard::Reset,
            });
        });
        for heard in heard {
            self.hear(heard);
        }
        passed
    }

    fn hear(&mut self, heard: Heard) {
        let told = &mut self.telling.told;
        let news = match heard {
            Heard::Asks(end) => {
                self.answer(&[b"\x1b]7501;?", end].concat());
                return;
            }
            Heard::Says(body) => {
                let report = told::parse(&body, clock::now(), self.pty.foreground());
                report.and_then(|report| said(told, report))
            }
            Heard::Prompt => told::end(told).then(|| told::say_all(told)),
            Heard::Reset if told.records.is_empty() => None,
            Heard::Reset => {
                told.records.clear();
                Some(told::say_all(told))
            }
        };
        if let Some(bytes) = news {
            let knows = |client: &&mut Client| {
                client.reports
                    && !client.is_behind()
                    && matches!(client.view, View::All | View::Part { .. })
            };
            for client in self.clients.iter_mut().filter(knows) {
                client.send(frame::STATUS, &bytes);
            }
            self.telling.note(PACE);
        }
    }

    /// Says all of it to a client's terminal, if that knows it.
    pub(crate) fn tell_terminal(&mut self, id: u64) {
        let told = &self.telling.told;
        let bytes = (!told.records.is_empty()).then(|| told::say_all(told));
        let client = self.client(id).filter(|client| client.reports);
        if let (Some(client), Some(bytes)) = (client, bytes)
            && matches!(client.view, View::All | View::Part { .. })
        {
            client.send(frame::STATUS, &bytes);
        }
    }

    /// The program gave its window another title.
    pub(crate) fn titled(&mut self, title: Option<String>) {
        let clean = title.as_deref().map(CleanText::line);
        self.info.title = title;
        let told = &mut self.telling.told;
        let clean = clean.and_then(CleanText::some);
        if told.title != clean {
            told.title = clean;
            told.titled_at = Some(clock::now());
            told.titled_by = self.pty.foreground();
            self.telling.note(SLOW);
        }
    }

    /// The program rang the bell.
    pub(crate) fn rang(&mut self) {
        self.telling.told.rang_at = Some(clock::now());
        self.telling.note(SLOW);
    }

    /// When followers are to be told, if there are any.
    pub(crate) fn news_due(&self) -> Option<Instant> {
        let heard = self.clients.iter().any(|client| client.follows);
        self.telling.due.filter(|_| heard)
    }

    /// Tells followers what is new, if it is time.
    pub(crate) fn tell_news(&mut self) {
        let now = clock::steady();
        if self.telling.due.take_if(|due| *due <= now).is_none() {
            return;
        }
        self.telling.last = Some(now);
        let words = serde_json::to_vec(&self.info()).unwrap_or_default();
        let follows = |client: &&mut Client| client.follows && !client.is_behind();
        for client in self.clients.iter_mut().filter(follows) {
            client.send(frame::INFO, &words);
            client.flush();
        }
    }
}

/// What to say to terminals, if a report says anything new.
fn said(told: &mut Told, report: Report) -> Option<Vec<u8>> {
    let bytes = told::say(&report);
    told::take(told, report).then_some(bytes)
}
