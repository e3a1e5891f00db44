//! The data of a training run: all datasets of a blend, and the order in which their samples come.

use super::blend::{exhaustive, normalize, requests, total, weighted, yuan_requests};
use super::{Blend, BlendIndex, Dataset, Part, Sampling, Split};
use crate::{Error, Reader, Result};

/// Whose trainer it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Flavour {
    /// Megatron-Core's.
    Core {
        /// The share of samples that is built beyond those drawn. Megatron's `mid_level_dataset_surplus`, 0.005 by default.
        surplus: f64,
    },
    /// Yuan's fork of Megatron-LM: another split, other numbers of samples, up to 254 datasets, all with weights.
    Yuan,
}

/// What decides which samples are read.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How samples are drawn from each dataset; `samples` are those of the whole run.
    pub sampling: Sampling,
    /// How datasets are cut into parts; without it each is the part as a whole, as with Megatron's `--train-data-path`.
    pub split: Option<Split>,
    /// The part that is read.
    pub part: Part,
    /// Whose trainer it is.
    pub flavour: Flavour,
}

impl Settings {
    /// Megatron-Core's defaults: whole datasets are trained on.
    pub fn new(sequence_length: usize, samples: Option<u64>) -> Self {
        Self {
            sampling: Sampling { samples, ..Sampling::new(sequence_length) },
            split: None,
            part: Part::Train,
            flavour: Flavour::Core { surplus: 0.005 },
        }
    }
}

/// The datasets of a run and the order of its samples.
pub struct TrainingData {
    settings: Settings,
    prefixes: Vec<String>,
    datasets: Vec<Dataset>,
    blended: Option<Blended>,
}

/// How the samples of several datasets are mixed.
#[derive(Clone, Debug, PartialEq)]
pub struct Blended {
    /// Where each sample comes from.
    pub index: BlendIndex,
    /// The weights drawn by: they add up to 1, or are sizes if everything is read.
    pub weights: Vec<f64>,
    /// Samples; `None` if everything there is is read.
    pub size: Option<u64>,
}

impl TrainingData {
    /// Builds all datasets and blends them. Cost: as [`Indices::build`](super::Indices::build) for each, one after the
    /// other, then [`weighted`].
    ///
    /// # Errors
    /// If a dataset cannot be read or has nothing in this part, weights come without a number of samples, or the blend
    /// draws more of a dataset than it has.
    pub fn build(blend: &Blend, settings: &Settings) -> Result<Self> {
        // Megatron-Core does not look at the weight of a single dataset that is a part as a whole.
        let unweighted = blend.prefixes.len() == 1 && settings.split.is_none() && settings.flavour != Flavour::Yuan;
        let weights = blend.weights.as_deref().filter(|_| !unweighted).map(|weights| match settings.flavour {
            Flavour::Core { .. } => normalize(weights),
            Flavour::Yuan => {
                let sum: f64 = weights.iter().sum();
                weights.iter().map(|weight| weight / sum).collect()
            }
        });
        let samples = settings.sampling.samples;
        if let Flavour::Core { surplus } = settings.flavour
            && !(surplus >= 0.0 && surplus.is_finite())
        {
            return Err(Error::sampling("surplus", format!("{surplus} is no share: write 0.005")));
        }
        if settings.flavour == Flavour::Yuan {
            let problem = match (&weights, samples) {
                (_, None) => Some("Yuan's fork needs a number of samples"),
                (None, _) if blend.prefixes.len() > 1 => {
                    Some("Yuan's fork needs a weight for each of several datasets")
                }
                _ if blend.prefixes.len() >= 255 => Some("Yuan's fork takes up to 254 datasets"),
                _ => None,
            };
            if let Some(problem) = problem {
                return Err(Error::sampling("data_path", problem));
            }
        }
        let built = match (&weights, samples, settings.flavour) {
            (None, asked, _) if blend.prefixes.len() == 1 => vec![asked],
            (None, ..) => vec![None; blend.prefixes.len()],
            (Some(_), None, _) => {
                return Err(Error::sampling("samples", "weights need a number of samples to be drawn by them"));
            }
            (Some(weights), Some(samples), Flavour::Core { surplus }) => {
                requests(weights, samples, surplus).into_iter().map(Some).collect()
            }
            (Some(weights), Some(samples), Flavour::Yuan) => {
                yuan_requests(weights, samples).into_iter().map(Some).collect()
            }
        };
        let mut datasets = Vec::with_capacity(built.len());
        for (prefix, samples) in blend.prefixes.iter().zip(built) {
            let reader = Reader::open(prefix)?;
            let sequences = sequences(&reader, prefix, settings)?;
            datasets.push(Dataset::new(reader, sequences, Sampling { samples, ..settings.sampling })?);
        }
        let blended = match (&weights, samples) {
            (None, _) if blend.prefixes.len() == 1 => None,
            (None, None) => Some(Blended::sizes(&datasets, None)?),
            (None, Some(asked)) => Some(Blended::sizes(&datasets, Some(asked))?),
            (Some(weights), asked) => {
                let asked = asked.unwrap_or(0);
                let drawn = match settings.flavour {
                    Flavour::Core { .. } => requests(weights, asked, 0.0),
                    Flavour::Yuan => yuan_requests(weights, asked),
                };
                Some(Blended::weighted(weights, total(&drawn))?)
            }
        };
        let data = Self { settings: settings.clone(), prefixes: blend.prefixes.clone(), datasets, blended };
        for (dataset, drawn) in data.drawn(data.len()).into_iter().enumerate() {
            let has = data.datasets[dataset].len();
            if drawn > has {
                return Err(Error::sampling(
                    &data.prefixes[dataset],
                    format!(
                        "the blend draws {drawn} samples of it, but {has} are built, and the trainer gives up: use a larger surplus"
                    ),
                ));
            }
        }
        Ok(data)
    }

