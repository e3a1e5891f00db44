//! Hands work units to workers, whichever file they come from.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};

use crate::input::{Input, OnBadRecord, Shard};
use crate::manifest::UnitRow;
use crate::read::{self, Payload, SetAside, ShardReader, Start, Unit};
use crate::{Error, Result};

/// Where a sweep's units come from.
pub(crate) trait Feed: Sync {
    /// The next unit that is not done yet; waits while others cut one. `None` at the end.
    fn next(&self) -> Result<Option<Unit>>;
    /// Calls `found` for each input file whose number of units became known since the last call.
    fn totals(&self, found: &mut dyn FnMut(u32, u32) -> Result<()>) -> Result<()>;
}

/// The input files, several of them open at a time.
pub(crate) struct InputFeed<'a> {
    shards: &'a [Shard],
    input: &'a Input,
    oversize: PathBuf,
    done: Vec<HashSet<u32>>,
    starts: Vec<Start>,
    stop: &'a AtomicBool,
    state: Mutex<State>,
    returned: Condvar,
}

struct State {
    slots: Vec<Slot>,
    /// Shards before this one are exhausted.
    first: usize,
    totals: Vec<(u32, u32)>,
    /// Units cut so far from each shard.
    cut: Vec<u32>,
}

enum Slot {
    Unopened,
    Idle(Box<dyn ShardReader>),
    Busy,
    Exhausted,
}

impl<'a> InputFeed<'a> {
    /// A feed of what is not in `done`.
    pub(crate) fn new(
        shards: &'a [Shard],
        input: &'a Input,
        done: &[UnitRow],
        totals: &[Option<u32>],
        oversize: PathBuf,
        stop: &'a AtomicBool,
    ) -> Self {
        let mut done_units = vec![HashSet::new(); shards.len()];
        let mut starts = vec![Start::default(); shards.len()];
        for unit in done {
            let shard = unit.shard as usize;
            done_units[shard].insert(unit.unit);
            // The unbroken run of finished units from the front need not be read again, where a file can be
            // entered in its middle.
            if starts[shard].index == unit.unit && unit.end > 0 {
                starts[shard] = Start { index: unit.unit + 1, row: unit.next_row, offset: unit.end };
            }
        }
        let slots = (0..shards.len())
            .map(|shard| match totals.get(shard).copied().flatten() {
                Some(total) if total as usize == done_units[shard].len() => Slot::Exhausted,
                _ => Slot::Unopened,
            })
            .collect();
        let state = Mutex::new(State { slots, first: 0, totals: Vec::new(), cut: vec![0; shards.len()] });
        Self { shards, input, oversize, done: done_units, starts, stop, state, returned: Condvar::new() }
    }

    fn cut(&self, shard: usize, slot: Slot) -> Result<(Slot, Option<Unit>)> {
        let number = shard as u32;
        let opened = match slot {
            Slot::Idle(reader) => Ok(reader),
            _ => read::open(&self.shards[shard], number, self.input, self.starts[shard], Some(self.oversize.clone())),
        };
        let unreadable = |reason: String| Unit {
            shard: number,
            index: 0,
            first_row: 0,
            end: 0,
            next_row: 1,
            weight: 0,
            input_bytes: self.shards[shard].bytes,
            payload: Payload::Lines(Vec::new()),
            set_aside: vec![SetAside { row: 0, reason, bytes: Vec::new(), file: None }],
        };
        let mut reader = match opened {
            Ok(reader) => reader,
            // A file that cannot be opened as what it is counts as one record.
            Err(Error::Input { problem, .. }) if self.input.on_bad_record == OnBadRecord::SetAside => {
                self.note_end(number, 1);
                let unit = (!self.done[shard].contains(&0)).then(|| unreadable(problem));
                return Ok((Slot::Exhausted, unit));
            }
            Err(error) => return Err(error),
        };
        let mut units = self.starts[shard].index;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok((Slot::Idle(reader), None));
            }
            match reader.next_unit()? {
                None => {
                    units = units.max(self.done[shard].iter().max().map_or(0, |last| last + 1));
                    self.note_end(number, units);
                    return Ok((Slot::Exhausted, None));
                }
                Some(unit) if unit.next_row > u64::from(u32::MAX) => {
                    let problem = "it has more than 2³² records, which a `doc_id` cannot number: split it";
                    return Err(Error::Plan {
                        problem: format!("`{}`: {problem}", self.shards[shard].path.display()),
                        hint: None,
                    });
                }
                Some(unit) if self.done[shard].contains(&unit.index) => units = unit.index + 1,
                Some(unit) => {
                    self.note_cut(number, unit.index + 1);
                    return Ok((Slot::Idle(reader), Some(unit)));
                }
            }
        }
    }

    /// A unit was cut: the shard has at least so many.
    fn note_cut(&self, shard: u32, units: u32) {
        let mut state = self.state.lock().expect("no holder of the feed panics");
        state.cut[shard as usize] = state.cut[shard as usize].max(units);
    }

    fn note_end(&self, shard: u32, units: u32) {
        let mut state = self.state.lock().expect("no holder of the feed panics");
        let units = units.max(state.cut[shard as usize]);
        state.totals.push((shard, units));
    }
}

