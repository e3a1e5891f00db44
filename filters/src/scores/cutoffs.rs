//! Where the percentiles of a score lie, for each language or source: the table that head, middle and tail are cut by.
//!
//! The file is cc_net's `cutoff.csv`: a row for each percentile, a column for each language.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use yuan_pipeline::{Error, Result};

/// Scores at the percentiles of each group, in rising order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cutoffs {
    /// By group: percentile in [0, 100] → score.
    groups: BTreeMap<String, BTreeMap<u8, f64>>,
}

/// The part of a group that a document is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// The best.
    Head,
    /// What is between.
    Middle,
    /// The worst.
    Tail,
    /// Not known: the document has no score, or its group no cut-offs.
    All,
}

impl Bucket {
    /// Its name in a column, as cc_net writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Middle => "middle",
            Self::Tail => "tail",
            Self::All => "all",
        }
    }
}

impl Cutoffs {
    /// Adds a group.
    pub fn insert(&mut self, group: &str, percentiles: impl IntoIterator<Item = (u8, f64)>) {
        self.groups.insert(group.to_owned(), percentiles.into_iter().collect());
    }

    /// The score at a percentile of a group; of `zh` if there is nothing for `zh-Hans`.
    pub fn at(&self, group: &str, percentile: u8) -> Option<f64> {
        let primary = group.split('-').next().unwrap_or(group);
        self.groups.get(group).or_else(|| self.groups.get(primary))?.get(&percentile).copied()
    }

    /// Reads a table.
    ///
    /// # Errors
    /// If the file cannot be read or is no such table; the line is named.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::parse(&text).map_err(|problem| Error::Input { path: path.into(), problem })
    }

    pub(super) fn parse(text: &str) -> std::result::Result<Self, String> {
        let mut lines = text.lines().map(|line| line.split(',').map(str::trim).collect::<Vec<_>>()).enumerate();
        let (_, header) = lines.next().ok_or("the file is empty")?;
        if header.len() < 2 {
            return Err("line 1 must name groups behind a comma, as `,en,zh`".into());
        }
        let mut cutoffs = Self::default();
        for (at, line) in lines.filter(|(_, line)| *line != [""]) {
            let wrong = |what: String| format!("line {}: {what}", at + 1);
            if line.len() != header.len() {
                return Err(wrong(format!("{} fields where the first line has {}", line.len(), header.len())));
            }
            let percentile = line[0].parse::<f64>().ok().filter(|p| p.fract() == 0.0 && (0.0..=100.0).contains(p));
            let percentile = percentile.ok_or_else(|| wrong(format!("`{}` is no percentile, 0 to 100", line[0])))?;
            for (group, field) in header.iter().zip(&line).skip(1).filter(|(_, field)| !field.is_empty()) {
                let score = field.parse::<f64>().ok().filter(|score| !score.is_nan());
                let score = score.ok_or_else(|| wrong(format!("`{field}` is no number")))?;
                cutoffs.groups.entry((*group).to_owned()).or_default().insert(percentile as u8, score);
            }
        }
        Ok(cutoffs)
    }

    /// The table as a file holds it.
    pub fn to_csv(&self) -> String {
        // A comma in a group's name would be a column of its own.
        let names: Vec<String> = self.groups.keys().map(|name| name.replace([',', '\n', '\r'], " ")).collect();
        let mut csv = names.iter().fold(String::new(), |line, name| line + "," + name) + "\n";
        let mut percentiles: Vec<u8> = self.groups.values().flat_map(BTreeMap::keys).copied().collect();
        percentiles.sort_unstable();
        percentiles.dedup();
        for percentile in percentiles {
            let _ = write!(csv, "{percentile}");
            for group in self.groups.values() {
                match group.get(&percentile) {
                    Some(score) => write!(csv, ",{score}"),
                    None => write!(csv, ","),
                }
                .expect("a string takes all");
            }
            csv.push('\n');
        }
        csv
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_cc_net_writes_it() {
        let text = ",en,zh\n0,10.5,20\n30,340.2,1000.0\n60,632.1,\n\n";
        let cutoffs = Cutoffs::parse(text).expect("a table");
        assert_eq!(cutoffs.at("en", 30), Some(340.2));
        assert_eq!(cutoffs.at("zh-Hans", 30), Some(1000.0));
        assert_eq!((cutoffs.at("zh", 60), cutoffs.at("fr", 30), cutoffs.at("en", 31)), (None, None, None));
        assert_eq!(Cutoffs::parse(&cutoffs.to_csv()), Ok(cutoffs));
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let problem = |text: &str| Cutoffs::parse(text).expect_err("a mistake");
        assert_eq!(problem(""), "the file is empty");
        assert_eq!(problem("en\n"), "line 1 must name groups behind a comma, as `,en,zh`");
        assert_eq!(problem(",en\n1,2,3\n"), "line 2: 3 fields where the first line has 2");
        assert_eq!(problem(",en\nx,2\n"), "line 2: `x` is no percentile, 0 to 100");
        assert_eq!(problem(",en\n101,2\n"), "line 2: `101` is no percentile, 0 to 100");
        assert_eq!(problem(",en\n1,much\n"), "line 2: `much` is no number");
    }
}
