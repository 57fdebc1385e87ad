//! The manual's topics are written as Markdown; what is shipped is made of that here.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// The topics, as Markdown.
pub(crate) fn sources() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cmd/man");
    let entries = fs::read_dir(dir).unwrap().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    found.sort();
    found
}

/// Roff in the making.
#[derive(Default)]
struct Page {
    roff: String,
    /// Text that is not written yet: of a paragraph, a heading or a cell.
    text: String,
    /// Headings of the columns of a table, and the cells of its row.
    columns: Vec<String>,
    cells: Vec<String>,
    in_item: bool,
}

impl Page {
    /// Adds text as roff has it, in ASCII: not every formatter is told the encoding.
    fn push(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\\' => self.text += "\\e",
                '-' => self.text += "\\-",
                c if c.is_ascii() => self.text.push(c),
                c => write!(self.text, "\\[u{:04X}]", u32::from(c)).unwrap(),
            }
        }
    }

    fn control(&mut self, request: &str) {
        writeln!(self.roff, ".{request}").unwrap();
    }

    /// Writes the text that is waiting, as lines that no request can begin.
    fn flush(&mut self) {
        for line in std::mem::take(&mut self.text).lines() {
            let guard = if line.starts_with(['.', '\'']) {
                "\\&"
            } else {
                ""
            };
            writeln!(self.roff, "{guard}{line}").unwrap();
        }
    }

    /// A row: its first cell as a term, the others with the names of their columns, if there are
    /// several.
    fn row(&mut self) {
        let cells = std::mem::take(&mut self.cells);
        self.control("TP");
        self.text = format!("\\fB{}\\fR", cells[0].replace("\\fR", "\\fB"));
        self.flush();
        let several = cells.len() > 2;
        let rest = cells.iter().zip(&self.columns).skip(1);
        let rest: Vec<String> = rest
            .map(|(cell, column)| match several {
                true => format!("{column}: {cell}"),
                false => cell.clone(),
            })
            .collect();
        self.text = rest.join(".\n");
        self.flush();
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Paragraph if !self.in_item => self.control("PP"),
            Tag::CodeBlock(_) => self.control("PP\n.RS 4\n.nf"),
            Tag::Item => {
                self.in_item = true;
                self.control("IP \\(bu 2");
            }
            Tag::Strong => self.text += "\\fB",
            Tag::Emphasis => self.text += "\\fI",
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(HeadingLevel::H1) => {}
            TagEnd::Heading(_) => {
                let title = std::mem::take(&mut self.text);
                self.control(&format!("SH \"{}\"", title.to_uppercase().replace('"', "")));
            }
            TagEnd::CodeBlock => {
                self.flush();
                self.control("fi\n.RE");
            }
            TagEnd::Item => {
                self.flush();
                self.in_item = false;
            }
            TagEnd::Paragraph => self.flush(),
            TagEnd::TableCell => {
                let text = std::mem::take(&mut self.text);
                self.cells.push(text);
            }
            TagEnd::TableHead => self.columns = std::mem::take(&mut self.cells),
            TagEnd::TableRow => self.row(),
            TagEnd::Strong | TagEnd::Emphasis => self.text += "\\fR",
            _ => {}
        }
    }
}

/// The page of a topic, without its first line, which names its version.
fn made_of(name: &str, markdown: &str) -> String {
    let mut page = Page::default();
    let mut title = true;
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::End(TagEnd::Heading(HeadingLevel::H1)) if title => {
                title = false;
                let words = std::mem::take(&mut page.text);
                let first = words.chars().next().unwrap().to_lowercase();
                let words: String = first.chain(words.chars().skip(1)).collect();
                page.control("SH NAME");
                page.text = format!("vmux\\-{name} \\- {words}");
                page.flush();
                page.control("SH DESCRIPTION");
            }
            Event::Start(Tag::Image { .. }) => panic!("{name}: the manual has no pictures"),
            Event::Start(tag) => page.start(&tag),
            Event::End(tag) => page.end(tag),
            Event::Text(text) => page.push(&text),
            Event::Code(code) => {
                page.text += "\\fB";
                page.push(&code);
                page.text += "\\fR";
            }
            Event::SoftBreak => page.text.push('\n'),
            other => panic!("{name}: the manual has no {other:?}"),
        }
    }
    page.roff
}

#[test]
fn every_topic_of_the_manual_is_made_of_its_text() {
    let mut stale = Vec::new();
    for source in sources() {
        let name = source.file_stem().unwrap().to_str().unwrap().to_owned();
        let made = made_of(&name, &fs::read_to_string(&source).unwrap());
        let shipped = source.with_extension("roff");
        if fs::read_to_string(&shipped).unwrap_or_default() != made {
            fs::write(source.with_extension("roff.new"), made).unwrap();
            stale.push(shipped);
        }
    }
    assert!(stale.is_empty(), "move what is `.new` over {stale:?}");
}

#[test]
fn text_becomes_roff() {
    let text = "# What it is\n\nA `-x` word\n.and *more*\n\n## Part\n\n```sh\n'a \\ b\n```\n\n| a | b | c |\n|---|---|---|\n| d | e | f |\n";
    let expected = ".SH NAME\nvmux\\-x \\- what it is\n.SH DESCRIPTION\n.PP\nA \\fB\\-x\\fR word\n\\&.and \\fImore\\fR\n.SH \"PART\"\n.PP\n.RS 4\n.nf\n\\&'a \\e b\n.fi\n.RE\n.TP\n\\fBd\\fR\nb: e.\nc: f\n";
    assert_eq!(made_of("x", text), expected);
}
