//! What came of a run, read back from its manifest.

use std::path::{Path, PathBuf};

use rusqlite::params;

use crate::batch::Tally;
use crate::input::{Input, OnBadRecord, Shard};
use crate::manifest::{BLANK_LINES, ENGINE, Manifest, PASSED_OVER, UNDECODABLE_BYTES};
use crate::plan::{Plan, Work, outcome};
use crate::read::{self, Start};
use crate::run::{Folder, output_folder};
use crate::{Batch, Error, Result, Stage};

/// A run as its folder tells it.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The run folder.
    pub folder: PathBuf,
    /// Whether every step is done.
    pub finished: bool,
    /// The run whose measures `retune` made it from, if it did.
    pub retuned_from: Option<String>,
    /// Input files and their bytes.
    pub inputs: Tally,
    /// Documents read, and bytes of their text; records set aside are among them.
    pub read: Tally,
    /// Lines of text without a document, which are no records.
    pub blank_lines: u64,
    /// Bytes that were no UTF-8 and that the format drops (`yuan-preprocess`).
    pub undecodable_bytes: u64,
    /// Records set aside, by reason.
    pub set_aside: Vec<(String, Tally)>,
    /// The steps in order.
    pub steps: Vec<StepSummary>,
    /// Documents that came through, and bytes of their text.
    pub kept: Tally,
    /// Documents read by the bits of their number of characters: 0 for none, n for 2ⁿ⁻¹ to 2ⁿ − 1.
    pub lengths_read: Vec<(u32, Tally)>,
    /// Documents that came through, likewise.
    pub lengths_kept: Vec<(u32, Tally)>,
    /// Documents that came through by language.
    pub languages: Vec<(String, Tally)>,
    /// What the rails of the run say: steps that dropped far too much of something, or nothing.
    pub warnings: Vec<String>,
    /// Some of the documents that came through, by language (empty where none was identified).
    pub kept_samples: Vec<SampleSummary>,
    /// Files written: kind, name inside the run folder, documents, bytes.
    pub files: Vec<FileSummary>,
    /// Seconds each sweep took.
    pub sweep_seconds: Vec<f64>,
    /// Worker time outside the steps: reading, writing, shared measures; nanoseconds.
    pub times: Vec<(String, u64)>,
}

/// One step of a [`Summary`].
#[derive(Clone, Debug)]
pub struct StepSummary {
    /// The step's name in the recipe.
    pub name: String,
    /// Its settings as JSON.
    pub config: String,
    /// Documents dropped, by reason.
    pub dropped: Vec<(String, Tally)>,
    /// What the step counted beside: kind, key, count.
    pub tallies: Vec<(String, String, Tally)>,
    /// Worker time by part of the step; nanoseconds.
    pub times: Vec<(String, u64)>,
    /// Some of the dropped documents.
    pub samples: Vec<SampleSummary>,
}

/// A document as kept for people.
#[derive(Clone, Debug)]
pub struct SampleSummary {
    /// Why it was dropped; its language, of a document that came through.
    pub reason: String,
    /// Its `doc_id`.
    pub doc_id: u64,
    /// The evidence.
    pub detail: String,
    /// The beginning of its text.
    pub text: String,
}

/// A file of the run's output.
#[derive(Clone, Debug)]
pub struct FileSummary {
    /// `documents`, `dropped` or `set-aside`.
    pub kind: String,
    /// Its path inside the run folder.
    pub path: PathBuf,
    /// Documents in it.
    pub documents: u64,
    /// Its size.
    pub bytes: u64,
    /// Its xxh3 hash, 16 hexadecimal digits.
    pub xxh3: String,
}

impl StepSummary {
    /// Documents the step dropped for any reason.
    pub fn dropped_total(&self) -> Tally {
        sum(self.dropped.iter().map(|(_, tally)| tally))
    }

    /// A warning for each name that the step looks up in documents and that none of them had: it is misspelt.
    fn names_without_values(&self) -> impl Iterator<Item = String> {
        let documents = |wanted: &str, name: &str| {
            let of_name = self.tallies.iter().find(|(kind, key, _)| kind == wanted && key == name);
            of_name.map_or(0, |(_, _, tally)| tally.documents)
        };
        let names = self.tallies.iter().filter(|(kind, _, _)| kind == "without_value").map(|(_, name, _)| name);
        names
            .filter(move |name| documents("with_value", name) == 0 && documents("without_value", name) > 0)
            .map(|name| format!("`{}` looks at `{name}`, which no document has", self.name))
    }

    /// The sum of a kind of count.
    pub fn tally(&self, kind: &str) -> Tally {
        sum(self.tallies.iter().filter(|(known, _, _)| known == kind).map(|(_, _, tally)| tally))
    }
}

fn sum<'a>(tallies: impl Iterator<Item = &'a Tally>) -> Tally {
    tallies.fold(Tally::default(), |mut sum, tally| {
        sum.add(tally.documents, tally.bytes);
        sum
    })
}

struct CountRow {
    sweep: u32,
    step: i64,
    kind: String,
    key: String,
    tally: Tally,
}

