//! Attention: blocks of rows, and what is remembered of a sequence.

use std::ops::Range;

use super::array::Array;
use super::driver::{Arg, Driver, Grid, Kernel, Module};
use super::{Cuda, Layout};
use crate::backend::{AttentionShape, Heads};
use crate::{DType, Error, Result};

/// Rows of a block of `attention_plain`.
const PLAIN_ROWS: usize = 16;
/// Rows of a block of `attention_tensor`, and keys of its tiles.
const TENSOR_ROWS: usize = 64;

/// What a layer remembers of a sequence.
pub struct Memory<D: Driver> {
    /// Tokens whose keys and values there is to be room for from the first one on.
    room: usize,
    cache: Option<Cache<D>>,
    /// The last row that each of two convolutions has read.
    pub(super) before: [Option<Array<D>>; 2],
}

impl<D: Driver> Memory<D> {
    /// Of a sequence without tokens.
    pub(super) fn new(room: usize) -> Self {
        Self { room, cache: None, before: [None, None] }
    }

    /// Tokens that memory has been taken for.
    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.cache.as_ref().map_or(0, |cache| cache.keys.rows)
    }

    /// Rows of a cache for so many tokens.
    fn rows(&self, tokens: usize) -> usize {
        if tokens <= self.room { self.room } else { tokens.next_power_of_two().max(64) }
    }
}

/// Keys and values with room for more: only now and then are they moved.
struct Cache<D: Driver> {
    /// `[room, heads * width]` both.
    keys: Array<D>,
    values: Array<D>,
    count: usize,
    heads: Heads,
}

/// Blocks of rows, `[first row, rows, sequence]` each. Those with most keys come first, so that none is left alone at the
/// end.
pub(super) fn tasks(sequences: &[Range<usize>], dtype: DType) -> Vec<[u32; 3]> {
    let together = if dtype == DType::F32 { PLAIN_ROWS } else { TENSOR_ROWS };
    let mut tasks = Vec::new();
    for (number, rows) in sequences.iter().enumerate() {
        for start in rows.clone().step_by(together) {
            tasks.push([start as u32, together.min(rows.end - start) as u32, number as u32]);
        }
    }
    tasks.sort_by_key(|[start, _, number]| std::cmp::Reverse(*start as usize - sequences[*number as usize].start));
    tasks
}

impl<D: Driver> Cuda<D> {
    pub(super) fn attend(
        &self,
        queries_and_keys: &Array<D>,
        values: &Array<D>,
        shape: &AttentionShape,
        layout: &Layout<D>,
        memories: &mut [&mut Memory<D>],
    ) -> Result<Array<D>> {
        let AttentionShape { queries, keys, .. } = *shape;
        let width = keys.width;
        if self.dtype != DType::F32 && !(width.is_multiple_of(16) && (16..=256).contains(&width)) {
            let name = self.dtype.name();
            return Err(Error::request(format!(
                "a GPU has no attention for heads of {width} values in {name}: ask for float32, or run the model on the CPU"
            )));
        }
        for columns in [
            queries.first_column,
            keys.first_column,
            shape.values.first_column,
            queries_and_keys.columns,
            values.columns,
        ] {
            self.check_width(columns)?;
        }
        let out = self.array(queries_and_keys.rows, queries.count * width)?;
        let caches = match memories {
            [] => None,
            _ => Some(self.remember(queries_and_keys, values, shape, layout, memories)?),
        };
        // Rows of the arrays as they are, or those of caches.
        let (key_stride, value_stride) = match caches {
            None => (queries_and_keys.columns, values.columns),
            Some(_) => (keys.count * width, keys.count * width),
        };
        let own_keys = Arg::Address(queries_and_keys.at(0, keys.first_column));
        let own_values = Arg::Address(values.at(0, shape.values.first_column));
        let caches_arg = Arg::Address(caches.as_ref().map_or(0, |caches| D::address(caches)));
        let group = Arg::Int((queries.count / keys.count) as u32);
        let sequences = Arg::Address(D::address(&layout.sequence_rows));
        let (name, shared) = match self.dtype {
            DType::F32 => ("attention_plain", 4 * (PLAIN_ROWS * width + 32 * (2 * width + 1))),
            DType::F16 | DType::BF16 => ("attention_tensor", 2 * 3 * TENSOR_ROWS * (width + 8)),
        };
        let launch = |name, width: usize, shared, args: &[Arg]| {
            let grid = Grid { width, height: queries.count, threads: 128, shared };
            let kernel = Kernel { name, module: Module::Attention(self.dtype, keys.width) };
            if width == 0 { Ok(()) } else { self.driver.launch(kernel, grid, args) }
        };
        launch(
            name,
            layout.tasks,
            shared,
            &[
                out.arg(),
                Arg::Address(queries_and_keys.at(0, queries.first_column)),
                Arg::Long(queries_and_keys.columns as u64),
                own_keys,
                Arg::Long(key_stride as u64),
                own_values,
                Arg::Long(value_stride as u64),
                caches_arg,
                Arg::Address(D::address(&layout.task_rows)),
                sequences,
                Arg::Address(D::address(&layout.first_key_numbers)),
                group,
                Arg::Float(shape.scale),
                Arg::Int(shape.window.map_or(0, |window| window.min(u32::MAX as usize) as u32)),
            ],
        )?;
        let blind = blind_rows(layout, memories);
        if !blind.is_empty() {
            let rows = self.send(blind.as_flattened(), u32::to_le_bytes)?;
            let rows = Arg::Address(D::address(&rows));
            let args = [out.arg(), own_values, Arg::Long(value_stride as u64), caches_arg, rows, sequences, group];
            launch("attention_mean", blind.len(), 0, &args)?;
        }
        Ok(out)
    }

