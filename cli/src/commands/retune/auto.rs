//! `retune --auto`: thresholds by language, proposed from what the documents of a run measure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use indicatif::HumanCount;
use serde_json::{Value, json};
use yuan_filters::{EnglishThreshold, Language, ThresholdMethod, language_of_key, threshold_for};
use yuan_pipeline::{Check, Plan, Sample, Work};

use crate::hints::usage;
use crate::recipe::{Recipe, StageConfig, path_of, place_of};

/// Values looked at for each measure and language.
const VALUES: usize = 10_000;

/// A threshold as it is and as it is proposed.
pub struct Proposal {
    /// The step's name.
    pub step: String,
    /// The stage's place in the recipe.
    place: usize,
    pub language: String,
    pub setting: String,
    pub reason: &'static str,
    /// Documents of the language that have a value.
    pub documents: u64,
    pub old: f64,
    pub new: f64,
    /// The proposal as the setting takes it.
    value: Value,
    /// Fraction of them that the check drops by itself, before and after.
    pub dropped: [f64; 2],
}

impl Proposal {
    /// As `--set` takes it.
    pub fn change(&self) -> String {
        format!("{}.languages.{}.{}={}", self.step, self.language, self.setting, self.value)
    }

    fn drops_more_than_half(&self) -> bool {
        self.dropped[1] > 0.5
    }
}

/// What is proposed, and for what nothing is.
#[derive(Default)]
pub struct Proposals {
    pub all: Vec<Proposal>,
    /// Why languages, steps or settings have no proposal.
    pub notes: Vec<String>,
}

/// Proposes a threshold for every check that is on, in every language with enough documents, unless `set` has it.
///
/// # Errors
/// If the run keeps no measures.
pub fn propose(
    recipe: &Recipe,
    plan: &Plan,
    min_documents: u64,
    method: ThresholdMethod,
    set: &[String],
) -> anyhow::Result<Proposals> {
    let samples = yuan_pipeline::samples(plan, VALUES, &language_name)?;
    let mut of: BTreeMap<(&str, &str, &str), &Sample> = BTreeMap::new();
    // By step and language, the documents of the measure that most have.
    let mut documents: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for sample in &samples {
        of.insert((&sample.step, sample.measure, &sample.language), sample);
        let most = documents.entry((&sample.step, &sample.language)).or_default();
        *most = sample.documents.max(*most);
    }
    let needs_english = !matches!(method, ThresholdMethod::TenTail | ThresholdMethod::English);
    let mut all = Vec::new();
    let mut notes = Notes::default();
    for (place, (stage, step)) in recipe.stages.iter().zip(&plan.steps).enumerate() {
        let Work::Stage(work) = &step.work else { continue };
        let Some(rules) = work.tunable() else { continue };
        let of_step = documents.iter().filter(|((known, _), _)| *known == step.name);
        let languages: Vec<(&str, u64)> = of_step.map(|((_, language), documents)| (*language, *documents)).collect();
        if let Some(peer) = step.config["compat"].as_str().filter(|peer| *peer != "none")
            && !languages.iter().any(|(language, _)| !settings(stage, language).is_empty())
        {
            notes.add(format!("it follows `{peer}`, which has one set of thresholds for all languages"), &step.name);
            continue;
        }
        for (language, documents) in languages {
            if language_of_key(language).is_err() || language == "und" {
                notes.add("no language that is known".to_owned(), language);
                continue;
            }
            if documents < min_documents {
                notes.add(format!("fewer than {min_documents} documents (`--min-documents`)"), language);
                continue;
            }
            for (setting, check) in settings(stage, language) {
                let measured = &rules.measures()[check.measure];
                let measure = measured.name;
                let name = format!("{}.{setting}", step.name);
                let Some(sample) = of.get(&(&*step.name, measure, language)) else { continue };
                if rules.shaping_settings().contains(&&*setting) {
                    continue;
                }
                let own = [name.clone(), format!("{}.languages.{language}.{setting}", step.name)];
                if set.iter().any(|change| own.iter().any(|own| own == path_of(change))) {
                    notes.add("`--set` has it".to_owned(), &name);
                    continue;
                }
                if sample.documents < min_documents {
                    notes.add(
                        format!("fewer than {min_documents} documents have a value of it (`--min-documents`)"),
                        &name,
                    );
                    continue;
                }
                let english = of.get(&(&*step.name, measure, "en")).map_or(&[][..], |sample| sample.values.as_slice());
                if needs_english && (english.len() as u64) < min_documents {
                    let why = format!(
                        "this method starts from English, of which fewer than {min_documents} documents have a value (`--min-documents`)"
                    );
                    notes.add(why, &step.name);
                    continue;
                }
                let threshold = threshold_of(&rules.checks_of("en"), &check);
                let at = EnglishThreshold {
                    sample: english,
                    // A tenth is cut off without asking what English does; every other way starts from there.
                    threshold: match threshold {
                        Some(threshold) => threshold,
                        None if method == ThresholdMethod::TenTail => check.threshold,
                        None => {
                            notes.add("the check is off for English, from which this method starts".to_owned(), &name);
                            continue;
                        }
                    },
                    at_least: check.at_least,
                    unit: measured.unit,
                };
                let Some(new) = threshold_for(method, at, &sample.values) else {
                    notes.add("English documents do not vary in it, or mostly have 0".to_owned(), &name);
                    continue;
                };
                let value = as_setting(stage, &setting, &check, new);
                // What holds is what the stage makes of it.
                let Ok(changed) = with_setting(stage, language, &setting, &value) else { continue };
                let then = threshold_of(&checks(&changed, language).unwrap_or_default(), &check);
                let share = |threshold: f64| {
                    let check = Check { threshold, ..check };
                    let drops = sample.values.iter().filter(|value| check.fails_at(**value)).count();
                    drops as f64 / sample.values.len().max(1) as f64
                };
                all.push(Proposal {
                    step: step.name.clone(),
                    place,
                    language: language.to_owned(),
                    setting,
                    reason: check.reason,
                    documents: sample.documents,
                    old: check.threshold,
                    new: then.unwrap_or(0.0),
                    value,
                    dropped: [share(check.threshold), then.map_or(0.0, share)],
                });
            }
        }
    }
    Ok(Proposals { all, notes: notes.told() })
}

