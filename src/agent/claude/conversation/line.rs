//! The shapes of a transcript's lines: read at once where every field is as expected, else field
//! by field.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::record::{Fields, mend, records};

/// Blocks of one message that are read: more than a line of the CLI ever holds.
const BLOCKS: usize = 64;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Line<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) subtype: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) operation: Cow<'a, str>,
    pub(super) is_sidechain: bool,
    pub(super) is_meta: bool,
    pub(super) is_compact_summary: bool,
    pub(super) is_api_error_message: bool,
    #[serde(borrow)]
    pub(super) message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) timestamp: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) cwd: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) ai_title: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) custom_title: Cow<'a, str>,
    pub(super) pending_background_agent_count: u32,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct RawMessage<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) role: Cow<'a, str>,
    pub(super) model: Option<String>,
    pub(super) stop_reason: Option<String>,
    #[serde(borrow)]
    pub(super) content: Content<'a>,
}

/// A message's content: a text, or blocks.
#[derive(Default)]
pub(super) struct Content<'a>(pub(super) Vec<Block<'a>>);

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Block<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) text: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_use_id: Cow<'a, str>,
}

/// Hands over each record of a line; whether there was one.
pub(super) fn each_record(bytes: &[u8], mut take: impl FnMut(&Line<'_>)) -> bool {
    // A list would be taken for the fields in their order.
    let is_object = bytes.trim_ascii_start().starts_with(b"{");
    if is_object && let Ok(line) = serde_json::from_slice(bytes) {
        take(&line);
        return true;
    }
    let text = mend(bytes);
    let lines = records(&text).into_iter().filter_map(Line::by_field);
    lines.inspect(|line| take(line)).count() > 0
}

/// Hands over a message, if it is one.
pub(super) fn with_message<T>(
    raw: &RawValue,
    take: impl FnOnce(&RawMessage<'_>) -> T,
) -> Option<T> {
    let is_object = raw.get().starts_with('{');
    if is_object && let Ok(message) = serde_json::from_str(raw.get()) {
        return Some(take(&message));
    }
    let fields = Fields::parse(raw.get()).ok()?;
    Some(take(&RawMessage::by_field(&fields)))
}

impl<'a> Line<'a> {
    fn by_field(raw: &'a RawValue) -> Option<Self> {
        let fields = Fields::parse(raw.get()).ok()?;
        let count = fields.number("pendingBackgroundAgentCount");
        Some(Self {
            kind: fields.word("type"),
            subtype: fields.word("subtype"),
            operation: fields.word("operation"),
            is_sidechain: fields.flag("isSidechain"),
            is_meta: fields.flag("isMeta"),
            is_compact_summary: fields.flag("isCompactSummary"),
            is_api_error_message: fields.flag("isApiErrorMessage"),
            message: fields.raw("message"),
            data: fields.raw("data"),
            timestamp: fields.word("timestamp"),
            cwd: fields.word("cwd"),
            ai_title: fields.word("aiTitle"),
            custom_title: fields.word("customTitle"),
            pending_background_agent_count: count
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or_default(),
        })
    }
}

impl<'a> RawMessage<'a> {
    fn by_field(fields: &Fields<'a>) -> Self {
        let content = match fields.text("content") {
            Some(text) => Content::text(text.into()),
            None => Content::by_block(&fields.list("content")),
        };
        Self {
            id: fields.word("id"),
            role: fields.word("role"),
            model: fields.text("model"),
            stop_reason: fields.text("stop_reason"),
            content,
        }
    }
}

impl<'a> Content<'a> {
    fn text(text: Cow<'a, str>) -> Self {
        Self(vec![Block {
            kind: Cow::Borrowed("text"),
            text,
            ..Block::default()
        }])
    }

    fn by_block(blocks: &[&'a RawValue]) -> Self {
        let blocks = blocks.iter().take(BLOCKS);
        let fields = blocks.filter_map(|raw| Fields::parse(raw.get()).ok());
        Self(fields.map(|fields| Block::by_field(&fields)).collect())
    }
}

impl<'a> Block<'a> {
    fn by_field(fields: &Fields<'a>) -> Self {
        Self {
            kind: fields.word("type"),
            text: fields.word("text"),
            id: fields.word("id"),
            name: fields.word("name"),
            input: fields.raw("input"),
            tool_use_id: fields.word("tool_use_id"),
        }
    }

    /// What it is, also where its type is not told.
    pub(super) fn kind(&self) -> &str {
        match &*self.kind {
            "" if !self.tool_use_id.is_empty() => "tool_result",
            "" if !self.name.is_empty() => "tool_use",
            "" if !self.text.is_empty() => "text",
            told => told,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Content<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of blocks")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Content::text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content::text(Cow::Owned(text.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Content::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut blocks = Vec::new();
                // The rest is read and dropped.
                while blocks.len() < BLOCKS {
                    let Some(block) = seq.next_element()? else {
                        return Ok(Content(blocks));
                    };
                    blocks.push(block);
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Content(blocks))
            }
        }
        deserializer.deserialize_any(Either)
    }
}
