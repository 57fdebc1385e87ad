//! Structs that are read by the names of their fields, at one copy of the code for each type of field.
//!
//! What serde derives writes out each field twice, once for lists, which nobody sends, at half a
//! kilobyte apiece: a struct of twenty fields was 23 kB. What is read here has a default for each field,
//! skips names that it does not know, and of two that are alike goes by the last one.

use serde::de::{Deserialize, MapAccess};

/// Reads the value of a field.
///
/// # Errors
/// If it is none of its type.
#[inline(never)]
pub fn fill<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    map: &mut A,
    field: &mut T,
) -> Result<(), A::Error> {
    *field = map.next_value()?;
    Ok(())
}

/// Has a struct read by the names of these fields; those behind `but` are never read.
macro_rules! named {
    ($type:ident { $($field:ident),+ } $(but $kept:ident)*) => {
        impl<'de> serde::de::Deserialize<'de> for $type {
            fn deserialize<D: serde::de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Fields;

                impl<'de> serde::de::Visitor<'de> for Fields {
                    type Value = $type;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("struct ", stringify!($type)))
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<$type, A::Error> {
                        let mut read = $type::default();
                        // A field that is named nowhere does not compile.
                        let $type { $($field,)+ $($kept: _,)* } = &mut read;
                        while let Some(name) = map.next_key::<String>()? {
                            match &name[..] {
                                $(stringify!($field) => $crate::core::named::fill(&mut map, $field)?,)+
                                _ => $crate::core::named::fill(&mut map, &mut serde::de::IgnoredAny)?,
                            }
                        }
                        Ok(read)
                    }
                }

                from.deserialize_map(Fields)
            }
        }
    };
}
pub(crate) use named;

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Clone, PartialEq, Debug, Default, Serialize)]
    struct Ours {
        id: String,
        number: Option<u32>,
        list: Vec<u8>,
        #[serde(skip)]
        kept: bool,
    }

    super::named!(Ours { id, number, list } but kept);

    #[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Theirs {
        id: String,
        number: Option<u32>,
        list: Vec<u8>,
        #[serde(skip)]
        kept: bool,
    }

    #[test]
    fn it_reads_what_is_derived_and_refuses_it_in_the_same_words() {
        for text in [
            "{}",
            r#"{"id":"a","number":7,"list":[1,2]}"#,
            r#" { "list" : [ 3 ] , "later" : {"a":[1,{}]} , "id" : "\u0041" } "#,
            r#"{"number":null,"kept":true}"#,
            r#"{"number":"7"}"#,
            r#"{"id":null}"#,
            r#"{"number":4294967296}"#,
            r#"{"list":[1,2"#,
            r#"{"id":"a",}"#,
            r#"{"id" "a"}"#,
            "{} {}",
            "null",
            "7",
            "",
        ] {
            let ours = serde_json::from_slice::<Ours>(text.as_bytes());
            let theirs = serde_json::from_slice::<Theirs>(text.as_bytes());
            match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => assert_eq!(
                    (ours.id, ours.number, ours.list, ours.kept),
                    (theirs.id, theirs.number, theirs.list, theirs.kept),
                    "{text}"
                ),
                (Err(ours), Err(theirs)) => assert_eq!(
                    ours.to_string(),
                    theirs.to_string().replace("Theirs", "Ours"),
                    "{text}"
                ),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