/// Reasons with what they hold for.
#[derive(Default)]
struct Notes(BTreeMap<String, BTreeSet<String>>);

impl Notes {
    fn add(&mut self, why: String, what: &str) {
        self.0.entry(why).or_default().insert(what.to_owned());
    }

    fn told(self) -> Vec<String> {
        let of_reason = |(why, what): (String, BTreeSet<String>)| {
            let names: Vec<String> = what.iter().take(12).map(|name| format!("`{name}`")).collect();
            let more = if what.len() > 12 { format!(" and {} more", what.len() - 12) } else { String::new() };
            format!("no proposal for {}{more}: {why}", names.join(", "))
        };
        self.0.into_iter().map(of_reason).collect()
    }
}

/// The language whose thresholds hold for documents named so; some rules add a kind of text: `zh/news`.
pub fn language_name(name: &str) -> String {
    let name = name.split('/').next().unwrap_or(name);
    Language::of_name(name).map_or_else(|| name.to_owned(), |language| language.code().to_owned())
}

/// A threshold as a setting takes it; 0 as a greatest value would turn the check off.
fn as_setting(stage: &StageConfig, setting: &str, check: &Check, threshold: f64) -> Value {
    let least = u64::from(!check.at_least);
    match &stage_settings(stage)[setting] {
        whole if whole.is_u64() => json!((threshold.round().max(0.0) as u64).max(least)),
        _ => json!(threshold),
    }
}

/// Languages that a threshold set for all does not hold for, as what is built in for them or the recipe says of them
/// goes before a default, with the threshold they keep.
pub fn unmoved(recipe: &Recipe, change: &str, languages: &[&str]) -> Vec<String> {
    let path: Vec<&str> = path_of(change).split('.').collect();
    let [step, setting] = path[..] else { return Vec::new() };
    let Some(place) = place_of(recipe.stages.iter().map(StageConfig::name), step) else { return Vec::new() };
    let stage = &recipe.stages[place];
    let value = stage_settings(stage)[setting].clone();
    let keeps = |language: &&str| {
        let forced = checks(&with_setting(stage, language, setting, &value).ok()?, language)?;
        let own = checks(stage, language)?;
        if own == forced {
            return None;
        }
        let moved = forced.iter().find(|check| threshold_of(&own, check) != Some(check.threshold))?;
        let kept = threshold_of(&own, moved).map_or_else(|| "off".to_owned(), shown);
        Some(format!("{language} ({kept})"))
    };
    languages.iter().filter(|language| language_of_key(language).is_ok()).filter_map(keeps).collect()
}

