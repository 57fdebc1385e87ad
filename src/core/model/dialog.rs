//! What a session asks in a dialog, whole, and what is answered.

use serde::{Deserialize, Serialize};

use crate::core::text::{CleanText, deserialize_block};

/// A dialog of a session that can be answered from elsewhere.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Dialog {
    /// Serial of the daemon: an answer names the request that was read.
    pub id: u64,
    /// The tool that it wants to use.
    pub tool: CleanText,
    /// The whole command, the change of a file line by line, or the plan; may hold line breaks.
    #[serde(deserialize_with = "deserialize_block")]
    pub text: CleanText,
    /// The text ends before the request does. What cannot be read is not allowed from afar.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// Questions with their options; then there is nothing to allow or deny.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<Question>,
}

/// A question of a session.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Question {
    /// The question.
    pub text: CleanText,
    /// What can be answered.
    pub options: Vec<Offer>,
    /// Whether several can be chosen.
    pub several: bool,
}

/// An option of a question.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Offer {
    /// Its name.
    pub label: CleanText,
    /// What it means.
    pub description: CleanText,
}

/// What a user decided.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Decision {
    /// This once.
    Allow,
    /// No; with a word for the model.
    Deny(String),
    /// For each question the options that were chosen, counted from 0.
    Choose(Vec<Vec<usize>>),
    /// A word of a newer vmux: it decides nothing here.
    #[serde(other)]
    Unknown,
}

impl Dialog {
    /// Whether a decision answers it.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn takes(&self, decision: &Decision) -> Result<(), String> {
        let choices = match decision {
            Decision::Unknown => return Err("it is a decision of a newer vmux".into()),
            Decision::Deny(_) => return Ok(()),
            Decision::Allow if self.cut => {
                return Err("it is too long to be read here: go there to allow it".into());
            }
            Decision::Allow if self.questions.is_empty() => return Ok(()),
            Decision::Allow => {
                return Err("it asks a question: choose an option by its number".into());
            }
            Decision::Choose(choices) => choices,
        };
        if self.questions.is_empty() {
            return Err("it asks for a permission: allow or deny it".into());
        }
        if choices.len() != self.questions.len() {
            return Err(format!(
                "it asks {} questions, and {} were answered",
                self.questions.len(),
                choices.len()
            ));
        }
        for (question, chosen) in self.questions.iter().zip(choices) {
            let count = question.options.len();
            if chosen.is_empty() || (chosen.len() > 1 && !question.several) {
                return Err(format!("choose one option of {:?}", &*question.text));
            }
            if chosen.iter().any(|n| *n >= count) {
                return Err(format!("{:?} has {count} options", &*question.text));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_must_fit_what_is_asked() {
        let option = |label: &str| Offer {
            label: CleanText::line(label),
            ..Offer::default()
        };
        let question = |several| Question {
            text: CleanText::line("Which?"),
            options: vec![option("a"), option("b")],
            several,
        };
        let permission = Dialog::default();
        let asks = |questions: Vec<Question>| Dialog {
            questions,
            ..Dialog::default()
        };
        let choose = |choices: &[&[usize]]| {
            Decision::Choose(choices.iter().map(|chosen| chosen.to_vec()).collect())
        };
        assert_eq!(permission.takes(&Decision::Allow), Ok(()));
        let cut = Dialog {
            cut: true,
            ..Dialog::default()
        };
        assert!(cut.takes(&Decision::Allow).is_err());
        assert_eq!(cut.takes(&Decision::Deny(String::new())), Ok(()));
        assert!(permission.takes(&choose(&[&[0]])).is_err());
        let newer: Decision = serde_json::from_str("\"always\"").unwrap();
        assert!(permission.takes(&newer).is_err());
        let with_more = serde_json::from_str::<Decision>(r#"{"always": [1]}"#);
        assert!(with_more.is_err(), "nothing is made of it");
        let one = asks(vec![question(false)]);
        assert_eq!(one.takes(&Decision::Deny(String::new())), Ok(()));
        assert_eq!(one.takes(&choose(&[&[1]])), Ok(()));
        for wrong in [
            choose(&[&[2]]),
            choose(&[&[]]),
            choose(&[&[0, 1]]),
            choose(&[]),
        ] {
            assert!(one.takes(&wrong).is_err(), "{wrong:?}");
        }
        assert!(one.takes(&Decision::Allow).is_err());
        let two = asks(vec![question(true), question(false)]);
        assert_eq!(two.takes(&choose(&[&[0, 1], &[0]])), Ok(()));
    }
}
