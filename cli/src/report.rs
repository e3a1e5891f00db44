//! The report of a run: one HTML page that needs nothing else and reads well on paper.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use indicatif::{HumanBytes, HumanCount};
use plotters::prelude::*;
use yuan_pipeline::{SampleSummary, Summary, Tally};

use crate::commands::write_whole;
use crate::evaluation;

const INK: RGBColor = RGBColor(38, 50, 56);
const KEPT: RGBColor = RGBColor(38, 120, 110);
const READ: RGBColor = RGBColor(178, 197, 194);
/// The style of pages.
pub const STYLE: &str = "
body{font:16px/1.5 system-ui,'Noto Sans','Noto Sans CJK SC',sans-serif;color:#263238;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.7rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #cfd8dc}
table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #eceff1;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.lead{color:#546e7a}.figures{display:flex;flex-wrap:wrap;gap:2rem;margin:1rem 0}.figures b{display:block;font-size:1.5rem}
details{margin:.4rem 0}summary{cursor:pointer}blockquote{margin:.4rem 0 .8rem;padding:.3rem .8rem;border-left:3px solid #b2c5c2;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem}
ul.warnings{color:#b23c17}label{color:#263238;cursor:pointer}
code{font-size:.85em;overflow-wrap:anywhere}svg{width:100%;height:auto}
@media print{body{margin:0;max-width:none;font-size:11px}h2{break-after:avoid}svg,table,blockquote{break-inside:avoid}}
";

/// Writes the page and gives its path.
pub fn write(summary: &Summary, path: &Path) -> anyhow::Result<PathBuf> {
    write_whole(path, page(summary)?)?;
    Ok(path.to_path_buf())
}

fn page(summary: &Summary) -> anyhow::Result<String> {
    let mut out = String::new();
    let name = summary.folder.file_name().map_or_else(|| "run".into(), |name| name.to_string_lossy());
    let name = escape(&name);
    let tokens: u64 = summary
        .steps
        .iter()
        .filter(|step| step.name.starts_with("tokenize"))
        .map(|step| step.tally("tokens").bytes)
        .sum();
    let seconds: f64 = summary.sweep_seconds.iter().sum();
    write!(
        out,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{name}: yuan-data report</title><style>{STYLE}</style><h1>{name}</h1><p class=\"lead\">yuan-data {}, {} input files, {}{}</p>",
        env!("CARGO_PKG_VERSION"),
        HumanCount(summary.inputs.documents),
        HumanBytes(summary.inputs.bytes),
        if summary.finished { "" } else { " — not finished" },
    )?;
    out.push_str("<div class=\"figures\">");
    let mut figure = |label: &str, value: String| write!(out, "<div><b>{value}</b>{label}</div>");
    figure("documents read", HumanCount(summary.read.documents).to_string())?;
    figure("documents kept", HumanCount(summary.kept.documents).to_string())?;
    figure("of the text kept", format!("{:.1} %", percent(summary.kept.bytes, summary.read.bytes)))?;
    if tokens > 0 {
        figure("tokens", HumanCount(tokens).to_string())?;
        figure("bytes a token", format!("{:.2}", summary.kept.bytes as f64 / tokens as f64))?;
    }
    figure("seconds", format!("{seconds:.1}"))?;
    figure("MB of text a second", format!("{:.1}", summary.read.bytes as f64 / 1e6 / seconds.max(1e-3)))?;
    out.push_str("</div>");
    warnings(&mut out, summary)?;
    funnel(&mut out, summary)?;
    reasons(&mut out, summary)?;
    copies(&mut out, summary)?;
    evaluation::html(&mut out, summary)?;
    languages(&mut out, summary)?;
    lengths(&mut out, summary)?;
    times(&mut out, summary)?;
    samples(&mut out, summary)?;
    files(&mut out, summary)?;
    settings(&mut out, summary)?;
    out.push_str("</html>\n");
    Ok(out)
}

pub fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn funnel(out: &mut String, summary: &Summary) -> anyhow::Result<()> {
    let mut left = summary.read;
    let mut bars = vec![("read".to_owned(), left.documents as f64)];
    out.push_str("<h2>Funnel</h2>");
    let mut rows = String::new();
    let mut row = |name: &str, dropped: &Tally, left: &Tally| {
        write!(
            rows,
            "<tr><td>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{:.1} %</tr>",
            escape(name),
            HumanCount(dropped.documents),
            HumanCount(left.documents),
            HumanBytes(left.bytes),
            percent(left.documents, summary.read.documents)
        )
    };
    row("read", &Tally::default(), &left)?;
    let set_aside: u64 = summary.set_aside.iter().map(|(_, tally)| tally.documents).sum();
    if set_aside > 0 {
        left.documents -= set_aside;
        row("set aside (no documents)", &Tally { documents: set_aside, bytes: 0 }, &left)?;
    }
    for step in &summary.steps {
        let dropped = step.dropped_total();
        if dropped.documents > 0 {
            left.documents -= dropped.documents;
            left.bytes = left.bytes.saturating_sub(dropped.bytes);
            row(&step.name, &dropped, &left)?;
            bars.push((step.name.clone(), left.documents as f64));
        }
    }
    out.push_str(&bar_chart(&bars, "documents left after each step", |value| HumanCount(value as u64).to_string())?);
    write!(
        out,
        "<table><tr><th>step<th class=n>documents out<th class=n>left<th class=n>text left<th class=n>of all</tr>{rows}</table>"
    )?;
    Ok(())
}

fn reasons(out: &mut String, summary: &Summary) -> anyhow::Result<()> {
    if summary.steps.iter().all(|step| step.dropped.is_empty()) && summary.set_aside.is_empty() {
        return Ok(());
    }
    out.push_str("<h2>Why documents were dropped</h2><table><tr><th>step<th>reason<th class=n>documents<th class=n>text<th class=n>of all read</tr>");
    let mut row = |step: &str, reason: &str, tally: &Tally| {
        write!(
            out,
            "<tr><td>{}<td><code>{}</code><td class=n>{}<td class=n>{}<td class=n>{:.2} %</tr>",
            escape(step),
            escape(reason),
            HumanCount(tally.documents),
            HumanBytes(tally.bytes),
            percent(tally.documents, summary.read.documents)
        )
    };
    summary.set_aside.iter().try_for_each(|(reason, tally)| row("set aside", reason, tally))?;
    for step in &summary.steps {
        step.dropped.iter().try_for_each(|(reason, tally)| row(&step.name, reason, tally))?;
    }
    out.push_str("</table>");
    Ok(())
}

/// What each way of linking documents that are alike would drop, and how large clusters are.
fn copies(out: &mut String, summary: &Summary) -> anyhow::Result<()> {
    for step in &summary.steps {
        if let Some(cut) = crate::summary::cut(step) {
            write!(out, "<h2>Repeats: <code>{}</code></h2><p>{}.</p>", escape(&step.name), escape(&cut))?;
        }
        let of_kind = |wanted: &'static str| step.tallies.iter().filter(move |(kind, _, _)| kind == wanted);
        if of_kind("linkage").next().is_some() {
            write!(
                out,
                "<h2>Documents that are alike: <code>{}</code></h2><table><tr><th>linked<th class=n>documents that go</tr>",
                escape(&step.name)
            )?;
            for (_, key, tally) in of_kind("linkage") {
                let how = match key.as_str() {
                    "star" => "star: alike to the one that is kept",
                    "components" => "components: a chain of documents that are alike leads there",
                    _ => "not compared: whatever shares a band",
                };
                write!(out, "<tr><td>{how}<td class=n>{}</tr>", HumanCount(tally.documents))?;
            }
            out.push_str("</table>");
        }
        let mut sizes: Vec<(u64, &str, u64)> = of_kind("cluster_size")
            .filter_map(|(_, key, tally)| Some((key.split('-').next()?.parse().ok()?, key.as_str(), tally.documents)))
            .collect();
        sizes.sort_unstable();
        if !sizes.is_empty() {
            let bars: Vec<(String, f64)> =
                sizes.iter().map(|(_, size, clusters)| (format!("{size} documents"), *clusters as f64)).collect();
            out.push_str(&bar_chart(&bars, "clusters by size", |value| HumanCount(value as u64).to_string())?);
        }
    }
    Ok(())
}

fn languages(out: &mut String, summary: &Summary) -> anyhow::Result<()> {
    if summary.languages.is_empty() {
        return Ok(());
    }
    out.push_str("<h2>Languages kept</h2>");
    let bars: Vec<(String, f64)> =
        summary.languages.iter().take(20).map(|(language, tally)| (language.clone(), tally.bytes as f64)).collect();
    out.push_str(&bar_chart(&bars, "text by language", |value| HumanBytes(value as u64).to_string())?);
    if summary.languages.len() > 20 {
        let rest: Vec<String> = summary.languages[20..]
            .iter()
            .map(|(language, tally)| format!("{} {}", escape(language), HumanBytes(tally.bytes)))
            .collect();
        write!(out, "<p>Also {}.</p>", rest.join(", "))?;
    }
    Ok(())
}

fn lengths(out: &mut String, summary: &Summary) -> anyhow::Result<()> {
    let (read, kept) = (&summary.lengths_read, &summary.lengths_kept);
    if read.is_empty() {
        return Ok(());
    }
    out.push_str("<h2>Lengths of documents</h2>");
    let first = read.iter().map(|(power, _)| *power).min().unwrap_or(0);
    let last = read.iter().chain(kept).map(|(power, _)| *power).max().unwrap_or(0);
    let count = |list: &[(u32, Tally)], power: u32| {
        list.iter().find(|(known, _)| *known == power).map_or(0, |(_, tally)| tally.documents)
    };
    let top = (first..=last).map(|power| count(read, power)).max().unwrap_or(1).max(1);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (900, 300)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .margin_right(36)
            .caption("documents by characters: read (light), kept (dark)", ("sans-serif", 15).into_font().color(&INK))
            .x_label_area_size(32)
            .y_label_area_size(56)
            .build_cartesian_2d(f64::from(first)..f64::from(last) + 1.0, 0f64..top as f64 * 1.05)
            .map_err(chart_error)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .x_labels((last - first + 2) as usize)
            .x_label_formatter(&|power| {
                HumanCount(if *power < 1.0 { 0 } else { 1u64 << (*power as u32 - 1) }).to_string()
            })
            .y_label_formatter(&|documents| HumanCount(*documents as u64).to_string())
            .label_style(("sans-serif", 12))
            .draw()
            .map_err(chart_error)?;
        for (list, colour) in [(read, READ), (kept, KEPT)] {
            let bars = (first..=last).map(|power| {
                let power_f = f64::from(power);
                Rectangle::new([(power_f + 0.06, 0.0), (power_f + 0.94, count(list, power) as f64)], colour.filled())
            });
            chart.draw_series(bars).map_err(chart_error)?;
        }
        area.present().map_err(chart_error)?;
    }
    out.push_str(&svg);
    Ok(())
}

fn times(out: &mut String, summary: &Summary) -> anyhow::Result<()> {
    let mut bars: Vec<(String, f64)> =
        summary.times.iter().map(|(name, nanoseconds)| (name.clone(), *nanoseconds as f64 / 1e9)).collect();
    for step in &summary.steps {
        for (part, nanoseconds) in &step.times {
            let label = if part == "process" { step.name.clone() } else { format!("{}: {part}", step.name) };
            bars.push((label, *nanoseconds as f64 / 1e9));
        }
    }
    bars.retain(|(_, seconds)| *seconds >= 0.0005);
    bars.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    if bars.is_empty() {
        return Ok(());
    }
    out.push_str("<h2>Where the time went</h2>");
    out.push_str(&bar_chart(&bars, "worker seconds, all threads together", |value| format!("{value:.2} s"))?);
    Ok(())
}

fn warnings(out: &mut String, summary: &Summary) -> anyhow::Result<()> {
    if summary.warnings.is_empty() {
        return Ok(());
    }
    out.push_str("<h2>Warnings</h2><ul class=warnings>");
    for warning in &summary.warnings {
        write!(out, "<li>{}", escape(warning))?;
    }
    out.push_str("</ul>");
    Ok(())
}

/// Documents to judge by eye, by step and reason, and by language for those that came through.
fn samples(out: &mut String, summary: &Summary) -> anyhow::Result<()> {
    let dropped = summary.steps.iter().filter(|step| !step.samples.is_empty());
    let mut strata: Vec<(String, &str, &[SampleSummary], u64)> = Vec::new();
    for step in dropped {
        for of_reason in step.samples.chunk_by(|one, other| one.reason == other.reason) {
            let reason = &of_reason[0].reason;
            let dropped = step.dropped.iter().find(|(name, _)| name == reason).map(|(_, tally)| tally.documents);
            let shown = step.tallies.iter().find(|(kind, key, _)| kind == "shown" && key == reason);
            let (fault, all) = match (dropped, shown) {
                (None, Some((_, _, tally))) => ("wrongly placed", tally.documents),
                (dropped, _) => ("wrongly dropped", dropped.unwrap_or(0)),
            };
            strata.push((format!("{}: {reason}", step.name), fault, of_reason, all));
        }
    }
    for of_language in summary.kept_samples.chunk_by(|one, other| one.reason == other.reason) {
        let language = &of_language[0].reason;
        let known = summary.languages.iter().find(|(name, _)| name == language);
        let all = known.map_or(summary.kept.documents, |(_, tally)| tally.documents);
        let name = if language.is_empty() { "kept".to_owned() } else { format!("kept: {language}") };
        strata.push((name, "wrongly kept", of_language, all));
    }
    if strata.is_empty() {
        return Ok(());
    }
    out.push_str(
        "<h2>Samples</h2><p class=lead>Chosen by a hash of their ids, the same in every run. Tick those that were judged \
         wrongly, and each list tells what share of its documents that makes, with a 95 % interval (Wilson 1927). \
         <code>yuan-data explain RUN_DIR DOC_ID</code> tells more of one.</p>",
    );
    for (name, fault, samples, all) in strata {
        write!(
            out,
            "<details class=stratum data-all={all} data-fault=\"{fault}\"><summary><code>{}</code> <span class=lead>{} documents, {} shown</span> <b></b></summary>",
            escape(&name),
            HumanCount(all),
            samples.len()
        )?;
        for sample in samples {
            write!(
                out,
                "<p class=lead><label><input type=checkbox> {fault}</label> · {} {}</p><blockquote dir=auto>{}</blockquote>",
                sample.doc_id,
                escape(&sample.detail),
                escape(&sample.text)
            )?;
        }
        out.push_str("</details>");
    }
    out.push_str(WILSON);
    Ok(())
}

/// The interval of a share of `k` among `n`, at 95 %, whenever a box is ticked; narrower where nearly all are shown.
const WILSON: &str = "<script>
document.querySelectorAll('.stratum').forEach(list=>{
 const boxes=[...list.querySelectorAll('input')],all=+list.dataset.all,told=list.querySelector('summary b');
 const tell=()=>{
  const n=boxes.length,k=boxes.filter(box=>box.checked).length,p=k/n,z=1.96*Math.sqrt(all>n?(all-n)/Math.max(all-1,1):0);
  const middle=(p+z*z/(2*n))/(1+z*z/n),half=z/(1+z*z/n)*Math.sqrt(p*(1-p)/n+z*z/(4*n*n));
  const low=Math.max(0,middle-half),high=Math.min(1,middle+half),f=x=>(100*x).toFixed(1);
  told.textContent=`${k} of ${n} ${list.dataset.fault}: ${f(low)}–${f(high)} % (${Math.round(low*all)}–${Math.round(high*all)} documents)`;
 };
 boxes.forEach(box=>box.addEventListener('change',tell));
});
</script>";

fn files(out: &mut String, summary: &Summary) -> anyhow::Result<()> {
    if summary.files.is_empty() {
        return Ok(());
    }
    out.push_str("<h2>Files</h2><table><tr><th>file<th class=n>documents<th class=n>bytes<th>xxh3</tr>");
    for file in &summary.files {
        write!(
            out,
            "<tr><td><code>{}</code><td class=n>{}<td class=n>{}<td><code>{}</code></tr>",
            escape(&file.path.to_string_lossy()),
            HumanCount(file.documents),
            HumanBytes(file.bytes),
            file.xxh3
        )?;
    }
    out.push_str("</table>");
    Ok(())
}

fn settings(out: &mut String, summary: &Summary) -> anyhow::Result<()> {
    out.push_str("<h2>Settings</h2><table><tr><th>step<th>settings</tr>");
    for step in &summary.steps {
        write!(out, "<tr><td>{}<td><code>{}</code></tr>", escape(&step.name), escape(&step.config))?;
    }
    out.push_str("</table>");
    Ok(())
}

/// An error of the drawing library.
pub fn chart_error(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("cannot draw a chart: {error}")
}

/// Bars lying one below the other, each with its name and value.
fn bar_chart(bars: &[(String, f64)], caption: &str, spell: impl Fn(f64) -> String) -> anyhow::Result<String> {
    const ROW: i32 = 24;
    const NAMES: i32 = 190;
    const WIDTH: i32 = 900;
    let height = 34 + ROW * bars.len() as i32;
    let top = bars.iter().map(|(_, value)| *value).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32)).into_drawing_area();
        let style = |size: u32| TextStyle::from(("sans-serif", size).into_font()).color(&INK);
        area.draw(&Text::new(caption.to_owned(), (0, 4), style(15))).map_err(chart_error)?;
        for (place, (name, value)) in bars.iter().enumerate() {
            let y = 30 + ROW * place as i32;
            let right = NAMES + (f64::from(WIDTH - NAMES - 110) * value / top) as i32;
            area.draw(&Text::new(name.clone(), (0, y + 4), style(13))).map_err(chart_error)?;
            area.draw(&Rectangle::new([(NAMES, y), (right.max(NAMES + 1), y + ROW - 6)], KEPT.filled()))
                .map_err(chart_error)?;
            area.draw(&Text::new(spell(*value), (right.max(NAMES + 1) + 6, y + 4), style(13))).map_err(chart_error)?;
        }
        area.present().map_err(chart_error)?;
    }
    Ok(svg)
}
