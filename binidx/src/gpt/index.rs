//! The three arrays of a dataset: the order of its documents, where its samples begin, the order of its samples.

use std::ops::Range;

use yuan_random_state::RandomState;

use crate::{Error, Index, Result};

/// How samples are drawn from a dataset. The fields are the ones of Megatron's `GPTDatasetConfig`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Tokens of a sample. Megatron's `sequence_length`.
    pub sequence_length: usize,
    /// What the orders are drawn from. Megatron's `random_seed`, 1234 by default.
    pub seed: u32,
    /// Samples asked for: as many epochs are gone through as they take. Without it, one epoch.
    pub samples: Option<u64>,
    /// Whether a sample takes a token more, so that tokens and labels are both of the whole length; its last token is then
    /// the first of the next. Megatron's `add_extra_token_to_sequence`, true by default.
    pub extra_token: bool,
    /// Whether what is left in the end becomes a sample, filled up with padding. The opposite of Megatron's
    /// `drop_last_partial_validation_sequence`, which counts for the valid part alone; false by default.
    pub keep_partial: bool,
}

impl Sampling {
    /// One epoch of samples of so many tokens, with Megatron's defaults.
    pub fn new(sequence_length: usize) -> Self {
        Self { sequence_length, seed: 1234, samples: None, extra_token: true, keep_partial: false }
    }

    /// 1 if samples take a token more.
    pub(crate) fn extra(&self) -> u64 {
        u64::from(self.extra_token)
    }
}

/// Where samples begin: rows of a place in the document index and a token of that document. One row more than samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SampleIndex {
    /// What Megatron takes unless the document index is too long for it.
    I32(Vec<[i32; 2]>),
    /// For more than 2³¹ − 1 documents in all epochs.
    I64(Vec<[i64; 2]>),
}

/// The order of the samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShuffleIndex {
    /// What Megatron takes unless there are too many samples for it.
    U32(Vec<u32>),
    /// From 2³² − 2 samples on.
    I64(Vec<i64>),
}

/// The three arrays of a dataset, as Megatron builds them.
///
/// Source: `GPTDataset` and `helpers.cpp` of megatron-core 0.16.1; Yuan's fork builds the same ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indices {
    /// The sequences of all epochs, in the order of reading.
    pub document_index: Vec<i32>,
    /// Where samples begin.
    pub sample_index: SampleIndex,
    /// The order in which samples are read.
    pub shuffle_index: ShuffleIndex,
    /// Epochs.
    pub epochs: u64,
    /// Tokens of an epoch.
    pub epoch_tokens: u64,
    /// Whether the last epoch is shuffled by itself: of it, less than 80% is asked for.
    pub separate_final_epoch: bool,
}

impl SampleIndex {
    /// A row: a place in the document index, and a token of that document.
    pub fn get(&self, row: usize) -> Option<(usize, usize)> {
        match self {
            Self::I32(rows) => rows.get(row).map(|[place, token]| (*place as usize, *token as usize)),
            Self::I64(rows) => rows.get(row).map(|[place, token]| (*place as usize, *token as usize)),
        }
    }

    /// Samples: a row less than there are.
    pub fn samples(&self) -> usize {
        match self {
            Self::I32(rows) => rows.len() - 1,
            Self::I64(rows) => rows.len() - 1,
        }
    }
}

impl ShuffleIndex {
    /// The sample that is read at this place.
    pub fn get(&self, place: usize) -> Option<usize> {
        match self {
            Self::U32(samples) => samples.get(place).map(|sample| *sample as usize),
            Self::I64(samples) => samples.get(place).map(|sample| *sample as usize),
        }
    }
}

impl Indices {
    /// The arrays for some sequences of a dataset. Cost: O(epochs · sequences + samples); memory: the arrays alone.
    ///
    /// # Errors
    /// If there is nothing to read, a length is negative, a setting is out of range, or the arrays do not fit into memory.
    pub fn build(index: &Index, sequences: Range<usize>, sampling: &Sampling) -> Result<Self> {
        if sequences.end > index.sequence_count() {
            let problem = format!("{sequences:?} of {} sequences", index.sequence_count());
            return Err(Error::malformed(index.path(), "sequence_lengths", problem));
        }
        let length = |sequence| index.sequence_length(sequence).unwrap_or(0);
        let epoch_tokens = sequences.clone().try_fold(0, |tokens, sequence| {
            let length = u64::try_from(length(sequence)).map_err(|_| {
                let problem = format!("sequence {sequence} has {} tokens", length(sequence));
                Error::malformed(index.path(), "sequence_lengths", problem)
            })?;
            Ok(tokens + length)
        })?;
        Self::of_lengths(length, sequences, epoch_tokens, sampling)
            .map_err(|problem| Error::sampling(index.path().display().to_string(), problem))
    }

