//! Charts as SVG inside the page. Every bar has its name and number beside it, and colours are taken from the page's style, so they
//! read without colours, on dark and on light.

use plotters::prelude::*;

use crate::report::escape;

const INK: RGBColor = RGBColor(38, 50, 56);
const BAR: RGBColor = RGBColor(38, 120, 110);
const ROW: i32 = 22;
const NAMES: i32 = 220;
const WIDTH: i32 = 900;
/// What is kept free for numbers, to the right of the longest bar.
const NUMBERS: i32 = 190;

/// The page's style for what is drawn here.
pub const STYLE: &str = "
svg{width:100%;height:auto}svg text{fill:var(--ink)}svg rect[fill=\"#26786E\"]{fill:var(--bar)}
svg rect[stroke=\"#26786E\"]{stroke:var(--ink)}svg polyline{stroke:var(--ink)}
";

/// A line of a chart.
pub enum Row {
    /// Says what the bars below are of.
    Heading(String),
    /// A value, and how far it spreads to both sides.
    Bar { name: String, value: f64, deviation: Option<f64>, label: String },
    /// A whole, of which the first part is drawn full and the second empty.
    Parts { name: String, full: f64, empty: f64, whole: f64, label: String },
}

/// Rows one below the other.
pub fn chart(caption: &str, rows: &[Row]) -> anyhow::Result<String> {
    let height = 34 + ROW * rows.len() as i32;
    let reach = |row: &Row| match row {
        Row::Heading(_) => 0.0,
        Row::Bar { value, deviation, .. } => value + deviation.unwrap_or(0.0),
        Row::Parts { whole, .. } => *whole,
    };
    let top = rows.iter().map(reach).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let at = |value: f64| NAMES + (f64::from(WIDTH - NAMES - NUMBERS) * value.max(0.0) / top) as i32;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32)).into_drawing_area();
        let style = |size: u32| TextStyle::from(("sans-serif", size).into_font()).color(&INK);
        let text = |text: &str, x: i32, y: i32, size: u32| {
            area.draw(&Text::new(text.to_owned(), (x, y), style(size))).map_err(failed)
        };
        text(caption, 0, 4, 15)?;
        for (place, row) in rows.iter().enumerate() {
            let y = 30 + ROW * place as i32;
            let bottom = y + ROW - 7;
            let rectangle = |from: i32, to: i32, style: ShapeStyle| {
                area.draw(&Rectangle::new([(from, y), (to, bottom)], style)).map_err(failed)
            };
            match row {
                Row::Heading(name) => text(name, 0, y + 2, 14)?,
                Row::Bar { name, value, deviation, label } => {
                    text(name, 12, y + 2, 13)?;
                    let mut right = at(*value).max(NAMES + 1);
                    rectangle(NAMES, right, BAR.filled())?;
                    if let Some(deviation) = deviation {
                        let (low, high, middle) = (at(value - deviation), at(value + deviation), (y + bottom) / 2);
                        for ends in [
                            [(low, middle), (high, middle)],
                            [(low, y + 3), (low, bottom - 3)],
                            [(high, y + 3), (high, bottom - 3)],
                        ] {
                            area.draw(&PathElement::new(ends.to_vec(), INK.stroke_width(1))).map_err(failed)?;
                        }
                        right = right.max(high);
                    }
                    text(label, right + 6, y + 2, 13)?;
                }
                Row::Parts { name, full, empty, whole, label } => {
                    text(name, 12, y + 2, 13)?;
                    rectangle(NAMES, at(*whole).max(NAMES + 1), BAR.stroke_width(1))?;
                    rectangle(NAMES, at(*full), BAR.filled())?;
                    let end = at(full + empty);
                    area.draw(&PathElement::new(vec![(end, y), (end, bottom)], INK.stroke_width(1))).map_err(failed)?;
                    text(label, at(*whole) + 6, y + 2, 13)?;
                }
            }
        }
        area.present().map_err(failed)?;
    }
    Ok(svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{}\" ", escape(caption)), 1))
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("cannot draw a chart: {error}")
}
