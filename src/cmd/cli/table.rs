//! The arguments of verbs as tables, and one interpreter that hands them to clap.
//!
//! What clap derives is a chain of calls for each argument, written out at 800 bytes apiece, and the
//! verbs have more than a hundred. Here an argument is a row: its name and words are those of the
//! field, as clap has them, and what else is to be said of it stands behind the type.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, Error, Id, ValueHint};

/// A row: a field of what is parsed.
#[derive(Debug)]
pub(super) struct Row {
    /// The field; in capitals, as its value is called where it has no name of its own; with dashes, as
    /// an option is called. Of equal length, and in one piece: the linker notes each pointer in 24 bytes.
    pub names: &'static str,
    /// The lines above the field.
    pub words: &'static str,
    /// What its type asks for.
    pub form: Form,
    /// What else is said of it.
    pub also: &'static [Also],
}

impl Row {
    /// The field, its value or its option.
    fn name(&self, which: usize) -> &'static str {
        let length = self.names.len() / 3;
        &self.names[which * length..][..length]
    }
}

/// What a type asks for.
#[derive(Debug)]
pub(super) enum Form {
    /// Given or not.
    Flag,
    /// A value, which must be there unless it has a default.
    One(fn() -> ValueParser),
    /// A value or none.
    Maybe(fn() -> ValueParser),
    /// Any number of values.
    Many(fn() -> ValueParser),
    /// All arguments of another table.
    All(fn(Command) -> Command),
}

