//! The program that each layer hosts: this benchmark itself, called with [`PLAY`]. It draws a
//! screen, then repeats what is typed; when it is told to, it floods its terminal and says how
//! long it was held up.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// The word that makes this program one.
pub(crate) const PLAY: &str = "--play";

/// The last of what is drawn: a terminal that shows it shows all.
pub(crate) const DRAWN: &str = "the screen is drawn";

/// A flood repeats what fills so many bytes.
const BLOCK: usize = 1 << 20;
/// Bytes that are written at once.
const PIECE: usize = 32 * 1024;

/// What is written, as agents and people write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Text {
    /// Numbered lines.
    Ascii,
    /// An agent in the middle of the scrollback: it draws its last lines anew.
    Inline,
    /// An agent on the alternate screen: each frame is whole.
    Full,
}

impl Text {
    pub(crate) const ALL: [Self; 3] = [Self::Ascii, Self::Inline, Self::Full];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ascii => "ascii",
            Self::Inline => "inline agent",
            Self::Full => "full-screen agent",
        }
    }

    /// Frame `n`.
    pub(crate) fn write(self, n: usize, out: &mut Vec<u8>) {
        let word = "the quick brown fox jumps over the lazy dog";
        let frame = match self {
            Self::Ascii => format!("{n:08} {word} {word}\r\n"),
            Self::Inline => {
                let mut frame = "\x1b[?2026h\x1b[6A\r".to_owned();
                if n.is_multiple_of(8) {
                    frame.push_str(&format!("\x1b[2K\x1b[1m\u{25cf}\x1b[22m {n} {word}\r\n"));
                }
                for row in 0..6 {
                    let colour = 16 + (n + row) % 200;
                    frame.push_str(&format!(
                        "\x1b[2K\x1b[38;5;{colour}m\u{2502} {word} {n}\x1b[39m\r\n"
                    ));
                }
                frame + "\x1b[?2026l"
            }
            Self::Full => {
                let mut frame = "\x1b[?2026h\x1b[?25l".to_owned();
                for row in 1..=50 {
                    let red = (n * 7 + row * 5) % 256;
                    frame.push_str(&format!(
                        "\x1b[{row};1H\x1b[38;2;{red};120;90m{word}\x1b[60G\x1b[48;5;{}m{n:8} {word}\x1b[0m\x1b[K",
                        16 + row
                    ));
                }
                frame + "\x1b[?25h\x1b[?2026l"
            }
        };
        out.extend_from_slice(frame.as_bytes());
    }
}

/// What one run of it is to do.
pub(crate) struct Play {
    /// Where its files are: `parent`, `go` and `done`.
    pub(crate) dir: PathBuf,
    pub(crate) text: Text,
    /// Bytes of a flood.
    pub(crate) bytes: usize,
}

/// What it says of a flood.
pub(crate) struct Done {
    pub(crate) took: Duration,
    /// Its longest wait for the terminal.
    pub(crate) stalled: Duration,
}

impl Play {
    /// Makes its files, and returns its command line.
    pub(crate) fn prepare(&self) -> Vec<OsString> {
        fs::create_dir_all(&self.dir).unwrap();
        let go = self.dir.join("go");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &go,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let text = Text::ALL.iter().position(|text| *text == self.text);
        vec![
            std::env::current_exe().unwrap().into(),
            PLAY.into(),
            self.dir.clone().into(),
            text.unwrap().to_string().into(),
            self.bytes.to_string().into(),
        ]
    }

    /// The process that it is a child of: the one that holds its terminal.
    pub(crate) fn parent(&self) -> Option<u32> {
        fs::read_to_string(self.dir.join("parent"))
            .ok()?
            .parse()
            .ok()
    }

    /// Has it flood its terminal, for the `n`th time.
    pub(crate) fn go(&self, n: usize) {
        let go = File::options()
            .read(true)
            .write(true)
            .open(self.dir.join("go"));
        writeln!(go.unwrap(), "{n}").unwrap();
    }