fn threshold_of(checks: &[Check], like: &Check) -> Option<f64> {
    let same = |check: &&Check| check.reason == like.reason && check.measure == like.measure;
    checks.iter().find(same).map(|check| check.threshold)
}

/// The checks that are on for a language, each with the setting that holds its threshold: the one that moves it.
fn settings(stage: &StageConfig, language: &str) -> Vec<(String, Check)> {
    let Some(base) = checks(stage, language) else { return Vec::new() };
    let config = stage_settings(stage);
    let mut found: Vec<(String, Check)> = Vec::new();
    for (name, value) in config.as_object().into_iter().flatten() {
        if !(name.starts_with("min_") || name.starts_with("max_")) || !value.is_number() {
            continue;
        }
        // A value that no setting has by itself.
        let probe = if value.is_f64() { json!(0.012_345_67) } else { json!(1_234_567) };
        let Ok(changed) = with_setting(stage, language, name, &probe) else { continue };
        let probed = checks(&changed, language).unwrap_or_default();
        let moved = base.iter().find(|check| threshold_of(&probed, check).is_some_and(|new| new != check.threshold));
        if let Some(check) = moved {
            found.push((name.clone(), *check));
        }
    }
    found
}

fn checks(stage: &StageConfig, language: &str) -> Option<Vec<Check>> {
    match stage {
        // Models need not be opened to know thresholds.
        StageConfig::FastText(config) => return Some(config.checks(language)),
        StageConfig::KenLm(config) => return Some(config.checks(language)),
        _ => {}
    }
    match stage.step(Path::new(""), Path::new(""), &[]).ok()?.work {
        Work::Stage(stage) => Some(stage.tunable()?.checks_of(language)),
        _ => None,
    }
}

fn stage_settings(stage: &StageConfig) -> Value {
    let stage = serde_json::to_value(stage).expect("settings are plain values");
    stage.as_object().and_then(|object| object.values().next()).cloned().unwrap_or_default()
}

/// The stage with a setting of one language changed.
fn with_setting(stage: &StageConfig, language: &str, name: &str, value: &Value) -> serde_json::Result<StageConfig> {
    let mut changed = serde_json::to_value(stage)?;
    changed[stage.name()]["languages"][language][name] = value.clone();
    serde_json::from_value(changed)
}

/// The recipe with all proposals in it.
///
/// # Errors
/// If a stage refuses a proposal.
pub fn applied(recipe: &Recipe, proposals: &[Proposal]) -> anyhow::Result<Recipe> {
    let mut recipe = recipe.clone();
    for proposal in proposals {
        let stage = &mut recipe.stages[proposal.place];
        *stage = with_setting(stage, &proposal.language, &proposal.setting, &proposal.value)
            .map_err(|error| usage(format!("`{}.languages.{}`: {error}", proposal.step, proposal.language), None))?;
    }
    Ok(recipe)
}

/// A threshold in a table.
fn shown(threshold: f64) -> String {
    if threshold == threshold.trunc() {
        format!("{threshold}")
    } else if threshold.abs() < 1e-3 {
        format!("{threshold:.1e}")
    } else {
        format!("{threshold:.4}")
    }
}

/// The proposals as a table, and why there are no others.
pub fn as_text(proposals: &Proposals) -> String {
    let mut out = String::new();
    let Proposals { all, notes } = proposals;
    if !all.is_empty() {
        out = format!(
            "{:<20} {:<9} {:<44} {:>9} {:>10} {:>10} {:>9} {:>9}\n",
            "step", "language", "setting", "documents", "threshold", "proposed", "dropped", "then"
        );
    }
    for proposal in all {
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{:<20} {:<9} {:<44} {:>9} {:>10} {:>10} {:>7.1} % {:>7.1} %{}",
            proposal.step,
            proposal.language,
            proposal.setting,
            HumanCount(proposal.documents).to_string(),
            shown(proposal.old),
            shown(proposal.new),
            100.0 * proposal.dropped[0],
            100.0 * proposal.dropped[1],
            if proposal.drops_more_than_half() { " !" } else { "" }
        );
    }
    if !all.is_empty() {
        out.push_str(
            "`dropped`, `then`: documents of the language that the check drops by itself, told from 10,000 of them\n",
        );
    }
    if all.iter().any(Proposal::drops_more_than_half) {
        out.push_str("warning: proposals marked `!` drop more than half of the documents of their language\n");
    }
    for note in notes {
        let _ = writeln!(out, "{note}");
    }
    out
}

