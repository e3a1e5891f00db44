//! From a recipe to the stretches of its phases.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::Ordering;

use super::inputs::{Inputs, Seen};
use super::plan::{Amount, Plan, ratio};
use super::recipe::{Kind, Mix, OTHERS, wrong};
use super::shares::{self, Table};
use super::slice::{Groups, is_of, language_of};
use super::stretch::{Border, Size, Stretches};
use crate::pass::DTypeChoice;
use crate::work::Job;
use crate::{About, DType, Error, Result, shuffle_key};

/// Walks over all documents that a plan can take.
const WALKS: u64 = 4;

/// Times that a document may come: each is a look at its key, and more than anybody wants.
const MOST_EPOCHS: u64 = 10_000;

/// A recipe, its sets, and the stretches that its phases take.
pub struct Mixture {
    pub(super) mix: Mix,
    pub(super) inputs: Inputs,
    pub(super) groups: Groups,
    /// Ends of the phases: `[sources][groups][phases]`.
    borders: Table<Vec<Border>>,
    pub(super) plan: Plan,
}

/// Sizes by language, for each source, and documents that belong to two.
pub(super) struct Sizes {
    pub sources: Vec<HashMap<String, Size>>,
    pub overlaps: BTreeMap<(usize, usize), u64>,
}

/// Amounts of each phase and source, by language: `[phases][sources]`.
pub(super) type Taken = Vec<Vec<HashMap<String, Amount>>>;

/// What a plan is made of.
pub(super) struct Found {
    pub by_language: Sizes,
    /// `[sources][groups]`.
    pub sizes: Table<Size>,
    /// For each phase, `[sources][groups]`.
    pub targets: Vec<Table<u64>>,
    /// Ends and tokens of the phases, `[sources][groups][phases]`.
    pub ends: Table<Vec<(Border, u64)>>,
}

/// No source comes more often than makes sense.
fn not_without_end(mix: &Mix, sizes: &Table<Size>, targets: &[Table<u64>]) -> Result<()> {
    for (place, (source, sizes)) in mix.sources.iter().zip(sizes).enumerate() {
        for (group, size) in sizes.iter().enumerate() {
            let asked = targets.iter().map(|of| u128::from(of[place][group])).sum::<u128>();
            if asked > u128::from(size.tokens) * u128::from(MOST_EPOCHS) {
                let problem = format!("documents of `{}` would come more than {MOST_EPOCHS} times", source.name);
                return Err(wrong(format!("source.{place}.name"), problem)
                    .hinting("ask for fewer of its tokens, or give it more documents"));
            }
        }
    }
    Ok(())
}

impl Mixture {
    /// Opens the sets of a recipe and finds out what each phase takes. Memory: some hundred KiB for each sequence and phase.
    ///
    /// # Errors
    /// [`Error::Recipe`] if it asks for what cannot be done, and if sets cannot be read or do not fit each other.
    pub fn prepare(mix: Mix, job: &Job<'_>) -> Result<Self> {
        mix.check()?;
        let inputs = Inputs::open(&mix)?;
        job.progress.start("plan", WALKS * inputs.documents());
        let by_language = sizes(&mix, &inputs, job)?;
        if let Some(place) = by_language.sources.iter().position(HashMap::is_empty) {
            let source = &mix.sources[place];
            let hint = match source.is_slice() {
                true => "look at its `languages`, `sources` and `ids`: they are columns of `PREFIX.documents.parquet`",
                false => "leave it out",
            };
            let problem = format!("source `{}` has no document with tokens", source.name);
            return Err(wrong(format!("source.{place}.name"), problem).hinting(hint));
        }
        let languages: BTreeSet<&str> = by_language.sources.iter().flatten().map(|(language, _)| &**language).collect();
        let groups = Groups::new(languages.into_iter(), &mix.phases);
        let mut sizes = vec![vec![Size::default(); groups.names.len()]; mix.sources.len()];
        for (sizes, of) in sizes.iter_mut().zip(&by_language.sources) {
            of.iter().for_each(|(language, size)| sizes[groups.of_language[language]].add(*size));
        }
        let targets: Vec<Table<u64>> = (mix.phases.iter().enumerate())
            .map(|(place, phase)| shares::targets(place, phase, &mix.sources, &groups, &sizes))
            .collect::<Result<_>>()?;
        not_without_end(&mix, &sizes, &targets)?;
        let ends = ends(&mix, &inputs, &groups, &sizes, &targets, job)?;
        not_repeated(&mix, &groups, &sizes, &ends)?;
        let borders =
            ends.iter().map(|of| of.iter().map(|of| of.iter().map(|(border, _)| *border).collect()).collect());
        let dtype = match mix.output.dtype {
            DTypeChoice::Auto => inputs.dtype,
            DTypeChoice::U16 => DType::U16,
            DTypeChoice::I32 => DType::I32,
        };
        let plan = Plan { dtype, sources: Vec::new(), phases: Vec::new(), warnings: Vec::new() };
        let mut mixture = Self { borders: borders.collect(), mix, inputs, groups, plan };
        let taken = mixture.taken(job)?;
        mixture.tell(&Found { by_language, sizes, targets, ends }, taken);
        mixture.check_blends()?;
        Ok(mixture)
    }