impl Summary {
    /// Reads the manifest of a run folder.
    ///
    /// # Errors
    /// If the folder holds no run, or its manifest cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let manifest = Manifest::open_existing(&Folder::new(folder).manifest)?;
        let counts: Vec<CountRow> = manifest.run(|sql| {
            sql.prepare("SELECT sweep, step, kind, key, documents, bytes FROM counts ORDER BY sweep, step, kind, key")?
                .query_map([], |row| {
                    let tally = Tally { documents: row.get::<_, i64>(4)? as u64, bytes: row.get::<_, i64>(5)? as u64 };
                    Ok(CountRow { sweep: row.get(0)?, step: row.get(1)?, kind: row.get(2)?, key: row.get(3)?, tally })
                })?
                .collect()
        })?;
        let of_engine = |kind: &str, sweep: Option<u32>| {
            counts
                .iter()
                .filter(|row| row.step == ENGINE && row.kind == kind && sweep.is_none_or(|sweep| row.sweep == sweep))
                .map(|row| (row.key.clone(), row.tally))
                .collect::<Vec<_>>()
        };
        let passed_over = |key: &str| {
            let of_key = of_engine(PASSED_OVER, Some(0)).into_iter().filter(|(known, _)| known == key);
            sum(of_key.map(|(_, tally)| tally).collect::<Vec<_>>().iter())
        };
        let last_sweep = manifest
            .run(|sql| sql.query_row("SELECT coalesce(max(sweep), 0) FROM steps", [], |row| row.get::<_, u32>(0)))?;
        // A pass at the end is followed by one sweep more, which belongs to no step.
        let last_sweep = last_sweep.max(counts.iter().map(|row| row.sweep).max().unwrap_or(0));
        let lengths = |kind: &str| {
            of_engine(kind, None).into_iter().filter_map(|(key, tally)| Some((key.parse().ok()?, tally))).collect()
        };
        let mut times = std::collections::BTreeMap::new();
        for (key, tally) in of_engine("time", None) {
            *times.entry(key).or_insert(0) += tally.bytes;
        }
        let steps = steps(&manifest, &counts)?;
        let mut warnings = manifest.warnings()?;
        warnings.extend(steps.iter().flat_map(StepSummary::names_without_values));
        let mut languages = of_engine("language", None);
        languages.sort_by_key(|(key, tally)| (std::cmp::Reverse(tally.bytes), key.clone()));
        Ok(Self {
            folder: folder.to_path_buf(),
            finished: manifest.meta("finished")?.is_some(),
            retuned_from: manifest.meta("retuned_from")?,
            inputs: manifest.run(|sql| {
                sql.query_row("SELECT count(*), coalesce(sum(bytes), 0) FROM shards", [], |row| {
                    Ok(Tally { documents: row.get::<_, i64>(0)? as u64, bytes: row.get::<_, i64>(1)? as u64 })
                })
            })?,
            read: sum(of_engine("read", Some(0)).iter().map(|(_, tally)| tally)),
            blank_lines: passed_over(BLANK_LINES).documents,
            undecodable_bytes: passed_over(UNDECODABLE_BYTES).bytes,
            set_aside: of_engine("set_aside", Some(0)),
            steps,
            kept: sum(of_engine("kept", Some(last_sweep)).iter().map(|(_, tally)| tally)),
            lengths_read: lengths("length_read"),
            lengths_kept: lengths("length_kept"),
            languages,
            warnings,
            kept_samples: samples(&manifest, ENGINE)?,
            files: files(&manifest)?,
            sweep_seconds: manifest.run(|sql| {
                sql.prepare("SELECT seconds FROM sweeps ORDER BY sweep")?.query_map([], |row| row.get(0))?.collect()
            })?,
            times: times.into_iter().collect(),
        })
    }

    /// Where a document was read: its file, and its record's number there.
    ///
    /// # Errors
    /// If the run has no such input file.
    pub fn place_of(&self, doc_id: u64) -> Result<(PathBuf, u64)> {
        let manifest = Manifest::open_existing(&Folder::new(&self.folder).manifest)?;
        let (shard, row) = ((doc_id >> 32) as usize, doc_id & u64::from(u32::MAX));
        match manifest.shards()?.into_iter().nth(shard) {
            Some((path, _)) => Ok((path.into(), row)),
            None => Err(no_document(doc_id)),
        }
    }
}

fn no_document(doc_id: u64) -> Error {
    Error::Plan {
        problem: format!("the run has no document {doc_id}"),
        hint: Some(
            "take a `doc_id` from `dropped/` or from the report (a `doc_id` is input file << 32 | record)".into(),
        ),
    }
}

