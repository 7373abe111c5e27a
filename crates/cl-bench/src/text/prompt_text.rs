//! A prompt before it is encoded, and which tokens it loses when it is too long.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use treelora_core::Error;

use super::{record::TextRecord, tokenizer::Tokenizer};

/// Which part of a prompt is left out when it is too long.
///
/// The `text-` ones protect the instruction, with its list of labels, and whatever follows the text: the text that the
/// prompt asks about is cut. Where a record does not tell its text (all but the tasks of O-LoRA), and where the
/// instruction alone is too long, the prompt as a whole is cut: at its end with `text-right`, else at its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TruncationSide {
    /// The beginning, instruction or not, as in TRACE.
    Left,
    /// The end, instruction or not.
    Right,
    /// The beginning of the text.
    TextLeft,
    /// The end of the text.
    TextRight,
    /// The middle of the text: a question that the text itself begins or ends with stays.
    #[default]
    TextMiddle,
}

/// A prompt and what it asks about.
#[derive(Clone, Debug)]
pub(super) struct PromptText<'a> {
    /// All of it.
    pub(super) whole: &'a str,
    /// Bytes of the text, where they are known.
    pub(super) about: Option<Range<usize>>,
}

impl<'a> From<&'a str> for PromptText<'a> {
    fn from(whole: &'a str) -> Self {
        Self { whole, about: None }
    }
}

impl<'a> From<&'a TextRecord> for PromptText<'a> {
    fn from(record: &'a TextRecord) -> Self {
        Self {
            whole: &record.prompt,
            about: record.text.clone(),
        }
    }
}

impl PromptText<'_> {
    /// The same without blanks around it.
    pub(super) fn trimmed(&self) -> Self {
        let whole = self.whole.trim();
        let before = self.whole.len() - self.whole.trim_start().len();
        let moved = |at: usize| at.saturating_sub(before).min(whole.len());
        let about = self.about.as_ref();
        Self {
            whole,
            about: about.map(|about| moved(about.start)..moved(about.end)),
        }
    }

    /// At most `room` tokens, and how many were left out.
    ///
    /// # Errors
    /// When the tokenizer refuses the text.
    pub(super) fn shortened(
        &self,
        tokenizer: &Tokenizer,
        side: TruncationSide,
        room: usize,
    ) -> Result<(Vec<u32>, usize), Error> {
        let tokens = tokenizer.encode_with_places(self.whole)?;
        let ids: Vec<u32> = tokens.iter().map(|(id, _)| *id).collect();
        let cut = ids.len().saturating_sub(room);
        if cut == 0 {
            return Ok((ids, 0));
        }
        // Tokens that lie in the text with all that they stand for.
        let about = self.about.as_ref().map(|about| {
            let inside = |(_, place): &(u32, Range<usize>)| {
                about.start <= place.start && place.end <= about.end
            };
            let first = tokens.iter().position(inside).unwrap_or(0);
            let last = tokens
                .iter()
                .rposition(inside)
                .map_or(first, |last| last + 1);
            first..last
        });
        Ok((side.without(&ids, about, cut), cut))
    }
}

impl TruncationSide {
    /// All of `ids` but `cut`, of which there are not more; `about` are the positions of the text.
    fn without(self, ids: &[u32], about: Option<Range<usize>>, cut: usize) -> Vec<u32> {
        let text = match self {
            Self::Left | Self::Right => None,
            _ => about.filter(|about| about.len() >= cut),
        };
        let text = text.unwrap_or(0..ids.len());
        let whole = text.len() == ids.len();
        let from = match self {
            Self::Left | Self::TextLeft => text.start,
            Self::Right | Self::TextRight => text.end - cut,
            // Without a text, or beside an instruction that is too long itself.
            Self::TextMiddle if whole => 0,
            Self::TextMiddle => text.start + (text.len() - cut).div_ceil(2),
        };
        [&ids[..from], &ids[from + cut..]].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_loses_its_own_tokens() {
        let ids: Vec<u32> = (0..10).collect();
        let without = |side: TruncationSide, about, cut| side.without(&ids, about, cut);
        let text = Some(3..8);
        assert_eq!(without(TruncationSide::Left, text.clone(), 2), ids[2..]);
        assert_eq!(without(TruncationSide::Right, text.clone(), 2), ids[..8]);
        let left = without(TruncationSide::TextLeft, text.clone(), 2);
        assert_eq!(left, [0, 1, 2, 5, 6, 7, 8, 9]);
        let right = without(TruncationSide::TextRight, text.clone(), 2);
        assert_eq!(right, [0, 1, 2, 3, 4, 5, 8, 9]);
        let middle = without(TruncationSide::TextMiddle, text.clone(), 2);
        assert_eq!(middle, [0, 1, 2, 3, 4, 7, 8, 9]);
        // The whole text may go; more is cut off the prompt as a whole.
        let none_left = without(TruncationSide::TextMiddle, text.clone(), 5);
        assert_eq!(none_left, [0, 1, 2, 8, 9]);
        assert_eq!(without(TruncationSide::TextMiddle, text, 6), ids[6..]);
        assert_eq!(without(TruncationSide::TextMiddle, None, 2), ids[2..]);
        assert_eq!(without(TruncationSide::TextRight, None, 2), ids[..8]);
    }
}
