//! Head, middle and tail of a score, by cut-offs for each language or source.
//!
//! Source: Wenzek et al. 2020 (CCNet, arXiv:1911.00359), section 4; facebookresearch/cc_net, `perplexity.py`
//! (`PerplexityBucket`). Reads the score's column; adds a column with the bucket.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::builder::LargeStringBuilder;
use arrow_schema::{DataType, Field};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Batch, Columns, Document, Error, Finding, Result, Stage, Verdict, Work};

use super::cutoffs::{Bucket, Cutoffs};
use super::percentiles::Percentiles;

/// Cuts documents into `head`, `middle` and `tail` by a score, as cc_net does with perplexity: by a table of cut-offs, or
/// by percentiles of the documents themselves.
///
/// Without a table it is a pass: it sees the whole corpus before it cuts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BucketsConfig {
    /// The table of cut-offs: cc_net's `cutoff.csv`, what `cutoffs_output` of another run holds, or `bundled`: where bits per byte of the
    /// bundled `moe` lie on clean text (zh, en). Default none: they are learnt from the documents that come to this step.
    pub cutoff_file: Option<PathBuf>,
    /// Where learnt cut-offs are written, in the run folder. Default `cutoffs.csv`.
    pub cutoffs_output: PathBuf,
    /// Groups with fewer documents than this have no cut-offs of their own: their documents are `all`. Only for learnt
    /// cut-offs. Default 100.
    pub min_documents: u64,
    /// The number column, of an earlier stage or of the input. Default `kenlm_perplexity`.
    pub column: String,
    /// What each has cut-offs of its own: `language`, `source` (what the input names as its source, else the file), any
    /// other column or field, or empty for one cut of all. Default `language`.
    pub by: String,
    /// Percent of a group's documents that are `head`. Default 30 (CCNet).
    pub head_percentile: u8,
    /// Percent of them that are `head` or `middle`; the others are `tail`. Default 60 (CCNet).
    pub middle_percentile: u8,
    /// Whether more is better, as with the score of a classifier; of perplexity, less is. Default false.
    pub higher_is_better: bool,
    /// The column added, with `head`, `middle`, `tail`, or `all` for documents without a score or cut-offs. Default
    /// `bucket` (cc_net).
    pub bucket_column: String,
    /// Buckets whose documents are dropped, as `score_in_head`, `score_in_middle`, `score_in_tail`, `score_unknown` (for
    /// `all`). Default empty.
    pub drop: Vec<String>,
}

impl Default for BucketsConfig {
    fn default() -> Self {
        Self {
            cutoff_file: None,
            cutoffs_output: "cutoffs.csv".into(),
            min_documents: 100,
            column: "kenlm_perplexity".into(),
            by: "language".into(),
            head_percentile: 30,
            middle_percentile: 60,
            higher_is_better: false,
            bucket_column: "bucket".into(),
            drop: Vec::new(),
        }
    }
}

impl BucketsConfig {
    /// The stage that cuts by the table, or the pass that learns one first.
    ///
    /// # Errors
    /// If the percentiles are out of order, a bucket to drop is none, or the table cannot be read.
    pub fn build(&self) -> Result<Work> {
        self.check()?;
        Ok(match &self.cutoff_file {
            Some(path) => Work::Stage(Arc::new(Buckets::new(self.clone(), Cutoffs::read(path)?))),
            None => Work::Pass(Arc::new(Percentiles { config: self.clone() })),
        })
    }

    /// The stage that cuts by a table that lies in memory, whatever `cutoff_file` names.
    ///
    /// # Errors
    /// If the percentiles are out of order, a bucket to drop is none, or the text is no table.
    pub fn build_of(&self, table: &str) -> Result<Work> {
        self.check()?;
        let cutoffs = Cutoffs::parse(table).map_err(|problem| Error::stage("buckets", problem))?;
        Ok(Work::Stage(Arc::new(Buckets::new(self.clone(), cutoffs))))
    }

    fn check(&self) -> Result<()> {
        let wrong = |problem: String, hint: &str| {
            Err(Error::Stage { stage: "buckets".into(), problem, hint: Some(hint.into()) })
        };
        let (head, middle) = (self.head_percentile, self.middle_percentile);
        if head > middle || middle > 100 {
            return wrong(
                format!("`head_percentile` is {head} and `middle_percentile` {middle}"),
                "they rise, up to 100: 30 and 60, say",
            );
        }
        match self.drop.iter().find(|name| !["head", "middle", "tail", "all"].contains(&name.as_str())) {
            Some(unknown) => {
                wrong(format!("`drop`: there is no bucket `{unknown}`"), "there are `head`, `middle`, `tail`, `all`")
            }
            None => Ok(()),
        }
    }