    /// Appends keys and values to what is remembered, and tells where all of them lie: addresses and number.
    fn remember(
        &self,
        keys: &Array<D>,
        values: &Array<D>,
        shape: &AttentionShape,
        layout: &Layout<D>,
        memories: &mut [&mut Memory<D>],
    ) -> Result<D::Memory> {
        let width = shape.keys.count * shape.keys.width;
        let mut found = Vec::with_capacity(3 * memories.len());
        for (memory, rows) in memories.iter_mut().zip(&layout.sequences) {
            let count = memory.cache.as_ref().map_or(0, |cache| cache.count);
            let needed = count + rows.len();
            if memory.cache.as_ref().is_none_or(|cache| cache.keys.rows < needed) {
                let room = memory.rows(needed);
                let larger = |old: Option<&Array<D>>| {
                    let new = self.array(room, width)?;
                    old.map_or(Ok(()), |old| self.copy(old, (0, 0), count, width, new.address()))?;
                    Ok::<_, Error>(new)
                };
                let (old_keys, old_values) = memory.cache.as_ref().map(|cache| (&cache.keys, &cache.values)).unzip();
                let (keys, values) = (larger(old_keys)?, larger(old_values)?);
                memory.cache = Some(Cache { keys, values, count, heads: shape.keys });
            }
            let cache = memory.cache.as_mut().expect("room was made");
            self.copy(keys, (rows.start, shape.keys.first_column), rows.len(), width, cache.keys.at(count, 0))?;
            self.copy(values, (rows.start, shape.values.first_column), rows.len(), width, cache.values.at(count, 0))?;
            cache.count = needed;
            found.extend([cache.keys.address(), cache.values.address(), needed as u64]);
        }
        self.send_addresses(&found)
    }

    /// Lets a sequence without tokens remember what another does.
    pub(super) fn follow(&self, from: &Memory<D>, to: &mut Memory<D>) -> Result<()> {
        if let Some(Cache { keys, values, count, heads }) = &from.cache {
            let copy = |old: &Array<D>| {
                let new = self.array(to.rows(*count), old.columns)?;
                self.copy(old, (0, 0), *count, old.columns, new.address())?;
                Ok::<_, Error>(new)
            };
            let (keys, values) = (copy(keys)?, copy(values)?);
            to.cache = Some(Cache { keys, values, count: *count, heads: *heads });
        }
        // Rows are never written again: both may have them.
        to.before.clone_from(&from.before);
        Ok(())
    }

    /// What a layer remembers, head by head.
    pub(super) fn remembered(&self, memory: &Memory<D>) -> Result<Vec<(&'static str, Vec<f32>)>> {
        let mut found = Vec::new();
        if let Some(Cache { keys, values, count, heads }) = &memory.cache {
            for (name, array) in [("k_cache", keys), ("v_cache", values)] {
                let numbers = self.numbers(array)?;
                let head = |head: usize| {
                    let rows = numbers.chunks_exact(array.columns).take(*count);
                    rows.flat_map(move |row| &row[head * heads.width..][..heads.width])
                };
                found.push((name, (0..heads.count).flat_map(head).copied().collect()));
            }
        }
        if let Some(row) = &memory.before[0] {
            found.push(("lf_memory", self.numbers(row)?));
        }
        Ok(found)
    }
}

/// Rows that see no key, as tasks of one row.
fn blind_rows<D: Driver>(layout: &Layout<D>, memories: &[&mut Memory<D>]) -> Vec<[u32; 3]> {
    let mut blind = Vec::new();
    for (number, rows) in layout.sequences.iter().enumerate() {
        let count =
            memories.get(number).and_then(|memory| memory.cache.as_ref()).map_or(rows.len(), |cache| cache.count);
        let own = count - rows.len()..;
        let is_blind =
            |(_, own): &(usize, usize)| layout.first_keys[rows.start + own - (count - rows.len())] as usize > *own;
        blind.extend(rows.clone().zip(own).filter(is_blind).map(|(row, _)| [row as u32, 1, number as u32]));
    }
    blind
}
