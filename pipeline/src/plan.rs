//! From a list of steps to sweeps over the documents.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::input::Input;
use crate::write::Output;
use crate::{Columns, Error, Pass, Rails, Result, Stage};

/// What is to be done: where documents come from, the steps in order, where they go.
pub struct Plan {
    /// Where the documents come from.
    pub input: Input,
    /// How they are written.
    pub output: Output,
    /// What happens to them, in order.
    pub steps: Vec<Step>,
    /// When a step that drops too much or nothing is told.
    pub rails: Rails,
    /// The run folder.
    pub folder: PathBuf,
    /// The run whose verdicts the steps repeat, in a plan made by [`replay`](crate::replay).
    pub retuned_from: Option<PathBuf>,
}

/// One step of a plan.
pub struct Step {
    /// Its name in a recipe.
    pub name: String,
    /// Its settings; together with the version they say whether finished work still holds.
    pub config: Value,
    /// Raised whenever the step's results change for the same settings.
    pub version: u32,
    /// What it does.
    pub work: Work,
}

/// What a step does.
pub enum Work {
    /// A local step.
    Stage(Arc<dyn Stage>),
    /// A local step that needs a file which an earlier step makes: built when its sweep begins.
    Deferred {
        /// What the stage will read and add.
        columns: Columns,
        /// Builds it.
        build: Box<dyn Fn() -> Result<Arc<dyn Stage>> + Send + Sync>,
    },
    /// A global step.
    Pass(Arc<dyn Pass>),
}

impl Step {
    pub(crate) fn columns(&self) -> Columns {
        match &self.work {
            Work::Stage(stage) => stage.columns(),
            Work::Deferred { columns, .. } => columns.clone(),
            Work::Pass(pass) => pass.columns(),
        }
    }
}

/// One walk over all documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// The pass whose closing stage is run first, as a step number.
    pub opens_with: Option<usize>,
    /// Local steps, as step numbers.
    pub stages: Vec<usize>,
    /// The pass that scans what comes out, as a step number.
    pub scans_for: Option<usize>,
}

impl Plan {
    /// Cuts the steps into sweeps: each ends where a pass must see everything first.
    ///
    /// # Errors
    /// If a step reads a column that no step before it adds, or would write one over the text or twice.
    pub fn sweeps(&self) -> Result<Vec<Sweep>> {
        // With the step that adds each.
        let mut known: Vec<(Cow<'static, str>, &str)> = Vec::new();
        for step in &self.steps {
            let columns = step.columns();
            for wanted in columns.reads {
                if !known.iter().any(|(name, _)| *name == wanted) {
                    let maker = match wanted.as_ref() {
                        "tokens" => "`tokenize`",
                        "language" => "`language_id`",
                        _ => "the step that adds it",
                    };
                    return Err(Error::Plan {
                        problem: format!("`{}` needs the column `{wanted}`, which no step before it adds", step.name),
                        hint: Some(format!("put {maker} before it")),
                    });
                }
            }
            for (place, (name, _)) in columns.adds.iter().enumerate() {
                let problem = if *name == "text" || *name == self.input.text_field {
                    format!("`{}` would write its column `{name}` over the text", step.name)
                } else if columns.adds[..place].iter().any(|(other, _)| other == name) {
                    format!("`{}` adds two columns `{name}`", step.name)
                } else if let Some((_, other)) = known.iter().find(|(other, _)| other == name) {
                    format!("`{}` adds the column `{name}`, and `{other}` before it does so too", step.name)
                } else {
                    continue;
                };
                return Err(Error::Plan {
                    problem,
                    hint: Some(
                        "give the column another name if the step has a setting for it, or leave one of the two out"
                            .into(),
                    ),
                });
            }
            known.extend(columns.adds.into_iter().map(|(name, _)| (name, step.name.as_str())));
        }
        let mut sweeps = vec![Sweep { opens_with: None, stages: Vec::new(), scans_for: None }];
        for (number, step) in self.steps.iter().enumerate() {
            let last = sweeps.last_mut().expect("there is always one");
            // A pass that ends in no stage leaves the documents as they are: the next sweep is needed only
            // if something comes after it.
            if last.scans_for.is_some() {
                sweeps.push(Sweep { opens_with: None, stages: Vec::new(), scans_for: None });
            }
            let last = sweeps.last_mut().expect("there is always one");
            match &step.work {
                Work::Stage(_) | Work::Deferred { .. } => last.stages.push(number),
                Work::Pass(pass) => {
                    last.scans_for = Some(number);
                    if pass.ends_in_stage() {
                        sweeps.push(Sweep { opens_with: Some(number), stages: Vec::new(), scans_for: None });
                    }
                }
            }
        }
        Ok(sweeps)
    }

    /// The outcome file of a pass in the run folder.
    pub fn outcome(&self, step: usize) -> PathBuf {
        outcome(&self.folder, step, &self.steps[step].name)
    }
}

pub(crate) fn outcome(folder: &Path, step: usize, name: &str) -> PathBuf {
    folder.join("outcomes").join(format!("{step:02}-{name}"))
}