    /// The group of a document.
    pub(super) fn group<'a>(&self, document: &Document<'a>) -> Cow<'a, str> {
        match self.by.as_str() {
            "" => "all".into(),
            "source" => document.source(),
            column => document.str(column).unwrap_or("und".into()),
        }
    }

    /// Below which scores a group's documents are head, and below which middle: above which, if higher is better.
    fn bounds(&self, cutoffs: &Cutoffs, group: &str) -> Option<(f64, f64)> {
        let percentile = |best: u8| if self.higher_is_better { 100 - best } else { best };
        let at = |best| cutoffs.at(group, percentile(best));
        Some((at(self.head_percentile)?, at(self.middle_percentile)?))
    }

    /// The bucket of a score.
    fn bucket(&self, score: Option<f64>, bounds: Option<(f64, f64)>) -> Bucket {
        let Some((score, (head, middle))) = score.zip(bounds) else { return Bucket::All };
        let is_better = |bound: f64| if self.higher_is_better { score > bound } else { score < bound };
        match (is_better(head), is_better(middle)) {
            (true, _) => Bucket::Head,
            (_, true) => Bucket::Middle,
            _ => Bucket::Tail,
        }
    }
}

/// The stage of a [`BucketsConfig`], or of the pass that learns them.
pub struct Buckets {
    config: BucketsConfig,
    cutoffs: Cutoffs,
}

impl Buckets {
    pub(super) fn new(config: BucketsConfig, cutoffs: Cutoffs) -> Self {
        Self { config, cutoffs }
    }

    /// Counts documents by bucket, and puts them forward as samples: for each language, if it is languages that are cut.
    fn exhibit(&self, batch: &mut Batch, found: &[Option<(Bucket, f64, f64)>]) {
        let mut labels: HashMap<(String, Bucket), Arc<str>> = HashMap::new();
        let by_language = self.config.by == "language";
        for (row, (bucket, score, _)) in found.iter().enumerate().filter_map(|(row, found)| Some((row, (*found)?))) {
            let group = match by_language {
                true => self.config.group(&batch.document(row)).into_owned(),
                false => String::new(),
            };
            let label = labels
                .entry((group, bucket))
                .or_insert_with_key(|(group, bucket)| format!("{group} {}", bucket.name()).trim_start().into());
            batch.tally("shown", label.as_ref(), 1, 0);
            if bucket != Bucket::All {
                batch.exhibit(row, label.clone(), score);
            }
        }
    }

    fn score(&self, document: &Document<'_>) -> (Option<f64>, Option<(f64, f64)>) {
        let bounds = self.config.bounds(&self.cutoffs, &self.config.group(document));
        (document.f64(&self.config.column), bounds)
    }
}

impl Stage for Buckets {
    fn columns(&self) -> Columns {
        Columns::default().adding(self.config.bucket_column.clone(), DataType::LargeUtf8)
    }

    fn process(&self, batch: Batch) -> Result<Batch> {
        let mut found: Vec<Option<(Bucket, f64, f64)>> = vec![None; batch.rows()];
        for document in batch.documents() {
            let (score, bounds) = self.score(&document);
            let bucket = self.config.bucket(score, bounds);
            let bound = bounds.map_or(f64::NAN, |bounds| if bucket == Bucket::Middle { bounds.0 } else { bounds.1 });
            found[document.row()] = Some((bucket, score.unwrap_or(f64::NAN), bound));
        }
        let mut names = LargeStringBuilder::with_capacity(batch.rows(), 6 * batch.rows());
        found.iter().for_each(|found| names.append_option(found.map(|(bucket, ..)| bucket.name())));
        let field = Field::new(self.config.bucket_column.as_str(), DataType::LargeUtf8, true);
        let mut batch = batch.annotate(field, Arc::new(names.finish()))?;
        self.exhibit(&mut batch, &found);
        batch.judge(|document| {
            let Some((bucket, score, bound)) = found[document.row()] else { return Verdict::Keep };
            let code = match bucket {
                Bucket::Head => "score_in_head",
                Bucket::Middle => "score_in_middle",
                Bucket::Tail => "score_in_tail",
                Bucket::All => "score_unknown",
            };
            match self.config.drop.iter().any(|dropped| dropped == bucket.name()) {
                true => Verdict::drop(code, score, bound),
                false => Verdict::Keep,
            }
        })
    }

    fn explain(&self, document: &Document<'_>) -> Vec<Finding> {
        let (Some(value), Some((head, middle))) = self.score(document) else { return Vec::new() };
        let at_least = self.config.higher_is_better;
        let drops = |name: &str| self.config.drop.iter().any(|dropped| dropped == name);
        let bucket = self.config.bucket(Some(value), Some((head, middle)));
        let finding = |rule, threshold, bucket: Bucket, is: Bucket| Finding {
            rule,
            value,
            threshold,
            at_least,
            drops: bucket == is && drops(is.name()),
        };
        vec![
            finding("score_in_middle", head, bucket, Bucket::Middle),
            finding("score_in_tail", middle, bucket, Bucket::Tail),
        ]
    }