    /// What it says of the `n`th flood, once that is over.
    pub(crate) fn done(&self, n: usize) -> Option<Done> {
        let said = fs::read_to_string(self.dir.join("done")).ok()?;
        let mut words = said.split(' ').map(|word| word.parse::<u64>().unwrap());
        let mut next = || words.next().unwrap();
        (next() == n as u64).then(|| Done {
            took: Duration::from_micros(next()),
            stalled: Duration::from_micros(next()),
        })
    }
}

/// The last of the `n`th flood.
pub(crate) fn end_mark(n: usize) -> String {
    format!("<<end {n}>>")
}

/// Is the program, if this process was started as one.
pub(crate) fn play() -> Option<()> {
    let mut words = std::env::args_os().skip_while(|word| word != PLAY).skip(1);
    let dir = PathBuf::from(words.next()?);
    let mut number = || words.next()?.to_str()?.parse::<usize>().ok();
    let (text, bytes) = (Text::ALL[number()?], number()?);
    let (input, mut out) = (std::io::stdin(), std::io::stdout());
    let mut raw = tcgetattr(input.as_fd()).unwrap();
    raw.make_raw();
    tcsetattr(input.as_fd(), OptionalActions::Now, &raw).unwrap();
    out.write_all(&screen(text)).unwrap();
    out.flush().unwrap();
    // Open before anybody hears of this one: what is written to a pipe that nobody has is gone.
    let go = File::options().read(true).write(true).open(dir.join("go"));
    let go = go.unwrap();
    let parent = rustix::process::getppid().unwrap().as_raw_nonzero();
    tell(&dir, "parent", &parent.to_string());
    let floods = dir.clone();
    std::thread::spawn(move || flood_when_told(&floods, go, text, bytes));
    let mut block = [0; 4096];
    let mut input = input.lock();
    while let Ok(n @ 1..) = input.read(&mut block) {
        out.write_all(&block[..n]).unwrap();
        out.flush().unwrap();
    }
    Some(())
}

/// Fifty rows, the last of which says that it is drawn.
fn screen(text: Text) -> Vec<u8> {
    let mut out = Vec::new();
    if text == Text::Full {
        out.extend_from_slice(b"\x1b[?1049h");
    }
    for row in 1..50 {
        let colour = 16 + row * 4;
        let line = format!(
            "\x1b[{row};1H\x1b[38;5;{colour}mrow {row} is full of some text, and has a colour of its own\x1b[0m"
        );
        out.extend_from_slice(line.as_bytes());
    }
    out.extend_from_slice(format!("\x1b[50;1H{DRAWN}\r\n").as_bytes());
    out
}

fn flood_when_told(dir: &Path, go: File, text: Text, bytes: usize) {
    for line in BufReader::new(go).lines() {
        let n: usize = line.unwrap().parse().unwrap();
        let done = flood(text, bytes, n);
        let (took, stalled) = (done.took.as_micros(), done.stalled.as_micros());
        tell(dir, "done", &format!("{n} {took} {stalled}"));
    }
}

fn flood(text: Text, bytes: usize, n: usize) -> Done {
    // Made before: to make it must not hold up who reads it.
    let mut block = Vec::new();
    for frame in 0.. {
        if block.len() >= bytes.min(BLOCK) {
            break;
        }
        text.write(frame, &mut block);
    }
    // Straight to the descriptor: standard output would look for line ends.
    let out = std::io::stdout();
    let mut done = Done {
        took: Duration::ZERO,
        stalled: Duration::ZERO,
    };
    let started = Instant::now();
    let mark = end_mark(n);
    let blocks = std::iter::repeat_n(&block[..], bytes.div_ceil(block.len()));
    for mut rest in blocks.chain([mark.as_bytes()]) {
        while !rest.is_empty() {
            let before = Instant::now();
            let piece = &rest[..rest.len().min(PIECE)];
            let n = rustix::io::write(&out, piece).unwrap();
            done.stalled = done.stalled.max(before.elapsed());
            rest = &rest[n..];
        }
    }
    done.took = started.elapsed();
    done
}

/// Writes a file that is there whole or not at all.
fn tell(dir: &Path, name: &str, words: &str) {
    let new = dir.join(format!("{name}.new"));
    fs::write(&new, words).unwrap();
    fs::rename(new, dir.join(name)).unwrap();
}