/// What can be said of an argument, as clap's methods of these names do.
#[derive(Debug)]
#[allow(missing_docs, reason = "clap's words")]
pub(super) enum Also {
    Long,
    Short,
    ShortAs(char),
    Name(&'static str),
    Hint(ValueHint),
    Default(&'static str),
    Alias(&'static str),
    Parser(fn() -> ValueParser),
    Conflicts(&'static [&'static str]),
    Requires(&'static str),
    Last,
    Hyphens,
    Trailing,
    Hidden,
}

/// A verb of a table.
#[derive(Debug)]
pub(super) struct VerbRow {
    /// As it is typed.
    pub name: &'static str,
    /// What else is said of it: an alias, or that no help shows it.
    pub also: &'static [Also],
    /// The lines above the variant.
    pub words: &'static str,
    /// Its arguments, if it has any.
    pub arguments: &'static [fn(Command) -> Command],
}

/// What a row can be parsed to.
pub(super) trait Part: Sized {
    /// What the type asks for.
    const FORM: Form;

    /// What was given.
    ///
    /// # Errors
    /// If nothing was given and something must be.
    fn take(matches: &mut ArgMatches, id: &'static str) -> Result<Self, Error>;
}

/// A single value.
pub(super) trait One: Clone + Send + Sync + 'static {
    /// What reads it.
    fn parser() -> ValueParser;
}

impl Part for bool {
    const FORM: Form = Form::Flag;

    #[inline(never)]
    fn take(matches: &mut ArgMatches, id: &'static str) -> Result<Self, Error> {
        Ok(matches.remove_one(id).unwrap_or_default())
    }
}

impl<T: One> Part for Option<T> {
    const FORM: Form = Form::Maybe(T::parser);

    #[inline(never)]
    fn take(matches: &mut ArgMatches, id: &'static str) -> Result<Self, Error> {
        Ok(matches.remove_one(id))
    }
}

impl<T: One> Part for Vec<T> {
    const FORM: Form = Form::Many(T::parser);

    #[inline(never)]
    fn take(matches: &mut ArgMatches, id: &'static str) -> Result<Self, Error> {
        let values = matches.remove_many(id);
        Ok(values.map(Iterator::collect).unwrap_or_default())
    }
}

/// Single values, which clap knows how to read.
macro_rules! ones {
    ($($type:ty)*) => {$(
        impl crate::cmd::cli::table::One for $type {
            fn parser() -> clap::builder::ValueParser {
                clap::value_parser!($type).into()
            }
        }

        impl crate::cmd::cli::table::Part for $type {
            const FORM: crate::cmd::cli::table::Form = crate::cmd::cli::table::Form::One(
                <Self as crate::cmd::cli::table::One>::parser,
            );

            #[inline(never)]
            fn take(matches: &mut clap::ArgMatches, id: &'static str) -> Result<Self, clap::Error> {
                matches.remove_one(id).ok_or_else(|| crate::cmd::cli::table::missing(id))
            }
        }
    )*};
}
pub(super) use ones;

ones!(String PathBuf OsString u16 u32 u64 usize);

/// Nothing was given for what must be there.
#[cold]
pub(super) fn missing(id: &str) -> Error {
    let text = format!("the following required argument was not provided: {id}");
    Error::raw(ErrorKind::MissingRequiredArgument, text)
}

/// A struct of arguments, which can also stand in another one as a field.
macro_rules! arguments {
    ($(
        $(#[$of:meta])*
        pub struct $name:ident {$(
            $(#[doc = $words:literal])*
            pub $field:ident: $type:ty $(= [$($also:expr),+])?,
        )+}
    )+) => {$(
        $(#[$of])*
        pub struct $name {$(
            $(#[doc = $words])*
            pub $field: $type,
        )+}

        impl clap::Args for $name {
            fn group_id() -> Option<clap::Id> {
                Some(stringify!($name).into())
            }

            fn augment_args(command: clap::Command) -> clap::Command {
                #[allow(unused_imports, reason = "not every struct says more of its fields")]
                use $crate::cmd::cli::table::{Also::*, Part, Row, spelled};
                const ROWS: &[Row] = &[$({
                    const NAMES: [u8; 3 * stringify!($field).len()] = spelled(stringify!($field));
                    Row {
                        names: $crate::cmd::cli::table::letters(&NAMES),
                        words: concat!($($words, "\n"),*),
                        form: <$type as Part>::FORM,
                        also: &[$($($also),+)?],
                    }
                }),+];
                $crate::cmd::cli::table::add(command, stringify!($name), ROWS)
            }

            fn augment_args_for_update(command: clap::Command) -> clap::Command {
                Self::augment_args(command)
            }
        }

        impl clap::FromArgMatches for $name {
            fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
                Self::from_arg_matches_mut(&mut matches.clone())
            }

            fn from_arg_matches_mut(matches: &mut clap::ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self {
                    $($field: $crate::cmd::cli::table::Part::take(matches, stringify!($field))?),+
                })
            }

            fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }

        impl $crate::cmd::cli::table::Part for $name {
            const FORM: $crate::cmd::cli::table::Form =
                $crate::cmd::cli::table::Form::All(<Self as clap::Args>::augment_args);

            fn take(matches: &mut clap::ArgMatches, _: &'static str) -> Result<Self, clap::Error> {
                clap::FromArgMatches::from_arg_matches_mut(matches)
            }
        }
    )+};
}
pub(super) use arguments;

/// Verbs, each with its name and the struct of its arguments.
macro_rules! verbs {
    (
        $(#[$of:meta])*
        pub enum $all:ident {$(
            $(#[doc = $words:literal])*
            $verb:ident $(($type:ident))? = $name:literal $([$($also:expr),+])?,
        )+}
    ) => {
        $(#[$of])*
        pub enum $all {$(
            $(#[doc = $words])*
            $verb $(($type))?,
        )+}

        impl clap::Subcommand for $all {
            fn augment_subcommands(command: clap::Command) -> clap::Command {
                use $crate::cmd::cli::table::Also::*;
                const ROWS: &[$crate::cmd::cli::table::VerbRow] = &[$(
                    $crate::cmd::cli::table::VerbRow {
                        name: $name,
                        also: &[$($($also),+)?],
                        words: concat!($($words, "\n"),*),
                        arguments: &[$(<$type as clap::Args>::augment_args)?],
                    }
                ),+];
                ROWS.iter().fold(command, $crate::cmd::cli::table::add_verb)
            }

            fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
                Self::augment_subcommands(command)
            }

            fn has_subcommand(name: &str) -> bool {
                [$($name),+].contains(&name)
            }
        }

        impl clap::FromArgMatches for $all {
            fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
                Self::from_arg_matches_mut(&mut matches.clone())
            }

            fn from_arg_matches_mut(matches: &mut clap::ArgMatches) -> Result<Self, clap::Error> {
                let (name, mut own) = $crate::cmd::cli::table::verb(matches)?;
                let _ = &mut own;
                match &name[..] {
                    $($name => Ok(Self::$verb $((<$type>::from_arg_matches_mut(&mut own)?))?),)+
                    _ => Err($crate::cmd::cli::table::unknown(&name)),
                }
            }

            fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }
    };
}
pub(super) use verbs;

/// Adds the arguments of a struct.
pub(super) fn add(command: Command, name: &'static str, rows: &'static [Row]) -> Command {
    // As clap derives it: no group holds what another table says.
    let nested = rows.iter().any(|row| matches!(row.form, Form::All(_)));
    let members = rows.iter().filter(|_| !nested);
    let members: Vec<Id> = members.map(|row| row.name(0).into()).collect();
    let group = ArgGroup::new(name).multiple(true).args(members);
    rows.iter().fold(command.group(group), add_row)
}

/// Adds an argument.
fn add_row(command: Command, row: &'static Row) -> Command {
    let (parser, action) = match row.form {
        Form::All(all) => return all(command),
        Form::Flag => (ValueParser::bool(), ArgAction::SetTrue),
        Form::One(parser) | Form::Maybe(parser) => (parser(), ArgAction::Set),
        Form::Many(parser) => (parser(), ArgAction::Append),
    };
    let (short, long) = words(row.words);
    let option = row
        .also
        .iter()
        .any(|also| matches!(also, Also::Long | Also::Short | Also::ShortAs(_)));
    let default = row.also.iter().any(|also| matches!(also, Also::Default(_)));
    let mut arg = Arg::new(row.name(0))
        .value_name(row.name(1))
        .required(matches!(row.form, Form::One(_)) && !default)
        .value_parser(parser)
        .action(action)
        .help(short);
    if let Some(long) = long {
        arg = arg.long_help(long);
    }
    if matches!(row.form, Form::Many(_)) && !option {
        arg = arg.num_args(1..);
    }
    command.arg(row.also.iter().fold(arg, |arg, also| said(arg, row, also)))
}

/// An argument with one more thing said of it.
fn said(arg: Arg, row: &'static Row, also: &'static Also) -> Arg {
    match also {
        Also::Long => arg.long(row.name(2)),
        Also::Short => arg.short(row.names.chars().next()),
        Also::ShortAs(short) => arg.short(*short),
        Also::Name(name) => arg.value_name(name),
        Also::Hint(hint) => arg.value_hint(*hint),
        Also::Default(value) => arg.default_value(value),
        Also::Alias(alias) => arg.visible_alias(alias),
        Also::Parser(parser) => arg.value_parser(parser()),
        Also::Conflicts(others) => arg.conflicts_with_all(*others),
        Also::Requires(other) => arg.requires(other),
        Also::Last => arg.last(true),
        Also::Hyphens => arg.allow_hyphen_values(true),
        Also::Trailing => arg.trailing_var_arg(true),
        Also::Hidden => arg.hide(true),
    }
}

/// Adds a verb.
pub(super) fn add_verb(command: Command, row: &'static VerbRow) -> Command {
    let (short, long) = words(row.words);
    let arguments = row.arguments.iter();
    let mut verb = arguments.fold(Command::new(row.name), |verb, add| add(verb));
    verb = verb.about(short);
    if let Some(long) = long {
        verb = verb.long_about(long);
    }
    for also in row.also {
        verb = match also {
            Also::Alias(alias) => verb.visible_alias(alias),
            Also::Hidden => verb.hide(true),
            _ => verb,
        };
    }
    command.subcommand(verb)
}

/// The verb that was typed, with what stood behind it.
pub(super) fn verb(matches: &mut ArgMatches) -> Result<(String, ArgMatches), Error> {
    let text = "a subcommand is required but one was not provided";
    let none = || Error::raw(ErrorKind::MissingSubcommand, text);
    matches.remove_subcommand().ok_or_else(none)
}

/// No verb is called so.
#[cold]
pub(super) fn unknown(name: &str) -> Error {
    let text = format!("the subcommand '{name}' wasn't recognized");
    Error::raw(ErrorKind::InvalidSubcommand, text)
}

/// Of the lines of a comment, what the short help says and, if there is more, what the long one does:
/// lines are joined to paragraphs, and the first one has no full stop, as clap has it.
fn words(lines: &str) -> (String, Option<String>) {
    let mut paragraphs = vec![String::new()];
    for line in lines.lines().map(str::trim) {
        match paragraphs.last_mut() {
            Some(last) if !line.is_empty() => {
                let gap = if last.is_empty() { "" } else { " " };
                last.push_str(gap);
                last.push_str(line);
            }
            _ => paragraphs.push(String::new()),
        }
    }
    let long = (paragraphs.len() > 1).then(|| paragraphs.join("\n\n"));
    let mut short = paragraphs.swap_remove(0);
    if short.ends_with('.') && !short.ends_with("..") {
        short.pop();
    }
    (short, long)
}

/// The letters of a field's name: as it is, in capitals and with dashes.
pub(super) const fn spelled<const N: usize>(field: &str) -> [u8; N] {
    let (field, mut letters, mut at) = (field.as_bytes(), [0; N], 0);
    while at < field.len() {
        let letter = field[at];
        letters[at] = letter;
        letters[field.len() + at] = letter.to_ascii_uppercase();
        letters[2 * field.len() + at] = if letter == b'_' { b'-' } else { letter };
        at += 1;
    }
    letters
}

/// Letters as text.
pub(super) const fn letters(letters: &[u8]) -> &str {
    match str::from_utf8(letters) {
        Ok(text) => text,
        Err(_) => "",
    }
}
