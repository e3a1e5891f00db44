//! The stage that ends the pass: drops contaminated documents, or cuts.

use std::collections::BTreeMap;
use std::sync::Arc;

use yuan_pipeline::{Batch, Detail, Reason, Result, Stage, Verdict};

use super::{Action, Evals};
use crate::duplicates::Pairs;
use crate::substring::{CutAt, SpansOf, without};
use crate::text::composed;

pub(super) struct Act {
    pub evals: Arc<Evals>,
    pub action: Action,
    pub cut_at: CutAt,
    pub documents: Pairs,
    pub spans: SpansOf,
}

impl Act {
    /// The item that a document has most of, if it is contaminated.
    fn reason(&self, doc_id: u64) -> Option<Verdict> {
        let (_, found) = self.documents.find(doc_id)?;
        let overlap = f32::from_bits((found >> 32) as u32);
        let item = found as u32;
        let known = (item as usize) < self.evals.index.entries.len();
        let item = if known { self.evals.name_of(item) } else { String::new() };
        let detail = Detail::Text(format!("{item} ({:.0} %)", 100.0 * overlap));
        Some(Verdict::Drop(Reason { code: "contaminated", detail }))
    }
}

impl Stage for Act {
    fn process(&self, mut batch: Batch) -> Result<Batch> {
        if self.action == Action::Drop {
            return batch.judge(|document| self.reason(document.doc_id()).unwrap_or(Verdict::Keep));
        }
        let (mut texts, mut verdicts) = (BTreeMap::new(), BTreeMap::new());
        let (mut documents, mut bytes) = (0, 0);
        for document in batch.documents() {
            let Some(verdict) = self.reason(document.doc_id()) else { continue };
            let text = composed(document.text());
            let spans = self.cut_at.around(&text, self.spans.of(document.doc_id()));
            let rest = without(&text, &spans);
            documents += 1;
            bytes += (text.len() - rest.len()) as u64;
            if rest.chars().any(char::is_alphanumeric) {
                texts.insert(document.row(), rest);
            } else {
                verdicts.insert(document.row(), verdict);
            }
        }
        if documents > 0 {
            batch.tally("cut_out", "text", documents, bytes);
        }
        let batch = batch.judge(|document| verdicts.remove(&document.row()).unwrap_or(Verdict::Keep))?;
        batch.rewrite(|document| texts.remove(&document.row()))
    }
}
