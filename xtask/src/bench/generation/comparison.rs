//! One case of generation: ours beside the others.

use anyhow::{Context, Result};

use super::{
    super::{
        contender::Contender,
        turns::{self, Side},
    },
    case::Case,
};

/// The other sides, in the order of the columns.
pub(crate) const OTHERS: [&str; 2] = ["transformers", "llama.cpp"];

/// One case.
#[derive(Debug, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) case: Case,
    pub(crate) ours: Side,
    /// Those of [`OTHERS`], or none, in the same rounds as ours.
    pub(crate) theirs: Vec<Opponent>,
}

/// Another side.
#[derive(Debug, PartialEq)]
pub(crate) struct Opponent {
    pub(crate) side: Side,
    /// Share of the tokens of all rows that come before the first that differs from ours.
    pub(crate) agreement: f64,
}

impl Comparison {
    /// Up to `rounds` generations of each side, in turns; ours is the first contender.
    ///
    /// # Errors
    /// When a side fails or is not the same model as ours.
    pub(crate) fn run(case: Case, mut contenders: Vec<Contender>, rounds: usize) -> Result<Self> {
        let sides = turns::take(&mut contenders, rounds).with_context(|| case.to_string())?;
        let tokens = contenders.iter_mut().map(Contender::tokens);
        let tokens = tokens.collect::<Result<Vec<_>>>()?;
        let own = tokens.first().context("a side of ours")?.clone();
        let mut sides = sides.into_iter();
        let ours = sides.next().context("a side of ours")?;
        let theirs = sides.zip(&tokens[1..]).map(|(side, tokens)| Opponent {
            side,
            agreement: agreement(&own, tokens, case.new_tokens),
        });
        let theirs = theirs.collect();
        Ok(Self { case, ours, theirs })
    }

    /// One line while others still run.
    pub(crate) fn summary(&self) -> String {
        let mut text = format!("{}: ours {:.1} ms", self.case, self.ours.median());
        for (name, theirs) in OTHERS.iter().zip(&self.theirs) {
            let (time, ratio) = (theirs.side.median(), self.ours.ratio_to(&theirs.side));
            text += &format!(", {name} {time:.1} ms (ratio {ratio:.2})");
        }
        text
    }
}

/// Of rows of `length` tokens each: the share that stands before each row's first difference.
fn agreement(ours: &[u32], theirs: &[u32], length: usize) -> f64 {
    let rows = ours.chunks(length).zip(theirs.chunks(length));
    let equal = rows.map(|(ours, theirs)| {
        let pairs = ours.iter().zip(theirs);
        pairs.take_while(|(ours, theirs)| ours == theirs).count()
    });
    equal.sum::<usize>() as f64 / ours.len().max(theirs.len()) as f64
}

/// The comparisons as a table.
pub(crate) fn table(comparisons: &[Comparison]) -> String {
    let mut text = "| generation | ours, ms | transformers, ms | llama.cpp, ms | ours / transformers | ours / llama.cpp \
        | ours, tokens per s | transformers, tokens per s | llama.cpp, tokens per s \
        | ours, peak MB (grown) | transformers, peak MB (grown) | llama.cpp, peak MB (grown) \
        | transformers, same tokens | llama.cpp, same tokens |\n\
        |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for comparison in comparisons {
        let Comparison { case, ours, theirs } = comparison;
        let of_others = |cell: &dyn Fn(&Opponent) -> Option<String>| {
            let cells = (0..OTHERS.len()).map(|other| theirs.get(other).and_then(cell));
            cells.collect::<Vec<_>>()
        };
        let time = |side: &Side| Some(format!("{:.1}", side.median()));
        let rate = |side: &Side| Some(side.rate(case.amount()));
        let cells = [
            vec![time(ours)],
            of_others(&|other| time(&other.side)),
            of_others(&|other| Some(format!("**{:.2}**", ours.ratio_to(&other.side)))),
            vec![rate(ours)],
            of_others(&|other| rate(&other.side)),
            vec![ours.megabytes()],
            of_others(&|other| other.side.megabytes()),
            of_others(&|other| Some(format!("{:.2}", other.agreement))),
        ];
        let cells = cells.concat().into_iter();
        let cells: Vec<String> = cells
            .map(|cell| cell.unwrap_or_else(|| "-".to_owned()))
            .collect();
        text += &format!("| {case} | {} |\n", cells.join(" | "));
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::bench::{
        contender::{Memory, Residence},
        generation::case,
    };

    fn case() -> Case {
        case::tiny("tiny", &["3 rows x 4 f32".to_owned()]).remove(0)
    }

    #[test]
    fn rows_agree_up_to_their_first_difference() {
        assert_eq!(agreement(&[1, 2, 3, 4], &[1, 2, 3, 4], 2), 1.0);
        assert_eq!(agreement(&[1, 2, 3, 4], &[9, 2, 3, 9], 2), 0.25);
        assert_eq!(agreement(&[1, 2, 3, 4], &[1, 2], 2), 0.5);
    }

    #[test]
    fn a_row_shows_all_sides_or_ours_alone() {
        let side = |steps: &[f64], peak: u64| Side {
            steps: steps.to_vec(),
            memory: Some(Memory {
                start: 1024,
                peak: peak * 1024,
            }),
        };
        let opponent = |steps: &[f64], agreement| Opponent {
            side: side(steps, 201),
            agreement,
        };
        let mut comparison = Comparison {
            case: case(),
            ours: side(&[10.0, 20.0], 101),
            theirs: vec![opponent(&[40.0, 80.0], 1.0), opponent(&[5.0, 10.0], 0.5)],
        };
        let row = table(std::slice::from_ref(&comparison));
        assert!(
            row.ends_with(
                "| tiny 3 rows x 4 f32 | 15.0 | 60.0 | 7.5 | **0.25** | **2.00** | 800 | 200 | 1600 \
                | 101 (100) | 201 (200) | 201 (200) | 1.00 | 0.50 |\n"
            ),
            "{row}"
        );
        comparison.theirs.clear();
        let row = table(&[comparison]);
        assert!(
            row.ends_with("| 15.0 | - | - | - | - | 800 | - | - | 101 (100) | - | - | - | - |\n"),
            "{row}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn tokens_of_all_sides_are_compared_with_ours() {
        let contender = |tokens: &str| {
            let answers = format!(
                "read case; echo ready 0 9; while read what; do case $what in step) echo 4 12;; \
                memory) echo unknown;; tokens) echo {tokens};; esac; done"
            );
            let mut command = std::process::Command::new("sh");
            command.args(["-c", &answers]);
            Contender::start(command, "{}", Residence::Host).unwrap()
        };
        let ours = "1 2 3 4 1 2 3 4 1 2 3 4";
        let sides = [ours, ours, "1 2 3 4 1 2 9 9 9 9 9 4"].map(contender);
        let comparison = Comparison::run(case(), sides.into(), 2).unwrap();
        let agreements: Vec<f64> = comparison.theirs.iter().map(|o| o.agreement).collect();
        assert_eq!(agreements, [1.0, 0.5]);
        assert_eq!(comparison.ours.steps, [4.0; 2]);
    }
}