    /// What it was built from.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The prefixes, as they were given.
    pub fn prefixes(&self) -> &[String] {
        &self.prefixes
    }

    /// A dataset for each prefix.
    pub fn datasets(&self) -> &[Dataset] {
        &self.datasets
    }

    /// How they are mixed; `None` for one dataset without a weight.
    pub fn blended(&self) -> Option<&Blended> {
        self.blended.as_ref()
    }

    /// Samples there are: those asked for, and as many more as Megatron builds.
    pub fn len(&self) -> usize {
        match &self.blended {
            Some(blended) => blended.index.dataset_index.len(),
            None => self.datasets[0].len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Samples that a run reads: those asked for, else all.
    pub fn read(&self) -> usize {
        let asked = self.settings.sampling.samples.and_then(|samples| usize::try_from(samples).ok());
        asked.map_or(self.len(), |asked| asked.min(self.len()))
    }

    /// The dataset of the run's sample at this place, and its place in that dataset; `None` if there is none.
    ///
    /// A step reads the global batch size's next samples; the first step begins with sample 0.
    pub fn locate(&self, place: usize) -> Option<(usize, usize)> {
        match &self.blended {
            Some(Blended { index, .. }) => {
                Some((*index.dataset_index.get(place)? as usize, *index.dataset_sample_index.get(place)? as usize))
            }
            None => (place < self.datasets[0].len()).then_some((0, place)),
        }
    }

    /// How many of the run's first samples come from each dataset.
    pub fn drawn(&self, samples: usize) -> Vec<usize> {
        let mut drawn = vec![0; self.datasets.len()];
        match &self.blended {
            Some(Blended { index, .. }) => {
                index.dataset_index.iter().take(samples).for_each(|dataset| drawn[*dataset as usize] += 1);
            }
            None => drawn[0] = samples.min(self.datasets[0].len()),
        }
        drawn
    }
}

impl Blended {
    fn weighted(weights: &[f64], size: u64) -> Result<Self> {
        let weights = normalize(weights);
        Ok(Self { index: weighted(&weights, size)?, weights, size: Some(size) })
    }

    /// By sizes: everything, or as many samples as were asked for if there are as many.
    fn sizes(datasets: &[Dataset], asked: Option<u64>) -> Result<Self> {
        let sizes: Vec<u64> = datasets.iter().map(|dataset| dataset.len() as u64).collect();
        if let Some(empty) = sizes.iter().position(|size| *size == 0) {
            let path = datasets[empty].reader().bin_path().display().to_string();
            return Err(Error::sampling(path, "not a sample of this length is in it: leave it out"));
        }
        let weights: Vec<f64> = sizes.iter().map(|size| *size as f64).collect();
        match asked {
            Some(asked) => Self::weighted(&weights, asked.min(total(&sizes))),
            None => Ok(Self { index: exhaustive(&sizes)?, weights, size: None }),
        }
    }
}

/// The sequences of a dataset that belong to the part.
fn sequences(reader: &Reader, prefix: &str, settings: &Settings) -> Result<std::ops::Range<usize>> {
    let all = reader.sequence_count();
    let part = match (&settings.split, settings.flavour) {
        (None, _) => Some(0..all),
        (Some(split), Flavour::Core { .. }) => split.sequences(settings.part, all),
        (Some(split), Flavour::Yuan) => Some(split.yuan_sequences(settings.part, all)?),
    };
    part.filter(|sequences| !sequences.is_empty()).ok_or_else(|| {
        let problem = format!("the split leaves none of its {all} sequences to `{}`", settings.part.name());
        Error::sampling(prefix, problem)
    })
}