    fn is_expected_to_drop(&self) -> bool {
        !self.config.drop.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use arrow_array::Float32Array;
    use yuan_pipeline::Context;

    use super::*;

    /// Documents with perplexities 1, 2, 3…, one without a score, of one language.
    fn batch(documents: u16) -> Batch {
        let texts = vec!["text"; usize::from(documents) + 1];
        let scores: Vec<Option<f32>> = (1..=documents).map(|score| Some(f32::from(score))).chain([None]).collect();
        let languages = arrow_array::LargeStringArray::from(vec!["zh-Hans"; texts.len()]);
        let score = Field::new("kenlm_perplexity", DataType::Float32, true);
        let language = Field::new("language", DataType::LargeUtf8, true);
        let batch =
            Batch::of_texts(&texts).annotate(score, Arc::new(Float32Array::from(scores))).expect("as many rows");
        batch.annotate(language, Arc::new(languages)).expect("as many rows")
    }

    fn names(batch: &Batch) -> Vec<String> {
        (0..batch.rows()).map(|row| batch.document(row).str("bucket").expect("a bucket").into_owned()).collect()
    }

    #[test]
    fn a_table_cuts_as_cc_net_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let table = folder.path().join("cutoff.csv");
        std::fs::write(&table, ",zh\n30,3.0\n60,6.0\n").expect("written");
        let config = BucketsConfig { cutoff_file: Some(table), drop: vec!["tail".into()], ..BucketsConfig::default() };
        let Work::Stage(stage) = config.build().expect("a table") else { panic!("a stage") };
        let batch = stage.process(batch(7)).expect("judged");
        // A perplexity that is the cut-off itself is on its far side.
        assert_eq!(names(&batch), ["head", "head", "middle", "middle", "middle", "tail", "tail", "all"]);
        assert_eq!(
            batch.reason(5),
            Some(&yuan_pipeline::Reason {
                code: "score_in_tail",
                detail: yuan_pipeline::Detail::Measure { value: 6.0, threshold: 6.0 }
            })
        );
        assert_eq!(batch.reason(7), None);
    }

    #[test]
    fn percentiles_are_those_of_numpy() {
        let folder = tempfile::tempdir().expect("a folder");
        let learn = |higher_is_better: bool| {
            let output = folder.path().join("cutoffs.csv");
            let config = BucketsConfig {
                higher_is_better,
                min_documents: 1,
                cutoffs_output: output,
                ..BucketsConfig::default()
            };
            let Work::Pass(pass) = config.build().expect("sound") else { panic!("a pass") };
            // Two units, in whose order nothing lies.
            let partials = [folder.path().join("a"), folder.path().join("b")];
            for partial in &partials {
                let mut scan = pass.scan(partial).expect("a scan");
                scan.batch(&batch(1000)).expect("scanned");
                scan.finish().expect("written");
            }
            let outcome = folder.path().join("outcome");
            let cancelled = AtomicBool::new(false);
            let context = Context::new(1 << 20, 1, folder.path().join("scratch"), &cancelled);
            pass.reduce(&partials, &outcome, &context).expect("reduced");
            let stage = pass.stage(&outcome).expect("a table").expect("a stage");
            (Cutoffs::read(&outcome).expect("a table"), names(&stage.process(batch(1000)).expect("cut")))
        };
        let (cutoffs, lower) = learn(false);
        // numpy.percentile([1..1000] + [1..1000], [0, 1, 30, 50, 60, 99, 100])
        let expected = [(0, 1.0), (1, 10.99), (30, 300.7), (50, 500.5), (60, 600.4), (99, 990.01), (100, 1000.0)];
        for (percentile, score) in expected {
            let learnt = cutoffs.at("zh", percentile).or_else(|| cutoffs.at("zh-Hans", percentile)).expect("a score");
            assert!((learnt - score).abs() < 1e-9, "{percentile}: {learnt}, not {score}");
        }
        let count = |buckets: &[String], name: &str| buckets.iter().filter(|bucket| *bucket == name).count();
        assert_eq!(["head", "middle", "tail", "all"].map(|name| count(&lower, name)), [300, 300, 400, 1]);
        let (_, higher) = learn(true);
        assert_eq!(["head", "middle", "tail", "all"].map(|name| count(&higher, name)), [300, 300, 400, 1]);
        assert_eq!((higher[999].as_str(), lower[999].as_str()), ("head", "tail"));
    }
}