    /// The same for any lengths, none of them negative.
    fn of_lengths(
        length: impl Fn(usize) -> i32,
        sequences: Range<usize>,
        epoch_tokens: u64,
        sampling: &Sampling,
    ) -> Result<Self, String> {
        let (epochs, samples, before_last) = counts(epoch_tokens, sampling)?;
        let mut random = RandomState::new(sampling.seed);
        let document_index = document_index(sequences, epochs, before_last.is_some(), &mut random)?;
        let wide = document_index.len() > i32::MAX as usize;
        let sample_index = if wide {
            SampleIndex::I64(walk(&length, &document_index, samples, sampling, |number| number)?)
        } else {
            SampleIndex::I32(walk(&length, &document_index, samples, sampling, |number| number as i32)?)
        };
        let first = before_last.unwrap_or(samples).min(samples) as usize;
        let shuffle_index = if samples >= u64::from(u32::MAX) - 1 {
            ShuffleIndex::I64(shuffled(samples, first, |sample| sample as i64, &mut random)?)
        } else {
            ShuffleIndex::U32(shuffled(samples, first, |sample| sample as u32, &mut random)?)
        };
        let separate_final_epoch = before_last.is_some();
        Ok(Self { document_index, sample_index, shuffle_index, epochs, epoch_tokens, separate_final_epoch })
    }
}

/// Epochs, samples, and the samples before the last epoch if that is shuffled by itself.
fn counts(epoch_tokens: u64, sampling: &Sampling) -> Result<(u64, u64, Option<u64>), String> {
    if !(1..i32::MAX as usize).contains(&sampling.sequence_length) {
        return Err(format!("a sequence length of {}: it must be from 1 to 2147483646", sampling.sequence_length));
    }
    if epoch_tokens == 0 {
        return Err("no tokens to draw samples from".into());
    }
    let (length, extra) = (sampling.sequence_length as u64, sampling.extra());
    let too_many = || format!("{:?} samples of {length} tokens are too many", sampling.samples.unwrap_or(0));
    let epochs = match sampling.samples {
        None => 1,
        Some(samples) => {
            let asked =
                samples.checked_mul(length).and_then(|tokens| tokens.checked_add(extra)).ok_or_else(too_many)?;
            asked.div_ceil(epoch_tokens).max(1)
        }
    };
    if epochs > i32::MAX as u64 {
        return Err(format!("{} samples take {epochs} epochs", sampling.samples.unwrap_or(0)));
    }
    let tokens = epochs.checked_mul(epoch_tokens).ok_or_else(too_many)?;
    let samples = if sampling.keep_partial {
        // Megatron divides in single precision here.
        ((tokens - extra) as f32 / length as f32).ceil() as u64
    } else {
        (tokens - extra) / length
    };
    let before_last = match sampling.samples {
        Some(asked) if epochs > 1 => {
            let before_last = ((epochs - 1) * epoch_tokens - extra) / length;
            let epoch_samples = (epoch_tokens - extra) / length;
            let enough = (0.80 * epoch_samples as f64) as u64;
            (asked.saturating_sub(before_last) < enough).then_some(before_last)
        }
        _ => None,
    };
    Ok((epochs, samples, before_last))
}

/// An array with room for so many numbers, or the reason why not.
fn room<T>(numbers: u64) -> Result<Vec<T>, String> {
    let mut array = Vec::new();
    let room = usize::try_from(numbers).is_ok_and(|numbers| array.try_reserve_exact(numbers).is_ok());
    if room { Ok(array) } else { Err(format!("an index of {numbers} rows does not fit into memory")) }
}

/// All sequences, as often as there are epochs, shuffled; the last epoch by itself if it is to be `separate`.
fn document_index(
    sequences: Range<usize>,
    epochs: u64,
    separate: bool,
    random: &mut RandomState,
) -> Result<Vec<i32>, String> {
    if sequences.end > i32::MAX as usize {
        return Err(format!("{} sequences, Megatron counts to 2147483647", sequences.end));
    }
    let mut documents = room(epochs.saturating_mul(sequences.len() as u64))?;
    for _ in 0..epochs {
        documents.extend(sequences.start as i32..sequences.end as i32);
    }
    let together = documents.len() - if separate { sequences.len() } else { 0 };
    random.shuffle(&mut documents[..together]);
    random.shuffle(&mut documents[together..]);
    Ok(documents)
}