    /// What it comes to.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Hands the phases and epochs to `take` in which a document of a source comes.
    pub(super) fn copies(&self, source: usize, about: &About<'_>, number: u64, mut take: impl FnMut(usize, u64)) {
        let is_start = |border: &Border| (border.key, border.number) == (0, 0);
        let Some(group) = self.groups.of_language.get(language_of(about)) else { return };
        let mut start = Border::default();
        for (phase, end) in self.borders[source][*group].iter().enumerate() {
            for epoch in start.epoch..=end.epoch {
                // Whole epochs need no key.
                let all = epoch < end.epoch && (epoch > start.epoch || is_start(&start));
                let none = start == *end || epoch == end.epoch && is_start(end);
                let is_inside = || {
                    let at = Border { epoch, key: shuffle_key(self.mix.seed, about, epoch), number };
                    start <= at && at < *end
                };
                if !none && (all || is_inside()) {
                    take(phase, epoch);
                }
            }
            start = *end;
        }
    }

    /// What each phase takes, counted document by document.
    fn taken(&self, job: &Job<'_>) -> Result<Taken> {
        let new = || vec![vec![HashMap::new(); self.mix.sources.len()]; self.mix.phases.len()];
        let tallies = self.inputs.walk(job, new, |taken: &mut Taken, seen| {
            for source in sources_of(&self.mix, seen) {
                self.copies(source, &seen.about, seen.number, |phase, _| {
                    let amount = Amount { documents: 1, tokens: seen.tokens };
                    named(&mut taken[phase][source], language_of(&seen.about)).add(amount);
                });
            }
        })?;
        let mut all = new();
        for tally in tallies {
            for (all, of) in all.iter_mut().flatten().zip(tally.iter().flatten()) {
                of.iter().for_each(|(language, amount)| named(all, language).add(*amount));
            }
        }
        Ok(all)
    }

    /// ` of zh`, where languages are told apart.
    pub(super) fn of_group(&self, group: usize) -> String {
        of_group(&self.groups, group)
    }
}

/// The sources that a document belongs to.
fn sources_of<'a>(mix: &'a Mix, seen: &'a Seen<'_>) -> impl Iterator<Item = usize> + Clone + 'a {
    seen.sources.iter().copied().filter(|source| is_of(&mix.sources[*source], &seen.about))
}

/// A value under a name, made if it is not there.
pub(super) fn named<'m, V: Default>(map: &'m mut HashMap<String, V>, name: &str) -> &'m mut V {
    if !map.contains_key(name) {
        map.insert(name.to_owned(), V::default());
    }
    map.get_mut(name).expect("it was just made")
}

