//! The page of a training: its curves in one HTML file that needs nothing else.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use indicatif::{HumanCount, HumanDuration};
use plotters::prelude::*;
use yuan_model::Config;
use yuan_model::config::Yuan;
use yuan_train::training::{EvaluationLine, HeldOut, Line};

use super::curves::{Curves, Value};
use super::recipe::TrainRecipe;
use crate::commands::write_whole;
use crate::report::{STYLE, chart_error, escape};

const INK: RGBColor = RGBColor(38, 50, 56);
/// Colours that are told apart on paper and by most eyes (Okabe & Ito 2008).
const COLOURS: [RGBColor; 7] = [
    RGBColor(38, 120, 110),
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// A curve with its name.
type Curve = (String, Vec<(f64, f64)>);

/// The page of a training.
pub struct Page {
    path: PathBuf,
    title: String,
    lead: String,
    recipe: String,
    steps: u64,
    curves: Curves,
}

impl Page {
    /// The page in a training's folder.
    pub fn new(out: &Path, recipe: &TrainRecipe, config: &Yuan, steps: u64) -> Self {
        let parameters = Config::Yuan(config.clone()).parameters();
        let experts =
            config.moe.as_ref().map_or_else(String::new, |moe| format!(", {} of {} experts", moe.top_k, moe.experts));
        let lead = format!(
            "{} parameters, {} for a token: {} layers of {}{experts}; yuan-data {}",
            HumanCount(parameters.total),
            HumanCount(parameters.active),
            config.layers,
            config.hidden_size,
            env!("CARGO_PKG_VERSION")
        );
        let title = crate::commands::run::name_of(out);
        Self {
            path: super::page_in(out),
            title,
            lead,
            recipe: recipe.to_toml().unwrap_or_default(),
            steps,
            curves: Curves::default(),
        }
    }

    /// Adds a line of the log.
    pub fn add(&mut self, line: &Line) {
        if let Line::Step(step) = line {
            self.curves.add(step);
        }
    }

    /// Writes it, with the evaluations there are; those of a set that had the name of one of these are left out.
    pub fn write(&self, evaluations: &[EvaluationLine], sets: &[Box<dyn HeldOut + '_>]) -> anyhow::Result<()> {
        let is_current =
            |line: &&EvaluationLine| sets.iter().all(|set| set.name() != line.evaluation || line.is_of(set.as_ref()));
        let page = self.page(&evaluations.iter().filter(is_current).collect::<Vec<_>>())?;
        Ok(write_whole(&self.path, page)?)
    }

    fn page(&self, evaluations: &[&EvaluationLine]) -> anyhow::Result<String> {
        let name = escape(&self.title);
        let mut out = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
             <title>{name}: yuan-data training</title><style>{STYLE}</style><h1>{name}</h1><p class=\"lead\">{}</p>",
            escape(&self.lead)
        );
        if let Some(last) = self.curves.last() {
            out.push_str("<div class=\"figures\">");
            let (loss, recent) = self.curves.recent();
            for (label, value) in [
                ("steps", format!("{} of {}", HumanCount(last.step), HumanCount(self.steps))),
                ("tokens", HumanCount(last.tokens).to_string()),
                (&format!("loss, last {recent} steps"), format!("{loss:.4}")),
                ("tokens a second", format!("{:.0}", last.tokens as f64 / last.seconds.max(1e-9))),
                ("of work", HumanDuration(std::time::Duration::from_secs_f64(last.seconds)).to_string()),
            ] {
                write!(out, "<div><b>{}</b>{label}</div>", escape(&value))?;
            }
            out.push_str("</div>");
        }
        held_out(&mut out, evaluations)?;
        if self.curves.steps() > 1 {
            charts(&mut out, &self.curves, evaluations)?;
        }
        routers(&mut out, &self.curves)?;
        writeln!(out, "<h2>Recipe</h2><pre><code>{}</code></pre></html>", escape(&self.recipe))?;
        Ok(out)
    }
}

/// The last evaluation of each set.
fn held_out(out: &mut String, evaluations: &[&EvaluationLine]) -> anyhow::Result<()> {
    if evaluations.is_empty() {
        return Ok(());
    }
    out.push_str(
        "<h2>Held out</h2><table><tr><th>set<th class=n>step<th class=n>documents<th class=n>tokens<th class=n>loss\
         <th class=n>perplexity<th class=n>bits a byte</tr>",
    );
    for name in names(evaluations) {
        let Some(found) = evaluations.iter().rev().find(|found| found.evaluation == name) else { continue };
        let number = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), |number| format!("{number:.4}"));
        write!(
            out,
            "<tr><td>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}</tr>",
            escape(name),
            HumanCount(found.step),
            HumanCount(found.documents),
            HumanCount(found.tokens),
            number(found.loss),
            number(found.perplexity),
            number(found.bits_per_byte)
        )?;
    }
    out.push_str("</table>");
    Ok(())
}