impl Feed for InputFeed<'_> {
    fn next(&self) -> Result<Option<Unit>> {
        let mut state = self.state.lock().expect("no holder of the feed panics");
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            while matches!(state.slots.get(state.first), Some(Slot::Exhausted)) {
                state.first += 1;
            }
            let first = state.first;
            let free =
                (first..state.slots.len()).find(|shard| matches!(state.slots[*shard], Slot::Idle(_) | Slot::Unopened));
            let Some(shard) = free else {
                if first == state.slots.len() {
                    return Ok(None);
                }
                state = self.returned.wait(state).expect("no holder of the feed panics");
                continue;
            };
            let slot = std::mem::replace(&mut state.slots[shard], Slot::Busy);
            drop(state);
            let cut = self.cut(shard, slot);
            state = self.state.lock().expect("no holder of the feed panics");
            let unit = match cut {
                Ok((slot, unit)) => {
                    state.slots[shard] = slot;
                    Ok(unit)
                }
                Err(error) => {
                    state.slots[shard] = Slot::Exhausted;
                    Err(error)
                }
            };
            self.returned.notify_all();
            match unit {
                Ok(None) => {}
                other => return other,
            }
        }
    }

    fn totals(&self, found: &mut dyn FnMut(u32, u32) -> Result<()>) -> Result<()> {
        let totals = std::mem::take(&mut self.state.lock().expect("no holder of the feed panics").totals);
        totals.into_iter().try_for_each(|(shard, units)| found(shard, units))
    }
}

/// The files that the sweep before this one left, in input order.
pub(crate) struct WorkFeed<'a> {
    units: Vec<(u32, u32, PathBuf, u64)>,
    next: Mutex<usize>,
    stop: &'a AtomicBool,
}

impl<'a> WorkFeed<'a> {
    pub(crate) fn new(units: Vec<(u32, u32, PathBuf, u64)>, stop: &'a AtomicBool) -> Self {
        Self { units, next: Mutex::new(0), stop }
    }
}

impl Feed for WorkFeed<'_> {
    fn next(&self) -> Result<Option<Unit>> {
        if self.stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut next = self.next.lock().expect("no holder of the feed panics");
        let Some((shard, index, path, bytes)) = self.units.get(*next) else { return Ok(None) };
        *next += 1;
        Ok(Some(Unit {
            shard: *shard,
            index: *index,
            first_row: 0,
            end: 0,
            next_row: 0,
            weight: 4 * bytes,
            input_bytes: *bytes,
            payload: Payload::Work(path.clone()),
            set_aside: Vec::new(),
        }))
    }

    fn totals(&self, _: &mut dyn FnMut(u32, u32) -> Result<()>) -> Result<()> {
        Ok(())
    }
}