/// The proposals as options of `run` and `retune`, one a line.
pub fn as_options(proposals: &Proposals) -> String {
    proposals.all.iter().map(|proposal| format!("--set {}\n", proposal.change())).collect()
}

pub fn as_json(proposals: &Proposals) -> Value {
    let rows = proposals.all.iter().map(|proposal| {
        json!({
            "step": proposal.step, "language": proposal.language, "setting": proposal.setting, "reason": proposal.reason,
            "documents": proposal.documents, "threshold": proposal.old, "proposed": proposal.new,
            "dropped_fraction": proposal.dropped[0], "proposed_dropped_fraction": proposal.dropped[1],
            "drops_more_than_half": proposal.drops_more_than_half(), "set": proposal.change(),
        })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_is_traced_to_the_setting_that_moves_it() {
        let stage = StageConfig::GopherQuality(Default::default());
        let found = settings(&stage, "zh");
        let names: Vec<(&str, &str)> = found.iter().map(|(name, check)| (name.as_str(), check.reason)).collect();
        assert!(names.contains(&("min_words", "too_few_words")));
        assert!(names.contains(&("max_mean_word_chars", "long_words")));
        assert!(names.contains(&("min_alphabetic_word_fraction", "too_few_alphabetic_words")));
        assert_eq!(names.len(), 10);
        let alphabetic = found.iter().find(|(name, _)| name == "min_alphabetic_word_fraction").expect("found");
        assert_eq!(alphabetic.1.threshold, 0.735, "the built-in value for Chinese");
    }

    #[test]
    fn a_greatest_value_stays_on_and_can_be_read() {
        let stage = StageConfig::GopherQuality(Default::default());
        let most = Check::at_most("too_many_words", 0, 9.0);
        assert_eq!(as_setting(&stage, "max_words", &most, 0.2), json!(1));
        assert_eq!([shown(1e-6), shown(24.0), shown(0.73512)], ["1.0e-6", "24", "0.7351"]);
    }

    #[test]
    fn a_default_gives_way_to_what_is_built_in_and_that_is_told() {
        let recipe = Recipe { stages: vec![StageConfig::GopherQuality(Default::default())], ..Recipe::default() };
        let of = |change| unmoved(&recipe, change, &["en", "zh", "xx"]);
        assert_eq!(of("gopher_quality.min_alphabetic_word_fraction=0.8"), ["zh (0.7350)"]);
        assert!(of("gopher_quality.min_words=50").is_empty());
    }

    #[test]
    fn proposals_become_settings_of_the_language() {
        let recipe = Recipe { stages: vec![StageConfig::GopherQuality(Default::default())], ..Recipe::default() };
        let proposal = |setting: &str, new| Proposal {
            step: "gopher_quality".into(),
            place: 0,
            language: "zh".into(),
            setting: setting.into(),
            reason: "too_few_words",
            documents: 1000,
            old: 50.0,
            new,
            value: as_setting(&recipe.stages[0], setting, &Check::at_least("too_few_words", 0, 50.0), new),
            dropped: [0.5, 0.1],
        };
        let proposals = [proposal("min_words", 23.6), proposal("min_alphabetic_word_fraction", 0.61)];
        assert_eq!(proposals[0].change(), "gopher_quality.languages.zh.min_words=24");
        let recipe = applied(&recipe, &proposals).expect("applied");
        let own = toml::to_string(&recipe).expect("TOML");
        assert!(own.contains("[stage.gopher_quality.languages.zh]"), "{own}");
        assert!(own.contains("min_words = 24") && own.contains("min_alphabetic_word_fraction = 0.61"), "{own}");
    }
}