/// Walks over the documents and notes where each sample begins. A document without tokens is stepped over.
fn walk<T>(
    length: &impl Fn(usize) -> i32,
    documents: &[i32],
    samples: u64,
    sampling: &Sampling,
    number: impl Fn(i64) -> T,
) -> Result<Vec<[T; 2]>, String> {
    let mut rows = room(samples.saturating_add(1))?;
    let extra = sampling.extra() as i64;
    let whole = sampling.sequence_length as i64 + extra;
    let length_at = |place: usize| i64::from(length(documents[place] as usize));
    let (mut place, mut token, mut tokens) = (0, 0, length_at(0));
    rows.push([number(0), number(0)]);
    for _ in 0..samples {
        let mut missing = whole;
        while tokens - token < missing && place + 1 < documents.len() {
            missing -= tokens - token;
            place += 1;
            token = 0;
            tokens = length_at(place);
        }
        // The last sample may be a partial one: it ends with its document.
        token = (token + missing).min(tokens) - extra;
        if token < 0 {
            return Err("the last sample would end in a document without tokens, where Megatron-Core gives up".into());
        }
        rows.push([number(place as i64), number(token)]);
    }
    Ok(rows)
}

/// The numbers of all samples, the `first` ones shuffled, then the others.
fn shuffled<T>(
    samples: u64,
    first: usize,
    number: impl Fn(u64) -> T,
    random: &mut RandomState,
) -> Result<Vec<T>, String> {
    let mut order = room(samples)?;
    order.extend((0..samples).map(number));
    random.shuffle(&mut order[..first]);
    random.shuffle(&mut order[first..]);
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(lengths: &[i32], sampling: &Sampling) -> Result<Indices, String> {
        let tokens = lengths.iter().map(|length| *length as u64).sum();
        Indices::of_lengths(|sequence| lengths[sequence], 0..lengths.len(), tokens, sampling)
    }

    /// Where samples begin in a list of all tokens of all epochs; the first begins with the first document, whatever that has.
    fn slow_starts(indices: &Indices, lengths: &[i32], sampling: &Sampling) -> Vec<(usize, usize)> {
        let mut all = Vec::new();
        for (place, sequence) in indices.document_index.iter().enumerate() {
            all.extend((0..lengths[*sequence as usize] as usize).map(|token| (place, token)));
        }
        let starts = (1..=indices.sample_index.samples()).map(|row| all[row * sampling.sequence_length]);
        std::iter::once((0, 0)).chain(starts).collect()
    }

    #[test]
    fn samples_are_every_token_once_in_the_order_of_the_documents() {
        let mut random = RandomState::new(5);
        for round in 0..400 {
            let lengths: Vec<i32> = (0..1 + random.interval(12))
                .map(|_| if random.event(0.3) { 0 } else { random.interval(20) as i32 })
                .collect();
            let mut sampling = Sampling::new(1 + random.interval(16) as usize);
            sampling.seed = round;
            sampling.samples = random.event(0.7).then(|| random.interval(60));
            let tokens: i32 = lengths.iter().sum();
            let Ok(indices) = build(&lengths, &sampling) else {
                assert_eq!(tokens, 0);
                continue;
            };
            let samples = indices.sample_index.samples();
            assert!(sampling.samples.is_none_or(|asked| samples as u64 >= asked));
            let rows: Vec<_> = (0..=samples).filter_map(|row| indices.sample_index.get(row)).collect();
            assert_eq!(rows, slow_starts(&indices, &lengths, &sampling), "{lengths:?} {sampling:?}");
            let mut read: Vec<_> = (0..samples).filter_map(|place| indices.shuffle_index.get(place)).collect();
            read.sort_unstable();
            assert_eq!(read, (0..samples).collect::<Vec<_>>());
        }
    }

    #[test]
    fn without_an_extra_token_samples_lie_side_by_side() {
        let sampling = Sampling { extra_token: false, ..Sampling::new(4) };
        let indices = build(&[8, 8], &sampling).unwrap();
        // A document used up is left with the next sample only.
        let rows = SampleIndex::I32(vec![[0, 0], [0, 4], [0, 8], [1, 4], [1, 8]]);
        assert_eq!(indices.sample_index, rows);
    }

    #[test]
    fn what_cannot_be_is_said() {
        let said = |lengths: &[i32], sampling: Sampling| build(lengths, &sampling).unwrap_err();
        assert!(said(&[0, 0], Sampling::new(4)).contains("no tokens"));
        assert!(said(&[5], Sampling::new(0)).contains("sequence length of 0"));
        let many = Sampling { samples: Some(u64::MAX / 2), ..Sampling::new(4) };
        assert!(said(&[5], many).contains("too many"));
        let epochs = Sampling { samples: Some(1 << 40), ..Sampling::new(4) };
        assert!(said(&[5], epochs).contains("epochs"));
        let huge = Indices::of_lengths(|_| i32::MAX, 0..1, 1 << 60, &Sampling::new(1));
        assert!(huge.unwrap_err().contains("does not fit into memory"));
    }
}
