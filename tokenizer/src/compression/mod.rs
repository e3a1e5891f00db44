//! How well tokenizers compress a corpus: tokens per character and per byte, by language or source, and what the corpus shows of
//! their vocabularies.
//!
//! All [`Subject`]s encode each document in one reading: any `tokenizer.json`, SentencePiece models, several sizes of one of
//! ours. Figures are YAYI 2's compression ratio (arXiv:2312.14862: tokens / length of the text, mean and deviation over samples
//! of 10,000 tokens; the paper does not say which unit lengths have, so both are given) and PolyLM's (arXiv:2307.06018: tokens
//! beside those of a baseline over the same texts). [`Report`] has them, field by field.
//!
//! Cost: encoding. Memory: documents in work (half of the budget at most), 8 bytes for each token of each vocabulary and thread,
//! and 1,024 groups.
//!
//! | file | what it does |
//! |---|---|
//! | `subject`, `tokens` | a tokenizer's file, how it encodes, what each of its ids is |
//! | `corpus` | documents to workers, what they count back in the order of the corpus |
//! | `totals` | sums and samples |
//! | `vocabulary`, `scripts` | unused, longest, unreachable tokens, those of several scripts |
//! | `figures` | the report |

mod corpus;
mod figures;
pub(crate) mod scripts;
mod subject;
mod tokens;
mod totals;
mod vocabulary;

pub use corpus::Resources;
pub use figures::{Candidates, CrossScript, Figures, Report, Spread, TokenFigure, TokenizerReport, VocabularyReport};
pub use subject::Subject;

use yuan_pipeline::{Error, Input, Progress, Result};

/// The command's name in messages.
const NAME: &str = "compression";
/// [`Report::version`].
const VERSION: u32 = 1;

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compression {
    /// Tokens of a sample. Default 10,000 (YAYI 2).
    pub sample_tokens: u64,
    /// The field that documents are grouped by. `source` and `file` are the document's file where the first document has no
    /// such field. Default: `language` if the first document has it, else its file.
    pub group_by: Option<String>,
    /// The tokenizer compared with. Default: the first.
    pub baseline: Option<String>,
}

impl Default for Compression {
    fn default() -> Self {
        Self { sample_tokens: 10_000, group_by: None, baseline: None }
    }
}

impl Compression {
    /// Encodes all documents by all tokenizers.
    ///
    /// # Errors
    /// If two tokenizers have one name, the baseline is none of them, there are no documents, none of them has the field to group
    /// by, or one cannot be read or encoded.
    pub fn measure(
        &self,
        subjects: &[Subject],
        input: &Input,
        resources: Resources,
        progress: &Progress,
    ) -> Result<Report> {
        let baseline = self.check(subjects)?;
        let corpus::Reading { mut totals, used, group_by, passed_over } =
            corpus::read(self, subjects, input, resources, progress)?;
        if totals.documents() == 0 {
            return Err(Error::NoInput { what: format!("there is no document in {}", input.paths.join(", ")) });
        }
        if let Some(wanted) = &self.group_by
            && group_by != corpus::FILE
            && totals.group_names().all(|name| name == corpus::NONE)
        {
            return Err(plan(
                format!("no document has a field `{wanted}` to group by"),
                "name another with `--group-by`; `yuan-data info FILE` lists fields, `--group-by source` groups by file",
            ));
        }
        totals.sort();
        let tokenizers = subjects.iter().zip(&used).enumerate().map(|(place, (subject, used))| {
            let (overall, groups) = totals.figures(place, baseline);
            Ok(TokenizerReport {
                name: subject.name.clone(),
                path: subject.path.display().to_string(),
                kind: subject.kind.clone(),
                fingerprint: subject.tokenizer.fingerprint().to_owned(),
                overall,
                groups,
                vocabulary: vocabulary::report(subject, used, resources.threads)?,
            })
        });
        let tokenizers = tokenizers.collect::<Result<Vec<_>>>()?;
        Ok(Report {
            version: VERSION,
            sample_tokens: self.sample_tokens,
            group_by,
            groups_cut: totals.groups_cut,
            passed_over,
            baseline: subjects[baseline].name.clone(),
            tokenizers,
        })
    }

    /// The baseline's place.
    fn check(&self, subjects: &[Subject]) -> Result<usize> {
        if self.sample_tokens == 0 {
            return Err(plan("a sample needs at least 1 token", "leave `--sample-tokens` out for 10,000"));
        }
        for (place, subject) in subjects.iter().enumerate() {
            if subjects[..place].iter().any(|other| other.name == subject.name) {
                return Err(plan(
                    format!("two tokenizers are called `{}`", subject.name),
                    "name them apart: `--tokenizer small=… --tokenizer large=…`",
                ));
            }
        }
        let names = || subjects.iter().map(|subject| format!("`{}`", subject.name)).collect::<Vec<_>>().join(", ");
        match &self.baseline {
            _ if subjects.is_empty() => {
                Err(plan("there is no tokenizer to measure", "name one with `--tokenizer NAME=PATH`"))
            }
            None => Ok(0),
            Some(baseline) => subjects.iter().position(|subject| subject.name == *baseline).ok_or_else(|| {
                plan(format!("the baseline `{baseline}` is none of the tokenizers"), format!("there are {}", names()))
            }),
        }
    }
}

fn plan(problem: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::Plan { problem: problem.into(), hint: Some(hint.into()) }
}