/// The first walk: what there is.
fn sizes(mix: &Mix, inputs: &Inputs, job: &Job<'_>) -> Result<Sizes> {
    let new = || Sizes { sources: vec![HashMap::new(); mix.sources.len()], overlaps: BTreeMap::new() };
    let tallies = inputs.walk(job, new, |sizes, seen| {
        let size = Size { documents: 1, tokens: seen.tokens, longest: seen.tokens };
        for (place, source) in sources_of(mix, seen).enumerate() {
            named(&mut sizes.sources[source], language_of(&seen.about)).add(size);
            sources_of(mix, seen)
                .take(place)
                .for_each(|other| *sizes.overlaps.entry((other, source)).or_default() += 1);
        }
    })?;
    Ok(tallies.into_iter().fold(new(), |mut all, tally| {
        for (all, of) in all.sources.iter_mut().zip(&tally.sources) {
            of.iter().for_each(|(language, size)| named(all, language).add(*size));
        }
        tally.overlaps.into_iter().for_each(|(pair, documents)| *all.overlaps.entry(pair).or_default() += documents);
        all
    }))
}

/// The second and third walk, where borders lie within epochs: ends and tokens of the phases, `[sources][groups][phases]`.
fn ends(
    mix: &Mix,
    inputs: &Inputs,
    groups: &Groups,
    sizes: &Table<Size>,
    targets: &[Table<u64>],
    job: &Job<'_>,
) -> Result<Table<Vec<(Border, u64)>>> {
    let changed = || Error::Recipe {
        setting: "source".into(),
        problem: "a token set has changed while it was read".into(),
        hint: Some("run the same command again when nobody writes there".into()),
    };
    let new = |source: usize, group: usize| {
        Stretches::new(sizes[source][group], targets.iter().map(|of| of[source][group]).collect())
    };
    let all = 0..groups.names.len();
    let mut stretches: Table<Stretches> =
        (0..mix.sources.len()).map(|source| all.clone().map(|group| new(source, group)).collect()).collect();
    let each = |stretches: &Table<Stretches>, seen: &Seen<'_>, then: &dyn Fn(&Stretches, u64, u64)| {
        for source in sources_of(mix, seen) {
            let Some(group) = groups.of_language.get(language_of(&seen.about)) else { continue };
            let of = &stretches[source][*group];
            of.epochs().for_each(|epoch| then(of, epoch, shuffle_key(mix.seed, &seen.about, epoch)));
        }
    };
    if stretches.iter().flatten().any(|of| of.epochs().next().is_some()) {
        inputs.walk(
            job,
            || (),
            |(), seen| {
                each(&stretches, seen, &|of, epoch, key| of.count(epoch, key, seen.tokens));
            },
        )?;
        stretches.iter_mut().flatten().for_each(Stretches::counted);
        inputs.walk(
            job,
            || (),
            |(), seen| {
                each(&stretches, seen, &|of, epoch, key| of.note(epoch, key, seen.number, seen.tokens));
            },
        )?;
    } else {
        job.progress.done.fetch_add(2 * inputs.documents(), Ordering::Relaxed);
    }
    let ends = stretches.into_iter().map(|of| of.into_iter().map(Stretches::borders).collect::<Option<_>>());
    ends.collect::<Option<_>>().ok_or_else(changed)
}

/// Whether dynamic sources are taken once at most.
fn not_repeated(mix: &Mix, groups: &Groups, sizes: &Table<Size>, ends: &Table<Vec<(Border, u64)>>) -> Result<()> {
    for (place, source) in mix.sources.iter().enumerate().filter(|(_, source)| source.kind == Kind::Dynamic) {
        for (group, ends) in ends[place].iter().enumerate() {
            let tokens: u64 = ends.iter().map(|(_, tokens)| tokens).sum();
            let has = sizes[place][group].tokens;
            if tokens > has {
                let of = of_group(groups, group);
                let problem = format!(
                    "source `{}` is dynamic and has {has} tokens{of}: the phases take {tokens}, {:.2} times all of it",
                    source.name,
                    ratio(tokens, has)
                );
                return Err(wrong(format!("source.{place}.kind"), problem).hinting(
                    "lower its share or the phases' tokens, add sets to it, or let it be repeated: `kind = \"static\"`",
                ));
            }
        }
    }
    Ok(())
}

/// ` of zh`, where languages are told apart.
fn of_group(groups: &Groups, group: usize) -> String {
    match groups.names[group].as_str() {
        _ if groups.names.len() == 1 => String::new(),
        OTHERS => " of other languages".into(),
        language => format!(" of `{language}`"),
    }
}