fn steps(manifest: &Manifest, counts: &[CountRow]) -> Result<Vec<StepSummary>> {
    let mut steps = Vec::new();
    for (number, step) in manifest.steps()?.into_iter().enumerate() {
        let number = number as i64;
        let rows: Vec<&CountRow> = counts.iter().filter(|row| row.step == number).collect();
        let mut dropped: Vec<(String, Tally)> =
            rows.iter().filter(|row| row.kind == "dropped").map(|row| (row.key.clone(), row.tally)).collect();
        dropped.sort_by_key(|(key, tally)| (std::cmp::Reverse(tally.documents), key.clone()));
        steps.push(StepSummary {
            name: step.name,
            config: step.config,
            dropped,
            tallies: rows
                .iter()
                .filter(|row| row.kind != "dropped" && row.kind != "time")
                .map(|row| (row.kind.clone(), row.key.clone(), row.tally))
                .collect(),
            times: rows.iter().filter(|row| row.kind == "time").map(|row| (row.key.clone(), row.tally.bytes)).collect(),
            samples: samples(manifest, number)?,
        });
    }
    Ok(steps)
}

fn samples(manifest: &Manifest, step: i64) -> Result<Vec<SampleSummary>> {
    manifest.run(|sql| {
        sql.prepare("SELECT reason, doc_id, detail, text FROM samples WHERE step = ? ORDER BY reason, rank")?
            .query_map(params![step], |row| {
                Ok(SampleSummary {
                    reason: row.get(0)?,
                    doc_id: row.get::<_, i64>(1)? as u64,
                    detail: row.get(2)?,
                    text: row.get(3)?,
                })
            })?
            .collect()
    })
}

fn files(manifest: &Manifest) -> Result<Vec<FileSummary>> {
    manifest.run(|sql| {
        sql.prepare("SELECT kind, name, documents, bytes, xxh3 FROM files ORDER BY kind, number")?
            .query_map([], |row| {
                let kind: String = row.get(0)?;
                Ok(FileSummary {
                    path: Path::new(output_folder(&kind)).join(row.get::<_, String>(1)?),
                    kind,
                    documents: row.get::<_, i64>(2)? as u64,
                    bytes: row.get::<_, i64>(3)? as u64,
                    xxh3: row.get(4)?,
                })
            })?
            .collect()
    })
}

/// Reads one document back from the input by its `doc_id`.
///
/// # Errors
/// If the input has no such document, or it is no document.
pub fn find_document(input: &Input, shards: &[Shard], doc_id: u64) -> Result<Batch> {
    let (number, row) = ((doc_id >> 32) as u32, doc_id & u64::from(u32::MAX));
    let shard = shards.get(number as usize).ok_or_else(|| no_document(doc_id))?;
    let mut reader = read::open(shard, number, input, Start::default(), None)?;
    while let Some(unit) = reader.next_unit()? {
        if row >= unit.next_row {
            continue;
        }
        let mut found = None;
        let mut bad = Vec::new();
        read::batches(&unit, shard, input, &mut bad, &mut |batch| {
            let at = batch.doc_ids().values().iter().position(|id| *id == doc_id);
            if let Some(at) = at {
                found = Some(batch.filter(&(0..batch.rows()).map(|row| Some(row == at)).collect())?);
            }
            Ok(())
        })?;
        return found.ok_or_else(|| no_document(doc_id));
    }
    Err(no_document(doc_id))
}

/// Reads all documents of some inputs in order, outside any run: for looking at them. The number of records that are none and were
/// passed over, which the caller has to tell.
///
/// # Errors
/// As a run that stops at the first bad record; what `sink` returns, with `Ok(false)` ending the walk.
pub fn for_each_batch(
    input: &Input,
    shards: &[Shard],
    sink: &mut dyn FnMut(&Shard, Batch) -> Result<bool>,
) -> Result<u64> {
    let mut passed_over = 0;
    for (number, shard) in shards.iter().enumerate() {
        let mut reader = read::open(shard, number as u32, input, Start::default(), None)?;
        while let Some(unit) = reader.next_unit()? {
            let mut go_on = true;
            let mut bad = Vec::new();
            read::batches(&unit, shard, input, &mut bad, &mut |batch| {
                if go_on {
                    go_on = sink(shard, batch)?;
                }
                Ok(())
            })?;
            // Outside a run a record cannot be set aside, only passed over, for those who asked for it (`--on-bad-record set-aside`).
            passed_over += bad.len() as u64;
            if go_on
                && input.on_bad_record == OnBadRecord::Stop
                && let Some(bad) = bad.pop()
            {
                return Err(Error::Record {
                    path: shard.path.clone(),
                    row: bad.row,
                    problem: bad.reason,
                    field: false,
                });
            }
            if !go_on {
                return Ok(passed_over);
            }
        }
    }
    Ok(passed_over)
}

/// The stage that a step of a run is, built from the run's outcomes; `None` for a pass that changes nothing,
/// or one whose outcome is not there yet.
///
/// # Errors
/// If the stage cannot be built.
pub fn stage_of(plan: &Plan, step: usize) -> Result<Option<std::sync::Arc<dyn Stage>>> {
    Ok(match &plan.steps[step].work {
        Work::Stage(stage) => Some(stage.clone()),
        Work::Deferred { build, .. } => Some(build()?),
        Work::Pass(pass) => {
            let path = outcome(&plan.folder, step, &plan.steps[step].name);
            if !pass.ends_in_stage() || !path.exists() {
                return Ok(None);
            }
            pass.stage(&path)?.map(std::sync::Arc::from)
        }
    })
}