fn names<'e>(evaluations: &[&'e EvaluationLine]) -> Vec<&'e str> {
    let mut names: Vec<&str> = evaluations.iter().map(|found| found.evaluation.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn charts(out: &mut String, curves: &Curves, evaluations: &[&EvaluationLine]) -> anyhow::Result<()> {
    let curve = |name: &str, value| (name.to_owned(), curves.of(value));
    let by_set = |value: &dyn Fn(&EvaluationLine) -> Option<f64>| -> Vec<Curve> {
        let of = |name: &str| {
            let own = evaluations.iter().filter(|found| found.evaluation == name);
            own.filter_map(|found| Some((found.step as f64, value(found)?))).collect()
        };
        let all = names(evaluations).into_iter().map(|name| (name.to_owned(), of(name)));
        all.filter(|(_, points): &Curve| points.len() > 1).collect()
    };
    let loss = [vec![curve("trained on", Value::Loss)], by_set(&|found| found.loss)].concat();
    out.push_str("<h2>Loss</h2>");
    out.push_str(&line_chart("nats a token", &loss)?);
    let bits = by_set(&|found| found.bits_per_byte);
    if !bits.is_empty() {
        out.push_str("<h2>Bits a byte</h2>");
        out.push_str(&line_chart("held-out documents", &bits)?);
    }
    out.push_str("<h2>Optimizer</h2>");
    out.push_str(&line_chart("learning rate", &[curve("learning rate", Value::LearningRate)])?);
    out.push_str(&line_chart("length of the gradient, before clipping", &[curve("norm", Value::GradientNorm)])?);
    if curves.last().is_some_and(|step| !step.routers.is_empty()) {
        out.push_str("<h2>Routers</h2>");
        let evenness = [curve("mean of the layers", Value::Evenness), curve("least even layer", Value::LeastEven)];
        out.push_str(&line_chart("evenness: 1 where all experts see as many tokens", &evenness)?);
        let busiest = [curve("mean of the layers", Value::Busiest), curve("busiest of all", Value::BusiestOfAll)];
        out.push_str(&line_chart("tokens of the busiest expert, over the mean", &busiest)?);
    }
    out.push_str("<h2>Speed</h2>");
    out.push_str(&line_chart("tokens a second", &[curve("tokens a second", Value::Speed)])?);
    Ok(())
}

/// The routers of the last step, layer by layer.
fn routers(out: &mut String, curves: &Curves) -> anyhow::Result<()> {
    let Some(last) = curves.last().filter(|step| !step.routers.is_empty()) else { return Ok(()) };
    out.push_str(
        "<table><tr><th>layer, last step<th class=n>evenness<th class=n>busiest<th class=n>entropy of a choice, nats</tr>",
    );
    for (layer, router) in last.routers.iter().enumerate() {
        write!(
            out,
            "<tr><td>{layer}<td class=n>{:.3}<td class=n>{:.2}<td class=n>{:.3}</tr>",
            router.evenness, router.busiest, router.entropy
        )?;
    }
    out.push_str("</table>");
    Ok(())
}

/// Curves over steps, each with its name at its end.
fn line_chart(caption: &str, curves: &[Curve]) -> anyhow::Result<String> {
    let points = || curves.iter().flat_map(|(_, points)| points).filter(|point| point.1.is_finite());
    let fold = |with: fn(f64, f64) -> f64, of: fn(&(f64, f64)) -> f64| points().map(of).reduce(with).unwrap_or(0.0);
    let (left, right) = (fold(f64::min, |point| point.0), fold(f64::max, |point| point.0));
    let (low, high) = (fold(f64::min, |point| point.1), fold(f64::max, |point| point.1));
    let room = if high > low { 0.06 * (high - low) } else { low.abs().max(1e-9) * 0.1 };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (900, 300)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .margin_right(30)
            .caption(caption, ("sans-serif", 15).into_font().color(&INK))
            .x_label_area_size(32)
            .y_label_area_size(64)
            .build_cartesian_2d(left..right.max(left + 1.0), low - room..high + room)
            .map_err(chart_error)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_label_formatter(&|step| HumanCount(*step as u64).to_string())
            .y_label_formatter(&|value| number(*value, high - low + 2.0 * room))
            .x_desc("step")
            .label_style(("sans-serif", 12))
            .draw()
            .map_err(chart_error)?;
        for (place, (name, points)) in curves.iter().enumerate() {
            let style = COLOURS[place % COLOURS.len()].stroke_width(2);
            let points: Vec<(f64, f64)> = points.iter().copied().filter(|point| point.1.is_finite()).collect();
            let drawn = chart.draw_series([PathElement::new(points, style)]).map_err(chart_error)?;
            drawn.label(name).legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style));
        }
        if curves.len() > 1 {
            let labels = &mut chart.configure_series_labels();
            labels
                .position(SeriesLabelPosition::UpperRight)
                .background_style(WHITE.mix(0.8))
                .label_font(("sans-serif", 12));
            labels.draw().map_err(chart_error)?;
        }
        area.present().map_err(chart_error)?;
    }
    Ok(svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{}\" ", escape(caption)), 1))
}

/// A number with as many digits as tell it from others of an axis of this range.
fn number(value: f64, range: f64) -> String {
    match range {
        _ if range >= 20.0 => format!("{value:.0}"),
        _ if range >= 0.02 => format!(
            "{value:.*}",
            if range >= 2.0 {
                1
            } else if range >= 0.2 {
                2
            } else {
                3
            }
        ),
        _ if value.abs() < range * 1e-6 => "0".to_owned(),
        _ => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_the_digits_their_axis_needs() {
        let labels = [(12_345.6, 900.0), (5.25, 3.0), (5.25, 1.2), (0.985, 0.03), (5e-4, 1e-3), (1e-19, 1e-3)];
        let labels = labels.map(|(value, range)| number(value, range));
        assert_eq!(labels, ["12346", "5.2", "5.25", "0.985", "5.0e-4", "0"]);
    }

    #[test]
    fn a_curve_that_is_flat_or_a_point_can_be_drawn() {
        for points in [vec![(1.0, 0.0)], vec![(1.0, 3.0), (2.0, 3.0)], vec![(1.0, f64::NAN), (2.0, 1e-9)]] {
            let svg = line_chart("a & b", &[("x".to_owned(), points)]).expect("a chart");
            assert!(svg.starts_with("<svg role=\"img\" aria-label=\"a &amp; b\""), "{svg}");
        }
    }
}
